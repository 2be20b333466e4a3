"""One thing after the other in another thread: what waits, what fails, what is not done any more."""

import threading

import pytest

from dub_source.sync.in_order import InOrder


def test_things_are_done_one_after_the_other() -> None:
    done: list[int] = []
    threads: set[str] = set()
    with InOrder("rows", most=3) as worker:
        for number in range(50):

            def task(number: int = number) -> None:
                threads.add(threading.current_thread().name)
                done.append(number)

            worker.do(task)
        worker.join()
        assert done == list(range(50))
    assert len(threads) == 1
    assert threading.current_thread().name not in threads


def test_whoever_gives_too_much_waits() -> None:
    go_on, begun = threading.Event(), threading.Event()
    given: list[int] = []

    def slow() -> None:
        begun.set()
        assert go_on.wait(10)

    def give() -> None:
        for number in range(4):
            worker.do(slow)
            given.append(number)

    with InOrder("rows", most=1) as worker:
        giver = threading.Thread(target=give)
        giver.start()
        assert begun.wait(10)
        giver.join(0.2)
        assert given == [0, 1], "one is at work, one waits"
        go_on.set()
        giver.join(10)
        worker.join()
        assert given == [0, 1, 2, 3]


def test_after_a_failure_nothing_more_is_done() -> None:
    done: list[str] = []

    def fail() -> None:
        raise ValueError("no")

    with InOrder("rows", most=9) as worker:
        worker.do(lambda: done.append("before"))
        worker.do(fail)
        worker.do(lambda: done.append("after"))
        for _ in range(2):
            with pytest.raises(ValueError, match="no"):
                worker.join()
    assert done == ["before"]


def test_an_end_before_the_end_waits_for_what_has_begun() -> None:
    begun = threading.Event()
    done: list[str] = []

    def slow() -> None:
        begun.set()
        threading.Event().wait(0.2)
        done.append("begun")

    with InOrder("rows", most=9) as worker:
        worker.do(slow)
        worker.do(lambda: done.append("not begun"))
        assert begun.wait(10)
    assert done == ["begun"]
