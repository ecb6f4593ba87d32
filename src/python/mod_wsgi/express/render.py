"""Text of generated files: templates with quoted values. Touches no disk but to read its own templates."""

import os
import shlex
from string import Template
from typing import Iterable, Mapping

TEMPLATES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "templates")


def quote(value: object) -> str:
    """Return a word of Apache's configuration that means ``value`` whatever characters it has."""
    return '"%s"' % str(value).replace("\\", "\\\\").replace('"', '\\"')


def words(values: Iterable[object]) -> str:
    return " ".join(quote(value) for value in values)


def shell(value: object) -> str:
    """Return a word of a shell script that means ``value``."""
    return shlex.quote(str(value))


def fill(name: str, values: Mapping[str, object]) -> str:
    """Return the template with every ``$name`` replaced; the values are put in as they are.

    Raises:
        KeyError: the template needs a value that is not there.
    """
    with open(os.path.join(TEMPLATES, name), encoding="utf-8") as file:
        return Template(file.read()).substitute(values)
