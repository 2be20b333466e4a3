"""Keeping dlt from saying what rows hold."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_dlt() -> Iterator[None]:
    """Drop what dlt logs.

    When a destination refuses a row, dlt logs the destination's words, and those quote the row: ``Could not
    convert string 'jane@example.com' to INT32``. What went wrong reaches the caller as an exception.
    """
    from dlt.common import logger

    # dlt makes it with the first pipeline.
    log = logger.LOGGER
    log.addFilter(_nothing)
    try:
        yield
    finally:
        log.removeFilter(_nothing)


def _nothing(_record: logging.LogRecord) -> bool:
    return False
