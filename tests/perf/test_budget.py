"""No request costs more than the budget allows. Counts, not times: they are the same on a busy machine, or nearly so."""
import shutil

import pytest

from perf import budget

syscalls = budget.syscalls


def check(measured):
    entries = budget.read()["figures"]
    too_much = ["%s: %.2f, the budget is %.2f and the limit %.2f" % (name, value, entries[name]["value"], budget.limit(entries[name]))
                for name, value in measured.items() if value > budget.limit(entries[name])]
    assert not too_much, "\n".join(too_much)


@pytest.mark.skipif(not shutil.which("valgrind"), reason="valgrind is not installed: the instructions of the bridge are not counted")
@pytest.mark.parametrize("label", budget.GROUPS)
def test_instructions_of_the_bridge(label):
    version = "%d.%d" % budget.bridge().version
    if version != budget.read()["python"]:
        pytest.skip("the budget of instructions is for Python {}, {} is {}".format(budget.read()["python"], budget.PYTHON, version))
    check(budget.count_instructions(label))


@pytest.mark.root # strace attaches to processes that it did not start
@pytest.mark.plain_memory
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed: system calls are not counted")
@pytest.mark.parametrize("mode", budget.MODES)
@pytest.mark.parametrize("connections", [1, syscalls.CONNECTIONS])
def test_system_calls(mode, connections):
    check(budget.count_calls(mode, connections))


def test_the_budget_is_complete():
    """Each figure has a tolerance that still tells something: a single call more is too much."""
    entries = budget.read()["figures"]
    assert len(entries) == 2 + 2 * 3 + 3
    for name, entry in entries.items():
        if name.endswith("instructions"):
            assert 0 < entry["tolerance"] <= 0.05
        elif not name.endswith("futex"):
            assert 0.2 < budget.limit(entry) - entry["value"] < 1


def test_more_than_the_budget_fails():
    name, entry = next(iter(budget.read()["figures"].items()))
    check({name: budget.limit(entry)})
    with pytest.raises(AssertionError, match="the budget is"):
        check({name: budget.limit(entry) * 1.01})
