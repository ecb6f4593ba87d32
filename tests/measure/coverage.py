"""Every directive and option with its page and the tests that name it, from the tables in the source.

The exit status is 1 when one lacks either.
"""
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from style import test_directives as tables  # noqa: E402


def naming_tests(word: str, texts: dict) -> list:
    return [name for name, text in texts.items() if tables.names_word(text, word)]


def shown(names: list) -> str:
    more = ", …%d more" % (len(names) - 3) if len(names) > 3 else ""
    return ", ".join(names[:3]) + more if names else "NO TEST"


def main() -> int:
    pages = tables.read_pages()
    paths = [path for folder in tables.TESTS for suffix in ("py", "c") for path in folder.rglob("*." + suffix)]
    texts = {path.relative_to(tables.TOP / "tests").as_posix(): path.read_text(encoding="utf-8") for path in paths}
    names = sorted(tables.directives(tables.TABLE.read_text(encoding="utf-8")))
    rows = tables.options(tables.OPTIONS.read_text(encoding="utf-8"))
    complete = {"directives": 0, "options": 0}
    for name in names:
        page, tests = tables.names_word(pages.get(name, ""), name), naming_tests(name, texts)
        complete["directives"] += bool(page and tests)
        print("%-52s %-8s %s" % (name, "page" if page else "NO PAGE", shown(tests)))
    for table, name in rows:
        owner = tables.OWNERS[table]
        page = tables.names_word(pages.get(owner, ""), name)
        tests = naming_tests(name, texts) or naming_tests(name.replace("-", "_"), texts)
        complete["options"] += bool(page and tests)
        print("%-52s %-8s %s" % ("%s %s=" % (owner, name), "section" if page else "NO PAGE", shown(tests)))
    print("directives %d/%d, options %d/%d with page and test"
          % (complete["directives"], len(names), complete["options"], len(rows)))
    group = [name for table, name in rows if table == "wsgi_options_group"]
    print("of them options of WSGIDaemonProcess: %d" % len(group))
    return 0 if complete == {"directives": len(names), "options": len(rows)} else 1


if __name__ == "__main__":
    sys.exit(main())
