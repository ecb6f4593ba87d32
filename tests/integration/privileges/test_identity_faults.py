"""Each step from root to the account of a group fails or lies: no process of the group may then run Python or answer."""
import errno
import re
from datetime import datetime

import pytest

from harness import apache, processes

pytestmark = pytest.mark.root

FAIL = {name: getattr(errno, name) for name in ("EPERM", "EAGAIN", "EINVAL", "ENOENT", "EACCES", "EIO")}
LIE = 0
SUPPLEMENTARY = "supplementary-groups=#54321"

# call, its argument, error number, options of the group, messages of the keeper
STEPS = [
    ("setuid", "{uid}", FAIL["EPERM"], "", ("WSGI0007", "WSGI0008")),
    ("setuid", "{uid}", FAIL["EAGAIN"], "", ("WSGI0007", "WSGI0008")),
    ("setuid", "{uid}", LIE, "", ("WSGI0007", "WSGI0008")),
    ("setgid", "{gid}", FAIL["EPERM"], "", ("WSGI0004",)),
    ("setgid", "{gid}", LIE, "", ("WSGI0004",)),
    ("initgroups", "{gid}", FAIL["EPERM"], "", ("WSGI0006",)),
    ("setgroups", "{gid}", FAIL["EPERM"], "", ("WSGI0006",)),
    ("setgroups", "{gid}", LIE, "", ("WSGI0006",)),
    ("setgroups", "*", FAIL["EINVAL"], SUPPLEMENTARY, ("WSGI0005",)),
    ("setgroups", "*", LIE, SUPPLEMENTARY, ("WSGI0005",)),
    ("chroot", "/", FAIL["EPERM"], "chroot={data}", ("WSGI0003",)),
    ("chroot", "/", LIE, "chroot={data}", ("WSGI0003",)),
]


def name_of(step):
    call, _, number, options, _ = step
    return "{}-{}{}".format(call, "lies" if number == LIE else errno.errorcode[number], "-" + options.split("=")[0] if options else "")


def serves(server):
    """The group that no fault is for."""
    answer = server.client().get("/").json()["answer"]
    assert answer["Uid"] == [str(apache.account().pw_uid)] * 4


def check_python(watcher, uids):
    """Whoever had Python loaded had one of these user ids, in each of its forms, no group 0 and no capability."""
    assert watcher.with_python()
    for sighting in watcher.with_python():
        assert len(set(sighting.uids)) == 1 and sighting.uids[0] in uids, sighting
        assert 0 not in sighting.gids and 0 not in sighting.groups, sighting
        assert sighting.capabilities == (0, 0), sighting


@pytest.mark.parametrize("step", STEPS, ids=name_of)
def test_a_group_that_cannot_change_its_identity_never_runs(faulty, step):
    call, argument, number, options, messages = step
    account = faulty.account
    rule = "{} {} {}".format(call, argument.format(uid=account.pw_uid, gid=account.pw_gid), number)
    server = faulty.start([rule] if call != "setgroups" or argument != "*" else [
        "setgroups {} {}".format(gid, number) for gid in (account.pw_gid, 54321)], options)
    for message in messages:
        server.log.expect(message, "broken")
    server.log.expect("WSGI0025", "broken")
    server.log.expect("WSGI0257", "broken")
    assert server.client().get("/broken").status >= 500
    server.log.allow("WSGI0116", "WSGI0145")
    serves(server)
    assert not [path for path in faulty.identities() if str(account.pw_uid) in path.read_text()]
    if "chroot" not in options: # else a keeper opens the bridge, without starting Python, before it changes its root
        check_python(faulty.watcher, {apache.account().pw_uid})


def test_it_recovers_when_the_fault_is_gone(faulty):
    account = faulty.account
    server = faulty.start(["setuid {} {}".format(account.pw_uid, FAIL["EAGAIN"])])
    server.log.expect("WSGI0007", "broken")
    faulty.inject()
    server.log.allow("WSGI0008", "WSGI0025", "WSGI0257", "WSGI0116", "WSGI0145")
    server.wait_until(lambda: server.client().get("/broken").status == 200, 30, "an answer of the group")
    answer = server.client().get("/broken").json()["answer"]
    assert answer["Uid"] == [str(account.pw_uid)] * 4
    assert answer["Gid"] == [str(account.pw_gid)] * 4
    check_python(faulty.watcher, {account.pw_uid, apache.account().pw_uid})


def times_of(server, number):
    """When each message was logged, seconds."""
    found = re.findall(r"^\[(\w+ \w+ \d+ [\d:.]+ \d+)\].*{}:".format(number), server.log.all(), re.MULTILINE)
    return [datetime.strptime(text, "%a %b %d %H:%M:%S.%f %Y").timestamp() for text in found]


def test_a_permanent_fault_is_no_fork_storm(faulty):
    """Pauses of 1, 2, 4 ... seconds between the keepers, whatever the processor allows."""
    server = faulty.start(["setuid {} {}".format(faulty.account.pw_uid, FAIL["EPERM"])])
    server.log.allow("WSGI0007", "WSGI0008", "WSGI0025", "WSGI0257")
    server.wait_until(lambda: len(times_of(server, "WSGI0007")) >= 4, 60, "four attempts")
    attempts = times_of(server, "WSGI0007")
    gaps = [later - earlier for earlier, later in zip(attempts, attempts[1:])]
    assert gaps[0] >= 0.99 and gaps[1] >= 1.99 and gaps[2] >= 3.99, gaps
    serves(server)


def test_capabilities_that_outlive_the_change_of_user(faulty):
    """Started with securebits no_setuid_fixup, setuid() takes nothing away."""
    server = faulty.start(["securebits * 0"])
    server.log.expect("WSGI0260", "broken")
    server.log.expect("WSGI0260", "other")
    server.log.allow("WSGI0025", "WSGI0257", "WSGI0145", "WSGI0116")
    assert server.client().get("/broken").status >= 500
    assert not faulty.identities()
    assert not faulty.watcher.with_python()


def test_a_lie_about_the_groups_of_the_user_leaves_no_group_of_root(faulty):
    """initgroups() does nothing: the process has fewer groups than it should, never more."""
    account = faulty.account
    server = faulty.start(["initgroups {} 0".format(account.pw_gid)])
    answer = server.client().get("/broken").json()["answer"]
    assert answer["Groups"] == [str(account.pw_gid)]
    check_python(faulty.watcher, {account.pw_uid, apache.account().pw_uid})


@pytest.mark.parametrize("options, groups", [("", None), (SUPPLEMENTARY, ["54321"])])
def test_identity_of_keepers_and_workers(faulty, options, groups):
    """All ids, the groups, no capability, and no way back."""
    account = faulty.account
    server = faulty.start(options=options)
    answer = server.client().get("/broken").json()
    worker = answer["pid"]
    keeper, = faulty.keepers()
    for pid in (worker, keeper):
        assert processes.status_field(pid, "Uid") == [str(account.pw_uid)] * 4
        assert processes.status_field(pid, "Gid") == [str(account.pw_gid)] * 4
        if groups:
            assert sorted(processes.status_field(pid, "Groups")) == sorted(groups + [str(account.pw_gid)])
        assert "0" not in processes.status_field(pid, "Groups")
        for name in ("CapPrm", "CapEff", "CapAmb"):
            assert int(processes.status_field(pid, name)[0], 16) == 0, name
    assert server.client().get("/broken/way-back").json()["answer"] == []
    check_python(faulty.watcher, {account.pw_uid, apache.account().pw_uid})
