"""Tells in which process it was loaded, and in which it runs. The number of the version is edited by tests."""
import atexit
import os
import threading
import time

VERSION = 1
LOADED_BY = os.getpid()
FOLDER = os.path.dirname(os.path.abspath(__file__))
forks = {"before": 0, "parent": 0, "child": 0}


def count(what):
    forks[what] += 1


os.register_at_fork(before=lambda: count("before"), after_in_parent=lambda: count("parent"), after_in_child=lambda: count("child"))


@atexit.register
def note_end():
    try:
        with open(os.path.join(FOLDER, "..", "data", "ended-{}".format(os.getpid())), "w"):
            pass
    except OSError:  # only the tests that look have that folder
        pass


def idle():
    while True:
        time.sleep(60)


thread = threading.Thread(target=idle, daemon=True)
thread.start()


def application(environ, start_response):
    if environ["PATH_INFO"] == "/fork":
        child = os.fork()
        if child == 0:
            os._exit(3)
        text = str(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    else:
        import json
        text = json.dumps({"pid": os.getpid(), "parent": os.getppid(), "loaded_by": LOADED_BY, "version": VERSION, "forks": forks,
                           "thread": thread.is_alive(), "multiprocess": environ["wsgi.multiprocess"]})
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(text)))])
    return [text.encode()]
