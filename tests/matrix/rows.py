"""Rows of the table, also on disk: a matrix that was interrupted can go on."""
import json
import os
from pathlib import Path
from typing import Dict, List, Optional, Tuple

Row = Tuple[str, str, str, str, str] # place, Python, MPM, mode, result
HEAD = ("place", "Python", "MPM", "mode", "result")
BAD = ("failed", "nothing ran", "not to be had")


def good(row: Row) -> bool:
    return not any(word in row[4] for word in BAD)


def show(rows: List[Row]) -> str:
    widths = [max(len(str(row[i])) for row in [HEAD, *rows]) for i in range(5)]
    return "\n".join("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths)).rstrip() for row in [HEAD, *rows])


class Ledger:
    """What each run led to, in a file that is replaced as a whole after each run.

    Args:
        path: of the file.
        resume: keep what is there; otherwise begin anew.
    """

    def __init__(self, path: Path, resume: bool):
        self.path = path
        self.runs: Dict[str, List[Row]] = {}
        if resume and path.exists():
            self.runs = {name: [tuple(row) for row in rows] for name, rows in json.loads(path.read_text()).items()}

    def passed(self, name: str) -> Optional[List[Row]]:
        """Rows of a run that need not be repeated; None when it has not taken place or not everything passed."""
        rows = self.runs.get(name)
        return rows if rows and all(good(row) for row in rows) else None

    def add(self, name: str, rows: List[Row]) -> None:
        self.runs[name] = rows
        fresh = self.path.with_suffix(".new")
        fresh.write_text(json.dumps(self.runs, indent=1))
        os.replace(str(fresh), str(self.path))
