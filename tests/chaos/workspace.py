"""A workspace that changes by itself and through the API, and knows who was there when."""

import random
import time
from collections import Counter
from collections.abc import Sequence
from urllib.parse import unquote

import orjson

from dub_source.sandbox import Sandbox
from dub_source.sandbox.generate import WORKSPACE_ID
from tests.promises.lives import Life, flat
from tests.promises.world import World

_MOST = 900
"""Customers; beyond that more go than come."""
_DELETING = ("delete", "delete a stretch", "delete a cursor", "delete an anchor")
_REBIRTH = "create again with the same id"


class Workspace(World):
    """The world of the promises' tests, to which others write, too.

    ``born_at`` tells when a life began, in epoch seconds.
    """

    def __init__(self, sandbox: Sandbox, did: Counter[str]) -> None:
        self.times: dict[int, float] = {}
        self._written: set[str] = set()
        super().__init__(sandbox, did)

    def moment(self) -> int:
        number = super().moment()
        self.times[number] = time.time()
        return number

    def born_at(self, life: Life) -> float:
        return self.times[life.born]

    def change(self, source: random.Random, kinds: Sequence[str], times: int) -> None:
        """Do some things now."""
        for _ in range(times):
            with self.sandbox.still():
                self._act(source, kinds)

    def change_between_requests(
        self, seed: str, kinds: Sequence[str], *, probability: float, most: int
    ) -> None:
        """From now on do some things before requests are dealt with, so many at most."""
        source, left = random.Random(seed), [most]

        def hook(method: str, target: str) -> None:
            self._look_at(target)
            if method == "PATCH":
                self._written.add(unquote(target.partition("?")[0].rpartition("/")[2]))
            if left[0] and source.random() < probability:
                left[0] -= 1
                self._act(source, kinds)

        self.begin_run()
        self.sandbox.before_request(hook)

    def settle(self) -> None:
        """Nothing happens by itself any more; everybody can be shown; and what was written is known."""
        self.change_between_requests("", (), probability=0.0, most=0)
        with self.sandbox.still():
            self.adopt()
            self.heal()

    def written_to(self) -> None:
        """Somebody has just changed something through the API."""
        with self.sandbox.still():
            self.adopt()

    def adopt(self) -> None:
        """Take note of what others have done through the API; nobody may do anything meanwhile."""
        there = set(self.sandbox.ids())
        for customer_id in self.alive.keys() - there:
            self.alive.pop(customer_id).died = self.moment()
        for customer_id in sorted(there - self.alive.keys()):
            self._is_born(customer_id, is_fresh=True)
        for customer_id in sorted(self._written & there):
            if self._shown(customer_id) != self.alive[customer_id].now:
                self._has_changed(customer_id)

    def _act(self, source: random.Random, kinds: Sequence[str]) -> None:
        self.adopt()
        crowded = len(self.alive) > _MOST
        self.act(source.choice(_DELETING if crowded else kinds), source)

    def _shown(self, customer_id: str) -> dict[str, object]:
        row = self._stored(customer_id)
        shown = flat(orjson.loads(self.sandbox.store.render_one(row, expanded=True)))
        if row.has_random_name:
            del shown["name"]
        return shown

    # Questions

    def words(self) -> set[str]:
        """All that has ever been somebody's name, address or external id."""
        columns = ("name", "email", "external_id")
        found = {
            value[column]
            for lives in self.lives.values()
            for life in lives
            for _, value, _ in life.values
            for column in columns
            if value.get(column)
        }
        partners = self.sandbox.store.dataset.partners.values()
        return found | {each["email"] for each in partners if each["email"]}

    def lives_through(self, customer_id: str, begin: float, end: float) -> bool:
        """Whether one customer with this id was there before, during and after, in epoch seconds."""
        return any(
            self.born_at(life) < begin and (life.died is None or self.times[life.died] > end)
            for life in self.lives.get(customer_id, ())
        )

    def workspace_id(self) -> str:
        return WORKSPACE_ID


def kinds_of(*, plan_is_open: bool) -> tuple[str, ...]:
    """What may happen. Dub gives no id twice; while a plan may delete by id, nor does the sandbox."""
    left_out = {_REBIRTH} if plan_is_open else set()
    return tuple(sorted(World.KINDS - left_out))
