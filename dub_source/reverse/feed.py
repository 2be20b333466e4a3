"""Hands out what is to be done, with the customers that it concerns as they were read a moment before."""

import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from dub_source.reverse.drift import Step
from dub_source.reverse.looking import Seen
from dub_source.reverse.units import Unit


@dataclass(frozen=True, slots=True)
class Work:
    """A unit, and its customers by id as far as they have been read."""

    unit: Unit
    seen: Mapping[str, Seen] = field(repr=False)


class Feed:
    """Units for many workers. Whoever finds little left reads the next customers, all others go on.

    Reading in advance is what makes comparing cheap; not reading far in advance is what makes it mean
    something.

    ``size`` is how many customers are read together; ``read`` reads those of steps.
    """

    def __init__(
        self, units: Sequence[Unit], *, size: int, read: Callable[[Sequence[Step]], Mapping[str, Seen]]
    ) -> None:
        self._batches = _batches(units, size)
        self._size = size
        self._read = read
        self._ready: deque[Work] = deque()
        self._next = next(self._batches, None)
        self._reading = False
        self._closed = False
        self._changed = threading.Condition()

    def take(self) -> Work | None:
        """The next unit, waiting for it if need be; None if there are no more, or it is closed.

        Raises:
            DubError: what ``read`` raises.
        """
        while True:
            with self._changed:
                batch = self._to_read()
                while batch is None:
                    if self._closed or not (self._ready or self._reading or self._next):
                        return None
                    if self._ready:
                        return self._ready.popleft()
                    self._changed.wait()
                    batch = self._to_read()
            self._fetch(batch)

    def close(self) -> None:
        """Hand out nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _to_read(self) -> Sequence[Unit] | None:
        """The next batch, if it is time to read it; then it is the caller's."""
        if self._closed or self._reading or self._next is None or len(self._ready) > self._size // 3:
            return None
        self._reading = True
        batch, self._next = self._next, next(self._batches, None)
        return batch

    def _fetch(self, batch: Sequence[Unit]) -> None:
        seen: Mapping[str, Seen] = {}
        try:
            steps = [step for unit in batch for step in unit]
            seen = self._read(steps[: self._size])
        finally:
            with self._changed:
                self._reading = False
                self._ready.extend(Work(unit, seen) for unit in batch)
                self._changed.notify_all()


def _batches(units: Sequence[Unit], size: int) -> Iterator[Sequence[Unit]]:
    """Units of so many steps together; of a unit with more, the worker reads the rest when it is its turn."""
    batch: list[Unit] = []
    steps = 0
    for unit in units:
        if batch and steps + len(unit) > size:
            yield batch
            batch, steps = [], 0
        batch.append(unit)
        steps += len(unit)
    if batch:
        yield batch
