"""The program in a process whose clock, disk or patience is not what it was: ``python -m tests.chaos.child``.

What is different stands in the environment, as JSON in ``CHAOS_CHILD``; the arguments are the program's.
"""

import datetime
import json
import os
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

VARIABLE = "CHAOS_CHILD"
_Datetime = datetime.datetime


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What a process finds.

    Attributes:
        clock_s: seconds by which the clock is ahead of the right time, or behind it.
        jump_after_s: seconds after the start at which it jumps there; 0: it is so from the beginning.
        file_kb: kilobytes that no file may exceed.
        read_timeout_s: how long the client waits for an answer.
        rate_window_s: Dub's window, which bounds how long anybody waits after a 429.
    """

    clock_s: float = 0.0
    jump_after_s: float = 0.0
    file_kb: int | None = None
    read_timeout_s: float = 2.5
    rate_window_s: float = 2.0

    def as_environment(self) -> dict[str, str]:
        """To be given to the process."""
        return {VARIABLE: json.dumps(asdict(self))}


def main() -> None:
    """The entry point."""
    found = Circumstances(**json.loads(os.environ[VARIABLE]))
    if found.clock_s:
        _shift_clock(found.clock_s, found.jump_after_s)
    if found.file_kb is not None:
        # The kernel refuses more with EFBIG; Python ignores the signal that comes with it.
        resource.setrlimit(resource.RLIMIT_FSIZE, (found.file_kb * 1024, resource.RLIM_INFINITY))
    _be_impatient(found)
    from dub_source.cli import main as program

    program()


def _shift_clock(seconds: float, jump_after_s: float) -> None:
    """Before anything else has been imported that asks for the time."""
    real_time: Callable[[], float] = time.time
    jumps_at = time.monotonic() + jump_after_s

    def shift() -> float:
        return seconds if time.monotonic() >= jumps_at else 0.0

    class _AsTheRealOne(type):
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, _Datetime)

        def __subclasscheck__(cls, subclass: type) -> bool:
            return issubclass(subclass, _Datetime)

    class Shifted(_Datetime, metaclass=_AsTheRealOne):
        __slots__ = ()  # as large as the real one: libraries in C look

        def __new__(cls, *parts: Any, **more: Any) -> Any:
            # All values are of the real class, for orjson takes no others, or of one made of this one.
            return _Datetime.__new__(_Datetime if cls is Shifted else cls, *parts, **more)

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return _Datetime.now(tz) + datetime.timedelta(seconds=shift())

        @classmethod
        def utcnow(cls) -> Any:
            return _Datetime.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(seconds=shift())

    time.time = lambda: real_time() + shift()
    datetime.datetime = Shifted  # type: ignore[misc]


def _be_impatient(found: Circumstances) -> None:
    """The same client with shorter waits: an hour holds more trouble then."""
    from dub_source.client.retry import RetryPolicy
    from dub_source.settings import Settings

    _default(Settings, read_timeout_s=found.read_timeout_s, rate_window_s=found.rate_window_s)
    _default(RetryPolicy, initial_wait_s=0.05, max_wait_s=0.5)


def _default(kind: type, **values: float) -> None:
    """Give fields of a dataclass other defaults."""
    constructor: Any = vars(kind)["__init__"]
    names = constructor.__code__.co_varnames[1 : constructor.__code__.co_argcount]
    defaults = list(constructor.__defaults__)
    for name, value in values.items():
        defaults[names.index(name) - len(names) + len(defaults)] = value
    constructor.__defaults__ = tuple(defaults)


if __name__ == "__main__":
    sys.argv[0] = "dub-source"
    main()
