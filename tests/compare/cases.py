"""The requests: bytes to be sent as they are, by name, for each site."""
import base64
from dataclasses import dataclass, replace
from typing import List, Sequence, Tuple


@dataclass(frozen=True)
class Case:
    """One connection.

    Attributes:
        name: unique within its site.
        data: all that is sent.
        over_tls: to the port with TLS.
        over_http2: ``data`` is the request as HTTP/1.1 would have it, with a body of known length, and is sent as HTTP/2.
    """

    name: str
    data: bytes
    over_tls: bool = False
    over_http2: bool = False


Headers = Sequence[Tuple[str, str]]


def request(name: str, path: str = "/", method: str = "GET", headers: Headers = (), body: bytes = b"", version: str = "HTTP/1.1",
            close: bool = True, over_tls: bool = False) -> Case:
    lines = ["%s %s %s" % (method, path, version)]
    names = {header.lower() for header, _ in headers}
    if "host" not in names:
        lines.append("Host: localhost")
    lines += ["%s: %s" % header for header in headers]
    if close and "connection" not in names:
        lines.append("Connection: close")
    if body and "content-length" not in names and "transfer-encoding" not in names:
        lines.append("Content-Length: %d" % len(body))
    return Case(name, "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body, over_tls)


def doing(action: str, **options) -> Case:
    """A request for one behaviour of the application."""
    method = options.get("method", "GET")
    more = tuple(options.pop("headers", ()))
    return request("%s %s%s" % (method, action, "".join(" %s=%s" % item for item in more)), headers=(("X-Do", action), *more), **options)


METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "REPORT", "get", "FOO", "X" * 40]

PATHS = ["/", "//", "/a", "/a/b", "/a//b", "//a", "/a/", "/a/./b", "/a/../b", "/../a", "/%41", "/a%2Fb", "/a%2fb", "/a%00b", "/%C3%B6", "/%F6", "/\xf6",
         "/a;b=c", "/a;b/c", "/a?x=1", "/a?x=%20", "/a?", "/a??", "/a?x#y", "/a%3Fb", "/a%23b", "/a+b", "/a b", "/a%20b", "/a%25b", "/a&b=c", "/a:b",
         "/.", "/..", "/...", "/a/..", "/sub", "/sub/", "/sub/x", "/subx", "/sub//x", "//sub/x", "/sub/../x", "/SUB/x", "/match/one/two", "/match",
         "/folder/app.wsgi", "/folder/app.wsgi/x", "/folder/none.wsgi", "/folder/", "/folder", "/static/static.txt", "http://localhost/abs",
         "http://other/abs", "*"]

ODD_HEADERS: List[Tuple[str, Headers]] = [
    ("underscore", [("X_Evil", "1")]), ("both spellings", [("X_Evil", "1"), ("X-Evil", "2")]), ("repeated", [("X-A", "1"), ("X-A", "2")]),
    ("empty", [("X-A", "")]), ("latin1", [("X-A", "\xf6")]), ("proxy", [("Proxy", "http://evil")]), ("authorization", [("Authorization", "Basic eDp5")]),
    ("proxy authorization", [("Proxy-Authorization", "Basic eDp5")]), ("cookies", [("Cookie", "a=1"), ("Cookie", "b=2")]), ("dots", [("X.A", "1")]),
    ("content type", [("Content-Type", "text/x")]), ("two types", [("Content-Type", "a/b"), ("Content-Type", "c/d")]), ("long", [("X-A", "x" * 4000)]),
    ("accept", [("Accept", "*/*"), ("Accept-Encoding", "gzip")]), ("referer", [("Referer", "http://x/"), ("User-Agent", "test")]),
    ("host with port", [("Host", "localhost:8080")]), ("host upper", [("Host", "LOCALHOST")]), ("host unknown", [("Host", "elsewhere")]),
    ("start", [("X-Request-Start", "t=123"), ("X-Queue-Start", "t=456")]), ("https", [("HTTPS", "on")]), ("range", [("Range", "bytes=2-5")]),
    ("modified", [("If-Modified-Since", "Mon, 01 Jan 2024 00:00:00 GMT")]), ("match", [("If-None-Match", '"x"')]), ("te", [("TE", "trailers")]),
    ("forwarded", [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "front:99")])]


def chunked(*chunks: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def bodies(label: str = "") -> List[Case]:
    te = ("Transfer-Encoding", "chunked")
    found = []
    for how in ("all", "sizes", "lines", "readline", "readlines", "twice", "not"):
        do = ("X-Do", "read-" + how)
        found.append(request("length %s" % how, method="POST", headers=[do], body=b"one\ntwo\nthree"))
        found.append(request("chunked %s" % how, method="POST", headers=[do, te], body=chunked(b"one\ntw", b"o\nthree")))
    do = ("X-Do", "read-all")
    found += [
        request("empty", method="POST", headers=[do, ("Content-Length", "0")]), request("no length", method="POST", headers=[do]),
        request("length too long", method="POST", headers=[do, ("Content-Length", "20")], body=b"short"),
        request("length not a number", method="POST", headers=[do, ("Content-Length", "x")]), request("length negative", method="POST",
        headers=[do, ("Content-Length", "-1")]),
        request("length with plus", method="POST", headers=[do, ("Content-Length", "+3")], body=b"abc"),
        request("two equal lengths", method="POST", headers=[do, ("Content-Length", "3"), ("Content-Length", "3")], body=b"abc"),
        request("two lengths", method="POST", headers=[do, ("Content-Length", "3"), ("Content-Length", "4")], body=b"abcd"),
        request("length and chunked", method="POST", headers=[do, te, ("Content-Length", "3")], body=chunked(b"abc")),
        request("broken chunk", method="POST", headers=[do, te], body=b"zz\r\nabc\r\n0\r\n\r\n"), request("chunk cut off", method="POST",
        headers=[do, te], body=b"5\r\nab"),
        request("trailers", method="POST", headers=[do, te], body=chunked(b"abc", end=b"0\r\nX-T: 1\r\n\r\n")),
        request("other encoding", method="POST", headers=[do, ("Transfer-Encoding", "gzip")], body=b"abc"),
        request("chunked in upper case", method="POST", headers=[do, ("Transfer-Encoding", "CHUNKED")], body=chunked(b"abc")),
        request("large", method="POST", headers=[("X-Do", "read-not")], body=b"x" * 200000), request("large read", method="POST", headers=[do],
        body=b"x" * 30000),
        request("expect", method="POST", headers=[do, ("Expect", "100-continue")], body=b"abc"),
        request("expect unread", method="POST", headers=[("X-Do", "read-not"), ("Expect", "100-continue")], body=b"abc"),
        request("expect unknown", method="POST", headers=[do, ("Expect", "magic")], body=b"abc"), request("get with body", headers=[do], body=b"abc"),
        request("over the limit", "/limited", method="POST", headers=[do], body=b"x" * 2000),
        request("over the limit chunked", "/limited", method="POST", headers=[do, te], body=chunked(b"x" * 2000))]
    return found


HEADER_ACTIONS = ("repeated latin1 wide empty spaces newline nul control tab badname colonname bytes bytesvalue intvalue triple listitem tuple connection "
                  "encoding upgrade status date server location etag modified shortlength longlength badlength twolengths conflict notype").split()
STATUS_ACTIONS = ("short noreason odd custom teapot 204 304 100 000 999 1000 word empty bytes int newline latin1 wide 404 500 503 302 401").split()
RESULT_ACTIONS = ("nothing raise exit excinfo twice noargs manyargs write writestr writeempty none str liststr int bytes bytearray memory emptylist "
                  "emptyitems many tuple set dict generator generatornone generatorraise generatorlate generatorstr generatornoneitem closing closefails "
                  "large listnone listraise").split()
FILE_ACTIONS = "plain length short offset memory iterated".split()


def responses() -> List[Case]:
    actions = (["headers-" + name for name in HEADER_ACTIONS] + ["status-" + name for name in STATUS_ACTIONS]
               + ["result-" + name for name in RESULT_ACTIONS] + ["file-" + name for name in FILE_ACTIONS] + ["errors-x"])
    found = [doing(action) for action in actions]
    found += [doing(action, method="HEAD") for action in ("result-write", "result-generator", "headers-shortlength", "status-404", "file-plain",
        "result-large")]
    found += [doing(action, headers=[("Range", "bytes=1-2")]) for action in ("headers-etag", "file-length", "result-many")]
    found += [doing(action, headers=[("If-Modified-Since", "Tue, 01 Jan 2030 00:00:00 GMT")]) for action in ("headers-modified", "file-plain")]
    found.append(doing("headers-etag", headers=[("If-None-Match", '"x"')]))
    return found


def protocols() -> List[Case]:
    found = [request("1.0", version="HTTP/1.0", close=False), request("1.0 keep-alive", version="HTTP/1.0", headers=[("Connection", "keep-alive"),
        ("X-Do", "headers-date")]),
             request("1.0 generator", version="HTTP/1.0", headers=[("X-Do", "result-generator")]), request("2.5", version="HTTP/2.5"),
             Case("no host", b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"), Case("0.9", b"GET /\r\n"), Case("nonsense", b"\x16\x03\x01nonsense\r\n\r\n"),
             request("over TLS", over_tls=True), request("over TLS with path", "/sub/a?b", over_tls=True)]
    two = request("", headers=[("X-Do", "headers-tuple")], close=False).data
    last = request("", headers=[("X-Do", "result-tuple")]).data
    found += [Case("pipelined", two + two + last), Case("pipelined after write", request("", headers=[("X-Do", "result-write")], close=False).data + last),
              Case("pipelined after short body", request("", headers=[("X-Do", "headers-longlength")], close=False).data + last),
              Case("pipelined after unread body", request("", method="POST", headers=[("X-Do", "read-not")], body=b"x" * 100, close=False).data + last),
              Case("folded header", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\n 2\r\nConnection: close\r\n\r\n"),
              Case("space before colon", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A : 1\r\nConnection: close\r\n\r\n")]
    return found


def proxied() -> List[Case]:
    trusted = [("X-Forwarded-For", "9.9.9.9, 127.0.0.1"), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "front:99"), ("X-Forwarded-Port", "99"),
               ("X-Forwarded-Server", "front"), ("X-Script-Name", "/mounted")]
    found = [request("all %s" % path, path, headers=trusted) for path in ("/", "/untrusted")]
    found += [request("%s %s" % header, headers=[header]) for header in (*trusted, ("X-Forwarded-For", "junk"), ("X-Forwarded-For", ""),
        ("X-Forwarded-For", "1.1.1.1, 2.2.2.2"),
                                                                        ("X-Forwarded-Proto", "ftp"), ("X-Forwarded-SSL", "on"), ("X-Real-IP",
                                                                        "8.8.8.8"), ("X-Client-IP", "7.7.7.7"),
                                                                        ("X_Forwarded_For", "6.6.6.6"), ("X-Forwarded-Scheme", "https"))]
    return found


def authenticated() -> List[Case]:
    def basic(user: str, password: str = "secret") -> Tuple[str, str]:
        return "Authorization", "Basic " + base64.b64encode(("%s:%s" % (user, password)).encode("latin-1")).decode()

    found = [request("access " + query, "/access?" + query) for query in ("yes", "no", "none", "number")]
    found += [request("basic " + user, "/basic", headers=[basic(user)]) for user in ("alice", "alias", "empty", "one", "raise", "nobody")]
    found += [request("basic wrong", "/basic", headers=[basic("alice", "wrong")]), request("basic none", "/basic"), request("digest none", "/digest"),
              request("passed on", "/passed", headers=[basic("alice")])]
    found += [request("group " + user, "/group", headers=[basic(user)]) for user in ("alice", "alias")]
    found.append(request("other group", "/othergroup", headers=[basic("alice")]))
    return found


def flagged() -> List[Case]:
    found = [doing("status-" + name, path="/override") for name in ("404", "500", "503", "302", "401", "204")]
    found += [request("head %s" % path, path, method="HEAD") for path in ("/head/on", "/head/off", "/head/auto")]
    found += [request("chunked refused", "/nochunk", method="POST", headers=[("Transfer-Encoding", "chunked")], body=chunked(b"abc")),
        request("set env", "/env"),
              request("rewritten", "/rewritten/x?y=1"), request("handler", "/file.handled"), request("handler missing", "/none.handled"),
              request("callable", "/callable"),
              request("no callable", "/nocallable"), request("path info off", "/nopathinfo/x"), request("script missing", "/gone"),
              request("restricted", "/restricted"),
              request("unknown group", "/unknowngroup"), request("document error", "/gone/x", headers=[("Accept", "text/html")])]
    return found


def over_http2() -> List[Case]:
    """Nothing of which a part arrives or not as time goes: a stream that is reset takes with it what was not sent yet."""
    found = [request("method %s" % method, "/m", method=method, close=False) for method in METHODS if method not in ("TRACE", "get", "FOO", "X" * 40)]
    found += [request("path %s" % path, path, close=False) for path in ("/", "/a//b", "/a%2Fb", "/a?x=1", "/sub/a;b=c")]
    found += [request("header " + name, headers=headers, close=False) for name, headers in ODD_HEADERS
              if name in ("repeated", "cookies", "authorization", "underscore", "range", "forwarded")]
    found += [request("body %s" % how, method="POST", headers=[("X-Do", "read-" + how)], body=b"one\ntwo\nthree", close=False) for how in ("all", "lines")]
    found.append(request("large body", method="POST", headers=[("X-Do", "read-sizes")], body=b"x" * 300000, close=False))
    found += [doing(action, close=False) for action in (
        "headers-repeated", "headers-connection", "headers-upgrade", "headers-etag", "status-204", "status-304", "status-404",
        "status-custom", "status-302", "result-nothing", "result-raise", "result-exit", "result-write", "result-generator", "result-generatorraise",
        "result-generatorlate", "result-large", "result-many", "result-closing")]
    return [replace(case, over_http2=True) for case in found]


def all_cases() -> dict:
    """Return site to list of cases."""
    general = [request("method %s" % method, "/m", method=method) for method in METHODS]
    general += [request("path %s" % path.replace("\xf6", "\\xf6"), path) for path in PATHS]
    general += [request("header " + name, headers=headers) for name, headers in ODD_HEADERS]
    return {"general": general + bodies() + responses() + protocols(), "proxied": proxied(), "authenticated": authenticated(), "flagged": flagged(),
            "http2": over_http2()}
