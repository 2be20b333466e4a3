"""The second half of ``dub-source demo``: decisions of the warehouse, planned and applied in Dub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dub_source.cli.reporting import echo_table

if TYPE_CHECKING:
    from dub_source.destinations import Target
    from dub_source.sandbox import Sandbox


def push_back(sandbox: Sandbox, target: Target, folder: Path) -> None:
    """Decide about a few customers in the warehouse, show the plan, apply it, show what became of it.

    Args:
        sandbox: was loaded into the target.
        target: a DuckDB file.
        folder: of dlt's working files.
    """
    from dub_source import runs
    from dub_source.reverse.sync_file import Sync

    here: dict[str, Any] = {
        "pipelines_dir": folder,
        "api_key": sandbox.key(),
        "base_url": sandbox.url,
    }
    _decide(target)
    click.echo(
        "\nIn the warehouse, the table crm.decisions gives 3 customers other names, one an external id that "
        "will be\ntaken by then, one another country, and wants one deleted. The plan, which writes nothing "
        "to Dub:"
    )
    sync = Sync(table="crm.decisions", try_ignored=True)
    made = runs.plan(target, sync, **here)
    click.echo("\n".join(made.summary.lines()))
    # Between plan and apply somebody in Dub takes the external id.
    sandbox.insert(name="Quicker", external_id="crm-4711")
    click.echo("\nApplied:")
    runs.apply(target, made.plan.plan_id, **here)
    echo_table(("op", "asked for", "result", "status", "reason"), _outcomes(target, made.plan.plan_id))


def _decide(target: Target) -> None:
    """A table such as an analyst or a CRM leaves."""
    import duckdb

    with duckdb.connect(str(target.database)) as connection:
        connection.execute(
            """
            CREATE SCHEMA IF NOT EXISTS crm;
            CREATE OR REPLACE TABLE crm.decisions AS
            WITH few AS (
                SELECT id, row_number() OVER (ORDER BY id) AS number FROM dub.customers
                WHERE deleted_at IS NULL AND email IS NOT NULL LIMIT 6
            )
            SELECT id,
                CASE WHEN number <= 3 THEN 'Decided In The Warehouse' END AS name,
                CASE WHEN number = 4 THEN 'crm-4711' END AS external_id,
                CASE WHEN number = 5 THEN 'AQ' END AS country,
                CASE WHEN number = 6 THEN 'delete' ELSE 'update' END AS op
            FROM few
            """
        )


def _outcomes(target: Target, plan_id: str) -> list[tuple[object, ...]]:
    import duckdb

    with duckdb.connect(str(target.database), read_only=True) as connection:
        return connection.execute(
            "SELECT op, asked, result, status, reason FROM dub.push_log WHERE plan_id = ? ORDER BY number",
            [plan_id],
        ).fetchall()
