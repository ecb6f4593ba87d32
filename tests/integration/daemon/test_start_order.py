"""What a process of a group does to itself before Python starts, in its order, seen by what the application can do afterwards."""
import grp
import os
import pwd

import pytest

from harness import apache, processes

FACTS = '''
import ctypes, json, os, sys, threading

def stack_bytes():
    """Of the calling thread, as the C library knows it."""
    libc, attributes = ctypes.CDLL(None), ctypes.create_string_buffer(256)
    libc.pthread_self.restype = ctypes.c_ulong
    size = ctypes.c_size_t()
    assert libc.pthread_getattr_np(ctypes.c_ulong(libc.pthread_self()), attributes) == 0
    assert libc.pthread_attr_getstacksize(attributes, ctypes.byref(size)) == 0
    libc.pthread_attr_destroy(attributes)
    return size.value

def allocate(size):
    try:
        return len(bytearray(int(size)))
    except MemoryError:
        return "MemoryError"

def make(path):
    with open(path, "w"):
        pass
    os.mkdir(path + ".d")
    return [os.stat(name).st_mode & 0o777 for name in (path, path + ".d")]

def facts(_):
    answer = {name: os.environ.get(name) for name in ("HOME", "USER", "USERNAME", "LOGNAME", "LANG", "LC_ALL", "PYTHON_EGG_CACHE")}
    answer.update(pid=os.getpid(), cwd=os.getcwd(), path=sys.path, uid=os.getresuid(), gid=os.getresgid(), groups=sorted(os.getgroups()),
                  listing=sorted(os.listdir(".")), stack=stack_bytes())
    return answer

def application(environ, start_response):
    name, _, argument = environ["PATH_INFO"].strip("/").partition("/")
    function = {"allocate": allocate, "make": lambda path: make("/" + path)}.get(name, facts)
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(function(argument)).encode("ascii")]
'''


@pytest.fixture
def start(fresh_server):
    """``start("umask=027")``: a server whose one group has these options; ``{data}`` is a folder all may write to."""

    def begin(options="", config="", prepare=None, variables=(), **fields):
        server = fresh_server.site(apps={"/": "facts.wsgi"}, **fields)
        server.variables = dict(variables)
        server.write_app("facts.wsgi", FACTS)
        data = server.data_folder()
        if prepare is not None:
            prepare(data)
        server.site.config = "WSGIRestrictEmbedded On\nWSGIDaemonProcess group {}\nWSGIProcessGroup group\n{}".format(
            options.format(data=data), config)
        return server.start()

    return begin


def ask(server, path="/"):
    return server.client().get(path).json()


# Identity

@pytest.mark.root
def test_account_of_apache_may_be_named_later(start):
    """User and Group behind the definition of the group count, also for its socket."""
    account = pwd.getpwnam("daemon")
    server = start(config="User daemon\nGroup daemon\n")
    answer = ask(server)
    assert (answer["uid"], answer["gid"]) == ([account.pw_uid] * 3, [account.pw_gid] * 3)
    assert {os.stat(path).st_uid for path in server.request_sockets()} == {account.pw_uid}


@pytest.mark.root
def test_group_without_user(start):
    answer = ask(start("group=games"))
    assert (answer["uid"], answer["gid"]) == ([apache.account().pw_uid] * 3, [grp.getgrnam("games").gr_gid] * 3)
    assert grp.getgrnam("games").gr_gid in answer["groups"] and 0 not in answer["groups"]


@pytest.mark.root
def test_user_without_group_keeps_the_group_of_apache(start):
    answer = ask(start("user=daemon"))
    assert answer["uid"] == [pwd.getpwnam("daemon").pw_uid] * 3
    assert answer["gid"] == [apache.account().pw_gid] * 3


@pytest.mark.root
def test_variables_name_the_user(start):
    account = pwd.getpwnam("daemon")
    answer = ask(start("user=daemon", variables={"HOME": "/root", "USER": "root", "LOGNAME": "root"}))
    assert [answer[name] for name in ("HOME", "USER", "LOGNAME")] == [account.pw_dir, "daemon", "daemon"]
    assert answer["USERNAME"] is None # Apache had none


# Folders

@pytest.mark.root
def test_home_is_entered_as_the_user(start):
    """A folder that only the group's account can enter, or only root."""
    account = pwd.getpwnam("daemon")

    def prepare(data):
        for name, owner in (("own", account.pw_uid), ("roots", 0)):
            (data / name).mkdir()
            os.chown(str(data / name), owner, 0)
            (data / name).chmod(0o700)

    server = start("user=daemon home={data}/own", prepare=prepare,
                   config="WSGIDaemonProcess closed user=daemon home={root}/data/roots connect-timeout=0 socket-timeout=1\n"
                          "<Location /closed>\nWSGIProcessGroup closed\n</Location>\n")
    answer = ask(server)
    assert answer["cwd"] == str(server.root / "data" / "own") and answer["listing"] == []
    assert "Permission denied" in server.log.expect("WSGI0009", "closed")
    assert server.client().get("/closed").status in (503, 504)
    server.log.allow("WSGI0025", "WSGI0252", "WSGI0116", "WSGI0145")


def test_without_home_the_folder_stays(start):
    """Apache's own account: it is not moved to its home folder."""
    server = start()
    assert ask(server)["cwd"] == os.path.realpath("/proc/{}/cwd".format(server.pid)) == "/"


def test_home_is_first_in_every_interpreter(start):
    server = start("home={data} python-path=/usr/lib", application_group=None, config=(
        "WSGIPythonPath /usr/share\nWSGIPythonEggs /tmp/not-for-groups\n"
        "<Location /main>\nWSGIApplicationGroup %{GLOBAL}\n</Location>\n"))
    for path in ("/", "/main"):
        answer = ask(server, path)
        assert answer["path"][:2] == [str(server.root / "data"), "/usr/lib"]
        assert "/usr/share" not in answer["path"] and answer["PYTHON_EGG_CACHE"] is None # those of embedded mode


# Limits

@pytest.mark.parametrize("umask, modes", [("0", [0o666, 0o777]), ("027", [0o640, 0o750]), ("0777", [0, 0])])
def test_umask(start, umask, modes):
    server = start("umask=" + umask)
    assert ask(server, "/make{}/made".format(server.data_folder())) == modes


def test_stack_size_of_request_threads(start):
    size = ask(start("stack-size=3145728"))["stack"]
    assert 3 << 20 <= size <= (3 << 20) + (64 << 10) # room for a guard page, by system
    assert not 3 << 20 <= ask(start())["stack"] <= (3 << 20) + (64 << 10)


@pytest.mark.plain_memory
@pytest.mark.parametrize("option", ["memory-limit", "virtual-memory-limit"])
def test_memory_beyond_the_limit(start, option):
    """An allocation fails; the process and the other group go on."""
    server = start("{}={} threads=1".format(option, 2 << 30), config=(
        "WSGIDaemonProcess free threads=1\n<Location /allocate/4294967296/free>\nWSGIProcessGroup free\n</Location>\n"))
    pid = ask(server)["pid"]
    assert ask(server, "/allocate/{}".format(4 << 30)) == "MemoryError"
    assert ask(server, "/allocate/{}".format(16 << 20)) == 16 << 20
    assert ask(server)["pid"] == pid
    assert processes.read_file(pid, "limits") # it is alive


# Language

def test_lang_alone(start):
    """A variable and nothing more: what the system does not have costs no message."""
    answer = ask(start("lang=xx_YY.nonsense"))
    assert (answer["LANG"], answer["LC_ALL"]) == ("xx_YY.nonsense", None)


# Title

def title_of(server):
    pid = ask(server)["pid"]
    with open("/proc/{}/cmdline".format(pid), "rb") as file:
        return file.read()


def test_title_replaces_the_whole_command_line(start):
    server = start("display-name=%{{GROUP}}")
    assert title_of(server).rstrip(b"\0") == b"(wsgi:group)"


def test_title_that_is_too_long(start):
    """It is cut; what lies behind the arguments, the environment, is not touched."""
    server = start('display-name="{}"'.format("x" * 5000))
    line = title_of(server).rstrip(b"\0")
    with open("/proc/{}/cmdline".format(server.pid), "rb") as file:
        assert line == b"x" * (len(file.read()) - 1)
    assert ask(server)["LANG"] == "C"


def test_no_title(start):
    server = start()
    with open("/proc/{}/cmdline".format(server.pid), "rb") as file:
        assert title_of(server) == file.read()


# Ownership of scripts: first the script is looked at, then its folder

NAMELESS = 54321


@pytest.mark.root
@pytest.mark.parametrize("option, script, folder, number", [
    ("script-user=daemon", "daemon", "daemon", None),
    ("script-user=#1", "daemon", "daemon", None),
    ("script-user=daemon", NAMELESS, "daemon", "WSGI0163"),
    ("script-user=daemon", "daemon", NAMELESS, "WSGI0170"),
    ("script-user=daemon", "daemon", "root", "WSGI0171"),
    ("script-user=daemon", "root", "daemon", "WSGI0164"),
    ("script-group=daemon", "daemon", "daemon", None),
    ("script-group=#1", "daemon", "daemon", None),
    ("script-group=daemon", NAMELESS, "daemon", "WSGI0154"),
    ("script-group=daemon", "daemon", NAMELESS, "WSGI0159"),
    ("script-group=daemon", "daemon", "root", "WSGI0160"),
    ("script-group=daemon", "root", "daemon", "WSGI0155"),
])
def test_owners_of_script_and_folder(start, option, script, folder, number):
    server = start(option)
    for path, owner in ((server.root / "apps" / "facts.wsgi", script), (server.root / "apps", folder)):
        who = owner if owner == NAMELESS else pwd.getpwnam(owner).pw_uid
        of = owner if owner == NAMELESS else grp.getgrnam(owner).gr_gid
        os.chown(str(path), *((who, 0) if "user" in option else (0, of)))
    assert server.client().get("/").status == (403 if number else 200)
    if number:
        server.log.expect(number)
