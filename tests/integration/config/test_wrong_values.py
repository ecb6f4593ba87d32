"""Every wrong value of every option and directive: `apache2 -t` says where, what was given and what is allowed."""
import re

import pytest

INTEGER_OPTIONS = {"processes": (1, None), "threads": (0, None), "maximum-requests": (0, None), "listen-backlog": (0, None),
                   "stack-size": (1, None)}
SECONDS_OPTIONS = ("restart-interval", "inactivity-timeout", "request-timeout", "interrupt-timeout", "deadlock-timeout",
                   "startup-timeout", "graceful-timeout", "eviction-timeout", "shutdown-timeout", "connect-timeout", "socket-timeout",
                   "queue-timeout", "response-socket-timeout", "cpu-time-limit")
SIZE_OPTIONS = {"send-buffer-size": 511, "receive-buffer-size": 511, "header-buffer-size": 8191, "response-buffer-size": 65535}
BYTES_OPTIONS = ("memory-limit", "virtual-memory-limit", "request-buffer-size")
FLAGS = ("WSGIRestrictEmbedded", "WSGIPassAuthorization", "WSGIPassApacheRequest", "WSGIScriptReloading", "WSGIErrorOverride",
         "WSGIChunkedRequest", "WSGIIgnoreActivity", "WSGIEnableSendfile", "WSGISocketRotation", "WSGIDontWriteBytecode",
         "WSGIDestroyInterpreter", "WSGIServerMetrics", "WSGIRestrictStdin", "WSGIRestrictStdout", "WSGIRestrictSignal", "WSGICaseSensitivity",
         "WSGIPerInterpreterGIL", "WSGIFreeThreading")
NOT_NUMBERS = ("", "abc", "1x", "x1", "-1", "1 2", "0x10", "1e3", "99999999999999999999999")


def option_cases():
    """(option, value) pairs that must be refused."""
    for name in INTEGER_OPTIONS:
        yield from ((name, value) for value in NOT_NUMBERS)
        yield name, "1.5"
    yield from (("processes", "0"), ("threads", "65534"), ("stack-size", "0"))
    for name in SECONDS_OPTIONS:
        yield from ((name, value) for value in ("", "abc", "1x", "-1", "1 2", "0x10", "nan", "inf"))
    yield from ((name, value) for name in SIZE_OPTIONS for value in (*NOT_NUMBERS, "1", str(SIZE_OPTIONS[name])))
    yield from ((name, value) for name in BYTES_OPTIONS for value in ("", "abc", "1x", "-1", "0x10"))
    yield from (("response-flush-delay", value) for value in ("", "abc", "-1", "5ms"))
    yield from (("cpu-priority", value) for value in ("", "abc", "1x"))
    yield from (("umask", value) for value in ("", "8", "0x1", "-1", "022x", "01777"))
    yield from (("switch-interval", value) for value in ("", "0", "-1", "abc", "0.1x", "nan"))
    yield from (("home", "relative/path"), ("chroot", "relative/path"))
    yield from (("user", ""), ("group", ""), ("socket-user", ""), ("script-user", ""), ("script-group", ""))
    yield from (("processes", value) for value in ("2:1", "1:", ":2", "1:2:3", "0:2", "1:10001", "1-2"))
    yield from ((name, value) for name in ("minimum-processes", "maximum-processes") for value in ("", "0", "1x", "10001", "1:2"))
    yield from ((name, value) for name in ("maximum-requests-jitter", "maximum-rss", "restart-interval-jitter")
                for value in ("", "abc", "-1", "1x", "0x10"))
    yield from (("replace", value) for value in ("", "stop", "Stop-First", "start-last"))
    yield from (("preload", "perhaps"), ("preload", ""), ("server-metrics", "perhaps"), ("unknown-option", ""), ("Threads", ""))


def check(server, text):
    """The output of `apache2 -t` with the text as configuration; it must be refused."""
    server.site.config = text
    done = server.check_config()
    assert done.returncode != 0, "accepted: " + text
    return done.stdout


@pytest.fixture(scope="module")
def server(make_server):
    return make_server.site()


@pytest.mark.parametrize("option, value", list(option_cases()))
def test_wrong_option(server, option, value):
    output = check(server, 'WSGIDaemonProcess wrong {}="{}"\n'.format(option, value))
    assert "WSGIDaemonProcess" in output
    assert option in output
    assert value in output
    assert re.search(r"httpd\.conf", output)


@pytest.mark.parametrize("option", ["processes", "threads", "umask", "send-buffer-size", "header-buffer-size", "graceful-timeout"])
def test_message_says_what_is_allowed(server, option):
    output = check(server, "WSGIDaemonProcess wrong {}=-7\n".format(option))
    assert re.search(r"\b(0|1|512|8192)\b", output.replace("-7", "")), output


@pytest.mark.root
@pytest.mark.parametrize("option, value", [("user", "root"), ("user", "#0"), ("user", "#4294967290"), ("user", "no-such-user"),
                                           ("group", "no-such-group"), ("socket-user", "no-such-user"), ("script-user", "no-such-user"),
                                           ("supplementary-groups", "no-such-group")])
def test_wrong_identity(server, option, value):
    assert value.lstrip("#") in check(server, "WSGIDaemonProcess wrong {}={}\n".format(option, value))


@pytest.mark.parametrize("line, parts", [
    ("WSGIDaemonProcess", ["WSGIDaemonProcess"]),
    ("WSGIDaemonProcess a threads", ["WSGIDaemonProcess", "threads"]),
    ("WSGIDaemonProcess a =5", ["WSGIDaemonProcess"]),
    ("WSGIDaemonProcess a script-user=daemon script-group=daemon", ["script-user", "script-group"]),
    ("WSGIDaemonProcess a threads=1\nWSGIDaemonProcess a threads=2", ["WSGIDaemonProcess", "a"]),
    ("WSGIDaemonProcess a processes=2 maximum-processes=3", ["processes", "maximum-processes"]),
    ("WSGIDaemonProcess a minimum-processes=4 maximum-processes=3", ["minimum-processes", "4", "3"]),
    ("WSGIDaemonProcess a minimum-processes=4", ["minimum-processes", "maximum-processes"]),
    ("WSGIScriptAlias /x", ["WSGIScriptAlias"]),
    ("WSGIScriptAlias /x /y colour=red", ["WSGIScriptAlias", "colour"]),
    ("WSGIScriptAlias /x /y process-group=", ["WSGIScriptAlias", "process-group"]),
    ("WSGIScriptAlias /x /y application-group=", ["WSGIScriptAlias", "application-group"]),
    ("WSGIScriptAlias /x /y callable-object=", ["WSGIScriptAlias", "callable-object"]),
    ("WSGIScriptAlias /x /y pass-authorization=maybe", ["WSGIScriptAlias", "pass-authorization", "maybe"]),
    ("WSGIScriptAlias /x /y process-group=none application-group=%{GLOBAL}", ["none"]),
    ("WSGIScriptAliasMatch ^/(x /y", ["WSGIScriptAliasMatch"]),
    ("WSGIImportScript /x", ["WSGIImportScript"]),
    ("WSGIImportScript /x process-group=%{GLOBAL}", ["WSGIImportScript", "application-group"]),
    ("WSGIImportScript /x application-group=%{GLOBAL}", ["WSGIImportScript", "process-group"]),
    ("WSGIImportScript /x process-group=none application-group=%{GLOBAL}", ["WSGIImportScript", "none"]),
    ("WSGIImportScript /x process-group=%{GLOBAL} application-group=%{GLOBAL} colour=red", ["WSGIImportScript", "colour"]),
    ("WSGIHandlerScript name", ["WSGIHandlerScript"]),
    ("WSGIHandlerScript name /x colour=red", ["WSGIHandlerScript", "colour"]),
    ("WSGIDispatchScript", ["WSGIDispatchScript", "path"]),
    ("WSGIDispatchScript /x application-group=", ["WSGIDispatchScript", "application-group"]),
    ("WSGIDispatchScript /x process-group=a", ["WSGIDispatchScript", "process-group"]),
    ("<Location />\nWSGIAccessScript\n</Location>", ["WSGIAccessScript", "path"]),
    ("<Location />\nWSGIAccessScript /x colour=red\n</Location>", ["WSGIAccessScript", "colour"]),
    ("<Location />\nWSGIAuthUserScript /x application-group=\n</Location>", ["WSGIAuthUserScript", "application-group"]),
    ("<Location />\nWSGIAuthGroupScript /x word\n</Location>", ["WSGIAuthGroupScript", "word"]),
    ("WSGIMapHEADToGET Perhaps", ["WSGIMapHEADToGET", "Perhaps"]),
    ("WSGIPythonHashSeed abc", ["WSGIPythonHashSeed", "abc", "4294967295"]),
    ("WSGIPythonHashSeed -1", ["WSGIPythonHashSeed", "-1"]),
    ("WSGIPythonHashSeed 4294967296", ["WSGIPythonHashSeed", "4294967296"]),
    ("WSGIPythonHashSeed 1x", ["WSGIPythonHashSeed", "1x"]),
    ("WSGISwitchInterval 0", ["WSGISwitchInterval"]),
    ("WSGISwitchInterval abc", ["WSGISwitchInterval", "abc"]),
    ("<WSGIInterpreterOptions colour=red>\n</WSGIInterpreterOptions>", ["WSGIInterpreterOptions", "colour", "red"]),
    ("WSGIAcceptMutex nonsense", ["WSGIAcceptMutex", "nonsense", "fcntl"]),
    ("WSGITrustedProxies nonsense", ["WSGITrustedProxies", "nonsense"]),
    ("WSGITrustedProxies 10.0.0.0/99", ["WSGITrustedProxies", "10.0.0.0/99"]),
    ("WSGITrustedProxies example.com", ["WSGITrustedProxies", "example.com"]),
    ("WSGITelemetryService", ["WSGITelemetryService"]),
    ("WSGITelemetryService udp:host:1", ["WSGITelemetryService", "udp:host:1", "unix:", "remote"]),
    ("WSGITelemetryService unix:relative", ["WSGITelemetryService", "unix:relative", "absolute"]),
    ("WSGITelemetryService unix:/x every=1", ["WSGITelemetryService", "every=1", "interval="]),
    ("WSGITelemetryService unix:/x interval=0.4", ["WSGITelemetryService", "0.4", "0.5"]),
    ("WSGITelemetryService unix:/x interval=1s", ["WSGITelemetryService", "1s", "0.5"]),
    ("WSGITelemetryService unix:/x interval=", ["WSGITelemetryService", "0.5"]),
    ("WSGITelemetryService unix:/x interval=1 more", ["WSGITelemetryService"]),
    ("WSGITelemetryOptions", ["WSGITelemetryOptions", "at least one"]),
    ("WSGITelemetryOptions +CaptureUserAgent All", ["WSGITelemetryOptions", "All"]),
    ("WSGITelemetryOptions None -CaptureUserAgent", ["WSGITelemetryOptions", "-CaptureUserAgent"]),
    ("WSGITelemetryOptions +", ["WSGITelemetryOptions", "+"]),
    ("WSGITelemetryOptions +All", ["WSGITelemetryOptions", "+All"]),
    ("WSGITelemetryOptions CaptureEverything", ["WSGITelemetryOptions", "CaptureEverything"]),
    ("WSGISlowRequests", ["WSGISlowRequests"]),
    ("WSGISlowRequests -1", ["WSGISlowRequests", "-1"]),
    ("WSGISlowRequests -0.5", ["WSGISlowRequests", "-0.5"]),
    ("WSGISlowRequests 1s", ["WSGISlowRequests", "1s"]),
    ("<VirtualHost *:1>\nWSGISlowRequests 1\n</VirtualHost>", ["WSGISlowRequests", "VirtualHost"]),
    ("<VirtualHost *:1>\nWSGIServerMetrics On\n</VirtualHost>", ["WSGIServerMetrics", "VirtualHost"]),
    ("<VirtualHost *:1>\nWSGITelemetryOptions All\n</VirtualHost>", ["WSGITelemetryOptions", "VirtualHost"]),
    ("<Directory />\nWSGIPythonHome /x\n</Directory>", ["WSGIPythonHome"]),
    ("<VirtualHost *:1>\nWSGIPythonHome /x\n</VirtualHost>", ["WSGIPythonHome", "VirtualHost"]),
    ("<VirtualHost *:1>\nWSGISocketPrefix x\n</VirtualHost>", ["WSGISocketPrefix", "VirtualHost"]),
    ("<VirtualHost *:1>\nWSGIRestrictEmbedded On\n</VirtualHost>", ["WSGIRestrictEmbedded", "VirtualHost"]),
    ("<Location />\nWSGIDaemonProcess x\n</Location>", ["WSGIDaemonProcess"]),
    ("<Location />\nWSGIScriptAlias / /x\n</Location>", ["WSGIScriptAlias"]),
])
def test_wrong_directive(server, line, parts):
    output = check(server, line + "\n")
    for part in parts:
        assert part in output


@pytest.mark.parametrize("directive", FLAGS)
@pytest.mark.parametrize("value", ["perhaps", "1", ""])
def test_wrong_flag(server, directive, value):
    output = check(server, '{} "{}"\n'.format(directive, value))
    assert directive in output


def test_duplicate_group_names_both_places(server):
    output = check(server, "WSGIDaemonProcess same threads=1\n\nWSGIDaemonProcess same threads=2\n")
    assert "same" in output
    assert len(set(re.findall(r"(?:httpd\.conf:|line )(\d+)", output))) >= 2, output


@pytest.mark.parametrize("text", [
    'WSGIDaemonProcess good threads=0 processes=1 umask=0777 graceful-timeout=0 display-name="%{GROUP}" home=/tmp\n',
    "WSGIDaemonProcess good maximum-requests=0 listen-backlog=0 send-buffer-size=0 receive-buffer-size=512 header-buffer-size=8192 "
    "response-buffer-size=65536 request-buffer-size=0 response-flush-delay=0 cpu-priority=-5 memory-limit=0 stack-size=262144\n",
    "WSGIDaemonProcess good locale=C.UTF-8 lang=C.UTF-8 python-path=/a:/b python-eggs=/x switch-interval=0.01 deadlock-timeout=0\n",
    "WSGIDaemonProcess good threads=1 threads=2\n",
    "WSGIDaemonProcess good processes=1:8 maximum-rss=0 replace=stop-first maximum-requests=9 maximum-requests-jitter=3\n"
    "WSGIDaemonProcess better maximum-processes=3 replace=start-first restart-interval=9 restart-interval-jitter=3\n"
    "WSGIDaemonProcess best minimum-processes=2 maximum-processes=3\n",
    "<VirtualHost *:1>\nServerName a\nWSGIDaemonProcess same threads=2\n</VirtualHost>\n"
    "<VirtualHost *:2>\nServerName a\nWSGIDaemonProcess same threads=2\n</VirtualHost>\n",
    "WSGIServerMetrics Off\n",
    "WSGIPythonHashSeed random\nWSGIPythonWarnings ignore\nWSGIPythonWarnings error::UserWarning\nWSGIPythonOptimize 1\nWSGIPythonEggs /x\n",
    "WSGIPythonHashSeed 0\nWSGIPythonPath /a:/b\nWSGISwitchInterval 0.01\n",
    "WSGIAcceptMutex default\nWSGIAcceptMutex FCNTL\n",
    "WSGITrustedProxies 10.0.0.1 10.1 10.0.0.0/8 10.0.0.0/255.0.0.0 ::1 FE80::/10\nWSGITrustedProxyHeaders X-Forwarded-For X-Odd\n",
    "WSGIRestrictProcess a %{GLOBAL}\nWSGIMapHEADToGET auto\nWSGIMapHEADToGET on\n",
    "WSGIScriptAlias /x /none.wsgi process-group=%{ENV:G} application-group=%{RESOURCE} callable-object=app pass-authorization=on\n",
    "WSGIScriptAliasMatch ^/([a-z]+)$ /w/$1.wsgi\nWSGIHandlerScript name /x process-group=p application-group=a\n",
])
def test_right_values(server, text):
    server.site.config = text
    done = server.check_config()
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("line", [
    "WSGILazyInitialization On", "WSGIReloadMechanism Process", "WSGIPy3kWarningFlag Off", "WSGINewRelicConfigFile /x",
    "WSGINewRelicEnvironment production", "WSGIVerboseDebugging On",
    "<Location />\nWSGIGroupAuthoritative On\n</Location>",
])
def test_removed_directive_is_accepted_with_a_warning(fresh_server, line):
    server = fresh_server("hello.wsgi", config=line + "\n")
    assert server.client().get("/").body == b"Hello World!"
    name = re.search(r"WSGI\w+", line).group(0)
    log = server.log.wait_for(r".*{}.*".format(name))
    assert "no effect" in log.group(0)
    server.log.allow(*re.findall(r"WSGI\d{4}", log.group(0)))
