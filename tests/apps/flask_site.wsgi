"""A Flask application: JSON, forms, uploads, sessions, streams, files and errors."""
import hashlib
import io

from flask import Flask, Response, abort, jsonify, redirect, request, send_file, session, stream_with_context

application = Flask(__name__)
application.secret_key = "only for tests"


@application.route("/")
def index():
    return "Hello from Flask"


@application.route("/json", methods=["POST"])
def echo():
    return jsonify(got=request.get_json(), host=request.host, remote=request.remote_addr)


@application.route("/upload", methods=["POST"])
def upload():
    file = request.files["file"]
    return jsonify(name=file.filename, digest=hashlib.sha256(file.read()).hexdigest(), title=request.form["title"])


@application.route("/count")
def count():
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


@application.route("/stream")
def stream():
    return Response(stream_with_context("{}\n".format(number) for number in range(500)), mimetype="text/plain")


@application.route("/file")
def file():
    return send_file(__file__, mimetype="text/plain")


@application.route("/memory")
def memory():
    return send_file(io.BytesIO(b"in memory" * 1000), mimetype="application/octet-stream")


@application.route("/old")
def old():
    return redirect("/")


@application.route("/teapot")
def teapot():
    abort(418)


@application.route("/broken")
def broken():
    raise RuntimeError("a view that fails")
