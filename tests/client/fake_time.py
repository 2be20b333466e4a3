"""A clock that stands still until somebody sleeps."""

EPOCH = 1_795_318_740.0
"""2026-11-22 03:39:00 UTC, the start of a minute."""


class FakeTime:
    """``clock`` and ``sleep`` for what takes them; a test may set ``now`` (epoch seconds) as it likes."""

    def __init__(self, now: float = EPOCH) -> None:
        self.now = now
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds
