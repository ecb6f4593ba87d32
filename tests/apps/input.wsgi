"""Performs the reads named in the query string, one after the other, and answers with the results as JSON.

``?do=read:5&do=readline&do=iterate`` calls ``read(5)``, ``readline()`` and goes through the rest by iteration;
``&save=PATH`` writes the results to a file as well, for clients that do not stay.
"""
import json
from urllib.parse import parse_qsl

ARGUMENTS = {"None": None, "text": "5", "float": 1.5}
kept = {}


def perform(stream, step):
    name, _, argument = step.partition(":")
    if name == "iterate":
        return [line.decode("latin-1") for line in stream]
    if name == "next":
        return next(stream).decode("latin-1")
    if name == "attributes":
        return [word for word in dir(stream) if not word.startswith("_")]
    if name == "type":
        return type(stream).__module__ + "." + type(stream).__name__
    if name == "note":
        with open(argument, "w"):
            return None
    if name == "keep":
        kept["stream"] = stream
        return None
    if name == "kept":
        return perform(kept["stream"], argument)
    arguments = [ARGUMENTS[argument] if argument in ARGUMENTS else int(argument)] if argument else []
    result = getattr(stream, name)(*arguments)
    if isinstance(result, list):
        return [line.decode("latin-1") for line in result]
    return result.decode("latin-1") if isinstance(result, bytes) else result


def application(environ, start_response):
    results = []
    query = parse_qsl(environ["QUERY_STRING"])
    for step in [value for name, value in query if name == "do"]:
        try:
            results.append(perform(environ["wsgi.input"], step))
        except Exception as error:
            results.append({"error": type(error).__name__, "text": str(error)})
    body = json.dumps(results).encode("ascii")
    for path in [value for name, value in query if name == "save"]:
        with open(path, "wb") as file:
            file.write(body)
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
