"""start_response() and write(): every row of their tables."""
import pytest

from bridge.bridgehost import APPS, DONE, FAILED, INFO, TRUNCATED, open_host

APP = APPS / "responses.wsgi"

REFUSED = {
    "none": "TypeError", "one": "TypeError", "four": "TypeError", "keywords": "TypeError",
    "headers_tuple": "TypeError", "exc_info_list": "RuntimeError",
    "status_bytes": "TypeError", "status_wide": "UnicodeEncodeError", "status_word": "ValueError",
    "status_short": "ValueError", "status_empty": "ValueError", "status_long": "ValueError",
    "status_joined": "ValueError", "status_tab": "ValueError", "status_newline": "ValueError",
    "status_nul": "ValueError", "status_delete": "ValueError", "status_informational": "ValueError",
    "status_zero": "ValueError",
    "item_list": "TypeError", "item_long": "ValueError", "name_bytes": "TypeError", "value_bytes": "TypeError",
    "value_number": "TypeError", "name_wide": "UnicodeEncodeError", "value_wide": "UnicodeEncodeError",
    "name_empty": "ValueError", "name_space": "ValueError", "name_control": "ValueError", "name_colon": "ValueError",
    "value_newline": "ValueError", "value_nul": "ValueError", "value_control": "ValueError",
    "length_word": "ValueError", "length_empty": "ValueError", "length_negative": "ValueError",
    "length_huge": "ValueError", "length_twice": "ValueError",
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_refused(host, name):
    response = host.run(APP, name)
    assert response.body.decode("utf-8").split(":")[0] == REFUSED[name], response.body
    assert (response.status, response.headers) == (299, [("X-Before", "1")]), "earlier state was not kept"


@pytest.mark.parametrize("name, shown", [("status_joined", "b'200OK'"), ("name_space", "b'a b'"),
                                         ("value_newline", r"b'b\r\nc'"), ("item_long", "3"),
                                         ("status_bytes", "bytes"), ("value_number", "int")])
def test_message_shows_the_culprit(host, name, shown):
    assert shown in host.run(APP, name).body.decode("utf-8")


@pytest.mark.parametrize("name, status, reason", [("fine_code", 200, ""), ("fine_space", 200, ""),
                                                  ("fine_latin", 404, "Nicht gefunden \xe4"),
                                                  ("fine_status_header", 200, "Error")])
def test_accepted(host, name, status, reason):
    response = host.run(APP, name)
    assert (response.outcome, response.status, response.reason) == (DONE, status, reason)


def test_headers_stay_as_they_are(host):
    assert host.run(APP, "fine_latin").headers == [("X-A", "\xe4\tb"), ("X-B", ""), ("X(", "y")]
    assert host.run(APP, "fine_status_header").headers == [("Status", "404 Odd")]
    assert [name for name, _ in host.run(APP, "fine_lines").headers] == ["Set-Cookie", "Set-Cookie",
                                                                        "WWW-Authenticate", "WWW-Authenticate",
                                                                        "X-A", "X-A"]


def test_same_length_twice_is_one_header(host):
    assert host.run(APP, "fine_length_twice").headers == [("Content-Length", "1")]


def test_hop_by_hop_headers_are_dropped_and_reported_once(build):
    with open_host(build) as host:
        first, second = host.run(APP, "hop_by_hop"), host.run(APP, "hop_by_hop")
        assert first.headers == second.headers == [("Content-Type", "text/plain"), ("X-Last", "1")]
        assert len([text for text in first.texts(INFO) if "not passed on" in text and str(APP) in text]) == 1
        assert not second.texts(INFO)


def test_connection_close_is_passed(host):
    assert host.run(APP, "connection_close").headers == [("Connection", "close")]


def test_second_call_replaces_before_data(host):
    response = host.run(APP, "replaced")
    assert (response.status, response.headers) == (404, [("X-Second", "1")])
    assert host.run(APP, "replaced_after_error").status == 500


def test_second_call_after_data_is_refused(host):
    response = host.run(APP, "again_after_data")
    assert response.status == 200 and b"again" in response.body


def test_exception_is_raised_again_after_data(host):
    response = host.run(APP, "reraised")
    assert response.body == b"begun (KeyError('inner'), True) TypeError TypeError TypeError"


@pytest.mark.parametrize("name", ["never", "never_empty"])
def test_never_called(host, name):
    response = host.run(APP, name)
    assert (response.outcome, response.finished_with, response.sends) == (FAILED, FAILED, 0)
    assert any("RuntimeError" in text for text in response.texts())


def test_texts_outlive_the_list(host):
    response = host.run(APP, "list_changes_later")
    assert (response.status, response.reason) == (200, "OK")
    assert response.headers == [("X-A", "aaa"), ("X-B", "bbb")]


def test_write_and_iteration_keep_their_order(host):
    response = host.run(APP, "writes")
    assert response.body == b"one two three None"


@pytest.mark.parametrize("name", ["write_nothing", "write_two", "write_text", "write_bytearray"])
def test_write_refuses(host, name):
    assert host.run(APP, name).body == b"TypeError"


def test_write_to_a_client_that_is_gone(build):
    with open_host(build) as host:
        response = host.run(APP, "write_while_gone", plan={"sends_before_abort": 1})
        assert response.outcome == TRUNCATED
        assert any("closed the connection" in text for text in response.texts())
