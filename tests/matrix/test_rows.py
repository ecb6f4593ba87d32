"""What a matrix that goes on takes from the one that was interrupted."""
from matrix.rows import Ledger

PASSED = [("here", "3.11.2", "event", "embedded", "363 passed, 1 skipped"), ("here", "3.11.2", "event", "daemon", "349 passed")]
FAILED = [PASSED[0], ("here", "3.11.2", "event", "daemon", "348 passed, 1 failed")]
NOTHING = [("here", "3.11.2", "event", "daemon", "nothing ran (exit status 1): no output")]


def test_what_passed_is_not_run_again(tmp_path):
    path = tmp_path / "rows.json"
    first = Ledger(path, resume=False)
    first.add("one", PASSED)
    first.add("two", FAILED)
    first.add("three", NOTHING)
    again = Ledger(path, resume=True)
    assert again.passed("one") == PASSED
    assert [again.passed(name) for name in ("two", "three", "four")] == [None] * 3


def test_without_resume_everything_is_run(tmp_path):
    path = tmp_path / "rows.json"
    Ledger(path, resume=False).add("one", PASSED)
    anew = Ledger(path, resume=False)
    assert anew.passed("one") is None
    anew.add("two", PASSED)
    assert Ledger(path, resume=True).passed("one") is None
