"""Stands for a product: tells where it runs and what it sees of the request."""
import json
import os
import sys
import threading

import mod_wsgi

LOADED_BY = threading.current_thread().name


def application(environ, start_response):
    names = ("SCRIPT_NAME", "PATH_INFO", "REMOTE_USER", "HTTP_AUTHORIZATION", "wsgi.url_scheme", "wsgi.multithread", "wsgi.multiprocess", "SERVER_PORT",
             "mod_wsgi.queue_start")
    size = len(environ["wsgi.input"].read())
    answer = {"group": mod_wsgi.process_group, "interpreter": mod_wsgi.application_group, "pid": os.getpid(), "prefix": sys.prefix, "uid": os.getuid(),
              "threads": mod_wsgi.threads_per_process, "body": size, "reloading": environ["mod_wsgi.script_reloading"],
              "environ": {name: environ.get(name) for name in names}}
    body = json.dumps(answer).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
