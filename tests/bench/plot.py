"""Bars of what was reached, as parts of what is wanted: SVG by hand."""
from html import escape
from typing import Sequence

ROW, LEFT, UNIT, RIGHT = 22, 470, 200, 90 # pixels; UNIT is the length of "just what is wanted"
LONGEST = 2.0


def part(row) -> float:
    """1 at the limit, more is better."""
    if row.at_most:
        return row.wanted / row.reached if row.reached else LONGEST
    return row.reached / row.wanted


def bar(row, top: int) -> str:
    length = UNIT * min(part(row), LONGEST)
    return ('<text x="{}" y="{}" text-anchor="end">{}</text><rect x="{}" y="{}" width="{:.0f}" height="{}" fill="{}"/>'
            '<text x="{:.0f}" y="{}">{:.2f} of {:.2f}</text>\n').format(
                LEFT - 8, top + 14, escape("{}: {}".format(row.mode, row.title)), LEFT, top + 3, length, ROW - 6, "#3a7d44" if row.is_met else "#c1440e",
                LEFT + length + 6, top + 14, row.reached, row.wanted)


def draw(rows: Sequence) -> str:
    """A document with one bar for each row of ``wanted.reached()``; the line marks what is wanted."""
    width, height = LEFT + int(UNIT * LONGEST) + RIGHT, ROW * len(rows) + 20
    bars = "".join(bar(row, 10 + ROW * index) for index, row in enumerate(rows))
    return ('<svg xmlns="http://www.w3.org/2000/svg" width="{0}" height="{1}" font-family="sans-serif" font-size="12">\n'
            '<rect width="{0}" height="{1}" fill="white"/>\n{2}<path d="M{3} 4V{4}" stroke="black" stroke-dasharray="4 3"/>\n</svg>\n').format(
                width, height, bars, LEFT + UNIT, height - 4)
