"""configure, make and make install."""
import glob
import os
import shutil
import subprocess
import sysconfig

import pytest

from .checkout import TOP, copy_to, path_without, run, temporary_folder

MAIN = "/usr/bin/python3"
PYCONFIG = TOP / "src" / "python" / "mod_wsgi_build" / "pyconfig.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("autoreconf") is None, reason="autoreconf is not installed"),
]


def soabi(python: str) -> str:
    return subprocess.run([python, str(PYCONFIG), "soabi"], stdout=subprocess.PIPE, check=True,
                          universal_newlines=True).stdout.strip()


def second_python():
    """Another release of Python with headers and a library, None if this machine has none."""
    found = [shutil.which("python3.%d" % minor) for minor in range(9, 20)]
    found += sorted(glob.glob(os.path.expanduser("~/.pyenv/versions/*/bin/python3")))
    for python in filter(None, found):
        done = subprocess.run([python, str(PYCONFIG), "make"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if done.returncode == 0 and soabi(python) != soabi(MAIN):
            return python
    return None


@pytest.fixture(scope="module")
def folder():
    with temporary_folder("wsgi-configure-") as path:
        yield path


@pytest.fixture(scope="module")
def source(folder):
    copy = copy_to(folder)
    run("autoreconf", "-i", cwd=copy)
    return copy


@pytest.fixture(scope="module")
def built(source, folder):
    """A build outside of the sources, which are read-only meanwhile, for one Python or two."""
    outside = folder / "outside"
    outside.mkdir()
    pythons = [MAIN] + [python for python in [second_python()] if python]
    run("chmod", "-R", "a-w", source, cwd=folder)
    try:
        run(source / "configure", *("--with-python=%s" % python for python in pythons), cwd=outside)
        output = run("make", "-j2", cwd=outside)
    finally:
        run("chmod", "-R", "u+w", source, cwd=folder)
    return outside, pythons, output


def test_compiles_without_a_warning(built):
    assert "warning" not in built[2]


def test_core_does_not_need_python(built):
    needed = run("ldd", built[0] / "build" / "mod_wsgi.so", cwd=built[0])
    assert "libpython" not in needed


def test_each_bridge_needs_its_own_python(built):
    for python in built[1]:
        needed = run("ldd", built[0] / "build" / ("wsgi_bridge.%s.so" % soabi(python)), cwd=built[0])
        version = subprocess.run([python, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"], check=True,
                                 stdout=subprocess.PIPE, universal_newlines=True).stdout.strip()
        assert "libpython" + version in needed and "not found" not in needed


def test_bridge_exports_its_table_only(built):
    listed = run("nm", "-D", "--defined-only", built[0] / "build" / ("wsgi_bridge.%s.so" % soabi(MAIN)), cwd=built[0])
    names = {line.split()[-1] for line in listed.splitlines()} - {"_init", "_fini", "__bss_start", "_edata", "_end"}
    assert names == {"wsgi_bridge_table"}


def test_core_exports_the_module_record_only(built):
    listed = run("nm", "-D", "--defined-only", built[0] / "build" / "mod_wsgi.so", cwd=built[0])
    names = {line.split()[-1] for line in listed.splitlines()} - {"_init", "_fini", "__bss_start", "_edata", "_end"}
    assert names == {"wsgi_module"}


def test_install_honours_destdir(built, folder):
    run("make", "install", "DESTDIR=%s" % (folder / "stage"), cwd=built[0])
    modules = run("apxs", "-q", "LIBEXECDIR", cwd=folder).strip()
    expected = {"mod_wsgi.so"} | {"wsgi_bridge.%s.so" % soabi(python) for python in built[1]}
    assert set(os.listdir(str(folder / "stage") + modules)) == expected
    run("make", "uninstall", "DESTDIR=%s" % (folder / "stage"), cwd=built[0])
    assert os.listdir(str(folder / "stage") + modules) == []


def test_second_make_does_nothing(built):
    assert "CC" not in run("make", cwd=built[0])


def test_two_pythons(built):
    if len(built[1]) == 1:
        pytest.skip("this machine has no second Python with headers and library")
    assert len({soabi(python) for python in built[1]}) == 2
    core = (built[0] / "build" / "mod_wsgi.so").read_bytes()
    assert soabi(MAIN).encode() in core, "the first Python given is the default"


def test_the_same_python_twice_is_refused(source, folder, tmp_path):
    again = tmp_path / "python3"
    again.symlink_to(MAIN)
    output = run(source / "configure", "--with-python=" + MAIN, "--with-python=%s" % again, cwd=folder, succeeds=False)
    assert "two Pythons" in output


@pytest.mark.parametrize("arguments, directory", [
    (["--prefix=/opt/x"], "${libdir}/apache2/modules"),
    (["--with-modules-dir=/m"], "/m"),
    (["--prefix=/usr", "--libdir=/usr/lib/triplet"], None),
])
def test_where_modules_go(source, folder, arguments, directory):
    place = folder / "places"
    place.mkdir(exist_ok=True)
    run(source / "configure", "--with-python=" + MAIN, *arguments, cwd=place)
    if directory is None:
        directory = run("apxs", "-q", "LIBEXECDIR", cwd=place).strip()
    assert "\nmodulesdir = %s\n" % directory in (place / "Makefile").read_text()


def test_distclean_leaves_nothing(source, folder):
    inside = folder / "inside"
    inside.mkdir()
    run(source / "configure", "--with-python=" + MAIN, cwd=inside)
    run("make", "build/core/base/wsgi_parse.o", cwd=inside)
    run("make", "distclean", cwd=inside)
    assert os.listdir(str(inside)) == []


def test_missing_apxs_names_the_packages(source, folder, tmp_path):
    path = path_without(tmp_path, "apxs", "apxs2")
    output = run(source / "configure", cwd=folder, succeeds=False, PATH=path)
    assert "apt install apache2-dev" in output and "dnf install httpd-devel" in output
    assert "apk add apache2-dev" in output and "brew install httpd" in output


def test_missing_compiler_names_the_packages(source, folder, tmp_path):
    path = path_without(tmp_path, "cc", "gcc", "clang")
    output = run(source / "configure", cwd=folder, succeeds=False, PATH=path, CC="")
    assert "apt install gcc" in output


def test_missing_headers_name_the_packages(source, folder, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import sysconfig\nsysconfig.get_path = lambda name: '/nowhere'\n")
    python = tmp_path / "python3"
    python.write_text("#!/bin/sh\nPYTHONPATH=%s exec %s \"$@\"\n" % (tmp_path, MAIN))
    python.chmod(0o755)
    output = run(source / "configure", "--with-python=%s" % python, cwd=folder, succeeds=False)
    assert "apt install python3-dev" in output and "dnf install python3-devel" in output
    assert "/nowhere/Python.h" in output


def test_static_library_is_linked_as_a_whole(tmp_path, monkeypatch):
    import importlib.util

    spec = importlib.util.spec_from_file_location("pyconfig", str(PYCONFIG))
    pyconfig = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(pyconfig)
    (tmp_path / "libpython3.x.a").write_bytes(b"")
    values = {"LDVERSION": "3.x", "LDLIBRARY": "libpython3.x.a", "LIBDIR": str(tmp_path), "LIBS": "-lm -ldl",
              "SYSLIBS": "-lm"}
    monkeypatch.setattr(sysconfig, "get_config_var", values.get)
    flags = " ".join(pyconfig.link_flags())
    assert str(tmp_path / "libpython3.x.a") in flags
    assert flags.endswith("-lm -ldl") and ("whole-archive" in flags or "force_load" in flags)
    (tmp_path / "libpython3.x.a").unlink()
    with pytest.raises(pyconfig.PythonError):
        pyconfig.link_flags()
