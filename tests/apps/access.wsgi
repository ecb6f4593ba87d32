"""Access, authentication and group functions in one file; what they say is chosen by the request's query and user."""
import json

PASSWORDS = {"alice": "secret", "bob": "hunter2", "j\xf6rg": "stra\xdfe"}
LAST = {} # what was given to a function, for report()


def note(name, environ, *arguments):
    LAST[name] = {"environ": {key: repr(value) for key, value in environ.items()}, "arguments": arguments}


def allow_access(environ, host):
    note("allow_access", environ, host)
    LAST["objects"] = environ
    answers = {"yes": True, "no": False, "none": None, "number": 1, "text": "True"}
    query = environ["QUERY_STRING"]
    if query == "raise":
        raise RuntimeError("no verdict")
    if query == "log":
        print("a line of wsgi.errors", file=environ["wsgi.errors"])
        print("named", environ["wsgi.errors"].name, file=environ["wsgi.errors"])
        print("a line of print")
    if query.startswith("ssl="):
        name = query[4:]
        value = environ["mod_ssl.var_lookup"](name), environ["mod_ssl.var_lookup"](name.encode())
        print("ssl", environ["mod_ssl.is_https"](), json.dumps(value), file=environ["wsgi.errors"])
    return answers.get(query, True)


def check_password(environ, user, password):
    note("check_password", environ, user, password)
    special = {"none": None, "empty": "", "one": 1, "bytes": b"alice"}
    if user in special:
        return special[user]
    if user == "raise":
        raise RuntimeError("no verdict")
    if user == "alias":
        return "j\xf6rg \u20ac"
    return PASSWORDS.get(user) == password


def get_realm_hash(environ, user, realm):
    import hashlib
    note("get_realm_hash", environ, user, realm)
    if user == "raise":
        raise RuntimeError("no verdict")
    special = {"empty": "", "number": 5, "none": None}
    if user in special:
        return special[user]
    digest = hashlib.md5("{}:{}:{}".format(user, realm, PASSWORDS.get(user, "")).encode("latin-1")).hexdigest()
    return digest.encode() if user == "bob" else digest


def groups_for_user(environ, user):
    note("groups_for_user", environ, user)
    answers = {"alice": ["Staff", b"admins"], "bob": [], "wide": ["\u20ac"], "number": [1], "nothing": None}
    if environ["QUERY_STRING"] in answers:
        user = environ["QUERY_STRING"]
    if environ["QUERY_STRING"] == "raise":
        def broken():
            yield "staff"
            raise RuntimeError("the directory does not answer")
        return broken()
    return answers.get(user, ["others"])


def application(environ, start_response):
    last = {name: value for name, value in LAST.items() if name != "objects"}
    kept = None
    if "objects" in LAST:
        try:
            kept = LAST["objects"]["mod_ssl.is_https"]()
        except RuntimeError as error:
            kept = str(error)
    body = json.dumps({"user": environ.get("REMOTE_USER"), "auth_type": environ.get("AUTH_TYPE"), "last": last, "kept": kept,
                       "path_info": environ["PATH_INFO"]})
    start_response("200 OK", [("Content-Type", "application/json")])
    return [body.encode()]
