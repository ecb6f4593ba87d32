"""preload=On: workers are made from a template that has loaded the scripts."""
import os
import re
import signal

import pytest

from harness import processes

APP = "preloaded.wsgi"


@pytest.fixture
def preloaded(fresh_server):
    def start(app=APP, application_group="%{GLOBAL}", config="", **options):
        named = {name.replace("_", "-"): value for name, value in options.items()}
        preload = "WSGIImportScript {root}/apps/" + app + " process-group=site application-group=%{GLOBAL}\n"
        return fresh_server(app, mode="daemon", application_group=application_group, daemon={"preload": "On", **named},
                            config=config + (preload if application_group == "%{GLOBAL}" else ""))

    return start


def ask(server):
    return server.client().get("/").json()


def templates(server):
    """Pids of the processes that the log calls templates, in their order."""
    return [int(pid) for pid in re.findall(r"Process (\d+) is the template of", server.log.all())]


def workers(server):
    """Pids of those that were made from a template, and run."""
    made = re.findall(r"\[pid (\d+)[^\n]* was made from its template", server.log.all())
    return {int(pid) for pid in made if processes.alive(int(pid))}


def all_workers(server, count):
    return server.wait_until(lambda: len(workers(server)) == count and workers(server), 30, "{} workers".format(count))


def answers_of(server, wanted):
    """Ask until each of these processes has answered: a dict of answers by pid."""
    found = {}

    def look():
        with_all = [server.client().get("/").json() for _ in range(8)]
        found.update((answer["pid"], answer) for answer in with_all)
        return wanted <= set(found)

    server.wait_until(look, 30, "an answer of each of {}".format(wanted))
    return found


def test_workers_share_what_the_template_has_loaded(preloaded):
    server = preloaded(processes=3, threads=1)
    pids = all_workers(server, 3)
    keeper, = server.daemon_pids(keepers=True)
    template, = templates(server)
    for pid in pids:
        assert processes.inspect(pid).parent == keeper
    answer = ask(server)
    assert answer["pid"] in pids
    assert answer["loaded_by"] == template
    assert answer["parent"] == keeper
    assert answer["forks"]["child"] == 1
    assert not answer["thread"] # only the one that forks goes on in the new process


def test_application_may_fork(preloaded):
    """A process that the application forks is no worker, though its parent was made by a fork."""
    server = preloaded(threads=2)
    assert server.client().get("/fork").body == b"3"
    assert ask(server)["pid"] in workers(server)


def test_a_lost_worker_is_followed_by_one_of_the_same_template(preloaded):
    server = preloaded(processes=2, threads=1)
    first, second = all_workers(server, 2)
    template, = templates(server)
    os.kill(first, signal.SIGKILL)
    third, = server.wait_until(lambda: workers(server) - {first, second}, 30, "another worker")
    answers = answers_of(server, {second, third})
    assert {answer["loaded_by"] for answer in answers.values()} == {template}
    assert templates(server) == [template]


def test_changed_script_makes_another_template(preloaded):
    server = preloaded(processes=3, threads=1)
    before = all_workers(server, 3)
    assert ask(server)["version"] == 1
    server.edit_app(APP, "VERSION = 1", "VERSION = 2")
    assert [ask(server)["version"] for _ in range(10)] == [2] * 10
    after = server.wait_until(lambda: len(workers(server)) == 3 and workers(server).isdisjoint(before) and workers(server), 30,
                              "all workers to be replaced")
    old, new = templates(server)
    assert {answer["loaded_by"] for answer in answers_of(server, after).values()} == {new}
    server.wait_until(lambda: not processes.alive(old), 30, "the end of the first template")


def test_old_template_serves_while_the_script_cannot_be_loaded(preloaded):
    """A worker that dies meanwhile is followed by one with the good code, though the file is broken."""
    server = preloaded(processes=2, threads=1, reload_fallback="old")
    first = ask(server)
    all_workers(server, 2)
    server.edit_app(APP, "VERSION = 1", "VERSION = 1 / 0")
    assert ask(server)["version"] == 1
    server.log.wait_for("ZeroDivisionError")
    os.kill(first["pid"], signal.SIGKILL)
    server.wait_until(lambda: len(workers(server)) == 2 and first["pid"] not in workers(server), 30, "another worker")
    answers = answers_of(server, workers(server))
    assert {(answer["version"], answer["loaded_by"]) for answer in answers.values()} == {(1, first["loaded_by"])}
    server.log.allow("WSGI0110", "WSGI0174", "WSGI0251")
    server.edit_app(APP, "VERSION = 1 / 0", "VERSION = 3")
    assert ask(server)["version"] == 3


def test_template_that_is_killed(preloaded):
    server = preloaded(threads=1)
    worker, = all_workers(server, 1)
    template, = templates(server)
    os.kill(template, signal.SIGKILL)
    server.log.wait_for("Process {} of .* killed".format(template))
    server.wait_until(lambda: len(templates(server)) == 2, 30, "another template")
    assert ask(server)["pid"] == worker
    os.kill(worker, signal.SIGKILL)
    assert ask(server)["loaded_by"] == templates(server)[1] != template
    server.log.allow("WSGI0252") # both died young


def test_template_that_dies_while_it_loads(preloaded):
    """As workers do that die young: with pauses, and one line about each."""
    server = preloaded(app="dies_on_import.wsgi")
    server.log.expect("WSGI0252", "end soon after their start")
    server.log.allow("WSGI0252") # once for each attempt
    server.write_app("dies_on_import.wsgi", (server.root / "apps" / "hello.wsgi").read_text())
    assert server.client().get("/").status == 200


def test_script_that_cannot_be_imported(preloaded):
    """The group serves; each request tries anew, as without a template."""
    server = preloaded(app="broken_import.wsgi")
    assert server.client().get("/").status == 500
    server.log.allow("WSGI0109", "WSGI0110", "WSGI0174")
    server.write_app("broken_import.wsgi", (server.root / "apps" / "hello.wsgi").read_text())
    assert server.client().get("/").status == 200


def test_scripts_that_are_found_later_are_in_the_next_template(preloaded):
    """Nothing names the script before its first request: the next workers have it from a template all the same."""
    server = preloaded(app="hello.wsgi", threads=1)
    server.site.apps["/late"] = APP
    all_workers(server, 1)
    before = server.daemon_pids()
    server.graceful()
    server.wait_until(lambda: not any(map(processes.alive, before)), 30, "the end of the first generation")
    server.wait_until(lambda: len(templates(server)) == 2, 30, "the template of the second generation")
    first = server.client().get("/late").json()
    assert first["loaded_by"] == first["pid"]
    template = server.wait_until(lambda: len(templates(server)) > 2 and templates(server)[-1], 30, "a template with the script")
    os.kill(first["pid"], signal.SIGUSR1)
    server.wait_until(lambda: not processes.alive(first["pid"]), 30, "the end of the first worker")
    assert server.client().get("/late").json()["loaded_by"] in templates(server)
    assert template in templates(server)


def test_sub_interpreters_are_loaded_by_each_worker(preloaded):
    server = preloaded(processes=2, threads=1, application_group="sub")
    pids = all_workers(server, 2)
    answers = answers_of(server, pids)
    assert {pid: answer["loaded_by"] for pid, answer in answers.items()} == {pid: pid for pid in pids}


def test_exit_functions_run_in_workers_only(preloaded):
    server = preloaded(processes=2, threads=1)
    folder = server.data_folder()
    pids = all_workers(server, 2)
    ended = lambda: {int(name.rpartition("-")[2]) for name in os.listdir(str(folder))}
    template, = templates(server)
    for pid in pids:
        os.kill(pid, signal.SIGUSR1)
    server.wait_until(lambda: pids <= ended(), 30, "exit functions of {}".format(pids))
    os.kill(template, signal.SIGTERM)
    server.wait_until(lambda: not processes.alive(template), 30, "the end of the template")
    assert template not in ended()


def test_maximum_requests(preloaded):
    server = preloaded(threads=1, maximum_requests=2)
    pids = set()
    server.wait_until(lambda: pids.add(ask(server)["pid"]) or len(pids) >= 3, 30, "the third worker")
    assert len(templates(server)) == 1


def test_orders(preloaded):
    """An order to reload, or to restart, is about the code, so about the template."""
    from integration.daemon.test_orders import express # the program as users run it
    server = preloaded(processes=2, threads=1)
    all_workers(server, 2)
    for number, order in enumerate(("reload", "restart"), 2):
        server.edit_app(APP, "VERSION = {}".format(number - 1), "VERSION = {}".format(number))
        assert express(server, order).returncode == 0
        assert ask(server)["version"] == number
    status = express(server, "status").stdout
    assert "template" in status


def test_graceful_restart_and_keeper_that_is_killed(preloaded):
    server = preloaded(processes=2, threads=1)
    first = all_workers(server, 2)
    server.graceful()
    server.wait_until(lambda: not any(map(processes.alive, first)), 30, "the end of the first generation")
    keeper, = server.daemon_pids(keepers=True)
    second = server.daemon_pids()
    os.kill(keeper, signal.SIGKILL)
    server.log.expect("WSGI0257", "ended with status or signal")
    server.wait_until(lambda: not any(map(processes.alive, second)), 30, "the end of what the keeper had made")
    assert ask(server)["version"] == 1


def test_a_service_cannot_be_preloaded(make_server):
    server = make_server.site(config='WSGIDaemonProcess service threads=0 preload=On\n')
    done = server.check_config()
    assert done.returncode != 0
    assert "WSGIDaemonProcess service: option 'preload' cannot be 'On' with 'threads=0'" in done.stdout
