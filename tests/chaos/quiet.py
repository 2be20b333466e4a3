"""P7: neither people nor keys in anything that is printed, logged or kept beside the tables."""

import base64
import binascii
import json
import re
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.warehouses import DATASET, Warehouse

_SHORTEST = 5
"""Characters; a shorter word may stand anywhere by chance."""
_KEPT = (".parquet", ".arrow", ".jsonl", ".pickle", ".exception", ".gz")


class Words:
    """Names, addresses, external ids and keys that must not be said."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, words: Iterable[str]) -> None:
        """From now on these, too."""
        new = {each for each in words if len(each) >= _SHORTEST} - self._words
        if new:
            self._words |= new
            self._pattern = None

    def found(self, text: str) -> str | None:
        """The first of them that a text says."""
        if self._pattern is None:
            # Written in JSON, they may be escaped.
            forms = {form for word in self._words for form in (word, _escaped(word))}
            self._pattern = re.compile("|".join(map(re.escape, sorted(forms, key=len, reverse=True))))
        match = self._pattern.search(text)
        return None if match is None else match[0]


def _escaped(word: str) -> str:
    return json.dumps(word)[1:-1]


def said(words: Words, files: Iterable[Path]) -> Iterator[str]:
    """What files say that they must not."""
    for file in files:
        word = words.found(file.read_text(encoding="utf-8", errors="replace"))
        if word is not None:
            yield f"{file.name} says {word!r}"


def left_behind(machine: Path) -> Iterator[str]:
    """Files of rows that a run which went well has left in its folder of working files."""
    for path in sorted(machine.rglob("*")):
        if path.is_file() and path.suffix in _KEPT and path.stat().st_size:
            yield f"{path.relative_to(machine.parent)} was left behind"


def kept(words: Words, machine: Path) -> Iterator[str]:
    """What the files of a folder of working files say that they must not."""
    for path in sorted(machine.rglob("*")):
        if path.is_file():
            word = words.found(path.read_bytes().decode("utf-8", errors="replace"))
            if word is not None:
                yield f"{path.relative_to(machine.parent)} says {word!r}"


_ABOUT_RUNS = {
    "_dlt_pipeline_state": ("state",),
    "_dlt_version": ("schema",),
    "sync_runs": ("error", "reason", "certificate"),
    "push_plans": ("sync", "counts", "baseline"),
    "push_log": ("reason", "code"),
}
"""Tables that are about runs, and the columns of text in them."""


def stored(words: Words, warehouse: Warehouse) -> Iterator[str]:
    """What the tables about runs say that they must not."""
    there = set(warehouse.tables())
    for table, columns in _ABOUT_RUNS.items():
        if f"{DATASET}.{table}" not in there:
            continue
        for row in warehouse.rows(f"{DATASET}.{table}"):
            for column in columns:
                word = words.found(_opened(str(row.get(column) or "")))
                if word is not None:
                    yield f"{table}.{column} says {word!r}"


def _opened(text: str) -> str:
    """dlt packs its state."""
    try:
        return zlib.decompress(base64.b64decode(text, validate=True)).decode()
    except (binascii.Error, ValueError, zlib.error):
        return text
