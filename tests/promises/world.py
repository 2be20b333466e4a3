"""A workspace that changes at random, by itself or between any two requests, and remembers everything."""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import count
from typing import Any, ClassVar, TypeAlias
from urllib.parse import parse_qs, urlsplit

import orjson

from dub_source.sandbox import Customer, Sandbox
from dub_source.sandbox.generate import WORKSPACE_ID
from dub_source.sandbox.ids import cuid, nanoid, ulid
from tests.promises.lives import Life, Row, Window, flat

_DAY_MS = 86_400_000
_Act: TypeAlias = Callable[[random.Random], bool]


_KINDS = (
    "insert",
    "import",
    "insert with an odd id",
    "insert many in one millisecond",
    "insert without name and email",
    "poison",
    "heal",
    "update",
    "rename or take the name away",
    "change the avatar",
    "sale",
    "cancel",
    "delete",
    "delete a stretch",
    "delete a cursor",
    "delete an anchor",
    "create again with a new id",
    "create again with the same id",
)


class World:
    """A sandbox to which everything is done through here. ``did`` counts what was done, by kind."""

    KINDS: ClassVar[frozenset[str]] = frozenset(_KINDS)

    def __init__(self, sandbox: Sandbox, did: Counter[str]) -> None:
        self.sandbox = sandbox
        self.did = did
        # One source for all ids: whatever is done twice with one seed must not make one id twice.
        self._ids = random.Random(0)
        self._moments = count(1)
        self._numbers = count(1)
        self.alive: dict[str, Life] = {}
        self.lives: dict[str, list[Life]] = {}
        """By id, in the order of their births."""
        self._cursor: str | None = None
        self._anchors: dict[str, None] = {}
        self._walks = False
        self.invalid_cursors = 0
        """In this run; Dub answers 422 to them."""
        self.acts: dict[str, _Act] = {
            "insert": lambda source: self._insert(source, id=ulid(_now(), self._ids)),
            "import": self._import,
            "insert with an odd id": self._insert_odd,
            "insert many in one millisecond": self._insert_many,
            "insert without name and email": lambda source: self._insert(source, name=None, email=None),
            "poison": self._poison,
            "heal": lambda _: self.heal(),
            "update": self._update,
            "rename or take the name away": self._rename,
            "change the avatar": self._change_avatar,
            "sale": self._sell,
            "cancel": lambda source: self._change(source, canceled_ms=_now()),
            "delete": self._delete_any,
            "delete a stretch": self._delete_stretch,
            "delete a cursor": lambda _: self._delete_one_of([self._cursor] if self._cursor else []),
            "delete an anchor": lambda source: self._delete_one_of(list(self._anchors), source),
            "create again with a new id": self._create_again,
            "create again with the same id": self._come_back,
        }
        for customer_id in sandbox.ids():
            self._is_born(customer_id, is_fresh=False)

    def moment(self) -> int:
        """A moment after everything that has happened."""
        return next(self._moments)

    def act(self, kind: str, source: random.Random) -> None:
        """Do something of a kind, if that is possible now."""
        if self.acts[kind](source):
            self.did[kind] += 1

    # Between requests

    def begin_run(self) -> None:
        """Nothing is known of the requests of another run."""
        self._cursor = None
        self._anchors = {}
        self._walks = False
        self.invalid_cursors = 0

    def meddle(self, seed: int, *, probability: float, kinds: Sequence[str], most: int) -> None:
        """From now on do something of these kinds before requests; not more than so many times."""
        source, left = random.Random(seed), [most]

        def meddle(_method: str, target: str) -> None:
            self._look_at(target)
            if left[0] and source.random() < probability:
                left[0] -= 1
                self.did["acts between two requests"] += 1
                self.act(source.choice(kinds), source)
            if self._cursor is not None and self._cursor not in self.alive:
                self.did["answered 422: the cursor is gone"] += 1
                self.invalid_cursors += 1

        self.sandbox.before_request(meddle)

    def leave_alone(self) -> None:
        """Nothing happens between requests any more, but they are looked at."""
        self.meddle(0, probability=0.0, kinds=(), most=0)

    def _look_at(self, target: str) -> None:
        asked = parse_qs(urlsplit(target).query)
        self._cursor = asked.get("startingAfter", [""])[0] or None
        if self._cursor is not None:
            # Of a walk that has found its anchor in another way.
            self._anchors = self._anchors or {self._cursor: None}
            self._walks = True
        elif not self._walks and "customerIds" in asked:
            # The last ones that are asked for together before a walk begins are those it begins at.
            self._anchors = dict.fromkeys(asked["customerIds"][0].split(","))

    # Acts: each tells whether it was possible

    def _insert(self, source: random.Random, **fields: Any) -> bool:
        number = next(self._numbers)
        fields = {
            "external_id": f"new_{number}",
            "name": source.choice((f"New {number}", f"New {number}", None)),
            "email": source.choice((f"new{number}@example.com", None)),
            "country": source.choice(("DE", "FR", None)),
            "id": ulid(_now(), self._ids),
            **self._link(source),
            **fields,
        }
        is_fresh = fields.pop("is_fresh", True)
        row = self.sandbox.insert(**fields)
        self._is_born(row.id, is_fresh=is_fresh)
        return True

    def _link(self, source: random.Random) -> dict[str, str | None]:
        """A link, half of them of a partner, or none."""
        if source.random() < 0.5:
            return {"link_id": None, "program_id": None, "partner_id": None}
        dataset = self.sandbox.store.dataset
        partner_id, program_id = source.choice([*dataset.enrollments, (None, None)])
        return {
            "link_id": source.choice(list(dataset.links)),
            "partner_id": partner_id,
            "program_id": program_id,
        }

    def _import(self, source: random.Random) -> bool:
        created = _now() - source.randrange(900 * _DAY_MS)
        return self._insert(source, id=ulid(_now(), self._ids), created_ms=created)

    def _insert_odd(self, source: random.Random) -> bool:
        today = ulid(_now(), self._ids)
        odd = source.choice((nanoid(self._ids), cuid(self._ids), f"{today[:-2]}uU", today[:-1]))
        return self._insert(source, id=odd, is_fresh=False)

    def _insert_many(self, source: random.Random) -> bool:
        moment = _now()
        return all(self._insert(source, id=ulid(moment, self._ids)) for _ in range(source.randrange(2, 9)))

    def _poison(self, source: random.Random) -> bool:
        if source.random() < 0.5 or not self.alive:
            return self._insert(source, external_id=None)
        return self._change(source, external_id=None)

    def heal(self) -> bool:
        """Give an external id to whoever has none, so that Dub can show everybody."""
        poisoned = [each for each in self.alive.values() if not each.is_readable]
        for life in poisoned:
            self._set(life.id, external_id=f"healed_{next(self._numbers)}")
        return bool(poisoned)

    def _update(self, source: random.Random) -> bool:
        number = next(self._numbers)
        fields: dict[str, Any] = source.choice(
            (
                {"email": f"other{number}@example.com"},
                {"country": source.choice(("US", "JP", None))},
                {"stripe_customer_id": f"cus_stripe_new{number}"},
                {"external_id": f"renamed_{number}"},
                self._link(source),
            )
        )
        return self._change(source, **fields)

    def _rename(self, source: random.Random) -> bool:
        fields: dict[str, Any] = source.choice(
            ({"name": f"Renamed {next(self._numbers)}"}, {"name": None}, {"name": None, "email": None})
        )
        return self._change(source, **fields)

    def _change_avatar(self, source: random.Random) -> bool:
        url = f"https://dubassets.com/customers/avatar_{next(self._numbers)}"
        return self._change(source, avatar=source.choice((url, None)))

    def _sell(self, source: random.Random) -> bool:
        customer_id = self._anybody(source)
        if customer_id is not None:
            self.sandbox.record_sale(customer_id, source.randrange(1, 10_000))
            self._has_changed(customer_id)
        return customer_id is not None

    def _delete_any(self, source: random.Random) -> bool:
        return self._delete_one_of(list(self.alive), source)

    def _delete_stretch(self, source: random.Random) -> bool:
        ids = self.sandbox.ids()
        start = source.randrange(len(ids)) if ids else 0
        stretch = ids[start : start + source.randrange(2, 15)]
        for customer_id in stretch:
            self._delete(customer_id)
        return bool(stretch)

    def _delete_one_of(self, ids: list[str], source: random.Random | None = None) -> bool:
        living = [each for each in ids if each in self.alive]
        if living:
            self._delete(source.choice(living) if source else living[0])
        return bool(living)

    def _create_again(self, source: random.Random) -> bool:
        store = self.sandbox.store
        # Asked, not compared: Dub takes two spellings of one external id for the same.
        free = [
            each
            for each in sorted({life.external_id for life in self._dead() if life.external_id})
            if store.find_external(WORKSPACE_ID, each) is None
        ]
        return bool(free) and self._insert(source, external_id=source.choice(free))

    def _come_back(self, source: random.Random) -> bool:
        free = sorted({life.id for life in self._dead()} - self.alive.keys())
        return bool(free) and self._insert(source, id=source.choice(free), is_fresh=False)

    def _dead(self) -> list[Life]:
        return [life for lives in self.lives.values() for life in lives if life.died is not None]

    def _change(self, source: random.Random, **fields: Any) -> bool:
        customer_id = self._anybody(source)
        if customer_id is not None:
            self._set(customer_id, **fields)
        return customer_id is not None

    def _anybody(self, source: random.Random) -> str | None:
        return source.choice(list(self.alive)) if self.alive else None

    # What becomes of a customer

    def _set(self, customer_id: str, **fields: Any) -> None:
        self.sandbox.change(customer_id, **fields)
        self.alive[customer_id].external_id = self._stored(customer_id).external_id
        self._has_changed(customer_id)

    def _delete(self, customer_id: str) -> None:
        self.sandbox.delete(customer_id)
        self.alive.pop(customer_id).died = self.moment()

    def _is_born(self, customer_id: str, *, is_fresh: bool) -> None:
        life = Life(customer_id, self.moment(), self._stored(customer_id).external_id, is_fresh)
        self.alive[customer_id] = life
        self.lives.setdefault(customer_id, []).append(life)
        self._has_changed(customer_id)

    def _has_changed(self, customer_id: str) -> None:
        row = self._stored(customer_id)
        shown: Row = flat(orjson.loads(self.sandbox.store.render_one(row, expanded=True)))
        if row.has_random_name:
            del shown["name"]
        life = self.alive[customer_id]
        since = self.moment() if life.values else life.born
        life.values.append((since, shown, row.external_id is not None))

    def _stored(self, customer_id: str) -> Customer:
        row = self.sandbox.store.find(WORKSPACE_ID, customer_id)
        assert row is not None
        return row

    # Questions

    def nobody_had(self, customer_id: str, window: Window) -> bool:
        """Whether there was a moment in the window in which nobody had this id."""
        end = window.begin
        for life in self.lives.get(customer_id, ()):
            if life.was_there_at_some_time(window):
                if life.born > end:
                    return True
                if life.died is None or life.died > window.end:
                    return False
                end = life.died
        return True


def _now() -> int:
    return int(time.time() * 1000)
