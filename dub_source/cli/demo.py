"""``dub-source demo``: the main job against a made-up workspace, in one command."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dub_source.cli.load_words import summary
from dub_source.cli.reporting import echo_table, found_by_the_shell, progress

if TYPE_CHECKING:
    from dub_source.sandbox import Sandbox

_CUSTOMERS = 4_000
_DATABASE = Path("dub_demo.duckdb")


def run() -> None:
    """Start a sandbox, load it, compare with a plain cursor walk, change some customers here and there."""
    from dub_source.sandbox import Sandbox
    from dub_source.sandbox.generate import generate

    began = time.monotonic()
    _DATABASE.unlink(missing_ok=True)
    click.echo(
        f"Starting a sandbox Dub API with {_CUSTOMERS:,} customers, imports and legacy ids among them."
    )
    with Sandbox(generate(_CUSTOMERS)) as sandbox, tempfile.TemporaryDirectory() as folder:
        _load(sandbox, Path(folder))
        there = set(sandbox.ids())
        loaded = _loaded_ids()
        naive = _naive_walk(sandbox.url, sandbox.key())
        click.echo(
            f"\nOf {len(there):,} customers in the workspace, {len(there & loaded):,} are in {_DATABASE}."
        )
        click.echo(
            f"A plain cursor walk (first page, then startingAfter its last id) finds {len(naive):,} "
            f"and loses {len(there - naive):,}, with HTTP 200 all the way."
        )
        _go_on(sandbox, Path(folder))
        _push_back(sandbox, Path(folder))
    click.echo("\nRevenue by country, without those who are gone:")
    echo_table(("country", "customers", "buyers", "revenue"), _revenue())
    click.echo(f"\nDone in {time.monotonic() - began:.1f} s. With your own workspace:")
    for step in (
        *found_by_the_shell(),
        "dub-source init    (settings, and a place for the key: in Dub, Settings, API Keys)",
        "dub-source check",
        "dub-source load",
    ):
        click.echo(f"  {step}")


def _load(sandbox: Sandbox, folder: Path, **options: Any) -> None:
    from dub_source import runs
    from dub_source.destinations import Target

    with progress(quiet=False) as observer:
        result = runs.load(
            Target(database=_DATABASE),
            pipelines_dir=folder,
            observer=observer,
            api_key=sandbox.key(),
            base_url=sandbox.url,
            **options,
        )
    # The query to try is shown once, at the end.
    click.echo(summary(result).partition("\nTry:")[0])


def _go_on(sandbox: Sandbox, folder: Path) -> None:
    """What happens in a workspace from day to day, and what the next runs make of it."""
    long_ago = 1_650_000_000_000
    for number in range(5):
        sandbox.insert(name=f"Import {number}", email=f"import{number}@example.com", created_ms=long_ago)
    click.echo("\nIn Dub, 5 customers are imported, dated long ago. The next run:")
    _load(sandbox, folder)
    for customer_id in sandbox.ids()[100:103]:
        sandbox.change(customer_id, name="Renamed")
    for customer_id in sandbox.ids()[200:202]:
        sandbox.delete(customer_id)
    click.echo("\nIn Dub, 3 are renamed and 2 deleted. A sweep:")
    _load(sandbox, folder, mode="full")
    click.echo("\nThe last versions in dub.customers_history:")
    echo_table(("change", "changed_fields", "customers"), _changes())


def _push_back(sandbox: Sandbox, folder: Path) -> None:
    """The way back into Dub, and that the next load finds nothing new in it."""
    from dub_source.cli.demo_push import push_back
    from dub_source.destinations import Target

    push_back(sandbox, Target(database=_DATABASE), folder)
    click.echo("\nLoaded again, with no surprise but the one whom somebody created in Dub:")
    _load(sandbox, folder, mode="full")


def _naive_walk(base_url: str, api_key: str) -> set[str]:
    """What every connector that follows Dub's own description of its paging reads."""
    from dub_source.client import DubClient
    from dub_source.settings import Settings

    found: set[str] = set()
    with DubClient(Settings(api_key=api_key, base_url=base_url)) as client:
        page = client.list()
        while page.customers:
            found.update(customer["id"] for customer in page.customers)
            page = client.list(starting_after=page.customers[-1]["id"])
    return found


def _loaded_ids() -> set[str]:
    return {str(row[0]) for row in _rows("SELECT id FROM dub.customers")}


def _changes() -> list[tuple[object, ...]]:
    return _rows(
        "SELECT change, changed_fields, count(*) FROM dub.customers_history "
        "WHERE observed_at > (SELECT min(started_at) FROM dub.sync_runs WHERE created < 100) "
        "GROUP BY ALL ORDER BY ALL"
    )


def _revenue() -> list[tuple[object, ...]]:
    return _rows(
        "SELECT coalesce(country, 'unknown'), count(*), count(*) FILTER (sales > 0), "
        "(sum(sale_amount) / 100)::DOUBLE AS revenue "
        "FROM dub.customers WHERE deleted_at IS NULL GROUP BY 1 ORDER BY revenue DESC LIMIT 8"
    )


def _rows(query: str) -> list[tuple[object, ...]]:
    import duckdb

    with duckdb.connect(str(_DATABASE), read_only=True) as connection:
        return connection.execute(query).fetchall()
