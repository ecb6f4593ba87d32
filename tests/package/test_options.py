"""The table of options, as the command line reads it."""
import argparse

import pytest

from mod_wsgi.express import options


def parse(*arguments):
    return options.parse(options.make_parser("test", ""), arguments)


def refused(capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        parse(*arguments)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_defaults_are_those_of_the_table():
    given = parse()
    assert given == {option.setting: option.default for option in options.OPTIONS}


def test_names_are_unique():
    names = [option.name for option in options.OPTIONS]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("option", options.OPTIONS, ids=lambda option: option.name)
def test_every_row_is_complete(option):
    assert option.help.endswith(".")
    assert option.kind == "flag" or callable(option.kind)
    assert (option.default == ()) == option.repeat
    assert option.kind != "flag" or option.default is False


@pytest.mark.parametrize("arguments", [
    ["app.wsgi", "--port", "8001"],
    ["--port", "8001", "app.wsgi"],
    ["--port=8001", "app.wsgi", "--log-to-terminal"],
    ["--log-to-terminal", "app.wsgi", "--port", "8001"],
    ["--por", "8001", "app.wsgi"],
])
def test_options_and_entry_point_in_any_order(arguments):
    given = parse(*arguments)
    assert (given["entry_point"], given["port"]) == ("app.wsgi", 8001)


def test_option_wins_over_positional_entry_point():
    assert parse("one.wsgi", "--entry-point", "two.wsgi")["entry_point"] == "two.wsgi"


def test_repeated_options_and_pairs_collect():
    given = parse("--setenv", "A", "1", "--setenv", "B", "2", "--server-alias", "x", "--server-alias", "y")
    assert given["setenv"] == (("A", "1"), ("B", "2"))
    assert given["server_alias"] == ("x", "y")
    assert parse()["setenv"] == ()


def test_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert parse("--document-root", "a/../b/")["document_root"] == "%s/b/" % tmp_path


@pytest.mark.parametrize("arguments", [
    ["--port", "0"], ["--port", "65536"], ["--port", "80x"], ["--port", ""], ["--port", "-1"], ["--port", "1_000"],
    ["--processes", "0"], ["--threads", "0"], ["--threads", "²"],
    ["--request-timeout", "-1"], ["--request-timeout", "1.5"],
    ["--initial-workers", "1.5"], ["--initial-workers", "nan"], ["--initial-workers", "x"],
    ["--switch-interval", "0"], ["--switch-interval", "inf"],
    ["--send-buffer-size", "100"], ["--header-buffer-size", "8191"],
    ["--log-level", "loud"], ["--log-level", "wsgi:loud"],
    ["--application-type", "zip"], ["--map-head-to-get", "Maybe"], ["--server-mpm", "winnt"],
    ["--setenv", "A", "two\nlines"], ["--server-name", "a\r\nb"],
], ids=" ".join)
def test_bad_values_are_usage_errors_that_name_the_option(capsys, arguments):
    assert arguments[0] in refused(capsys, *arguments)


def test_unknown_options_are_usage_errors(capsys):
    assert "--no-such-option" in refused(capsys, "--no-such-option")


def test_a_second_entry_point_is_a_usage_error(capsys):
    assert "two.wsgi" in refused(capsys, "one.wsgi", "two.wsgi")


def test_zero_leaves_a_buffer_to_the_system():
    assert parse("--send-buffer-size", "0")["send_buffer_size"] == 0


def test_help_may_hold_a_percent_sign():
    parser = argparse.ArgumentParser()
    options.add_option(parser, options.Option("share", options.text, None, "Up to 100% of %(prog)s.", ("X",)))
    assert "Up to 100% of %(prog)s." in parser.format_help()


def test_help_lists_options_but_not_hidden_ones():
    text = options.make_parser("test", "").format_help()
    assert "--server-alias NAME" in text and "--setenv KEY VALUE" in text
    assert "--ssl-port" not in text
