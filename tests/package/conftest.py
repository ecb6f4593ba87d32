"""The package as it lies in the sources, before any other that is installed."""
import sys
from pathlib import Path

SOURCES = str(Path(__file__).resolve().parents[2] / "src" / "python")
if SOURCES not in sys.path:
    sys.path.insert(0, SOURCES)
