"""Compiles the Apache module and the bridge for this Python; everything else is in pyproject.toml."""

import glob
import os
import re
import shlex
import subprocess
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

HERE = os.path.dirname(os.path.abspath(__file__))
SERVER = os.path.join("src", "server")
sys.path.insert(0, os.path.join(HERE, "src", "python"))

from mod_wsgi_build import apxs, pyconfig  # noqa: E402  (found through the path above)

CORE_NAME = "mod_wsgi.server.mod_wsgi-py%d%d" % sys.version_info[:2]
BRIDGE_NAME = "mod_wsgi.server.wsgi_bridge"
BASIC_FLAGS = ["-std=gnu11", "-fPIC", "-fvisibility=hidden", "-I" + SERVER]


def read_version() -> str:
    """Return the release from the header that C takes it from."""
    with open(os.path.join(HERE, SERVER, "base", "wsgi_version.h"), encoding="utf-8") as file:
        values = dict(re.findall(r'#define WSGI_VERSION_(\w+) "?([\w.]+)"?', file.read()))
    return "%s.%s.%s%s" % tuple(values[part] for part in ("MAJOR", "MINOR", "PATCH", "SUFFIX"))


def read_words(name: str) -> list:
    """Return the words of one assignment in sources.mk."""
    with open(os.path.join(HERE, SERVER, "sources.mk"), encoding="utf-8") as file:
        return re.search("^%s = (.*)$" % name, file.read(), re.MULTILINE).group(1).split()


def find_sources(name: str) -> list:
    return sorted(path for word in read_words(name) for path in glob.glob(os.path.join(SERVER, word)))


class Modules(build_ext):
    """Compiles the two shared objects, each with the flags of what it belongs to."""

    def run(self):
        try:
            self.apache = apxs.Apache(apxs.find())
            super().run()
        except (apxs.ApacheError, pyconfig.PythonError) as error:
            sys.exit("error: %s" % error)
        self.apache.write_facts(os.path.join(os.path.dirname(self.get_ext_fullpath(CORE_NAME)), "apache.json"))

    def get_ext_filename(self, fullname):
        *package, name = fullname.split(".")
        if name == "wsgi_bridge":
            return os.path.join(*package, "wsgi_bridge.%s.so" % pyconfig.soabi())
        return super().get_ext_filename(fullname)

    def build_extension(self, ext):
        compile_flags, link_flags = self.core_flags() if ext.name == CORE_NAME else self.bridge_flags()
        compiler = shlex.split(os.environ.get("CC") or sysconfig.get_config_var("CC"))
        user_flags = shlex.split(os.environ.get("CFLAGS") or self.apache.query("CFLAGS"))
        command = compiler + BASIC_FLAGS + read_words("WARNINGS") + user_flags
        command += compile_flags + shlex.split(os.environ.get("CPPFLAGS", ""))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            objects = list(pool.map(lambda source: self.compile(command, ext.name, source), ext.sources))
        target = self.get_ext_fullpath(ext.name)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        user_link = shlex.split(os.environ.get("LDFLAGS", ""))
        self.execute_tool(compiler + user_flags + user_link + ["-o", target] + objects + link_flags)

    def core_flags(self):
        if not sysconfig.get_config_var("Py_ENABLE_SHARED") and not sysconfig.get_config_var("PYTHONFRAMEWORK"):
            self.warn("this Python has no shared library: each process that runs Python will hold a copy of its code")
        defines = {"WSGI_DEFAULT_SOABI": pyconfig.soabi(), "WSGI_PYTHON_VERSION_TEXT": pyconfig.version()}
        flags = ['-D%s="%s"' % item for item in defines.items()]
        return self.apache.compile_flags() + flags, self.kind_of_output() + ["-lm"]

    def bridge_flags(self):
        flags = self.apache.apr("--includes", "--cppflags") + ["-I" + d for d in pyconfig.include_dirs()]
        return flags, self.kind_of_output() + pyconfig.link_flags() + self.apache.apr("--link-ld")

    def kind_of_output(self):
        return ["-bundle", "-undefined", "dynamic_lookup"] if sys.platform == "darwin" else ["-shared"]

    def compile(self, command, name, source):
        output = os.path.join(self.build_temp, name, os.path.relpath(source, SERVER)[:-2] + ".o")
        os.makedirs(os.path.dirname(output), exist_ok=True)
        self.execute_tool(command + ["-c", "-o", output, source])
        return output

    def execute_tool(self, command):
        try:
            subprocess.run(command, check=True, cwd=HERE if not os.path.isdir(SERVER) else None)
        except FileNotFoundError:
            sys.exit("error: the C compiler %s is missing (Debian, Ubuntu: apt install gcc libc6-dev)" % command[0])
        except subprocess.CalledProcessError:
            sys.exit("error: this command failed: %s" % " ".join(map(shlex.quote, command)))


setup(
    version=read_version(),
    cmdclass={"build_ext": Modules},
    ext_modules=[
        Extension(CORE_NAME, find_sources("CORE")),
        Extension(BRIDGE_NAME, find_sources("BRIDGE")),
    ],
)
