"""Scripts that one process of a group has answered with are loaded by the others too."""
import re

from harness.background import HeldRequests


def loaded_by(server, script):
    """Pids of the daemon processes that have loaded a script, in that order."""
    return [int(pid) for pid in re.findall(r"\[pid (\d+)[^\n]* Loading script '[^']*/{}'".format(re.escape(script)), server.log.all())]


def test_others_load_it_before_they_are_asked(daemon):
    server = daemon(processes=3, threads=1)
    server.wait_until(lambda: len(server.daemon_pids()) == 3, 30, "three workers")
    server.log.wait_for("Setting up the main interpreter of daemon process", count=3)
    first = server.client().get("/").json()["pid"]
    server.wait_until(lambda: set(loaded_by(server, "process.wsgi")) == server.daemon_pids(), 30, "all three to load the script")
    assert loaded_by(server, "process.wsgi")[0] == first
    assert len(loaded_by(server, "process.wsgi")) == 3


def test_file_that_breaks_before_the_second_process_is_asked(daemon):
    """With the code that is loaded the group goes on, whichever process accepts."""
    server = daemon(processes=2, threads=1, reload_fallback="old")
    server.log.wait_for("Setting up the main interpreter of daemon process", count=2)
    server.client().get("/")
    server.wait_until(lambda: len(loaded_by(server, "process.wsgi")) == 2, 30, "both to load the script")
    server.write_app("process.wsgi", "this is no Python")
    held = HeldRequests(server).start(2) # one in each process
    answers = [one.release() for one in held]
    assert [answer.status for answer in answers] == [200, 200]
    assert {answer.json()["pid"] for answer in answers} == server.daemon_pids()
    server.log.allow("WSGI0106", "WSGI0174", "WSGI0251")
