"""Application groups, pre-loading, and what an interpreter is equipped with."""
import pytest

from harness.background import Background

CONFIG = """
WSGIScriptAlias /one {root}/apps/process.wsgi application-group=one
WSGIScriptAlias /two {root}/apps/process.wsgi application-group=two
WSGIScriptAlias /main {root}/apps/process.wsgi application-group=%{GLOBAL}
"""



@pytest.fixture
def server(fresh_server, mode):
    return fresh_server(mode=mode, children=1, config=CONFIG, daemon={"threads": 4})


def test_interpreters_are_separate(server):
    client = server.client()
    for name in ("one", "two", "main", "one", "two", "main"):
        client.get("/" + name)
    answers = {name: client.get("/" + name).json() for name in ("one", "two", "main")}
    assert {name: answer["application_group"] for name, answer in answers.items()} == {"one": "one", "two": "two", "main": ""}
    assert {answer["requests"] for answer in answers.values()} == {3}
    assert len({answer["pid"] for answer in answers.values()}) == 1


def test_interpreter_is_made_once_by_simultaneous_requests(server):
    results = [Background(server.client().get, "/one") for _ in range(8)]
    answers = [result.result().json() for result in results]
    assert max(answer["requests"] for answer in answers) == 8
    assert len(server.log.lines("(?i)creat.*interpreter.*one")) == 1


@pytest.mark.parametrize("group", ["%{GLOBAL}", "named"])
def test_import_script(fresh_server, mode, group):
    target = "site" if mode == "daemon" else "%{GLOBAL}"
    server = fresh_server("process.wsgi", mode=mode, children=1, application_group=group,
                          config="WSGIImportScript {{root}}/apps/process.wsgi process-group={} application-group={}\n".format(target, group))
    server.log.wait_for("(?i)load.*process.wsgi")
    answer = server.client().get("/").json()
    assert answer["requests"] == 1
    assert len(server.log.lines("(?i)load.*process.wsgi")) == 1 # the request found it loaded


def test_alias_with_both_groups_is_loaded_early(fresh_server):
    server = fresh_server(mode="daemon", config="WSGIScriptAlias / {root}/apps/process.wsgi process-group=site application-group=%{GLOBAL}\n")
    server.log.wait_for("(?i)load.*process.wsgi")
    assert server.client().get("/").status == 200


def test_failed_import_script_does_not_stop_the_process(fresh_server, mode):
    target = "site" if mode == "daemon" else "%{GLOBAL}"
    server = fresh_server("process.wsgi", mode=mode, children=1,
                          config="WSGIImportScript {{root}}/apps/broken_import.wsgi process-group={} application-group=%{{GLOBAL}}\n"
                                 "WSGIImportScript {{root}}/apps/broken_exit.wsgi process-group={} application-group=%{{GLOBAL}}\n".format(target, target))
    server.log.expect("WSGI0110", "broken_import.wsgi")
    server.log.expect("WSGI0108", "broken_exit.wsgi")
    server.log.allow("WSGI0174", "WSGI0175", "WSGI0188")
    assert server.client().get("/").status == 200


def test_equipment(server):
    for path in ("/one", "/main"):
        answer = server.client().get(path).json()
        assert answer["argv"] == ["mod_wsgi"]
        assert len(answer["module_version"]) == 3


@pytest.mark.parametrize("path", ["/main", "/one"])
def test_signal_registration_is_ignored(server, path):
    """In whichever interpreter; the log says who tried."""
    assert server.client().get(path + "/signal").json() == {"returned": 1} # the handler argument, SIG_IGN, comes back
    server.log.wait_for("(?i)signal.*{}".format(12))
    server.log.wait_for("process.wsgi.*in application")


@pytest.mark.parametrize("path", ["/main", "/one"])
def test_thread_local_data(server, path):
    with server.client().connection() as connection:
        counts = {}
        for _ in range(30):
            answer = connection.get(path).json()
            assert answer["thread_requests"] == counts.get(answer["thread"], 0) + 1
            counts[answer["thread"]] = answer["thread_requests"]
    assert sum(counts.values()) == 30
