"""What the network does to requests: decisions that follow from a seed, one after the other."""

import random
from dataclasses import dataclass
from enum import StrEnum


class Harm(StrEnum):
    """What can become of one request."""

    NONE = "passed on"
    RESET = "reset before it arrives"
    MIDWAY = "reset in the middle of the answer's head"
    TRUNCATED = "answer cut off"
    STALL = "never passed on, never answered"
    DROPPED = "answer dropped after the commit"
    STALLED_AFTER = "answer held back until nobody waits"
    DELAY = "delayed"
    DRIP = "answer in drops"
    LIMITED = "429"
    FAILED = "500"
    BAD_GATEWAY = "502 as HTML"
    UNAVAILABLE = "503 as HTML"
    MISSING = "404 as HTML"
    PAGE = "200 as HTML"
    OTHER_JSON = "200 and another JSON"
    EMPTY = "200 and nothing"
    GARBAGE = "no HTTP at all"


_WEIGHTS: dict[Harm, int] = {
    Harm.RESET: 4,
    Harm.MIDWAY: 2,
    Harm.TRUNCATED: 3,
    Harm.STALL: 1,
    Harm.DROPPED: 6,
    Harm.STALLED_AFTER: 1,
    Harm.DELAY: 4,
    Harm.DRIP: 2,
    Harm.LIMITED: 3,
    Harm.FAILED: 3,
    Harm.BAD_GATEWAY: 3,
    Harm.UNAVAILABLE: 3,
    Harm.MISSING: 1,
    Harm.PAGE: 2,
    Harm.OTHER_JSON: 1,
    Harm.EMPTY: 1,
    Harm.GARBAGE: 1,
}
_OUTAGE = (Harm.RESET, Harm.BAD_GATEWAY, Harm.UNAVAILABLE, Harm.STALL, Harm.DROPPED)

PASSED_ON = frozenset(
    {
        Harm.NONE,
        Harm.MIDWAY,
        Harm.TRUNCATED,
        Harm.DROPPED,
        Harm.STALLED_AFTER,
        Harm.DELAY,
        Harm.DRIP,
    }
)
"""Dub has dealt with the request."""


@dataclass(frozen=True, slots=True)
class Weather:
    """How bad the network is for one process.

    Attributes:
        seed: of the decisions.
        share: of the requests that something happens to, 0 to 1.
        outage_from: number of the request with which an outage begins; None if there is none.
        outage_requests: how many requests it lasts.
    """

    seed: str = ""
    share: float = 0.0
    outage_from: int | None = None
    outage_requests: int = 0


CALM = Weather()


class Forecast:
    """The decisions of a weather, in their order: which request meets which is up to threads."""

    def __init__(self, weather: Weather) -> None:
        self._weather = weather
        self._random = random.Random(weather.seed)
        self._number = 0

    def next(self) -> tuple[Harm, float]:
        """What becomes of the next request; and a number from 0 to 1 that says how, where there are ways."""
        number, self._number = self._number, self._number + 1
        weather, source = self._weather, self._random
        struck, how = source.random() < weather.share, source.random()
        kinds = list(_WEIGHTS)
        harm = source.choices(kinds, weights=[_WEIGHTS[each] for each in kinds])[0]
        if weather.outage_from is not None and 0 <= number - weather.outage_from < weather.outage_requests:
            return source.choice(_OUTAGE), how
        return (harm if struck else Harm.NONE), how
