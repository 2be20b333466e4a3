"""A place like that of a reader: sandboxes, a warehouse, a table of decisions."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from dlt.common.runtime.run_context import switch_context

from dub_source.sandbox.generate import generate
from tests.conftest import StartSandbox
from tests.docs.world import World


@pytest.fixture
def world(tmp_path: Path, start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """An empty folder, the keys of three workspaces, and a person who is known by an address."""
    before = Path.cwd()
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    sandboxes = []
    for workspace in ("", "acme", "globex"):
        dataset = generate(60)
        prefix = "SOURCES__DUB__"
        if workspace:
            prefix += f"WORKSPACES__{workspace.upper()}__"
            dataset.tokens[0] = replace(dataset.tokens[0], key=f"dub_key_of_{workspace}")
            monkeypatch.setenv(f"{prefix}API_KEY", dataset.tokens[0].key)
        sandboxes.append(start_sandbox(dataset))
        monkeypatch.setenv(f"{prefix}BASE_URL", sandboxes[-1].url)
    switch_context(str(folder))
    yield World(folder, sandboxes, monkeypatch)
    switch_context(str(before))
