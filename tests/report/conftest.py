"""Worlds with plans. What opens a browser runs only where it is asked for."""

from pathlib import Path

import pytest

from tests.reverse.conftest import make_push_world, make_world, push_world

__all__ = ["make_push_world", "make_world", "push_world"]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect test_browser.py for ``-m report`` alone: elsewhere its imports would fail.

    Asked for where Playwright is not installed, they do fail; they are not skipped.
    """
    return True if collection_path.name == "test_browser.py" and config.option.markexpr != "report" else None
