"""When to stop asking Dub."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from dub_source.errors import OutOfTime, SettingsError


def check_seconds(seconds: object) -> None:
    """Refuse what is no time.

    Raises:
        SettingsError: if it is neither None nor a number above 0.
    """
    if seconds is None:
        return
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        raise SettingsError("The setting max_seconds must be a number of seconds above 0.")


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment after which nothing new is begun.

    Attributes:
        at: seconds of the clock; infinite: never.
        clock: gives seconds.
    """

    at: float = math.inf
    clock: Callable[[], float] = time.monotonic

    @classmethod
    def after(cls, seconds: float | None, clock: Callable[[], float] = time.monotonic) -> "Deadline":
        """So many seconds from now; None is never.

        Raises:
            SettingsError: if that is not a number above 0.
        """
        check_seconds(seconds)
        return cls() if seconds is None else cls(clock() + seconds, clock)

    def later(self, seconds: float) -> "Deadline":
        """Another one, so many seconds after this one."""
        return Deadline(self.at + seconds, self.clock)

    @property
    def is_over(self) -> bool:
        """Whether it has passed."""
        return self.clock() >= self.at

    def check(self) -> None:
        """Raise if it has passed.

        Raises:
            OutOfTime: then.
        """
        if self.is_over:
            raise OutOfTime

    def waiting(self, sleep: Callable[[float], None]) -> Callable[[float], None]:
        """The same way to wait, but not beyond this moment: raises OutOfTime when it comes."""

        def wait(seconds: float) -> None:
            left = self.at - self.clock()
            if seconds < left:
                sleep(seconds)
                return
            if left > 0.0:
                sleep(left)
            raise OutOfTime

        return wait
