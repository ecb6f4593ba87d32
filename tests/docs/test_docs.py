"""The documentation builds without a warning, and says of each message what the source says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def html(tmp_path_factory):
    """The folder of the built pages."""
    out = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "-d", str(out / "doctrees"),
               str(TOP / "docs"), str(out / "html")]
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert result.returncode == 0, result.stdout
    return out / "html"


def test_every_page_is_built(html):
    sources = {path.relative_to(TOP / "docs").with_suffix("") for path in (TOP / "docs").rglob("*.rst")}
    built = {path.relative_to(html).with_suffix("") for path in html.rglob("*.html")}
    assert sources and sources <= built


def test_every_message_is_listed(html):
    page = (html / "messages.html").read_text(encoding="utf-8")
    sources = [path.read_text(encoding="utf-8") for path in (TOP / "src" / "server").rglob("*.c")]
    numbers = {number for source in sources for number in re.findall(r"WSGI_LOGNO\((\d{4})\)", source)}
    assert numbers and not [number for number in sorted(numbers) if "WSGI" + number not in page]


@pytest.mark.parametrize("number, severity, words", [
    ("WSGI0116", "err", "Unable to connect to daemon process group"),
    ("WSGI0079", "warning", "does not support locale="),
    ("WSGI0034", "alert", "proof of origin does not match"),
])
def test_messages_come_from_the_source(html, number, severity, words):
    page = (html / "messages.html").read_text(encoding="utf-8")
    row = page[page.index(number):]
    row = row[:row.index("</tr>")]
    assert "<p>%s</p>" % severity in row and words in row


def test_options_of_the_command_line_are_listed(html):
    page = (html / "express.html").read_text(encoding="utf-8")
    assert "--reload-on-changes" in page
