"""Tells what its interpreter is like."""
import json
import signal
import sys
import sysconfig
import threading

import mod_wsgi


def stream_is_usable(stream):
    try:
        stream.fileno
    except OSError:
        return False
    return True


def daemon_threads_are_allowed():
    try:
        threading.Thread(target=int, daemon=True).start()
    except RuntimeError:
        return False
    return True


def application(environ, start_response):
    answer = {
        "process_group": mod_wsgi.process_group, "application_group": mod_wsgi.application_group, "path": sys.path,
        "switch_interval": sys.getswitchinterval(), "version": list(sys.version_info[:2]),
        "stdin": stream_is_usable(sys.stdin), "stdout": stream_is_usable(sys.stdout),
        "signal_is_restricted": type(signal.signal).__module__ == "mod_wsgi",
        "own_gil": not daemon_threads_are_allowed(), # the one rule for such interpreters that is quick to see
        "gil": getattr(sys, "_is_gil_enabled", lambda: True)(),
        "can_be_free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    }
    body = json.dumps(answer).encode("ascii")
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
