"""Sphinx configuration: python -m sphinx -W docs docs/_build"""

import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "_ext"))

VERSION_HEADER = (HERE.parent / "src" / "server" / "base" / "wsgi_version.h").read_text(encoding="utf-8")
NUMBERS = dict(re.findall(r"#define WSGI_VERSION_(MAJOR|MINOR|PATCH) (\d+)", VERSION_HEADER))

project = "mod_wsgi"
author = "the mod_wsgi maintainers"
copyright = author
version = "%(MAJOR)s.%(MINOR)s.%(PATCH)s" % NUMBERS
release = version + re.search(r'#define WSGI_VERSION_SUFFIX "(.*)"', VERSION_HEADER).group(1)
extensions = ["fromsource"]
exclude_patterns = ["_build", "_ext"]
html_theme = "alabaster"
html_theme_options = {"page_width": "1040px", "show_powered_by": False}
nitpicky = True
smartquotes = False  # "--option" is no dash
