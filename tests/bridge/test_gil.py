"""Interpreters with a GIL of their own, and Python without any."""
import ast
import subprocess

import pytest

from bridge.bridgehost import APPS, DONE, INFO, TIMED_OUT, WARNING, ask, open_host

APP = APPS / "parallel.wsgi"
FOREVER = "1000" # seconds: Python never makes a thread let go of the GIL
OWN = {"per_interpreter_gil": 1, "switch_interval": FOREVER}


@pytest.fixture(scope="module")
def own_gil(build):
    if build.version < (3, 12):
        pytest.skip("Python {}.{} has no interpreters with their own GIL".format(*build.version))
    if build.is_free_threaded:
        pytest.skip("without a GIL nobody has one")


@pytest.fixture(scope="module")
def free_threaded(build):
    if not build.can_be_free_threaded:
        pytest.skip("not a free-threaded build")


@pytest.fixture
def shared(tmp_path):
    path = tmp_path / "shared"
    path.write_bytes(bytes(8))
    return path


def value_of(host, callable, group="", **arguments):
    response = host.run(APP, callable, group, **arguments)
    assert response.status == 200, response.logs
    return ast.literal_eval(response.body.decode("utf-8"))


def spawn(host, callable, group, seconds, place=0):
    """Start a request in the background; return once it is in the application."""
    host.prepare(APP, callable, group, variables={"wsgi_test.seconds": seconds, "wsgi_test.place": place})
    host.take_logs()
    host.command("spawn")
    host.wait_for_log("entered")


def hold(host, shared, group, seconds):
    """Start a request that holds the GIL of its interpreter; return once it does."""
    spawn(host, "hold", group, seconds)
    host.wait_until(lambda: shared.read_bytes()[3])


def bodies(host):
    return [ast.literal_eval(answer["body"]) for answer in host.join()]


# ---- own GIL ----

def test_interpreters_compute_at_the_same_time(build, own_gil, shared):
    with open_host(build, environment={"WSGI_TEST_SHARED": str(shared)}, **OWN) as host:
        value_of(host, "intervals", "b")
        spawn(host, "meet", "a", 60, 0)
        spawn(host, "meet", "b", 60, 1)
        assert bodies(host) == ["met", "met"]


def test_interpreters_that_share_the_gil_do_not(build, shared):
    if build.is_free_threaded:
        pytest.skip("there is no GIL to share")
    with open_host(build, environment={"WSGI_TEST_SHARED": str(shared)}, **{**OWN, "per_interpreter_gil": 0}) as host:
        value_of(host, "intervals", "b")
        host.prepare(APP, "meet", "a", variables={"wsgi_test.seconds": 0.3, "wsgi_test.place": 0})
        host.command("spawn")
        answers = bodies(host)
        answers.append(value_of(host, "meet", "b", variables={"wsgi_test.place": 1}))
        assert answers == ["alone", "alone"]


def creation_of(host, group):
    return [log.text for log in host.run(APP, "intervals", group).logs if log.text.startswith("Creating")]


def test_only_sub_interpreters_have_their_own(build, own_gil, script):
    threads = script("import threading\ndef application(e, s):\n    threading.Thread(target=int, daemon=True).start()\n"
                     "    s('200 OK', [])\n    return [b'allowed']\n")
    scopes = [{"application_group": "shared", "per_interpreter_gil": 0}, {"application_group": "", "per_interpreter_gil": 1}]
    with open_host(build, per_interpreter_gil=1, scopes=scopes) as host:
        assert value_of(host, "refused", "own") == ["exec", "fork", "thread"]
        assert ["own GIL" in creation_of(host, name)[0] for name in ("shared", "other")] == [False, True]
        assert host.run(threads, group="").body == host.run(threads, group="shared").body == b"allowed"
        assert any("RuntimeError" in text for text in host.run(threads, group="own").texts())


def test_older_python_shares_the_gil(build):
    if build.version >= (3, 12):
        pytest.skip("Python {}.{} has interpreters with their own GIL".format(*build.version))
    with open_host(build, per_interpreter_gil=1) as host:
        response = host.run(APP, "intervals", "sub")
        assert [log.text for log in response.logs if "GIL" in log.text or log.level <= WARNING] == []


@pytest.fixture(scope="module")
def extension(build, tmp_path_factory):
    """Folder of an extension module in the old style, which says nothing of interpreters."""
    folder = tmp_path_factory.mktemp("extension")
    source = folder / "single_phase.c"
    source.write_text('#include <Python.h>\nstatic struct PyModuleDef def = { PyModuleDef_HEAD_INIT, "single_phase", NULL, -1, NULL };\n'
                      "PyMODINIT_FUNC PyInit_single_phase(void) { return PyModule_Create(&def); }\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-I" + ask(build.python, "sysconfig.get_path('include')"), "-o",
                    str(folder / ("single_phase" + ask(build.python, "sysconfig.get_config_var('EXT_SUFFIX')"))), str(source)], check=True)
    return folder


def test_extension_without_support_is_refused(build, own_gil, extension):
    with open_host(build, per_interpreter_gil=1, environment={"WSGI_TEST_EXTENSIONS": str(extension)}) as host:
        assert value_of(host, "single_phase") == "single_phase"
        assert "does not support loading in subinterpreters" in value_of(host, "single_phase", "sub")
        assert host.run(APP, "intervals", "sub").outcome == DONE


def test_each_gil_has_its_interval(build, own_gil):
    with open_host(build, per_interpreter_gil=1, switch_interval="0.02",
                   scopes=[{"application_group": "a", "switch_interval": "0.03"}]) as host:
        assert [value_of(host, "intervals", name) for name in ("a", "b", "")] == pytest.approx([0.03, 0.02, 0.02])


def test_interval_of_an_interpreter_that_shares_the_gil(build):
    with open_host(build, per_interpreter_gil=0, free_threading=0, switch_interval="0.02",
                   scopes=[{"application_group": "a", "switch_interval": "0.03"}]) as host:
        response = host.run(APP, "intervals", "a")
        assert ast.literal_eval(response.body.decode("ascii")) == pytest.approx(0.02)
        assert [text[:8] for text in response.texts(WARNING)] == ["WSGI0199"]


def waits(host, group):
    response = host.run(APP, "intervals", group)
    assert (response.outcome, response.waiting) == (DONE, 0)
    return response.waits


def test_host_hears_who_waits_for_the_one_gil(build):
    with open_host(build, per_interpreter_gil=0, free_threading=0) as host:
        assert [waits(host, group) for group in ("", "sub", "")] == [1, 1, 1]


def test_nobody_is_said_to_wait_where_others_need_not(build, own_gil):
    """A process that accepts nothing while one waits would keep the other interpreters from working."""
    with open_host(build, **OWN) as host:
        assert [waits(host, group) for group in ("", "sub", "")] == [1, 0, 0]


# ---- looking in from outside ----

def test_probe_takes_every_gil(build, own_gil, shared):
    with open_host(build, environment={"WSGI_TEST_SHARED": str(shared)}, **OWN) as host:
        hold(host, shared, "sub", 0.5)
        host.command("probe")
        assert shared.read_bytes()[2] == 1 # it had to wait for that GIL
        assert bodies(host) == ["held"]


def test_others_are_dumped_while_one_gil_is_held(build, own_gil, shared):
    slow = APPS / "slow.wsgi"
    with open_host(build, environment={"WSGI_TEST_SHARED": str(shared)}, **OWN) as host:
        host.prepare(slow, "for_minutes", "other")
        host.command("spawn")
        host.wait_for_log("entered")
        hold(host, shared, "sub", 600)
        host.command("dump_stacks 12000")
        texts = [log.text for log in host.take_logs()]
        assert any(text.startswith("WSGI0213") and "'sub'" in text for text in texts), texts
        assert any("in spin" in text for text in texts), texts
        assert not any("in hold" in text for text in texts), texts
        host.process.kill()
        host.process.wait()
        host.ended = True


def test_stop_reaches_the_others_while_one_gil_is_held(build, own_gil, shared):
    app = APPS / "interpreters.wsgi"
    with open_host(build, environment={"WSGI_TEST_SHARED": str(shared)}, join_timeout=300000, **OWN) as host:
        for group in ("first", "last", ""):
            host.run(app, "register", group)
        hold(host, shared, "middle", 600)
        host.run(app, "register", "latest")
        host.take_logs()
        host.command("stop")
        texts = [log.text.rstrip() for log in host.take_logs()]
        assert {"atexit", "atexit first", "atexit last", "atexit latest"} <= set(texts)
        assert any("'middle'" in text and "cannot be entered" in text for text in texts)
        host.process.kill()
        host.process.wait()
        host.ended = True


def test_nobody_looks_in_after_the_end(build):
    """The watcher of a daemon goes on until the process ends."""
    with open_host(build) as host:
        host.run(APP, "intervals", "sub")
        host.command("stop")
        host.take_logs()
        host.command("probe")
        host.command("dump_stacks 1000")
        host.command("signalled 1")
        host.command("stopping late")
        assert host.take_logs() == []


@pytest.mark.parametrize("callable, outcome", [("interrupted", TIMED_OUT), ("recovers", DONE)])
def test_interrupt_in_one_of_several(build, own_gil, callable, outcome):
    with open_host(build, per_interpreter_gil=1) as host:
        for group in ("a", "b"):
            host.prepare(APPS / "slow.wsgi", "brief" if group == "a" else callable, group)
            host.take_logs()
            host.command("spawn")
            host.wait_for_log("entered")
        assert host.value("interrupt 1") == 1
        assert sorted(answer["outcome"] for answer in host.join()) == sorted([DONE, outcome])


# ---- free threading ----

@pytest.mark.parametrize("environment", [{}, {"PYTHON_GIL": "0"}, {"PYTHON_GIL": "1"}])
@pytest.mark.parametrize("wanted", [0, 1])
def test_gil_is_as_the_settings_say(build, free_threaded, environment, wanted):
    with open_host(build, free_threading=wanted, environment=environment) as host:
        first, = [log.text for log in host.logs if log.text.startswith("Initialising")]
        assert ("free threading" in first) == bool(wanted)
        assert [value_of(host, "gil", name) for name in ("", "sub")] == [not wanted] * 2


def test_threads_of_one_interpreter_compute_at_the_same_time(build, free_threaded, shared):
    with open_host(build, free_threading=1, environment={"WSGI_TEST_SHARED": str(shared)}) as host:
        value_of(host, "gil", "a")
        for place in (0, 1):
            spawn(host, "meet", "a", 60, place)
        assert bodies(host) == ["met", "met"]


def test_what_needs_a_gil_is_refused_without(build, free_threaded):
    with open_host(build, free_threading=1, switch_interval="0.02", per_interpreter_gil=1, process_group="web",
                   scopes=[{"application_group": "a", "switch_interval": "0.03"}]) as host:
        assert [log.text[:8] for log in host.take_logs() if log.level <= WARNING] == ["WSGI0204"]
        response = host.run(APP, "gil", "a")
        assert [text[:8] for text in response.texts(WARNING)] == ["WSGI0202", "WSGI0205"]
        assert [text[:8] for text in host.run(APP, "gil", "b").texts(WARNING)] == ["WSGI0202"]
    with open_host(build, free_threading=1, switch_interval="0.02") as host:
        assert [log.text[:8] for log in host.take_logs() if log.level <= WARNING] == ["WSGI0203"]


def test_stacks_are_not_shown_without_gil(build, free_threaded):
    with open_host(build, free_threading=1) as host:
        host.run(APP, "gil", "a")
        host.command("dump_stacks 1000")
        assert [log.text for log in host.take_logs() if log.level <= INFO and "not shown" in log.text]


# ---- several threads of one request, with or without GIL ----

@pytest.mark.parametrize("group", ["", "sub"])
def test_threads_share_a_request(build, group):
    with open_host(build) as host:
        for _ in range(30):
            response = host.run(APP, "all_log", group)
            assert response.body == b"[]" and [log.text for log in response.logs].count("line") == 6
            assert len(host.run(APP, "all_write", group).body) == 100 # in whatever order
            assert host.run(APP, "all_read", group, plan={"body_size": 64 * 500}).body == b"32000"
