"""``httpd -X`` as root: the one process gives root up, and yet nothing stays behind when it stops."""
import os
import signal
import subprocess

import pytest

from harness import apache, processes
from harness.server import free_port

pytestmark = pytest.mark.root


@pytest.fixture(params=["event", "worker", "prefork"])
def server(request, fresh_server):
    """Runs as one process, with a group in a daemon of its own account."""
    made = fresh_server.site("process.wsgi", mode="daemon", mpm=request.param, config=(
        "WSGIDaemonProcess second user=daemon group=daemon home=/ threads=1\n"
        "<Location /second>\nWSGIProcessGroup second\n</Location>\n"))
    made.port = free_port()
    made.write_config()
    with open(str(made.root / "logs" / "output"), "ab") as output:
        made.process = subprocess.Popen(made.command("-X"), stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/",
                                        env=made.environment(), start_new_session=True)
    made.made_by.add(made.pid)
    made.wait_until(made.accepts, 20, "the port to open")
    return made


def use(server):
    """Have both groups answer; the one process must not be root by then."""
    assert server.client().get("/").json()["uid"] == apache.account().pw_uid
    assert server.client().get("/second").json()["uid"] == apache.pwd.getpwnam("daemon").pw_uid
    assert set(processes.status_field(server.pid, "Uid")) == {str(apache.account().pw_uid)}
    assert len(server.sockets()) == 4 # each group has one for requests and one for orders


def janitors(server):
    """The one process that is still root."""
    return [pid for pid in processes.children(server.pid) if "0" in processes.status_field(pid, "Uid")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_leaves_nothing_behind(server, number):
    use(server)
    server.wait_idle()
    server.signal(number)
    server.process.wait(30)
    assert server.leftovers() == []


def test_killed_server_leaves_no_socket(server):
    use(server)
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait(30)
    assert server.leftovers() == []


def test_who_is_still_root_holds_nothing(server):
    """It waits at the end of a pipe: no port, no socket of a group, no log but standard error."""
    use(server)
    janitor, = janitors(server)
    targets = {int(name): os.readlink("/proc/{}/fd/{}".format(janitor, name)) for name in os.listdir("/proc/{}/fd".format(janitor))}
    inherited = [target for fd, target in targets.items() if fd > 2]
    assert len([target for target in inherited if target.startswith("pipe:")]) == 1
    assert not [target for target in inherited if target.startswith(("socket:", "/"))]


def test_without_it_the_sockets_stay_and_a_message_says_so(server):
    use(server)
    for pid in janitors(server):
        os.kill(pid, signal.SIGKILL)
    server.wait_idle()
    server.signal(signal.SIGTERM)
    server.process.wait(30)
    server.log.expect("WSGI0073", "Permission denied|Unable to remove")
    for path in server.sockets():
        os.unlink(path)
