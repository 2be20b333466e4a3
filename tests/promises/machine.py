"""Any workspace, any changes, any runs: what hypothesis drives, and what must hold after each run."""

import random
import shutil
import tempfile
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from dub_source import runs
from dub_source.errors import BadRequest, OtherWorkspace, TooManyVanished, WalkIncomplete
from dub_source.failures import cause
from dub_source.sandbox import Fault, Sandbox
from dub_source.sandbox.generate import generate
from dub_source.sync import Report
from tests.promises.lives import Life, Row, Window
from tests.promises.warehouse import Contents, check_history, contents, fields
from tests.promises.world import World
from tests.warehouses import Warehouse

SEEDS = st.integers(0, 2**32 - 1)
EVERYBODY = 100_000
"""So many may be gone: no limit."""


_AROUND_A_WALK = ("delete a cursor", "delete an anchor", "insert", "update")


class AnyRuns(RuleBasedStateMachine):
    """Runs into one destination, from a workspace that changes between and during them.

    ``did`` counts what has happened in all examples together.
    """

    did: ClassVar[Counter[str]]

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory(prefix="promises-")))
        self._working = folder / "working"
        self._warehouse = type(self).make_warehouse(folder)
        self._stored = Contents()
        """What the destination holds, as it was found after the last run."""
        self._sweep_began: int | None = None
        """The begin of sweeps that failed since the last run that succeeded."""
        self._sound = True

    @initialize(
        size=st.sampled_from((40, 150, 40, 0, 1, 4)), unreadable=st.sampled_from((0, 0, 1, 2)), seed=SEEDS
    )
    def begin(self, size: int, unreadable: int, seed: int) -> None:
        dataset = generate(size, random_seed=seed, unreadable=min(unreadable, size))
        self._sandbox = self._stack.enter_context(Sandbox(dataset, rate_limit=0, random_seed=seed))
        self._world = World(self._sandbox, self.did)
        self._at_length = size >= 40

    def teardown(self) -> None:
        try:
            if self._sound:
                self._in_the_end()
        finally:
            self._stack.close()

    @staticmethod
    def make_warehouse(folder: Path) -> Warehouse:
        """To be said by a subclass."""
        raise NotImplementedError

    # What may happen

    @rule(changes=st.lists(st.tuples(st.sampled_from(sorted(World.KINDS)), SEEDS), min_size=1, max_size=12))
    def change(self, changes: list[tuple[str, int]]) -> None:
        for kind, seed in changes:
            self._world.act(kind, random.Random(seed))

    @rule(
        mode=st.sampled_from(("full", "full", "incremental", "auto")),
        seed=SEEDS,
        probability=st.sampled_from((0.0, 0.2, 0.6)),
        is_on_another_machine=st.sampled_from((False, False, False, True)),
        fails_after=st.sampled_from((None, None, None, 1, 6)),
        options=st.fixed_dictionaries(
            {
                "sweep_every": st.sampled_from((0.0, 24.0)),
                "page_size": st.sampled_from((3, 10, 100)),
                "refresh_requests": st.sampled_from((0, 1, 10)),
                "overlap": st.sampled_from((0.0, 900.0)),
            }
        ),
    )
    def run(
        self,
        mode: str,
        seed: int,
        probability: float,
        is_on_another_machine: bool,
        fails_after: int | None,
        options: dict[str, Any],
    ) -> None:
        self._sound = False
        if is_on_another_machine and self._working.exists():
            shutil.rmtree(self._working)
            self.did["runs after the local disk was lost"] += 1
        kinds = sorted(World.KINDS) if seed % 2 else sorted(World.KINDS - {"poison"})
        self._world.meddle(seed, probability=probability, kinds=kinds, most=25)
        self._run_and_check(fails_after, quiet=not probability, mode=mode, **options)
        self._world.leave_alone()
        self._sound = True

    @precondition(lambda self: len(self._stored.living) > 30)
    @rule(seed=SEEDS, share=st.sampled_from((0.05, 0.3, 0.9)))
    def sweep_with_a_guard(self, seed: int, share: float) -> None:
        """Some have been deleted, and nobody has said that so many may be gone."""
        self._sound = False
        self._world.heal()
        source = random.Random(seed)
        for _ in range(int(share * len(self._world.alive))):
            self._world.act("delete", source)
        before, begin = self._stored, self._world.moment()
        gone = len(before.living.keys() - self._world.alive.keys())
        report = self._run((TooManyVanished, OtherWorkspace), mode="full")
        if gone > max(10, len(before.living) // 10):
            assert report is None
            self.did["guards that stopped a run: too many gone"] += 1
            self._check_nothing_changed(before)
        else:
            assert report is not None
            self._check(before, self._until_now(begin), report, quiet=True, refreshed=False)
        self._sound = True

    @precondition(lambda self: self._stored.living)
    @rule(mode=st.sampled_from(("full", "incremental", "auto")), customers=st.sampled_from((1, 30)))
    def run_with_the_key_of_another_workspace(self, mode: str, customers: int) -> None:
        self._sound = False
        before = self._stored
        other_seed = 2**40  # not one of SEEDS: it would be the same workspace
        with Sandbox(generate(customers, random_seed=other_seed), rate_limit=0) as other:
            report = self._run((OtherWorkspace,), mode=mode, api_key=other.key(), base_url=other.url)
        assert report is None
        self.did["guards that stopped a run: another workspace"] += 1
        self._check_nothing_changed(before)
        self._sound = True

    # Running

    def _run_and_check(self, fails_after: int | None, *, quiet: bool, **options: Any) -> None:
        """One run without a guard, and all that must hold then; it may be made to fail."""
        if fails_after is not None:
            self._sandbox.inject(
                Fault("status", containing="startingAfter", skip=fails_after, status=400, times=10**6)
            )
        before, begin = self._stored, self._world.moment()
        report = self._run((BadRequest, WalkIncomplete), accept_vanished=EVERYBODY, **options)
        window = self._until_now(begin)
        self._sandbox.clear_faults()
        if report is None:
            self._check_nothing_changed(before)
        else:
            refreshed = options.get("refresh_requests", 10) == 10
            self._check(before, window, report, quiet=quiet, refreshed=refreshed)

    def _until_now(self, begin: int) -> Window:
        return Window(begin, self._world.moment())

    def _run(self, allowed: tuple[type[Exception], ...], **options: Any) -> Report | None:
        """The report of a run; None if it has failed in one of the ways that are allowed."""
        self._sandbox.forget_requests()
        self._world.begin_run()
        began = self._world.moment()
        given = {"api_key": self._sandbox.key(), "base_url": self._sandbox.url} | options
        noted = len(self._stored.runs)
        try:
            result = runs.load(self._warehouse.target, pipelines_dir=self._working, **given)
        except Exception as error:
            if not isinstance(cause(error), allowed):
                raise
            self.did[f"failed runs ({type(cause(error)).__name__})"] += 1
            self._sweep_began = self._sweep_began or began
            self._look()
            assert len(self._stored.runs) == noted + bool(noted)
            return None
        finally:
            refused = [each for each in self._sandbox.requests if each.status == 422]
            at_cursors = sum("startingAfter=" in each.query for each in refused)
            self.did["answered 422: somebody has no external id"] += at_cursors - self._world.invalid_cursors
        self._look()
        assert len(self._stored.runs) == noted + 1
        return result.report

    def _look(self) -> None:
        self._stored = contents(self._warehouse)

    # What must hold

    def _check(
        self, before: Contents, window: Window, report: Report, *, quiet: bool, refreshed: bool
    ) -> None:
        after = self._stored.customers
        if report.resumed:
            assert self._sweep_began is not None
            window = Window(self._sweep_began, window.end)
        self._sweep_began = None
        self._count(before, after, report)
        self._check_rows(before, after, window)
        check_history(self._stored)
        if report.decision.kind == "full":
            self._check_sweep(before, after, window, report, quiet=quiet)
        else:
            self._check_news(before, after, window, report, quiet=quiet, refreshed=refreshed)

    def _check_rows(self, before: Contents, after: dict[str, Row], window: Window) -> None:
        """Nobody is lost; what was written was true during the run; who is marked as deleted was gone."""
        assert before.customers.keys() <= after.keys()
        for customer_id, row in after.items():
            if row == before.customers.get(customer_id):
                continue
            if row["deleted_at"] is None:
                assert self._had(customer_id, fields(row), window), self._values(customer_id, row, window)
                assert row["name_generated"] == (not row["name"] and not row["email"])
            else:
                assert fields(row) == fields(before.customers[customer_id])
                assert self._world.nobody_had(customer_id, window), f"{customer_id} is alive"

    def _check_sweep(
        self, before: Contents, after: dict[str, Row], window: Window, report: Report, *, quiet: bool
    ) -> None:
        certified = report.certificate is not None and report.certificate.complete
        for life in self._everybody():
            if life.was_readable_throughout(window) and (certified or quiet):
                assert life.id in after, f"{life.id} was there all the time and is missing"
                row = after[life.id]
                assert row["deleted_at"] is None, f"{life.id} was there all the time and is marked as deleted"
                assert life.had(fields(row), window), self._values(life.id, row, window)
        for customer_id, row in before.customers.items():
            is_deleted = after[customer_id]["deleted_at"] is not None
            if not certified:
                assert is_deleted <= (row["deleted_at"] is not None), "a delete without a certificate"
            elif not any(each.was_there_at_some_time(window) for each in self._world.lives[customer_id]):
                assert is_deleted, f"{customer_id} was gone before this sweep and is not marked"

    def _check_news(
        self,
        before: Contents,
        after: dict[str, Row],
        window: Window,
        report: Report,
        *,
        quiet: bool,
        refreshed: bool,
    ) -> None:
        for customer_id, row in after.items():
            was = before.customers.get(customer_id)
            assert row["deleted_at"] is None or row == was, "a delete by an incremental run"
        for life in self._everybody():
            if not life.was_readable_throughout(window):
                continue
            stored = self._stored.living.get(life.id)
            if life.is_fresh and report.complete:
                assert stored is not None, f"{life.id} is new and missing"
            if quiet and refreshed and stored is not None:
                assert life.had(fields(stored), window), self._values(life.id, stored, window)

    def _check_nothing_changed(self, before: Contents) -> None:
        assert self._stored.customers == before.customers
        assert self._stored.history == before.history

    def _what_chance_left_out(self) -> None:
        """Everything once; a sweep that fails, one that goes on; guards; and somebody comes back."""
        for seed, kind in enumerate(sorted(World.KINDS)):
            self._world.act(kind, random.Random(seed))
        self._world.meddle(0, probability=0.7, kinds=_AROUND_A_WALK, most=15)
        for fails_after in (2, None):
            self._run_and_check(fails_after, quiet=False, mode="full", page_size=3)
        self._world.leave_alone()
        while len(self._world.alive) < 40:
            self._world.act("insert many in one millisecond", random.Random(0))
        self.sweep_with_a_guard(seed=0, share=0.0)
        self.sweep_with_a_guard(seed=0, share=0.5)
        self.run_with_the_key_of_another_workspace(mode="incremental", customers=30)
        self._run_and_check(None, quiet=True, mode="full")
        self._world.act("create again with the same id", random.Random(0))
        self._run_and_check(None, quiet=True, mode="incremental")

    def _in_the_end(self) -> None:
        """A quiet sweep makes the destination equal to the workspace, and another one writes nothing."""
        self._world.leave_alone()
        if self._at_length:
            self._what_chance_left_out()
        self._world.heal()
        # One that goes on where another one had failed has read some before they changed.
        report = self._quiet_sweep()
        report = self._quiet_sweep() if report.resumed else report
        there = self._world.alive
        assert report.certificate is not None
        assert report.certificate.complete
        after = self._stored
        living = {each: fields(row) for each, row in after.living.items()}
        assert living == {customer_id: life.now for customer_id, life in there.items()}
        assert there.keys() == self._sandbox.snapshot().keys()
        again = self._run((), mode="full")
        assert again is not None
        assert (again.read, again.created, again.updated, again.deleted) == (len(there), 0, 0, 0)
        self._check_nothing_changed(after)
        self.did["sweeps over an unchanged workspace"] += 1

    def _quiet_sweep(self) -> Report:
        before, begin = self._stored, self._world.moment()
        report = self._run((), mode="full", accept_vanished=EVERYBODY)
        assert report is not None
        self._check(before, self._until_now(begin), report, quiet=True, refreshed=False)
        self.did["quiet sweeps in the end"] += 1
        return report

    def _had(self, customer_id: str, row: Row, window: Window) -> bool:
        return any(life.had(row, window) for life in self._world.lives.get(customer_id, ()))

    def _values(self, customer_id: str, row: Row, window: Window) -> str:
        """What is stored, and what it should be."""
        lives = self._world.lives.get(customer_id, ())
        had = [value for life in lives for value in life.values_during(window)]
        return f"in {window} is stored\n  {row}\nbut the values were\n  {chr(10).join(map(str, had))}"

    def _everybody(self) -> list[Life]:
        return [life for lives in self._world.lives.values() for life in lives]

    def _count(self, before: Contents, after: dict[str, Row], report: Report) -> None:
        did, kind = self.did, report.decision.kind
        did[f"{kind} runs"] += 1
        if report.certificate is not None:
            did[f"sweeps {'with' if report.certificate.complete else 'without'} a certificate"] += 1
            did["customers read aside of the chain"] += report.certificate.aside
        did["resumed sweeps"] += report.resumed
        did["customers created"] += report.created
        did["customers updated"] += report.updated
        did["customers marked as deleted"] += report.deleted
        did["customers who came back"] += sum(
            row["deleted_at"] is not None and after[each]["deleted_at"] is None
            for each, row in before.customers.items()
        )
        did["customers whose name Dub makes up"] += sum(bool(row["name_generated"]) for row in after.values())
