"""A handler script: runs for resources that Apache maps to its handler name."""


def handle_request(environ, start_response):
    words = ["handled", environ["SCRIPT_FILENAME"], environ["mod_wsgi.handler_script"], environ["mod_wsgi.request_handler"],
             environ["PATH_INFO"]]
    start_response("200 OK", [("Content-Type", "text/plain")])
    return ["\n".join(words).encode("ascii")]
