"""Start both modules on the same configurations, send both the same requests, print what differs."""
import os
import re
import shutil
import sys
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
sys.path.insert(0, str(HERE.parent / "measure"))

import peer  # noqa: E402
from common import make  # noqa: E402
from compare import cases, differences, sites, wire  # noqa: E402
from harness.server import Server, free_port, make_readable  # noqa: E402

CERTIFICATE = HERE.parent / "harness" / "localhost.pem"
LEVEL = re.compile(r"\[wsgi:(warn|error|crit|alert|emerg)\]")


class Subject:
    """One of the two, running on one site."""

    def __init__(self, site: str, mode: str, module: Path):
        self.tls = free_port()
        config = sites.SITES[site].replace("{tls}", str(self.tls)).replace("{certificate}", str(CERTIFICATE))
        self.server: Server = make(mode=mode, daemon={"processes": 1, "threads": 5} if mode == "daemon" else {}, config=config,
                                   modules=sites.MODULES, children=1)
        self.server.module = module
        for name in ("app.wsgi", "auth.wsgi"):
            shutil.copy(str(HERE / name), str(self.server.root / "apps" / name))
        (self.server.root / "htdocs" / "file.handled").write_text("a file\n")
        for path in (self.server.root / "htdocs").iterdir():
            os.utime(str(path), (1e9, 1e9)) # ETags show it
        make_readable(self.server.root / "apps")
        make_readable(self.server.root / "htdocs")
        self.server.start()

    def ask(self, case: cases.Case):
        """Return the responses and the levels of the messages."""
        seen = len(self.server.log.all())
        if case.over_http2:
            data = wire.exchange_http2(self.server.port, case.data)
        else:
            data = wire.exchange(self.tls if case.over_tls else self.server.port, case.data, case.over_tls)
        answers = wire.take_apart(data, case.data.startswith(b"HEAD "))
        for answer in answers:
            answer.body = self.without_own(answer.body.decode("latin-1")).encode("latin-1")
            answer.headers = [(name, re.sub('nonce="[^"]*"', "nonce", self.without_own(value))) for name, value in answer.headers]
        return answers, LEVEL.findall(self.settled_log()[seen:])

    def settled_log(self) -> str:
        """The log when nothing is added to it any more: a daemon may write after the client has its answer."""
        log, before = self.server.log.all(), None
        while log != before:
            time.sleep(0.05)
            log, before = self.server.log.all(), log
        return log

    def without_own(self, text: str) -> str:
        """Put names in place of what is this server's own."""
        for value, name in ((self.server.root, "ROOT"), (self.server.port, "PORT"), (self.tls, "TLSPORT")):
            text = text.replace(str(value), name)
        return text

    def end(self) -> None:
        try:
            self.server.stop()
        except AssertionError: # the harness complains of messages, which are part of what is compared
            pass
        self.server.destroy()


def compare_site(site: str, mode: str, ours: Path, theirs: Path, wanted: str):
    """Yield (case, differences) for each request."""
    subjects = [Subject(site, mode, module) for module in (ours, theirs)]
    try:
        for case in cases.all_cases()[site]:
            name = "%s/%s/%s" % (site, mode, case.name)
            if wanted not in name:
                continue
            (our_answers, our_levels), (their_answers, their_levels) = (subject.ask(case) for subject in subjects)
            yield name, differences.compare(our_answers, their_answers) + differences.compare_levels(our_levels, their_levels)
    finally:
        for subject in subjects:
            subject.end()


def main() -> int:
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    ours, theirs = make().module, peer.shared_object()
    found, requests = [], 0
    for site in sites.SITES:
        for mode in ("embedded", "daemon"):
            for case, those in compare_site(site, mode, ours, theirs, wanted):
                requests += 1
                found += [(case, difference) for difference in those]
    text, is_expected = differences.report(found, requests, differences.Expectations())
    print(text)
    return 0 if is_expected else 1


if __name__ == "__main__":
    sys.exit(main())
