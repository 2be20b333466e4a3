"""Scripted trouble: what a test can make the sandbox do to chosen requests."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["status", "reset", "truncated", "not_json", "stall", "after_commit", "call"]
_KINDS = ("status", "reset", "truncated", "not_json", "stall", "after_commit")
_TEXT = ((str,), "a text")
_COUNT = ((int,), "a whole number")
_FIELDS: dict[str, tuple[tuple[type, ...], str]] = {
    "kind": _TEXT,
    "method": _TEXT,
    "containing": _TEXT,
    "skip": _COUNT,
    "times": _COUNT,
    "status": _COUNT,
    "code": _TEXT,
    "message": _TEXT,
    "seconds": ((int, float), "a number"),
}


@dataclass(slots=True)
class Fault:
    """Trouble for some requests.

    kind:
        ``status``: answer ``status`` and do nothing. 501 and above come as HTML, as proxies do, unless
        there is a ``code``; others as Dub's JSON with ``code`` (else the status's own) and ``message``;
        ``reset``: do nothing and reset the connection;
        ``truncated``: do the work, then close in the middle of the body;
        ``not_json``: do the work, then answer 200 with an HTML page;
        ``stall``: wait ``seconds`` before the work;
        ``after_commit``: do the work, then wait ``seconds`` and reset without an answer;
        ``call``: run ``action`` (in the server's thread, under its lock), then go on as usual.

    A fault applies to requests with this ``method`` (any when empty) whose path and query hold
    ``containing``; it lets the first ``skip`` of them through and then hits ``times`` of them.
    """

    kind: Kind
    method: str = ""
    containing: str = ""
    skip: int = 0
    times: int = 1
    status: int = 503
    code: str = ""
    message: str = "Scripted trouble."
    seconds: float = 0.0
    action: Callable[[], object] | None = None
    hits: int = field(default=0, init=False)

    def applies(self, method: str, target: str) -> bool:
        """Whether it hits this request; counts the request if it is one of those it is meant for."""
        if self.times <= 0 or (self.method and self.method != method) or self.containing not in target:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        self.hits += 1
        return True


def load_faults(path: Path) -> list[Fault]:
    """Faults from a JSON file: an array of objects with the fields of :class:`Fault`, ``action`` excepted.

    Raises:
        ValueError: with one sentence that says what is wrong.
    """
    try:
        entries: Any = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(f"The fault file {path} cannot be read: {error.strerror}.") from None
    except ValueError:
        raise ValueError(f"The fault file {path} is not JSON.") from None
    if not isinstance(entries, list):
        raise ValueError(f"The fault file {path} must hold an array of faults.")
    return [_fault(entry, f"Fault {number} in {path}") for number, entry in enumerate(entries, 1)]


def _fault(entry: Any, where: str) -> Fault:
    if not isinstance(entry, dict) or entry.get("kind") not in _KINDS:
        raise ValueError(f"{where} needs a kind: one of {', '.join(_KINDS)}.")
    for name, value in entry.items():
        wanted = _FIELDS.get(name)
        if wanted is None:
            raise ValueError(f"{where} has a field {name!r}, which no fault has.")
        if isinstance(value, bool) or not isinstance(value, wanted[0]):
            raise ValueError(f"{where} needs {wanted[1]} for {name!r}.")
    return Fault(**entry)
