"""Scripted trouble: what a test can make the sandbox do to chosen requests."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Kind = Literal["status", "reset", "truncated", "not_json", "stall", "after_commit", "call"]
_KINDS = ("status", "reset", "truncated", "not_json", "stall", "after_commit")


@dataclass(slots=True)
class Fault:
    """Trouble for some requests.

    kind:
        ``status``: answer ``status`` and do nothing (5xx as HTML, as proxies do; others as Dub's JSON);
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
    code: str = "internal_server_error"
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
    """Faults from a JSON file: an array of objects with the fields of :class:`Fault`.

    Raises:
        ValueError: with one sentence that says what is wrong.
    """
    try:
        entries: Any = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"The fault file {path} cannot be read as JSON ({type(error).__name__}).") from None
    if not isinstance(entries, list):
        raise ValueError(f"The fault file {path} must hold an array of faults.")
    faults = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict) or entry.get("kind") not in _KINDS:
            raise ValueError(f"Fault {number} in {path} needs a kind: one of {', '.join(_KINDS)}.")
        try:
            faults.append(Fault(**entry))
        except TypeError:
            raise ValueError(f"Fault {number} in {path} has a field that no fault has.") from None
    return faults
