"""What an application writes reaches the error log: where, in which form, with which level."""
import itertools

import pytest

tags = ("tag%d" % number for number in itertools.count())


@pytest.fixture(scope="module")
def server(make_server, mode):
    return make_server("logging.wsgi", apps={"/response": "response.wsgi"}, mode=mode, children=1, daemon={"threads": 2})


@pytest.fixture(scope="module")
def written(server):
    """The lines of one request that used every way, by their text after the prefix of Apache."""
    tag = next(tags)
    assert server.client().get("/?" + tag).body == b"logged"
    server.log.wait_for("no newline " + tag)
    return [line.replace(tag, "TAG") for line in server.log.lines() if tag in line], server.log.all()


@pytest.mark.parametrize("text, level, in_request", [
    ("errors TAG", "error", True), ("printed TAG", "error", True), ("stderr TAG", "error", True), ("joined line TAG", "error", True),
    ("three-a TAG", "error", True), ("three-c TAG", "error", True), ("first TAG", "error", True), ("second TAG", "error", True),
    ("to the stream TAG", "error", True), ("root logger TAG", "error", True), ("no newline TAG", "error", True),
    ("from a thread TAG", "error", False), ("handled: info TAG", "info", True), ("handled: warning TAG", "warn", True),
    ("handled: error TAG", "error", True), ("handled: critical TAG", "crit", True), ("lines TAG", "error", True),
])
def test_line(server, written, text, level, in_request):
    lines = [line for line in written[0] if line.endswith(text)]
    assert len(lines) == 1
    assert "[wsgi:{}]".format(level) in lines[0]
    prefix = "[script {}] ".format(server.root / "apps" / "logging.wsgi")
    assert (prefix in lines[0]) is in_request
    assert ("[client 127.0.0.1:" in lines[0]) is in_request


def test_level_decides_what_is_formatted(server, client):
    client.get("/?" + next(tags))
    formatted = client.get("/formatted?x").text
    assert "debug" not in formatted and "info" in formatted


def test_empty_line_is_a_record(written):
    lines = written[1].splitlines()
    index = next(number for number, line in enumerate(lines) if "three-a" in line)
    assert "three-c" in lines[index + 2]
    assert lines[index + 1].rstrip().endswith("logging.wsgi]")


def test_text_is_utf_8(written):
    assert any("snowman" in line and "\\xe2\\x98\\x83" in line for line in written[0]) # as Apache escapes it


def test_module_level_output_has_no_request(server, client):
    client.get("/?x")
    lines = [line for line in server.log.all().splitlines() if line.endswith(("printed while loading", "error output while loading"))]
    assert len(lines) == 2
    assert all("[wsgi:error]" in line and "[script" not in line for line in lines)


def test_attributes(client):
    line = "isatty=False; readable=False; seekable=False; writable=True; encoding=utf-8; errors=replace; name={}; line_buffering=True"
    assert client.get("/attributes?x").text.split("\n") == [line.format(name) for name in ("<wsgi.errors>", "<stderr>", "<stdout>")]


def test_descriptor_reaches_the_log(server, client):
    tag = next(tags)
    assert client.get("/descriptor?" + tag).status == 200
    server.log.wait_for("through the descriptor " + tag)
    server.log.wait_for("from a child " + tag)


def test_faulthandler_can_be_enabled(server, client):
    assert client.get("/faulthandler?x").status == 200


def test_long_line_is_cut(server, client):
    tag = next(tags)
    client.get("/long?" + tag)
    line = server.log.wait_for(r".*yyyy.*").group(0)
    assert 4000 < line.count("y") <= 8192
    assert tag not in line


def test_closing_stderr_has_no_effect(server, client):
    tag = next(tags)
    client.get("/close?" + tag)
    server.log.wait_for("still open " + tag)


def test_record_belongs_to_its_virtual_host(fresh_server, mode):
    server = fresh_server("logging.wsgi", mode=mode, config="<VirtualHost *>\nServerName own.example.com\nErrorLog logs/own.log\n</VirtualHost>\n")
    server.client().get("/?elsewhere", host="own.example.com")
    own = server.root / "logs" / "own.log"
    server.wait_until(lambda: "no newline elsewhere" in own.read_text(), 10, "the record in the log of the virtual host")
    assert "errors elsewhere" not in server.log.all()
    assert "from a thread elsewhere" in server.log.all() + own.read_text()


def test_request_log_id_is_that_of_apache(fresh_server, mode):
    server = fresh_server("logging.wsgi", mode=mode, config='ErrorLogFormat "%L %P %M"\nLogFormat "%L id" ids\nCustomLog logs/ids.log ids\n')
    server.client().get("/?identified")
    line = server.log.wait_for(r"(\S+) \d+ .*errors identified")
    ids = server.root / "logs" / "ids.log"
    server.wait_until(lambda: ids.exists() and line.group(1) in ids.read_text(), 10, "the id in the access log")


def test_level_hides_all(fresh_server, mode):
    server = fresh_server("logging.wsgi", apps={"/response": "response.wsgi"}, mode=mode, wsgi_level="emerg")
    assert server.client().get("/?hidden").status == 200
    assert server.client().get("/response/raises").status == 500
    assert "hidden" not in server.log.all() and "Traceback" not in server.log.all()


def test_numbers_come_after_the_script(server, client):
    assert client.get("/response/raises").status == 500
    line = server.log.expect("WSGI0174")
    assert "WSGI0174: [script {}]".format(server.root / "apps" / "response.wsgi") in line
