"""How to compile and link against the Python that runs this file.

``configure`` runs it as a program with each Python it is given; setup.py imports it. Standard library only, and no
import from the rest of the package, so that any Python 3.9 or later can run the bare file.
"""

import os
import sys
import sysconfig
from typing import Dict, List, Optional

INSTALL_HEADERS = (
    "the C headers of Python {version} are missing ({header}); install them:\n"
    "    Debian, Ubuntu:  apt install python3-dev\n"
    "    Fedora, RHEL:    dnf install python3-devel\n"
    "    Alpine:          apk add python3-dev\n"
    "    macOS:           brew install python"
)

MINIMUM = (3, 9)


class PythonError(Exception):
    """This Python cannot be built against; the text says why and what to install."""


def version() -> str:
    """Return the version as in library names: ``3.11``, or ``3.13t`` for a free-threaded build."""
    return "%d.%d%s" % (sys.version_info[0], sys.version_info[1], sys.abiflags.replace("d", ""))


def soabi() -> str:
    """Return the tag of file names, e.g. ``cpython-311-x86_64-linux-gnu``."""
    return sysconfig.get_config_var("SOABI") or "cpython-%d%d" % sys.version_info[:2]


def include_dirs() -> List[str]:
    """Return the folders of ``Python.h`` and ``pyconfig.h``.

    Raises:
        PythonError: the Python is too old, or its headers are not installed.
    """
    if sys.version_info < MINIMUM:
        raise PythonError("%s is Python %s; %d.%d or later is needed" % ((sys.executable, version()) + MINIMUM))
    folder = sysconfig.get_path("include")
    platform_folder = sysconfig.get_path("platinclude")
    if not os.path.isfile(os.path.join(folder, "Python.h")):
        header = os.path.join(folder, "Python.h")
        raise PythonError(INSTALL_HEADERS.format(version=version(), header=header))
    return [folder] if folder == platform_folder else [folder, platform_folder]


def is_system_library_dir(folder: str) -> bool:
    """Return whether the dynamic linker searches ``folder`` by itself."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or ""
    places = ["/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/lib/" + multiarch, "/lib/" + multiarch]
    return os.path.realpath(folder) in {os.path.realpath(place) for place in places}


def link_flags() -> List[str]:
    """Return what makes a shared object find libpython when it is built and when it is loaded.

    Raises:
        PythonError: there is no library to link with.
    """
    framework = sysconfig.get_config_var("PYTHONFRAMEWORK")
    if framework:
        return [os.path.join(sysconfig.get_config_var("PYTHONFRAMEWORKPREFIX"), sysconfig.get_config_var("LDLIBRARY"))]
    shared = find_library(is_shared)
    if shared:
        folder = os.path.dirname(shared)
        search = ["-L" + folder]
        if not is_system_library_dir(folder):
            search.append("-Wl,-rpath," + folder)
        return search + ["-lpython" + sysconfig.get_config_var("LDVERSION")]
    static = find_library(is_static)
    if static:
        return whole_archive(static) + system_libraries()
    raise PythonError("Python %s has neither a shared nor a static libpython%s" % (sys.executable, version()))


def is_shared(name: str) -> bool:
    return name.endswith((".so", ".dylib"))


def is_static(name: str) -> bool:
    return name.endswith(".a")


def find_library(wanted) -> Optional[str]:
    """Return the first libpython of the wanted kind in the folders Python names, None if there is none."""
    stem = "libpython" + sysconfig.get_config_var("LDVERSION")
    names = [sysconfig.get_config_var("LDLIBRARY"), sysconfig.get_config_var("LIBRARY")]
    names += [stem + suffix for suffix in (".so", ".dylib", ".a")]
    for folder in (sysconfig.get_config_var("LIBDIR"), sysconfig.get_config_var("LIBPL")):
        for name in names:
            path = os.path.join(folder or "", name or "")
            if name and wanted(name) and os.path.isfile(path):
                return path
    return None


def whole_archive(path: str) -> List[str]:
    """Return the flags that take every object of ``path``: extension modules need symbols the bridge does not use."""
    if sys.platform == "darwin":
        return ["-Wl,-force_load," + path]
    return ["-Wl,--whole-archive", path, "-Wl,--no-whole-archive"]


def system_libraries() -> List[str]:
    """Return the libraries that a static libpython itself needs."""
    words: List[str] = []
    for name in ("LIBS", "MODLIBS", "SYSLIBS"):
        words += [word for word in (sysconfig.get_config_var(name) or "").split() if word not in words]
    return words


def make_lines() -> str:
    """Return the assignments that Makefile.in reads for this Python."""
    tag = soabi()
    values: Dict[str, List[str]] = {
        "CPPFLAGS": ["-I" + folder for folder in include_dirs()],
        "LDLIBS": link_flags(),
    }
    lines = ["BRIDGES += " + tag]
    lines += ["%s_%s = %s" % (tag, name, " ".join(words)) for name, words in values.items()]
    return "\n".join(lines)


def main() -> int:
    """Print what the first argument names: ``version``, ``soabi`` or ``make``; the exit status says if it worked."""
    printers = {"version": version, "soabi": soabi, "make": make_lines}
    try:
        print(printers[sys.argv[1]]())
    except PythonError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
