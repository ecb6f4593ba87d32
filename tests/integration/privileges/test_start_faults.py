"""What fails after the account was changed, or costs no more than a warning."""
import errno
import re
import resource

import pytest

from harness import apache

pytestmark = pytest.mark.root

# call, its argument, error number, options of the group, message; the process ends and another is tried
FATAL = [
    ("chdir", "{root}/data", errno.EACCES, {"home": "home={data}"}, "WSGI0009"),
    ("chdir", "{root}/data", errno.ENOENT, {"home": "home={data}"}, "WSGI0009"),
    ("getpwuid", "{uid}", 0, {"home": ""}, "WSGI0011"),
    ("chdir", "{home}", errno.EACCES, {"home": ""}, "WSGI0010"),
]

# the same; the process goes on
HARMLESS = [
    ("setpriority", "5", errno.EACCES, {"options": "cpu-priority=5"}, "WSGI0075"),
    ("prctl", "{uid}", errno.EINVAL, {"config": "CoreDumpDirectory {root}/data"}, "WSGI0061"),
    ("setrlimit", str(int(resource.RLIMIT_CPU)), errno.EPERM, {"options": "cpu-time-limit=1000"}, "WSGI0076"),
    ("setrlimit", str(int(resource.RLIMIT_DATA)), errno.EPERM, {"options": "memory-limit=1000000000"}, "WSGI0077"),
    ("setrlimit", str(int(resource.RLIMIT_AS)), errno.EPERM, {"options": "virtual-memory-limit=8000000000"}, "WSGI0078"),
]


def name_of(case):
    return "{}-{}".format(case[0], case[4])


def start(faulty, case):
    call, argument, number, fields, _ = case
    places = {"uid": faulty.account.pw_uid, "home": faulty.account.pw_dir}
    rule = "{} {} {}".format(call, argument.replace("{root}", "").format(**places), number)
    return faulty.start([rule], **fields)


@pytest.mark.parametrize("case", FATAL, ids=name_of)
def test_a_worker_without_its_folder_serves_nobody(faulty, case):
    server = start(faulty, case)
    server.log.expect(case[4], "broken")
    server.log.expect("WSGI0025", "broken")
    server.log.expect("WSGI0252", "broken")
    server.log.allow("WSGI0116", "WSGI0145")
    assert server.client().get("/broken").status >= 500
    assert server.client().get("/").status == 200
    assert not [path for path in faulty.identities() if str(faulty.account.pw_uid) in path.read_text()]
    assert {sighting.uids[0] for sighting in faulty.watcher.with_python()} == {apache.account().pw_uid}
    pauses = [float(text) for text in re.findall(r"WSGI0252: .* in ([\d.]+) seconds", server.log.all())]
    assert pauses == sorted(pauses) and pauses[0] == 0.2 # the first pause, of 0.1 s, is not worth a line
    faulty.inject()
    server.wait_until(lambda: server.client().get("/").status == 200, 10, "the other group")


@pytest.mark.parametrize("case", HARMLESS, ids=name_of)
def test_a_setting_that_is_refused_costs_a_warning(faulty, case):
    server = start(faulty, case)
    answer = server.client().get("/broken").json()["answer"]
    assert answer["Uid"] == [str(faulty.account.pw_uid)] * 4
    server.log.expect(case[4], "broken")


def test_the_priority_is_set_before_the_rights_for_it_are_gone(faulty):
    """A process of another account could not raise itself."""
    server = faulty.start(options="cpu-priority=-5")
    assert server.client().get("/broken/nice").json()["answer"] == -5
