"""Many requests: memory stays flat, nothing gets mixed up; an application checked by wsgiref.validate."""
import pytest

from bridge.bridgehost import APPS, DONE, open_host

GROWTH = 600 * 1024 # of noise, in 20,000 requests: 30 bytes each
FREE_THREADED_GROWTH = 10 * GROWTH # its memory belongs to threads; what they leave behind comes and goes in larger pieces


@pytest.mark.parametrize("script, callable, plan", [
    ("hello.wsgi", "application", {}), ("outputs.wsgi", "large_list", {}), ("outputs.wsgi", "blocks_object", {}),
    ("outputs.wsgi", "file_whole", {}), ("environ.wsgi", "application", {}), ("failures.wsgi", "raises", {}),
    ("failures.wsgi", "mixes", {}), ("bodies.wsgi", "mixed", {"body_size": 5000}), ("late.wsgi", "keep", {}),
    ("responses.wsgi", "status_word", {}), ("events.wsgi", "history", {})])
def test_memory_is_flat(build, script, callable, plan):
    with open_host(build) as host:
        if host.build.sanitized:
            pytest.skip("a sanitizer keeps freed memory")
        host.prepare(APPS / script, callable, "sub", plan={"discard": 1, "log_level": 1, **plan})
        host.command("run_many 20000 2") # until caches and free lists are as full as they get
        before = host.value("rss")
        host.command("run_many 20000 2")
        assert host.value("rss") - before < (FREE_THREADED_GROWTH if build.can_be_free_threaded else GROWTH)


@pytest.mark.parametrize("group", ["", "sub"])
def test_many_threads(build, group):
    with open_host(build) as host:
        host.prepare(APPS / "environ.wsgi", "change", group, plan={"discard": 1})
        host.command("run_many 4000 16")
        assert host.run(APPS / "environ.wsgi", "change", group, plan={"discard": 0}).body == b"False"


@pytest.mark.parametrize("method, body", [("GET", ""), ("POST", r"first\nsecond\n")])
def test_validated(host, method, body):
    response = host.run(APPS / "validated.wsgi", plan={"body": body},
                        variables={"REQUEST_METHOD": method, "SCRIPT_NAME": "", "PATH_INFO": "/x"})
    assert response.outcome == DONE, response.logs
    assert not response.texts()
    assert response.body.decode("ascii") == method + " " + body.replace("\\n", "\n")
