"""Workspaces in the environment and in dlt's files."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from dlt.common.runtime.run_context import switch_context

Project = Callable[..., Path]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """Make a folder with files of dlt's configuration, and be in it: ``project(secrets, config)``."""
    before = Path.cwd()

    def make(secrets: str = "", config: str = "") -> Path:
        folder = tmp_path / "project"
        (folder / ".dlt").mkdir(parents=True, exist_ok=True)
        (folder / ".dlt" / "secrets.toml").write_text(secrets)
        (folder / ".dlt" / "config.toml").write_text(config)
        monkeypatch.chdir(folder)
        switch_context(str(folder))
        return folder

    yield make
    switch_context(str(before))
