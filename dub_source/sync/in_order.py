"""Work for another thread, done in the order in which it was given."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Self


class InOrder:
    """One thread that does one thing after the other; once one has failed, nothing more. A context manager.

    What failed there is raised here: by the call that waits for it, and by all later ones.
    """

    def __init__(self, name: str, *, most: int) -> None:
        """Prepare.

        Args:
            name: of the thread.
            most: tasks that may wait; whoever gives another one waits, too, so that memory is bounded.
        """
        self._pool = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._most = most
        self._waiting: deque[Future[None]] = deque()
        self._failed: BaseException | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Wait for the task that has begun; the others are not done any more."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def do(self, task: Callable[[], None]) -> None:
        """Have a task done after those before it."""
        self._wait(self._most)
        self._waiting.append(self._pool.submit(self._one, task))

    def join(self) -> None:
        """Wait until everything is done."""
        self._wait(0)

    def _wait(self, most: int) -> None:
        while self._waiting and (len(self._waiting) > most or self._waiting[0].done()):
            self._waiting[0].result()
            self._waiting.popleft()

    def _one(self, task: Callable[[], None]) -> None:
        if self._failed is not None:
            raise self._failed
        try:
            task()
        except BaseException as error:
            self._failed = error
            raise
