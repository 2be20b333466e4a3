"""Dagster: the customers and their history as assets, checked; schedules; and the way back into Dub as a job.

Install ``dub-source[dagster]``, give each workspace a section ``[sources.dub.workspaces.acme]`` with its key
in ``.dlt/secrets.toml`` (or the environment), and run this in the folder of ``.dlt``::

    dagster dev -f pipelines/dagster_defs.py

Each workspace is a partition. ``dub_load`` brings one up to date and then runs the checks. ``dub_push`` makes
the plan of a sync file, and applies it only if its id is in the config: launch it, look at the plan, launch
it again with ``approved``. An equal plan has the same id, so what is applied is what was looked at.

The assets are declared by dagster-dlt and loaded by ``dub_source.runs.load``, not by DagsterDltResource.run.
That leaves out the lock against a second run, the view of the history, and the rows of failed runs; and what
it raises, which Dagster stores, may quote rows. Events and logs here hold counts and the ids of plans,
nothing about people.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import dlt
from dagster_dlt import DagsterDltTranslator, dlt_assets
from dagster_dlt.translator import DltResourceTranslatorData

from dub_source import dub, runs
from dub_source.dictionary import TABLES as DICTIONARY
from dub_source.dictionary import Table
from dub_source.failures import explain
from dub_source.reverse.sync_file import read_sync
from dub_source.runs import Status
from dub_source.workspaces import Workspace, select, workspace_names

NAMES = workspace_names()
WORKSPACES = dg.StaticPartitionsDefinition(NAMES)
CUSTOMERS = dg.AssetKey(["dub", "customers"])
HISTORY = dg.AssetKey(["dub", "customers_history"])

MAX_AGE_H = 2
"""Hours after which the last load is too old."""
MAX_SWEEP_AGE_H = 48
"""The same for the last load that read everybody."""

RETRIES = dg.RetryPolicy(max_retries=3, delay=60, backoff=dg.Backoff.EXPONENTIAL)
"""To run anything again is safe; what would be in vain raises a Failure that allows none."""


class Tables(DagsterDltTranslator):
    """The tables as assets ``dub/customers`` and ``dub/customers_history``."""

    def get_asset_spec(self, data: DltResourceTranslatorData) -> dg.AssetSpec:
        """See DagsterDltTranslator."""
        spec = super().get_asset_spec(data)
        # Each workspace may have another destination, so none is named.
        metadata = {name: value for name, value in spec.metadata.items() if name != "dagster/storage_kind"}
        table = DICTIONARY[data.resource.name]
        return spec.replace_attributes(
            key=["dub", table.name],
            description=table.meaning,
            deps=[],
            kinds={"dlt"},
            metadata=metadata | {"dagster/column_schema": column_schema(table)},
        )


def column_schema(table: Table) -> dg.TableSchema:
    """What the columns of a table mean, from the data dictionary."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=column.type,
                description=column.description,
                constraints=dg.TableColumnConstraints(
                    nullable=column.nullable, unique=column.name == table.key
                ),
            )
            for column in table.columns
        ]
    )


# The key is not used: a source is made only to know its tables. So is the pipeline, which never runs.
TABLES = dub(api_key="dub_of_no_workspace").with_resources("customers", "customers_history")
PIPELINE = dlt.pipeline("dub_assets", destination="duckdb", dataset_name="dub")


class Load(dg.Config):
    """How to load."""

    mode: str = "auto"


@dlt_assets(
    dlt_source=TABLES,
    dlt_pipeline=PIPELINE,
    name="load_customers",
    group_name="dub",
    dagster_dlt_translator=Tables(),
    partitions_def=WORKSPACES,
)
def tables(context: dg.AssetExecutionContext, config: Load) -> Iterator[dg.MaterializeResult[Any]]:
    """Load both tables, whichever was asked for: a customer's row and its versions belong together."""
    with configured(context.partition_key) as workspace:
        loaded = runs.load(workspace.target, **{**workspace.options, "mode": config.mode})
        there = runs.status(workspace.target)
    report, result = loaded.report, loaded.as_json()
    shared = {
        name: result[name]
        for name in ("mode", "reason", "requests", "seconds", "throttled_seconds", "unread", "run_id")
    } | {"certificate": "none: not a sweep" if report.certificate is None else str(report.certificate)}
    changes = {"created": report.created, "updated": report.updated, "deleted": report.deleted}
    counts = {
        CUSTOMERS: {"dagster/partition_row_count": there.rows, "living": there.living},
        HISTORY: {"dagster/partition_row_count": there.versions},
    }
    for key in context.selected_asset_keys:
        yield dg.MaterializeResult(
            asset_key=key,
            # With nothing to load the numbers are zero; they are never missing.
            metadata={**shared, **changes, "rows_loaded": sum(changes.values()), **counts[key]},
        )
    if not report.complete:
        raise dg.Failure(
            f"The customers are not all there: complete except {report.left_out}.", allow_retries=False
        )


CHECKS = {
    "ids_are_unique": (CUSTOMERS, "No customer has two rows."),
    "fresh": (
        CUSTOMERS,
        f"The last load is at most {MAX_AGE_H} h old, the last that read everybody {MAX_SWEEP_AGE_H} h.",
    ),
    "last_sweep_certified": (CUSTOMERS, "The last load that read everybody proved that it met everybody."),
    "nothing_rejected": (CUSTOMERS, "Dub has rejected nothing of the newest plan of each sync."),
}


@dg.multi_asset_check(
    specs=[
        dg.AssetCheckSpec(name, asset=asset, description=text, partitions_def=WORKSPACES)
        for name, (asset, text) in CHECKS.items()
    ],
    can_subset=True,
)
def checks(context: dg.AssetCheckExecutionContext) -> Iterator[dg.AssetCheckResult]:
    """What the warehouse says of itself."""
    with configured(context.partition_key) as workspace:
        there = runs.status(workspace.target)
    results = judged(there)
    for key in context.selected_asset_check_keys:
        passed, metadata = results[key.name]
        yield dg.AssetCheckResult(
            passed=passed, asset_key=key.asset_key, check_name=key.name, metadata=metadata
        )


def judged(there: Status) -> dict[str, tuple[bool, dict[str, Any]]]:
    """Whether each check is passed, and what says so."""
    now = datetime.now(UTC)

    def recent(moment: datetime | None, hours: float) -> bool:
        return moment is not None and now - moment <= timedelta(hours=hours)

    return {
        "ids_are_unique": (there.rows == there.ids, {"rows": there.rows, "ids": there.ids}),
        "fresh": (
            recent(there.loaded_at, MAX_AGE_H) and recent(there.swept_at, MAX_SWEEP_AGE_H),
            {"loaded_at": str(there.loaded_at), "swept_at": str(there.swept_at)},
        ),
        "last_sweep_certified": (there.certified is True, {"unread": there.unread}),
        "nothing_rejected": (there.rejected == 0, {"rejected": there.rejected}),
    }


class Push(dg.Config):
    """What to bring into Dub.

    ``sync`` is a sync file (.toml); ``{workspace}`` in its path stands for the workspace's name. ``approved``
    is the id of a plan that somebody has looked at: without it, the plan is made and nothing is sent.
    """

    sync: str
    approved: str = ""


@dg.op(
    out=dg.Out(str, is_required=False, description="The id of the plan, if it is the one that was approved.")
)
def plan(context: dg.OpExecutionContext, config: Push) -> Iterator[dg.Output[str]]:
    """Compare what is desired with the customers, after a load; store what would have to change."""
    with configured(context.partition_key) as workspace:
        file = Path(config.sync.replace("{workspace}", workspace.name))
        options = runs.push_options(workspace.options)
        runs.load(workspace.target, **workspace.options)
        planned = runs.plan(workspace.target, read_sync(file), folder=file.parent, **options)
    facts = planned.as_json()
    names = ("plan_id", "sync", "changes", "counts", "requests", "cannot_be_undone", "warnings")
    shown = {name: facts[name] for name in names}
    context.log.info("Planned: %s", shown)
    plan_id = planned.plan.plan_id
    if not planned.plan.changes:
        context.log.info("Dub is as it should be: the plan is empty.")
    elif config.approved == plan_id:
        yield dg.Output(plan_id, metadata=shown)
    elif config.approved:
        raise dg.Failure(
            f"Something has changed: the plan is not the one that was approved. Look at {plan_id}.",
            metadata=shown,
            allow_retries=False,
        )
    else:
        context.log.info("Nothing was sent. To apply this plan, launch the same with approved: %s", plan_id)


@dg.op
def apply(context: dg.OpExecutionContext, plan_id: str) -> None:
    """Send what the plan lists, or what is left of it."""
    with configured(context.partition_key) as workspace:
        result = runs.apply(workspace.target, plan_id, **runs.push_options(workspace.options))
        if result.stopped_by is not None:
            raise result.stopped_by
    counts = {outcome.value: number for outcome, number in result.counts.items()}
    context.add_output_metadata(counts)
    context.log.info("Applied %s: %s", plan_id, counts)
    if not result.complete:
        raise dg.Failure(
            "Not all of the plan is in effect: push_log says why.", metadata=counts, allow_retries=False
        )


@dg.job(partitions_def=WORKSPACES, op_retry_policy=RETRIES)
def dub_push() -> None:
    """Plan what a sync file says, and apply it if that very plan was approved."""
    apply(plan())


dub_load = dg.define_asset_job(
    "dub_load", selection=dg.AssetSelection.assets(tables), op_retry_policy=RETRIES
)


def requests(context: dg.ScheduleEvaluationContext, mode: str) -> Iterator[dg.RunRequest]:
    """A run for each workspace, so that each fails alone."""
    for name in NAMES:
        yield dg.RunRequest(
            run_key=f"{name} {mode} {context.scheduled_execution_time:%Y-%m-%d %H:%M}",
            partition_key=name,
            run_config=dg.RunConfig(ops={"load_customers": Load(mode=mode)}),
        )


@dg.schedule(job=dub_load, cron_schedule="*/15 * * * *")
def dub_incremental(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """What is new, every quarter of an hour."""
    yield from requests(context, "incremental")


@dg.schedule(job=dub_load, cron_schedule="5 3 * * *")
def dub_sweep(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """Everybody, and who is gone, once a day."""
    yield from requests(context, "full")


@contextmanager
def configured(name: str) -> Iterator[Workspace]:
    """A workspace with its place and its settings; what goes wrong is said in words without personal data."""
    try:
        (workspace,) = select([name])
        yield workspace
    except dg.Failure:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, its words stay here
        failure = explain(error)
        raise dg.Failure(failure.sentence, allow_retries=failure.exit_code.retryable) from None
    except BaseException as error:
        raise error from None  # an interruption may come in the midst of an error that quotes rows


defs = dg.Definitions(
    assets=[tables], asset_checks=[checks], jobs=[dub_load, dub_push], schedules=[dub_incremental, dub_sweep]
)
