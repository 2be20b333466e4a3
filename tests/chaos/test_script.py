"""The same seed tells the same story, and in the long run everything comes up."""

from itertools import chain

from tests.chaos.script import Kind, Operation, Step, script_of


def operations(seed: int, episodes: int) -> list[Operation]:
    rounds = chain.from_iterable(script_of(seed, episode).rounds for episode in range(episodes))
    return list(chain.from_iterable(each.operations for each in rounds))


def test_the_same_seed_tells_the_same_story() -> None:
    assert script_of(7, 3) == script_of(7, 3)
    assert operations(7, 2) == operations(7, 2)
    assert script_of(7, 3) != script_of(7, 4)
    assert operations(7, 1) != operations(8, 1)


def test_everything_comes_up() -> None:
    all_of_them = operations(1, 60)
    troubles = [each.trouble for each in all_of_them if each.trouble is not None]
    assert {each.kind for each in troubles} == set(Kind)
    assert {each.step for each in troubles if each.kind is Kind.KILLED_IN_STEP} == set(Step)
    assert {each.command for each in all_of_them} == {"load", "push"}
    assert len({each.name for each in all_of_them}) == len(all_of_them)


def test_a_process_is_described_in_a_line() -> None:
    lines = {str(each) for each in operations(1, 60)}
    assert all("\n" not in line and "Trouble(" not in line for line in lines)
    assert any("kill -9 at a write (write" in line for line in lines)
