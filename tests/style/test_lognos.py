"""Numbered messages: who has a number, that it is given once, and that its severity is the published one."""

import re

import pytest
from style import csource

# Severity of the published numbers. Administrators filter by them, so neither may change. A number not listed here was
# given later; from then on it belongs in docs/messages.rst.
PUBLISHED = {
    "ALERT": "0003-0015 0020-0025 0027 0033 0034 0206 0208",
    "CRIT": "0001 0002 0016-0019 0026 0028-0032 0035 0036 0040",
    "ERR": "0038 0041-0060 0068 0069 0080 0081 0084-0087 0089-0091 0094-0098 0103-0110 0112-0129 0134-0179 0183-0192 "
           "0194 0207 0209 0210",
    "WARNING": "0061-0065 0067 0070-0079 0082 0083 0100-0102 0111 0132 0133 0195 0196 0198-0205",
}
# Numbers that once meant something else, or are kept for features that do not exist here.
RETIRED = "0037 0039 0066 0092 0093 0180 0193 0197"
RESERVED = "0088 0099 0130 0131 0181 0182"

# Numbers given at more than one place, because several places report the same thing.
SHARED = {
    "0025": "a process cannot be set up: its keeper while it takes the identity, or a worker after that",
    "0087": "the interpreter of a request is not available: told by the bridge, or by a worker that has no bridge",
}

NUMBERED = {"ALERT", "CRIT", "ERR", "WARNING", "EMERG"}
LEVEL = re.compile(r"\b(?:WSGI_LOG|APLOG)_(EMERG|ALERT|CRIT|ERR|WARNING|NOTICE|INFO|DEBUG|TRACE[1-8])\b")
NUMBER = re.compile(r"\bWSGI_LOGNO\((\w*)\)")
TEXT = re.compile(r'"((?:\\.|[^"\\])*)"')


def expand(ranges):
    """Return the numbers of `"0001 0003-0005"`."""
    numbers = set()
    for word in ranges.split():
        first, _, last = word.partition("-")
        numbers |= {"%04d" % number for number in range(int(first), int(last or first) + 1)}
    return numbers


SEVERITY = {number: level for level, ranges in PUBLISHED.items() for number in expand(ranges)}


def messages(text):
    """Yield (line, levels, numbers) for each call that logs a text written in place."""
    for call in csource.calls(text):
        if any(LEVEL.search(inner.arguments) for inner in csource.calls(call.arguments) if inner.name != "WSGI_LOGNO"):
            continue  # the inner call is the message
        levels = set(LEVEL.findall(call.arguments))
        words = [word for word in TEXT.findall(call.arguments) if re.search(r"[A-Za-z]{3}", word)]
        if levels and words:
            yield call.line, levels, NUMBER.findall(call.arguments)


def violations(files):
    """Return a line for each breach in {path: text}."""
    wrong, places = [], {}
    for path, text in files.items():
        code = csource.without_comments(text)
        for match in NUMBER.finditer(code):
            if not path.endswith("wsgi_log.h"):
                line = code.count("\n", 0, match.start()) + 1
                places.setdefault(match.group(1), []).append("%s:%d" % (path, line))
        for line, levels, numbers in messages(text):
            here = "%s:%d" % (path, line)
            if levels <= NUMBERED and not numbers:
                wrong.append("%s: a message of level %s has no number" % (here, "/".join(sorted(levels))))
            if not levels & NUMBERED and numbers:
                wrong.append("%s: a message of level %s has a number" % (here, "/".join(sorted(levels))))
            for number in numbers:
                if len(levels) == 1 and not levels <= {SEVERITY.get(number, min(levels))}:
                    wrong.append("%s: WSGI%s is of level %s, not %s" % (here, number, SEVERITY[number], min(levels)))
    for number, given in sorted(places.items()):
        if not re.fullmatch(r"\d{4}", number):
            wrong.append("%s: '%s' is not four digits" % (given[0], number))
        if number in expand(RETIRED + " " + RESERVED):
            wrong.append("%s: WSGI%s must not be used" % (given[0], number))
        if len(given) > 1 and number not in SHARED:
            wrong.append("WSGI%s is given at several places: %s" % (number, ", ".join(given)))
    return wrong


def test_lognos():
    files = csource.read_server()
    wrong = violations(files)
    assert not wrong, "\n".join(wrong)
    used = {number for text in files.values() for number in NUMBER.findall(csource.without_comments(text))}
    assert set(SHARED) <= used, "numbers listed as shared that nobody uses"


def test_check_knows_each_number_once():
    every = [number for ranges in PUBLISHED.values() for number in expand(ranges)]
    assert len(every) == len(set(every))
    assert not set(every) & expand(RETIRED + " " + RESERVED)
    assert expand("0001-%04d" % 210) == set(every) | expand(RETIRED + " " + RESERVED)


@pytest.mark.parametrize("about, code", [
    ("has no number", 'wsgi_log(sink, WSGI_HERE, WSGI_LOG_WARNING, 0, "Something is wrong.");'),
    ("has no number", 'ap_log_error(APLOG_MARK, APLOG_ERR, 0, s, "Something is wrong.");'),
    ("has a number", 'wsgi_log(sink, WSGI_HERE, WSGI_LOG_INFO, 0, WSGI_LOGNO(0300) "All is well.");'),
    ("is of level", 'wsgi_log(sink, WSGI_HERE, WSGI_LOG_ERR, 0, WSGI_LOGNO(0061) "No core files.");'),
    ("must not be used", 'wsgi_log(sink, WSGI_HERE, WSGI_LOG_ERR, 0, WSGI_LOGNO(0037) "Something.");'),
    ("must not be used", 'wsgi_log(sink, WSGI_HERE, WSGI_LOG_ERR, 0, WSGI_LOGNO(0130) "Something.");'),
    ("four digits", 'wsgi_log(sink, WSGI_HERE, WSGI_LOG_ERR, 0, WSGI_LOGNO(300) "Something.");'),
    ("several places", 'static const char *const texts[] = { WSGI_LOGNO(0300) "One", WSGI_LOGNO(0300) "Two" };'),
    ("has no number", 'if (enabled(sink, WSGI_LOG_ERR)) { log_it(WSGI_LOG_ERR, (int)f(x), "Bad (%d)", g("a)b")); }'),
])
def test_check_finds(about, code):
    wrong = violations({"daemon/wsgi_a.c": code})
    assert len(wrong) == 1 and about in wrong[0], wrong


def test_check_lets_good_messages_pass():
    assert violations({"daemon/wsgi_a.c": """
        /* wsgi_log(sink, WSGI_HERE, WSGI_LOG_ERR, 0, "In a comment."); */
        wsgi_log(sink, WSGI_HERE, WSGI_LOG_ERR, 0, WSGI_LOGNO(0115) "No socket.");
        wsgi_log(sink, WSGI_HERE, WSGI_LOG_INFO, 0, "Ready.");
        log_it(sink, is_quiet ? WSGI_LOG_INFO : WSGI_LOG_ERR, "Level depends.");
        ap_log_rerror(file, line, module, APLOG_ERR, 0, r, "%s", text);
        return level <= WSGI_LOG_ERR;
    """}) == []
