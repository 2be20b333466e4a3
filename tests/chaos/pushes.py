"""P6: nothing was written that no plan lists, and each planned change has one outcome, which is true."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import orjson

from tests.chaos.proxy import Write
from tests.chaos.workspace import Workspace
from tests.promises.lives import Row
from tests.warehouses import DATASET, Warehouse

_WIRE = {
    "name": "name",
    "email": "email",
    "avatar": "avatar",
    "external_id": "externalId",
    "stripe_customer_id": "stripeCustomerId",
    "country": "country",
}
_OWN_AVATARS = "https://dubassets.com/"
_FINAL = {"applied", "already_applied", "accepted_not_applied", "drifted", "rejected"}
_IN_DOUBT = "cannot be told"


@dataclass(slots=True)
class Pushed:
    """A plan that was made, and how it was carried out.

    Attributes:
        plan_id: of the plan.
        processes: those that applied it.
        finished: nothing of it is left to do.
        machines: where it was applied.
        disk_lost: a machine's files were lost meanwhile.
    """

    plan_id: str
    processes: set[str] = field(default_factory=set)
    finished: bool = False
    machines: set[str] = field(default_factory=set)
    disk_lost: bool = False

    @property
    def knows_its_doings(self) -> bool:
        """Whether what was sent is in the journal of the machine that goes on."""
        return len(self.machines) < 2 and not self.disk_lost


class Plans:
    """What the warehouse says of plans, held against the ledger of the proxy and the workspace."""

    def __init__(
        self, warehouse: Warehouse, ledger: Iterable[Write], workspace: Workspace, pushed: Iterable[Pushed]
    ) -> None:
        tables = set(warehouse.tables())

        def rows(name: str) -> list[Row]:
            return warehouse.rows(f"{DATASET}.{name}") if f"{DATASET}.{name}" in tables else []

        self._changes: dict[str, list[Row]] = {}
        for row in rows("push_changes"):
            self._changes.setdefault(row["plan_id"], []).append(row)
        self._log: dict[str, list[Row]] = {}
        for row in rows("push_log"):
            self._log.setdefault(row["plan_id"], []).append(row)
        self._workspace = workspace
        self._pushed = list(pushed)
        self._ledger = list(ledger)

    def outcomes(self) -> Counter[str]:
        """Of all finished plans."""
        done = {each.plan_id for each in self._pushed if each.finished}
        return Counter(row["result"] for plan_id in done for row in self._log.get(plan_id, ()))

    def violations(self) -> Iterator[str]:
        """All that is wrong."""
        of_process = {name: each for each in self._pushed for name in each.processes}
        for write in self._ledger:
            if write.process not in of_process:
                yield f"{write.process} wrote ({write.method}), and carried out no plan"
            elif self._planned(of_process[write.process].plan_id, write) is None:
                plan_id = of_process[write.process].plan_id
                yield f"{write.process} wrote ({write.method}) what {plan_id} does not list: {write.target}"
        for pushed in self._pushed:
            yield from self._of_plan(pushed)

    def _of_plan(self, pushed: Pushed) -> Iterator[str]:
        changes, log = self._changes.get(pushed.plan_id, []), self._log.get(pushed.plan_id, [])
        numbers = Counter(row["number"] for row in log)
        known = {row["number"]: row for row in changes}
        if len(known) != len(changes):
            yield f"{pushed.plan_id} lists a change twice"
        if twice := sorted(number for number, times in numbers.items() if times > 1):
            yield f"{pushed.plan_id} has two outcomes for the changes {twice[:5]}"
        if unknown := sorted(numbers.keys() - known.keys()):
            yield f"{pushed.plan_id} has outcomes of changes that it does not list: {unknown[:5]}"
        if not pushed.finished:
            return
        if missing := sorted(known.keys() - numbers.keys()):
            yield f"{pushed.plan_id} is finished without an outcome for the changes {missing[:5]}"
        writes = self._writes_of(pushed, changes)
        for row in log:
            if row["number"] in known:
                yield from self._of_change(pushed, known[row["number"]], row, writes.get(row["number"], []))

    def _writes_of(self, pushed: Pushed, changes: list[Row]) -> dict[int, list[Write]]:
        found: dict[int, list[Write]] = {}
        for write in self._ledger:
            if write.process in pushed.processes:
                change = _matching(changes, write)
                if change is not None:
                    found.setdefault(change["number"], []).append(write)
        return found

    def _planned(self, plan_id: str, write: Write) -> Row | None:
        return _matching(self._changes.get(plan_id, []), write)

    # One change

    def _of_change(self, pushed: Pushed, change: Row, outcome: Row, writes: list[Write]) -> Iterator[str]:
        result, op = outcome["result"], change["op"]
        what = f"{pushed.plan_id}:{change['number']} ({op}, {change['customer_id']}) is {result}"
        if result not in _FINAL:
            yield f"{what}: no final outcome"
            return
        committed = [each for each in writes if _is_committed(each)]
        asked = orjson.loads(change["asked"] or "{}")
        if op == "update" and len(committed) > 1 and not self._was_undone(change, asked):
            yield f"{what}, and was written {len(committed)} times"
        # Whether a delete whose answer was lost has arrived, or somebody else was faster, nobody can tell.
        may_be_others = op == "delete" and outcome["status"] == 404 and self._was_so(change, asked)
        if result == "applied" and not committed and not may_be_others:
            yield f"{what}, and Dub has got no such write"
        if result == "applied" and op != "delete" and committed:
            answers = [each for each in committed if each.status in (200, 201)]
            if answers and not any(_answers(orjson.loads(each.answer), asked) for each in answers):
                yield f"{what}, and Dub answered otherwise"
        if result == "accepted_not_applied" and not committed:
            yield f"{what}, and Dub has accepted nothing"
        if result == "already_applied" and not self._was_so(change, asked):
            yield f"{what}, and it was never so"
        if result in ("drifted", "rejected") and committed and pushed.knows_its_doings:
            in_doubt = _IN_DOUBT in (outcome["reason"] or "") or self._was_undone(change, asked)
            if not in_doubt:
                yield f"{what} ({outcome['reason']}), and Dub has got it"

    def _values(self, change: Row) -> list[Row]:
        """Everything that the change's customer has ever been."""
        lives = self._workspace.lives
        if change["op"] == "create":
            return [
                value
                for each in lives.values()
                for life in each
                for _, value, _ in life.values
                if value.get("external_id") == change["external_id"]
            ]
        return [value for life in lives.get(change["customer_id"], ()) for _, value, _ in life.values]

    def _was_so(self, change: Row, asked: Mapping[str, Any]) -> bool:
        if change["op"] == "delete":
            return any(life.died is not None for life in self._workspace.lives.get(change["customer_id"], ()))
        return any(_is_as_asked(value, asked) for value in self._values(change))

    def _was_undone(self, change: Row, asked: Mapping[str, Any]) -> bool:
        """Whether the customer was as asked, and was made something else, or is gone."""
        lives = self._workspace.lives.get(change["customer_id"] or "", ())
        if change["op"] == "create" or any(life.died is not None for life in lives):
            return True
        so = [_is_as_asked(value, asked) for life in lives for _, value, _ in life.values]
        return True in so and not all(so[so.index(True) :])


def _matching(changes: list[Row], write: Write) -> Row | None:
    """The change that a request carries out, to the letter."""
    customer_id = unquote(write.target.partition("?")[0].rpartition("/")[2])
    for change in changes:
        asked = orjson.loads(change["asked"] or "{}")
        body = {_WIRE[column]: value for column, value in asked.items()}
        match write.method, change["op"]:
            case "DELETE", "delete":
                if change["customer_id"] == customer_id:
                    return change
            case "PATCH", "update":
                if change["customer_id"] == customer_id and json.loads(write.body) == body:
                    return change
            case "POST", "create":
                if json.loads(write.body) == body:
                    return change
    return None


def _is_committed(write: Write) -> bool:
    """Whether it is in effect. Recorded: a PATCH that cannot show its customer (422) is, too."""
    if write.status in (200, 201):
        return True
    return write.method == "PATCH" and write.status == 422 and b"externalId" in write.answer


def _answers(answer: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    return _is_as_asked({column: answer.get(_WIRE[column]) for column in asked}, asked)


def _is_as_asked(row: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
    """A foreign picture becomes one of Dub's own."""
    return all(
        str(row.get(column)).startswith(_OWN_AVATARS) if column == "avatar" else row.get(column) == value
        for column, value in asked.items()
    )
