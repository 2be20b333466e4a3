"""The promises, held against random workspaces, random changes and random runs."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.promises.conftest import HAPPENED
from tests.promises.machine import AnyRuns
from tests.promises.world import World
from tests.warehouses import Make, Warehouse

_FRESH = "DUB_SOURCE_FRESH_EXAMPLES"
"""Set it to see other examples in each run; without it they are always the same."""

WANTED = (
    *World.KINDS,
    "acts between two requests",
    "answered 422: the cursor is gone",
    "answered 422: somebody has no external id",
    "full runs",
    "incremental runs",
    "sweeps with a certificate",
    "sweeps without a certificate",
    "resumed sweeps",
    "failed runs (BadRequest)",
    "runs after the local disk was lost",
    "guards that stopped a run: too many gone",
    "guards that stopped a run: another workspace",
    "customers created",
    "customers updated",
    "customers marked as deleted",
    "customers who came back",
    "customers whose name Dub makes up",
    "quiet sweeps in the end",
    "sweeps over an unchanged workspace",
)


USUAL = (
    "acts between two requests",
    "full runs",
    "incremental runs",
    "sweeps with a certificate",
    "customers created",
    "customers updated",
    "customers marked as deleted",
    "quiet sweeps in the end",
    "sweeps over an unchanged workspace",
)
"""What a few examples show for sure; what happens between requests is up to threads."""


def hold_promises(
    make: Make,
    record_property: Callable[[str, object], None],
    *,
    examples: int,
    steps: int,
    wanted: tuple[str, ...],
) -> None:
    """Drive so many workspaces through so many steps each; everything wanted must have happened."""

    class Runs(AnyRuns):
        did: ClassVar[Counter[str]] = Counter()

        @staticmethod
        def make_warehouse(folder: Path) -> Warehouse:
            return make(folder)

    try:
        run_state_machine_as_test(
            Runs,
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                derandomize=not os.environ.get(_FRESH),
                database=None,
                print_blob=True,
                # No shrinking: a run has threads, so that a smaller example may fail or not.
                phases=(Phase.explicit, Phase.generate),
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        lines = [f"{Runs.did[kind]:7,}  {kind}" for kind in sorted({*WANTED, *Runs.did})]
        record_property(HAPPENED, "\n".join(lines))
    assert [kind for kind in wanted if not Runs.did[kind]] == []


@pytest.mark.timeout(600)  # half a minute, where nothing else runs
def test_promises_hold_in_any_runs(
    make_warehouse: Make, record_property: Callable[[str, object], None]
) -> None:
    hold_promises(make_warehouse, record_property, examples=2, steps=7, wanted=USUAL)


@pytest.mark.slow
@pytest.mark.timeout(1_500)
def test_promises_hold_in_many_more_runs(
    make_warehouse: Make, record_property: Callable[[str, object], None]
) -> None:
    hold_promises(make_warehouse, record_property, examples=4, steps=15, wanted=WANTED)
