"""The list of sabotages fits to the code as it is; ``python -m tests.sabotage`` is whether tests notice."""

import re
from pathlib import Path

import pytest

from tests.sabotage.listed import FEWEST, Sabotage, sabotages

ROOT = Path(__file__).parent.parent.parent


def test_there_are_many_and_no_two_are_the_same() -> None:
    listed = sabotages()
    assert len(listed) >= FEWEST
    assert len({each.name for each in listed}) == len(listed)
    assert len({(each.file, each.old, each.new) for each in listed}) == len(listed)


@pytest.mark.parametrize("sabotage", sabotages(), ids=lambda each: each.name)
def test_each_can_be_applied_and_names_tests_that_exist(sabotage: Sabotage) -> None:
    assert sabotage.applied((ROOT / sabotage.file).read_text(encoding="utf-8"))
    assert re.match(r"P[1-8]", sabotage.breaks)
    assert sabotage.tests
    for test in sabotage.tests:
        file, _, name = test.partition("::")
        text = (ROOT / file).read_text(encoding="utf-8")
        assert not name or f"def {name.partition('[')[0]}(" in text


@pytest.mark.parametrize(
    "new", ("    if version is None:\n        return (", "    if version  is None:\n        return True")
)
def test_what_is_no_sabotage_is_refused(new: str) -> None:
    sound = "def f(version):\n    if version is None:\n        return True\n"
    old = "    if version is None:\n        return True"
    with pytest.raises(ValueError, match="the new text"):
        Sabotage("a name", "P1", "a.py", old, new, ()).applied(sound)
    with pytest.raises(ValueError, match="2 times"):
        Sabotage("a name", "P1", "a.py", "version", "other", ()).applied(sound)
