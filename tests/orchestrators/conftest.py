"""Two workspaces to orchestrate. These tests run only where their orchestrator is installed."""

import dataclasses
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dub_source.sandbox import Sandbox
from dub_source.sandbox.generate import generate

_ROOT = Path(__file__).parents[2]
NAMES = ("acme", "globex")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Collect test_airflow.py for ``-m airflow`` alone, and so on: elsewhere its imports would fail.

    Asked for where the orchestrator is not installed, they do fail; they are not skipped.
    """
    named = re.fullmatch(r"test_(airflow|dagster|dbt)\.py", collection_path.name)
    return True if named and config.option.markexpr != named[1] else None


@dataclass(frozen=True)
class Workspace:
    """A workspace in a sandbox of its own, and the file that its customers go into."""

    name: str
    sandbox: Sandbox
    key: str
    database: Path

    @property
    def dataset(self) -> str:
        return f"dub_{self.name}"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a query answers; table names without a schema are of its dataset."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            connection.execute(f"USE {self.dataset}")
            return connection.execute(query).fetchall()

    def change(self, statement: str) -> None:
        """Change the warehouse behind the tool's back."""
        with duckdb.connect(str(self.database)) as connection:
            connection.execute(f"USE {self.dataset}")
            connection.execute(statement)

    @property
    def secrets(self) -> set[str]:
        """The key, and what rows say of people."""
        people = self.sandbox.snapshot().values()
        values = {row[field] for row in people for field in ("email", "name", "externalId") if row[field]}
        return {self.key, *(value for value in values if len(value) > 5)}


@dataclass(frozen=True)
class Stage:
    """Two workspaces, configured for a project in ``folder``, without their keys."""

    folder: Path
    workspaces: dict[str, Workspace]

    @property
    def environment(self) -> dict[str, str]:
        """Variables that make dlt and our tool look here, and nowhere else."""
        return {
            "DLT_PROJECT_DIR": str(self.folder),
            "DLT_DATA_DIR": str(self.folder / "dlt"),
            "RUNTIME__DLTHUB_TELEMETRY": "false",
        }

    def leaks(self, text: str) -> list[str]:
        """What a text says of people or keys."""
        return sorted(
            secret
            for workspace in self.workspaces.values()
            for secret in workspace.secrets
            if secret in text or secret.encode("ascii", "backslashreplace").decode() in text
        )


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Sandboxes of 120 and 80 customers."""
    folder = tmp_path_factory.mktemp("project")
    (folder / ".dlt").mkdir()
    config = (_ROOT / ".dlt" / "config.toml").read_text(encoding="utf-8")
    workspaces = {}
    with ExitStack() as stack:
        for number, (name, customers) in enumerate(zip(NAMES, (120, 80), strict=True)):
            dataset = generate(customers, random_seed=number)
            key = f"dub_key_of_{name}_{number}0000000000"
            dataset.tokens = [
                dataclasses.replace(each, key=key) if each.name == "owner" else each
                for each in dataset.tokens
            ]
            sandbox = stack.enter_context(Sandbox(dataset, rate_limit=0))
            workspaces[name] = Workspace(name, sandbox, key, folder / f"{name}.duckdb")
            config += (
                f'\n[sources.dub.workspaces.{name}]\nbase_url = "{sandbox.url}"\n'
                f'database = "{workspaces[name].database}"\n'
            )
        (folder / ".dlt" / "config.toml").write_text(config, encoding="utf-8")
        yield Stage(folder, workspaces)
