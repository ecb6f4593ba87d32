"""<WSGIInterpreterOptions>: errors, which section counts for which interpreter, and what needs another Python."""
import pytest

ALIASES = "".join("WSGIScriptAlias /{0} {{root}}/apps/interpreter.wsgi application-group={0}\n".format(name) for name in ("a", "b"))
ALIASES += "WSGIScriptAlias /main {root}/apps/interpreter.wsgi application-group=%{GLOBAL}\n"


def section(selectors, *lines):
    return "<WSGIInterpreterOptions{}>\n{}\n</WSGIInterpreterOptions>\n".format(" " + selectors if selectors else "", "\n".join(lines))


def here(mode):
    """The selector of the process group that ``mode`` uses."""
    return "process-group=" + ("site" if mode == "daemon" else "%{GLOBAL}")


OTHER = "WSGIDaemonProcess other\n<Location /other>\nWSGIProcessGroup other\n</Location>\n"


@pytest.fixture
def ask(fresh_server, mode):
    """``ask(text)("a")``: what the interpreter with that application group tells, under that configuration."""

    def run(text, **fields):
        server = fresh_server(mode=mode, children=1, config=ALIASES, before=text, **fields)
        answers = {}

        def get(name):
            if name not in answers:
                answers[name] = server.client().get("/" + name).json()
            return answers[name]

        get.server = server
        return get

    return run


# ---- errors ----

@pytest.fixture(scope="module")
def site(make_server):
    return make_server.site()


def check(site, text):
    site.site.config = text
    return site.check_config()


@pytest.mark.parametrize("text, parts", [
    ("<WSGIInterpreterOptions process-group=x\n</WSGIInterpreterOptions>\n", ["WSGIInterpreterOptions", "process-group=x", "'>'"]),
    (section("process-group"), ["WSGIInterpreterOptions", "'process-group'", "key=value"]),
    (section("=x"), ["WSGIInterpreterOptions", "key=value"]),
    (section("colour=red"), ["WSGIInterpreterOptions", "colour", "red", "process-group", "application-group"]),
    (section("process-group=x PROCESS-GROUP=y"), ["WSGIInterpreterOptions", "PROCESS-GROUP", "'y'", "twice"]),
    (section("application-group=x application-group=x"), ["WSGIInterpreterOptions", "application-group", "twice"]),
    (section("", section("", "WSGIPerInterpreterGIL On")), ["<WSGIInterpreterOptions>", "cannot be used", "WSGIPythonPath"]),
    (section("", "WSGIPythonHome /x"), ["WSGIPythonHome", "cannot be used", "WSGIPythonPath"]),
    (section("", "WSGIScriptReloading On"), ["WSGIScriptReloading", "cannot be used"]),
    (section("", "Timeout 5"), ["Timeout", "cannot be used"]),
    (section("", "<IfModule wsgi_module>", "ServerAdmin x@y", "</IfModule>"), ["ServerAdmin", "cannot be used"]),
    (section("", "<Directory />", "</Directory>"), ["<Directory>", "cannot be used"]),
    (section("", "WSGIPerInterpreterGIL perhaps"), ["WSGIPerInterpreterGIL", "On or Off"]),
    (section("", "WSGIFreeThreading 1"), ["WSGIFreeThreading", "On or Off"]),
    (section("", "WSGIRestrictSignal"), ["WSGIRestrictSignal"]),
    (section("", "WSGISwitchInterval 0"), ["WSGISwitchInterval", "'0'", "greater than 0"]),
    (section("", "WSGISwitchInterval 1x"), ["WSGISwitchInterval", "'1x'"]),
    ("<VirtualHost *:1>\n" + section("") + "</VirtualHost>\n", ["WSGIInterpreterOptions", "VirtualHost"]),
    ("<Location />\n" + section("") + "</Location>\n", ["WSGIInterpreterOptions"]),
    ("<VirtualHost *:1>\nWSGIPerInterpreterGIL On\n</VirtualHost>\n", ["WSGIPerInterpreterGIL", "VirtualHost"]),
    ("<VirtualHost *:1>\nWSGIFreeThreading On\n</VirtualHost>\n", ["WSGIFreeThreading", "VirtualHost"]),
    ("</WSGIInterpreterOptions>\n", ["WSGIInterpreterOptions"]),
])
def test_error(site, text, parts):
    done = check(site, text)
    assert done.returncode != 0, "accepted: " + text
    for part in parts:
        assert part in done.stdout
    assert "httpd.conf" in done.stdout


@pytest.mark.parametrize("text", [
    section(""), section("process-group=%{GLOBAL}"), section("Process-Group= APPLICATION-GROUP=x"),
    section("application-group='with space' process-group=\"%{GLOBAL}\"", "WSGIRestrictStdin On"), section("application-group=%{RESOURCE}"),
    section("", "<IfModule wsgi_module>", "wsgirestrictstdout on", "</IfModule>"), section("", "WSGIPythonPath /a:/b", "WSGIPythonPath /c"),
    section("", "WSGISwitchInterval 1e-3", "WSGIPerInterpreterGIL off", "WSGIFreeThreading off", "WSGIRestrictSignal Off"),
])
def test_accepted(site, text):
    done = check(site, text)
    assert (done.returncode, "WSGI0" in done.stdout) == (0, False), done.stdout


@pytest.mark.parametrize("text, number", [
    (section("process-group=nobody", "WSGIRestrictStdin On"), "WSGI0214"),
    (section("application-group=x", "WSGIFreeThreading Off"), "WSGI0201"),
])
def test_warning_of_configtest(site, text, number):
    done = check(site, text)
    assert done.returncode == 0 and number in done.stdout and "httpd.conf" in done.stdout


# ---- which section counts ----

def test_restrictions_by_interpreter(ask, mode):
    get = ask("WSGIRestrictStdin On\n" + section("application-group=a", "WSGIRestrictStdin Off", "WSGIRestrictSignal Off") +
              section(here(mode) + " application-group=a", "WSGIRestrictStdout On") + section("process-group=other", "WSGIRestrictStdout On") +
              section("application-group=%{GLOBAL}", "WSGIRestrictStdout On") + OTHER)
    seen = {name: (get(name)["stdin"], get(name)["stdout"], get(name)["signal_is_restricted"]) for name in ("a", "b", "main")}
    assert seen == {"a": (True, False, False), "b": (False, True, True), "main": (False, False, True)}


def test_the_more_specific_section_wins_then_the_later(ask, mode):
    get = ask(section(here(mode) + " application-group=a", "WSGIRestrictStdout On") + section("application-group=a", "WSGIRestrictStdout Off") +
              section("", "WSGIRestrictStdout Off") + section(here(mode), "WSGIRestrictStdin On") + section(here(mode), "WSGIRestrictStdin Off"))
    assert (get("a")["stdout"], get("b")["stdout"], get("a")["stdin"]) == (False, True, True)


def test_name_from_a_variable_is_compared_as_it_came_out(fresh_server, mode):
    server = fresh_server("interpreter.wsgi", mode=mode, application_group="%{ENV:NAME}", before=section("application-group=a", "WSGIRestrictStdout On"),
                          config="SetEnv NAME a\n")
    answer = server.client().get("/").json()
    assert (answer["application_group"], answer["stdout"]) == ("a", False)


def test_layers_of_python_path(ask, mode, tmp_path):
    layers = {name: tmp_path / name for name in ("base", "all", "group", "group2", "one", "one2", "pth", "daemon")}
    for folder in (tmp_path, *layers.values()):
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
    for folder in tmp_path.parents: # pytest keeps its folders to itself
        if str(folder).count("/") > 1:
            folder.chmod(folder.stat().st_mode | 0o055)
    (layers["one"] / "more.pth").write_text(str(layers["pth"]) + "\n")
    get = ask("WSGIPythonPath {base}\n".format(**layers) +
              section(here(mode) + " application-group=a", "WSGIPythonPath {one}:{all}".format(**layers)) +
              section("", "WSGIPythonPath {all}".format(**layers)) + section(here(mode), "WSGIPythonPath {group}".format(**layers)) +
              section("application-group=a", "WSGIPythonPath {group2}".format(**layers)) +
              section(here(mode) + " application-group=a", "WSGIPythonPath {one2}".format(**layers)) +
              section("process-group=other", "WSGIPythonPath /usr/share") + OTHER,
              daemon={"python-path": layers["daemon"]} if mode == "daemon" else {})
    base = "daemon" if mode == "daemon" else "base"

    def front(name):
        known = {str(folder): label for label, folder in layers.items()}
        labels = [known.get(entry, entry) for entry in get(name)["path"]]
        return labels[:labels.index(base) + 1]

    # `all` was on sys.path when the section of `one` was applied, so it stays where it was.
    assert front("a") == ["one2", "one", "pth", "group2", "group", "all", base]
    assert front("b") == front("main") == ["group", "all", base]
    assert "/usr/share" not in get("a")["path"]


# ---- switch interval ----

def test_switch_interval_of_processes(ask, mode):
    get = ask("WSGISwitchInterval 0.5\n" + section(here(mode), "WSGISwitchInterval 0.04"))
    assert get("main")["switch_interval"] == pytest.approx(0.04)
    assert get("a")["switch_interval"] == pytest.approx(0.04)


def test_section_for_all_concerns_daemons_too(ask, mode):
    get = ask(section("", "WSGISwitchInterval 0.04"))
    assert get("a")["switch_interval"] == pytest.approx(0.04)


def test_switch_interval_of_the_main_interpreter(ask, mode):
    get = ask(section("application-group=%{GLOBAL}", "WSGISwitchInterval 0.04"))
    assert get("main")["switch_interval"] == pytest.approx(0.04)


def test_switch_interval_of_an_interpreter_that_shares_its_gil(ask, mode):
    get = ask(section("application-group=a", "WSGISwitchInterval 0.04"))
    assert get("a")["switch_interval"] == pytest.approx(0.005)
    assert "'a'" in get.server.log.expect("WSGI0199", "0.04")


# ---- GIL ----

def test_own_gil(ask, mode):
    get = ask("WSGIPerInterpreterGIL On\nWSGISwitchInterval 0.03\n" +
              section("application-group=a", "WSGISwitchInterval 0.04") + section("application-group=b", "WSGIPerInterpreterGIL Off"),
              daemon={"switch-interval": "0.03"} if mode == "daemon" else {})
    if tuple(get("main")["version"]) < (3, 12):
        assert get("a")["own_gil"] is False
        get.server.log.expect("WSGI0198", "3.12")
        get.server.log.expect("WSGI0199", "'a'")
        return
    assert {name: get(name)["own_gil"] for name in ("a", "b", "main")} == {"a": True, "b": False, "main": False}
    assert {name: get(name)["switch_interval"] for name in ("a", "b", "main")} == pytest.approx({"a": 0.04, "b": 0.03, "main": 0.03})
    assert get.server.log.lines("Creating sub-interpreter 'a' .*own GIL") and not get.server.log.lines("Creating sub-interpreter 'b' .*own GIL")


def test_own_gil_of_the_main_interpreter_is_no_matter(ask, mode):
    get = ask(section("application-group=%{GLOBAL}", "WSGIPerInterpreterGIL On"))
    assert get("main")["own_gil"] is False


def test_free_threading(ask, mode):
    daemon = {"switch-interval": "0.04"} if mode == "daemon" else {}
    get = ask("WSGISwitchInterval 0.04\n" + section(here(mode), "WSGIFreeThreading On") +
              section("application-group=a", "WSGIFreeThreading Off", "WSGIPerInterpreterGIL On", "WSGISwitchInterval 0.03"), daemon=daemon)
    get.server.log.expect("WSGI0201")
    if not get("main")["can_be_free_threaded"]:
        get("a")
        get.server.log.expect("WSGI0200", "free-threaded")
        get.server.log.allow("WSGI0198", "WSGI0199")
        return
    assert (get("main")["gil"], get("a")["gil"], get("a")["own_gil"]) == (False, False, False)
    get.server.log.expect("WSGI0202", "'a'")
    get.server.log.expect("WSGI0204" if mode == "daemon" else "WSGI0203", "0.04")
    get.server.log.expect("WSGI0205", "0.03")
    assert get.server.log.lines("Initialising Python .*free threading")


def test_gil_is_on_unless_told_otherwise(ask, mode):
    get = ask(section("process-group=other", "WSGIFreeThreading On") + OTHER)
    assert get("a")["gil"] is True
    get.server.log.allow("WSGI0200")
