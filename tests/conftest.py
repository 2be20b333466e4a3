"""What all tests share: the recordings of Dub's server, sandboxes, and a dlt that keeps to itself."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from dub_source.sandbox import Dataset, Sandbox, load_seed
from dub_source.sandbox.generate import generate
from tests.sync.world import World
from tests.warehouses import Make, Warehouse
from tests.warehouses.delta import DeltaWarehouse
from tests.warehouses.duckdb_file import DuckDBWarehouse
from tests.warehouses.postgres import PostgresWarehouse
from tests.warehouses.postgres_server import PostgresServer, postgres_server

_ROOT = Path(__file__).parent.parent
RECORDINGS = Path(os.environ.get("DUB_SOURCE_RECORDINGS") or _ROOT.parent / "shared" / "dub-api").resolve()

StartSandbox = Callable[..., Sandbox]
LoadOnce = Callable[[World], None]
KIND = "--warehouse"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded exchanges with Dub's open-source server."""
    if not (RECORDINGS / "seed.json").is_file():
        pytest.skip("The recordings are absent: set DUB_SOURCE_RECORDINGS to their folder.")
    return RECORDINGS


@pytest.fixture
def seed(recordings: Path) -> Dataset:
    """The workspaces on which the recordings were made, fresh for each test."""
    return load_seed(recordings / "seed.json")


@pytest.fixture
def start_sandbox() -> Iterator[StartSandbox]:
    """Start sandboxes that end with the test: ``start_sandbox(dataset or how many, **options)``."""
    with ExitStack() as stack:

        def start(dataset: Dataset | int = 100, **options: Any) -> Sandbox:
            data = generate(dataset) if isinstance(dataset, int) else dataset
            return stack.enter_context(Sandbox(data, **{"rate_limit": 0, **options}))

        yield start


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A Postgres server for this process."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def make_warehouse(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, _private_dlt: None
) -> Iterator[Make]:
    """Make warehouses of the kind that the option ``--warehouse`` names: ``make_warehouse(folder)``."""
    made: list[Warehouse] = []
    with ExitStack() as stack:

        def in_postgres(_folder: Path) -> Warehouse:
            # The first one is called as everybody calls it.
            name = f"postgres_{len(made) + 1}" if made else "postgres"
            warehouse = PostgresWarehouse(request.getfixturevalue("postgres"), name)
            stack.callback(warehouse.remove)
            for variable, value in warehouse.environment.items():
                monkeypatch.setenv(variable, value)
            return warehouse

        def in_duckdb(folder: Path) -> Warehouse:
            return DuckDBWarehouse(folder / f"rows{len(made) + 1 if made else ''}.duckdb")

        def in_delta(folder: Path) -> Warehouse:
            name = f"filesystem_{len(made) + 1}" if made else "filesystem"
            lake = DeltaWarehouse(folder / f"lake{len(made) + 1 if made else ''}", name)
            for variable, value in lake.environment.items():
                monkeypatch.setenv(variable, value)
            return lake

        kinds: dict[str, Make] = {"duckdb": in_duckdb, "postgres": in_postgres, "delta": in_delta}
        of_this_kind = kinds[request.config.getoption(KIND)]

        def make(folder: Path) -> Warehouse:
            made.append(of_this_kind(folder))
            return made[-1]

        yield make


@pytest.fixture
def load_once(tmp_path_factory: pytest.TempPathFactory) -> LoadOnce:
    """Load all of a world, or begin with what was loaded from one with as many customers, who are the same.

    What is in the warehouse then was loaded by another machine: nothing is in the working folder.
    """

    def load(world: World) -> None:
        customers = len(world.sandbox.ids())
        saved = tmp_path_factory.getbasetemp() / f"loaded-{type(world.warehouse).__name__}-{customers}"
        if saved.exists():
            world.warehouse.begin_with(saved)
        else:
            world.load()
            world.warehouse.save(saved)

    return load


@pytest.fixture(autouse=True)
def _private_dlt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads this machine's dlt folders, keys or settings."""
    for name in list(os.environ):
        if name.startswith(("SOURCES__", "DESTINATION__", "RUNTIME__", "DUB_SOURCE_DEBUG")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("DLT_DATA_DIR", str(tmp_path / "dlt-data"))
    monkeypatch.setenv("RUNTIME__DLTHUB_TELEMETRY", "false")


@pytest.fixture(autouse=True)
def _dlt_looks_often(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether files have become Delta tables it looks once a second: three quarters of a test's time."""
    if request.config.getoption(KIND) == "delta":
        often = property(lambda _load: 0.02, lambda _load, _seconds: None)
        monkeypatch.setattr("dlt.load.load.Load._run_loop_sleep_duration", often, raising=False)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which kind of warehouse tests load into."""
    parser.addoption(
        KIND,
        choices=("duckdb", "postgres", "delta"),
        default="duckdb",
        help="the warehouse that tests load into; with another one than duckdb, no other tests run",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the tests that are not about the kind of warehouse that was chosen."""
    kind = config.getoption(KIND)
    chosen = [item for item in items if _is_about(item, kind)]
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = chosen


def _is_about(item: pytest.Item, kind: str) -> bool:
    only = item.get_closest_marker("only")
    if only is not None and kind not in only.args:
        return False
    return kind == "duckdb" or only is not None or "make_warehouse" in getattr(item, "fixturenames", ())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say loudly that the most important tests did not run."""
    if not (RECORDINGS / "seed.json").is_file():
        terminalreporter.section("THE RECORDINGS ARE ABSENT", sep="!", red=True, bold=True)
        terminalreporter.write_line(
            f"Nothing was compared with Dub's server: there is no seed.json in {RECORDINGS}.\n"
            "Set DUB_SOURCE_RECORDINGS to the folder of the recordings and run the tests again."
        )
