"""Bodies: blocks, lengths, files, close(), clients that leave."""
import pytest

from bridge.bridgehost import APPS, DONE, FAILED, INFO, TRACE1, TRUNCATED

APP = APPS / "outputs.wsgi"
CONTENT = bytes(range(256)) * 40


@pytest.mark.parametrize("name", ["blocks_list", "blocks_tuple"])
def test_list_goes_out_in_one_piece(host, name):
    response = host.run(APP, name)
    assert (response.outcome, response.body) == (DONE, b"onetwo")
    assert (response.blocks, response.lasts, response.finishes) == ([6], 1, 0)


@pytest.mark.parametrize("name", ["empty_list", "empty_generator", "blank_list", "blank_object"])
def test_empty_bodies(host, name):
    response = host.run(APP, name)
    assert (response.outcome, response.status, response.body) == (DONE, 200, b"")


def test_large_list_goes_out_in_one_piece(host):
    response = host.run(APP, "large_list")
    assert response.body == b"x" * 50000 + b"y" * 50000
    assert (response.blocks, response.lasts) == ([100000], 1)


def test_very_many_blocks(host):
    response = host.run(APP, "many_blocks")
    assert (response.outcome, response.body) == (DONE, b"z" * 5000)


def test_subclass_of_bytes(host):
    assert host.run(APP, "subclass_of_bytes").body == b"one"


@pytest.mark.parametrize("name, kind", [("number_list", "int"), ("bytearray_list", "bytearray"),
                                        ("memory_list", "memoryview"), ("is_none", "NoneType"), ("is_number", "int"),
                                        ("is_bytes", "int"), ("is_text", "str")])
def test_wrong_results(host, name, kind):
    response = host.run(APP, name)
    assert (response.outcome, response.finished_with, response.sends) == (FAILED, FAILED, 0)
    assert any("TypeError" in text and kind in text for text in response.texts())


@pytest.mark.parametrize("name", ["mixed_list", "mixed_object"])
def test_wrong_item_after_a_good_one(host, name):
    response = host.run(APP, name)
    assert (response.outcome, response.finished_with, response.body) == (TRUNCATED, TRUNCATED, b"one")


@pytest.mark.parametrize("name, outcome, body", [("raises_first", FAILED, b""), ("raises_after_blank", FAILED, b""),
                                                 ("raises_later", TRUNCATED, b"one")])
def test_exceptions_while_iterating(host, name, outcome, body):
    response = host.run(APP, name)
    assert (response.outcome, response.finished_with, response.body) == (outcome, outcome, body)
    assert "closed" in response.texts()


@pytest.mark.parametrize("name, body, outcome", [
    ("exact_list", b"abcde", DONE), ("long_list", b"abcde", DONE), ("long_object", b"abcde", DONE),
    ("short_list", b"abc", TRUNCATED), ("short_object", b"abc", TRUNCATED),
    ("long_large_list", b"x" * 70000, DONE), ("zero_list", b"", DONE)])
def test_content_length(host, name, body, outcome):
    response = host.run(APP, name)
    assert (response.body, response.outcome) == (body, outcome)
    complaints = [text for text in response.texts(INFO) if "Content-Length" in text]
    assert len(complaints) == (0 if name == "exact_list" else 1)
    assert not response.texts() or response.texts() == ["closed"]


def test_length_without_a_body(host):
    """HEAD and 304 may declare the length of a body that is not there."""
    assert host.run(APP, "not_modified").outcome == DONE
    assert host.run(APP, "short_list", variables={"REQUEST_METHOD": "HEAD"}).outcome == DONE
    host.command("var REQUEST_METHOD GET")


def test_close(host):
    assert "closed" in host.run(APP, "blocks_object").texts()
    assert "closed" in host.run(APP, "subclass_of_list").texts()
    assert host.run(APP, "close_absent").texts() == []


def test_close_that_fails(host):
    response = host.run(APP, "close_raises")
    assert (response.outcome, response.body) == (DONE, b"one")
    assert response.texts()[0].startswith("WSGI0174: ") and "ValueError: in close" in response.texts()
    response = host.run(APP, "close_lookup_raises")
    assert (response.outcome, response.body) == (DONE, b"one")
    assert response.texts()[0].startswith("WSGI0194: ") and "ValueError: in look-up" in response.texts()


@pytest.mark.parametrize("name", ["endless", "large_object"])
def test_client_that_leaves(host, name):
    response = host.run(APP, name, plan={"sends_before_abort": 1})
    host.command("plan sends_before_abort -1")
    assert response.outcome == TRUNCATED
    assert response.texts() == ["closed"]
    assert any("client" in text for text in response.texts(TRACE1))


@pytest.mark.parametrize("name", ["blocks_list", "large_list", "file_whole"])
def test_client_that_left_before(host, name):
    response = host.run(APP, name, plan={"sends_before_abort": 0})
    host.command("plan sends_before_abort -1")
    assert response.texts() == []


@pytest.mark.parametrize("name, body, files", [
    ("file_whole", CONTENT, 1), ("file_after_ten", CONTENT[10:], 1), ("file_shorter", CONTENT[:100], 1),
    ("file_memory", CONTENT, 0), ("file_without_tell", CONTENT, 0), ("file_without_fileno", CONTENT, 0),
    ("file_subclass", CONTENT, 1), ("file_wrapped_again", CONTENT, 0), ("file_at_end", b"", 0),
    ("file_after_write", b"before content", 0), ("file_pipe", b"through a pipe", 0)])
def test_files(host, name, body, files):
    response = host.run(APP, name)
    assert (response.outcome, response.body) == (DONE, body)
    assert response.files == files
    if files:
        assert response.header("Content-Length") == str(len(body))


def test_file_that_is_too_short(host):
    response = host.run(APP, "file_longer")
    assert (response.outcome, response.body) == (TRUNCATED, CONTENT)


def test_file_without_start_response(host):
    assert host.run(APP, "file_not_started").outcome == FAILED


def test_offset_of_the_descriptor_is_kept(host):
    response = host.run(APP, "file_offset_is_kept")
    assert response.body == CONTENT[10:]
    assert response.texts() == ["moved by 0"]


def test_wrapper(host):
    assert host.run(APP, "wrapper_behaviour").body.decode("ascii") == (
        "blksize=7 default=8192 filelike='Plain' iter=True blocks=[b'one', b'two'] fileno=False fileno_of_file=True "
        "negative=ValueError readonly=AttributeError close=[None, None] next=ValueError filelike_closed=ValueError "
        "text=TypeError")
