"""Interpreters: what they are given, what is their own, how they end."""
import ast
import os
import pwd

import pytest

from bridge.bridgehost import APPS, ERR, INFO, open_host

APP = APPS / "interpreters.wsgi"


def value_of(host, callable, group="", **arguments):
    response = host.run(APP, callable, group, **arguments)
    assert response.status == 200, response.logs
    return ast.literal_eval(response.body.decode("utf-8"))


def test_attributes(host):
    assert value_of(host, "attributes", "one") == (
        "", "one", 2, 5, 3, (2, 4, 62), "Test host", "today", "none", 4, 25, ["mod_wsgi"], "BaseException", [], [], [],
        True, "mod_wsgi")


@pytest.mark.parametrize("group", ["", "two"])
def test_thread_locals_last(host, group):
    assert [value_of(host, "count", group) for _ in range(3)] == [1, 2, 3]


def test_thread_locals_are_of_one_thread(build):
    with open_host(build) as host:
        assert value_of(host, "count") == 1
        host.command("spawn")
        answers = host.join()
        assert [answer["body"] for answer in answers] == ["1"]
        assert value_of(host, "count") == 2


def test_interpreters_share_nothing(build):
    with open_host(build) as host:
        first, second = value_of(host, "own", "a"), value_of(host, "own", "b")
        assert first[1] == second[1] == 1
        assert first[0] != second[0]


def test_types_cannot_be_created(host):
    assert value_of(host, "forbidden") == ["mod_wsgi.Request", "mod_wsgi.Input", "mod_wsgi.Log"]


def test_missing_attribute(host):
    assert "no_such_thing" in value_of(host, "missing")


@pytest.mark.parametrize("group", ["", "sub"])
def test_end(build, group):
    with open_host(build, process_group="web") as host:
        value_of(host, "register", group)
        texts = [log.text for log in host.stop("shutdown_signal")]
    wanted = ["process_stopping shutdown_signal " + group, "atexit " + group]
    assert [text for text in texts if text in [line.rstrip() for line in wanted] or text in wanted] == wanted
    assert texts[-1] == "Terminated Python of daemon process 'web'."
    assert not [log for log in host.logs if log.level <= ERR and log.text.startswith("WSGI")]


def test_end_without_destruction(build):
    with open_host(build, destroy_interpreter=0) as host:
        value_of(host, "register", "sub")
        texts = [log.text for log in host.stop()]
    assert "process_stopping  sub" in texts
    assert "atexit sub" not in texts


@pytest.mark.parametrize("group", ["", "sub"])
@pytest.mark.parametrize("how", ["run", "spawn"])
def test_end_waits_for_threads(build, group, how):
    with open_host(build) as host:
        host.prepare(APP, "with_thread", group)
        host.command(how)
        host.join()
        texts = [log.text.rstrip() for log in host.stop()]
    assert texts.index("thread ended") < texts.index(("atexit " + group).rstrip())


@pytest.mark.parametrize("group", ["", "sub"])
def test_end_does_not_wait_for_daemon_threads(build, group):
    if group and "per_interpreter_gil=1" in build.settings:
        pytest.skip("an interpreter with its own GIL has no daemon threads")
    with open_host(build) as host:
        value_of(host, "with_daemon_thread", group)
        texts = [log.text.rstrip() for log in host.stop()]
    assert ("atexit " + group).rstrip() in texts
    assert "thread ended" not in texts


def test_threads_that_came_and_went(build):
    """Their thread states are deleted while Python goes on."""
    with open_host(build) as host:
        for _ in range(20):
            host.prepare(APP, "count", "sub")
            host.command("spawn")
            assert [answer["body"] for answer in host.join()] == ["1"]
        host.stop()


def test_signals(build):
    with open_host(build) as host:
        response = host.run(APP, "signals")
        same, kept, in_child = ast.literal_eval(response.body.decode("ascii"))
        assert same and kept and "mod_wsgi" not in in_child
        texts = response.texts(INFO)
        assert any("signal" in text and "ignored" in text and ("10" in text or "SIGUSR1" in text) for text in texts)
        assert any("interpreters.wsgi" in text for text in texts)


def test_restricted_streams(build):
    with open_host(build, restrict_stdin=1, restrict_stdout=1) as host:
        stdin, stdout = value_of(host, "restricted")
        assert "sys.stdin" in stdin and "restricted" in stdin
        assert "sys.stdout" in stdout and "restricted" in stdout


def test_streams_of_a_single_process(build):
    with open_host(build, restrict_stdin=1, restrict_stdout=1, is_single_process=1) as host:
        assert value_of(host, "restricted") == [None, None]


def test_environment(build):
    user = pwd.getpwuid(os.geteuid())
    with open_host(build, set_user_environment=1, python_eggs="/tmp/eggs", process_group="web",
                   environment={"USER": "somebody", "HOME": "/nowhere"}) as host:
        assert value_of(host, "environment", "sub") == (user.pw_dir, user.pw_name, "/tmp/eggs")


def test_path(build, tmp_path):
    first, second, home = tmp_path / "first", tmp_path / "second", tmp_path / "home"
    for folder in (first, second, home):
        folder.mkdir()
    (second / "extra_module.py").write_text("")
    (first / "more.pth").write_text(str(tmp_path) + "\n")
    with open_host(build, python_path="%s:%s" % (first, second), home=str(home), process_group="web") as host:
        path, found = value_of(host, "path")
        assert path == [str(home), str(first), str(tmp_path)]
        assert found == str(second / "extra_module.py")


def test_package(build, tmp_path):
    package = tmp_path / "mod_wsgi"
    package.mkdir()
    (package / "__init__.py").write_text("FROM_PACKAGE = 1\n")
    (package / "addition.py").write_text("VALUE = 'found'\n")
    with open_host(build, python_path=str(tmp_path)) as host:
        assert value_of(host, "package", "sub") == ("found", 3, False)


def test_package_that_cannot_be_imported(build, tmp_path):
    (tmp_path / "mod_wsgi.py").write_text("raise ValueError('broken package')\n")
    with open_host(build, python_path=str(tmp_path)) as host:
        assert [log.text[:8] for log in host.take_logs() if log.level == ERR][0] == "WSGI0188"
        assert value_of(host, "attributes")[0] == ""


def test_warnings_and_optimisation(build, script):
    path = script("import sys\ndef application(e, s):\n    s('200 OK', [])\n    return [repr((sys.warnoptions, "
                  "sys.flags.optimize, sys.flags.dont_write_bytecode, hash('x'))).encode('ascii')]\n")
    seen = []
    for _ in range(2):
        with open_host(build, warnings="error::DeprecationWarning", optimize=2, dont_write_bytecode=1,
                       hash_seed_given=1) as host:
            seen.append(ast.literal_eval(host.run(path).body.decode("ascii")))
    assert seen[0] == seen[1] and seen[0][:3] == (["error::DeprecationWarning"], 2, 1)


def test_bad_home(build, tmp_path):
    with pytest.raises(AssertionError):
        with open_host(build, python_home=str(tmp_path / "missing")):
            pass


def test_fault_handler_of_daemons(build):
    with open_host(build, process_group="web") as host:
        assert value_of(host, "fault") is True
    with open_host(build, process_group="web", environment={"PYTHONFAULTHANDLER": ""}) as host:
        assert value_of(host, "fault") is False
    with open_host(build) as host:
        assert value_of(host, "fault") is False


def test_crash_shows_the_python_stack(build):
    with pytest.raises(AssertionError) as caught:
        with open_host(build, process_group="web") as host:
            host.run(APP, "crash")
    assert "interpreters.wsgi" in str(caught.value) and "in crash" in str(caught.value)


@pytest.mark.parametrize("group", ["", "sub"])
def test_end_while_a_request_runs(build, group):
    """Exit functions run, and nothing crashes."""
    with open_host(build) as host:
        value_of(host, "register", group)
        value_of(host, "register", "" if group else "sub")
        host.prepare(APPS / "slow.wsgi", "brief", group)
        host.command("spawn")
        host.command("probe")
        host.wait_for_log("entered")
        host.take_logs()
        host.command("stop")
        texts = [log.text.rstrip() for log in host.take_logs()]
        assert "atexit" in texts and "atexit sub" in texts
        assert [answer["body"] for answer in host.join()] == ["brief"]
        host.command("run")
        assert not host.take_logs()


@pytest.mark.parametrize("group", ["", "sub"])
def test_threads_that_never_end(build, group):
    """They are waited for a while, then exit functions run all the same."""
    with open_host(build, join_timeout=300000) as host:
        value_of(host, "with_endless_thread", group)
        texts = [log.text.rstrip() for log in host.stop()]
    assert ("atexit " + group).rstrip() in texts
    assert any("do not end" in text for text in texts)


@pytest.mark.parametrize("group", ["", "sub"])
def test_pools_of_threads_end(build, group):
    if group and "per_interpreter_gil=1" in build.settings and build.version == (3, 12):
        pytest.skip("Python 3.12.1 crashes by itself: with its own module for interpreters as well")
    with open_host(build, join_timeout=10000000) as host:
        assert value_of(host, "pool", group) == 3
        texts = [log.text.rstrip() for log in host.stop()]
    assert ("atexit " + group).rstrip() in texts
    assert not any("do not end" in text for text in texts)
    assert texts[-1].startswith("Terminated Python")
