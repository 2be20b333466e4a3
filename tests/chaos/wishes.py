"""What people want to be in Dub: files of rows, of every kind that a plan can hold."""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.promises.lives import Life

_MOST_DELETES = 50


@dataclass(frozen=True, slots=True)
class Wish:
    """A desired state.

    Attributes:
        file: of rows.
        key: by which column they name customers.
        words: names, addresses and external ids in it.
    """

    file: Path
    key: str
    words: frozenset[str]

    @property
    def arguments(self) -> list[str]:
        """For the command ``plan``."""
        deletes = ["--max-deletes", str(_MOST_DELETES), "--max-delete-share", "1"]
        return [str(self.file), "--key", self.key, *deletes]


def write_wish(seed: str, name: str, folder: Path, living: list[Life]) -> Wish:
    """A wish about some of those who are there, and about some who are not.

    Args:
        seed: decides everything, together with ``living``.
        name: of the wish: part of all values, so that they are like no others.
        folder: where the file goes.
        living: customers in an order that does not change.
    """
    source = random.Random(seed)
    known = [life for life in living if life.is_readable and life.external_id]
    chosen = source.sample(known, min(len(known), source.choice((4, 25, 40))))
    key = source.choice(("id", "external_id"))
    by_key = _by_id if key == "id" else _by_external_id
    rows = list(by_key(source, name, chosen))
    file = folder / f"wish-{name}.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    columns = ("name", "email", "external_id")
    words = {row[column] for row in rows for column in columns if row.get(column)}
    return Wish(file, key, frozenset(words))


def _by_id(source: random.Random, name: str, chosen: list[Life]) -> Iterator[dict[str, Any]]:
    """Updates and deletes; some get the external id that another one has had so far."""
    deleted = max(1, len(chosen) // 8)
    chain = chosen[deleted : deleted + source.choice((0, 2, 5))]
    for life in chosen[:deleted]:
        yield {"id": life.id, "op": "delete"}
    for number, life in enumerate(chosen[deleted:]):
        row = {"id": life.id, "op": "update", **_values(source, f"{name}-{number}")}
        if life in chain:
            place = chain.index(life)
            follows = chain[place + 1].external_id if place + 1 < len(chain) else None
            row["external_id"] = follows or f"wished_end_{name}"
        yield row
    yield {"id": "cus_whomNobodyKnows", "op": "update", "name": f"Wished Nobody {name}"}


def _by_external_id(source: random.Random, name: str, chosen: list[Life]) -> Iterator[dict[str, Any]]:
    """Updates, creates and deletes."""
    deleted = max(1, len(chosen) // 8)
    for number, life in enumerate(chosen):
        row = {"external_id": life.external_id, "op": "delete" if number < deleted else "update"}
        yield row | ({} if number < deleted else _values(source, f"{name}-{number}"))
    for number in range(source.choice((1, 6, 12))):
        yield {
            "external_id": f"wished_{name}_{number}",
            "op": "create",
            "country": source.choice(("DE", "FR", "US")),
            "name": f"Wished {name} {number}",
            "email": f"wished-{name}-{number}@example.com",
        }


def _values(source: random.Random, what: str) -> dict[str, str]:
    values = {
        "name": f"Wished {what}",
        "email": f"wished-{what}@example.com",
        "avatar": f"https://example.com/pictures/{what}.png",
        "stripe_customer_id": f"cus_wished{what}",
    }
    weights = {"name": 6, "email": 4, "avatar": 2, "stripe_customer_id": 1}
    first = source.choices(list(weights), weights=list(weights.values()))[0]
    second = source.choice(list(values))
    return {column: values[column] for column in dict.fromkeys((first, second))}
