"""What ``python -m benchmarks`` measures: parts, each with a file, so that what was stopped goes on."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from benchmarks.report import Result

_MANY = 200_000
_SIZES = (1_000, 20_000, _MANY)
_LATENCIES_MS = (0, 150)
_LIMITS = (0, 600)
GROWTH = (1_000, 10_000, 100_000)
GROWTH_LARGE = 1_000_000

# Of the whole matrix the small run leaves out who would take most of it. The page says of them: not run.
_PATIENT = ("dub-source", "loop", "raw")
_QUICK = ("dub-source", "rest-api-parquet", "loop", "raw")
# dlt sleeps for 300 s at each 429, so it takes half an hour of a few minutes.
_NOT_DLT = ("dub-source", "loop", "sdk", "sdk-repaired", "raw")
_HASTY = ("dub-source", "loop", "sdk", "drt")


@dataclass(frozen=True, slots=True)
class Part:
    """Something to measure.

    Attributes:
        name: of the file with the result.
        measure: does it.
        seconds: about how long it takes on two cores.
    """

    name: str
    measure: Callable[[], Result]
    seconds: int


def parts(*, large: bool = False, recorded: bool = True, drt_python: Path | None = None) -> list[Part]:
    """Everything that is measured, in the order of its interest.

    Args:
        large: the whole matrix, too, and a million customers: hours.
        recorded: whether the recorded workspace is there to be read; it is one of the large ones.
        drt_python: an interpreter that has drt-core; without one, that is left out.
    """
    return [
        *_side_by_side(large=large),
        *_pushes(large=large, drt_python=drt_python),
        *_floors(large=large),
        *_growth(large=large),
        *(_others(recorded=recorded) if large else ()),
    ]


def _side_by_side(*, large: bool) -> Iterator[Part]:
    from benchmarks.side_by_side import Case, measure

    def part(case: Case, seconds: int, *only: str) -> Part:
        return Part(f"side-by-side-{case.name}", partial(measure, (case,), only=only), seconds)

    small = [
        part(Case(1_000), 30),
        part(Case(1_000, 150), 45),
        part(Case(20_000), 60),
        part(Case(20_000, 150), 90, *_PATIENT),
        part(Case(_MANY), 150, *_QUICK),
        part(Case(7_000, 0, 60), 180, *_NOT_DLT),
    ]
    if not large:
        yield from small
        return
    yield small[-1]
    for size, latency, limit in product(_SIZES, _LATENCIES_MS, _LIMITS):
        only = _NOT_DLT if limit and size == _MANY else ()
        # Most of them wait for one answer before they ask for the next, twice.
        waiting = 8 * size // 100 * latency // 1_000 + (2 * size // 100 * 60 // limit * 2 if limit else 0)
        yield part(Case(size, latency, limit), 40 + size // 250 + waiting, *only)


def _pushes(*, large: bool, drt_python: Path | None) -> Iterator[Part]:
    from benchmarks.pushes import CASE, LARGE, LIMITED, Case, measure

    def part(case: Case, seconds: int, *only: str) -> Part:
        return Part(
            f"pushes-{case.name}", partial(measure, (case,), only=only, drt_python=drt_python), seconds
        )

    yield part(CASE, 60)
    yield part(LIMITED, 110, *(() if large else _HASTY))
    if large:
        for case in LARGE:
            waiting = 4 * case.number * case.latency_ms // 1_000 + 3 * round(case.limit_s)
            yield part(case, 60 + waiting)


def _floors(*, large: bool) -> Iterator[Part]:
    from benchmarks.floors import measure

    for size in (20_000, *((_MANY,) if large else ())):
        yield Part(f"floors-{size}", partial(measure, (size,)), 20 + size // 2_000)


def _growth(*, large: bool) -> Iterator[Part]:
    from benchmarks.sweeps import measure

    for size in (*GROWTH, *((GROWTH_LARGE,) if large else ())):
        yield Part(f"growth-{size}", partial(measure, sizes=(size,), repeats=1), 10 + size // 3_000)


def _others(*, recorded: bool) -> Iterator[Part]:
    from benchmarks import applies, pages, peers, plans, sweeps, walk

    yield Part("pages", pages.measure, 120)
    yield Part("sweeps", sweeps.measure, 180)
    yield Part("peers", lambda: peers.measure(peers.workspaces(recorded=recorded)), 300)
    yield Part("walk", lambda: walk.measure((*walk.CASES, walk.LARGE)), 480)
    yield Part("applies", applies.measure, 360)
    yield Part("plans", plans.measure, 120)
