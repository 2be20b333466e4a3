"""``dub_customers``: a dlt destination, so that any pipeline can bring rows into Dub.

Each file that dlt hands over becomes a plan, stored and applied, as by ``dub-source plan`` and ``apply``.
"""

import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from dlt.common.destination.exceptions import DestinationTerminalException, DestinationTransientException
from dlt.common.storages.load_package import (
    ParsedLoadJobFileName,
    commit_load_package_state,
    destination_state,
)
from dlt.destinations.impl.destination.factory import destination as custom_destination

from dub_source.destinations import DEFAULT_DATABASE, DEFAULT_DATASET, Target
from dub_source.errors import (
    DubError,
    InvalidArgument,
    Kind,
    SettingsError,
    StalePlan,
)
from dub_source.failures import ExitCode, cause, explain
from dub_source.reverse.model import IN_EFFECT
from dub_source.reverse.sync_file import Key, Sync
from dub_source.runs.apply_result import ApplyResult
from dub_source.runs.applying import apply
from dub_source.runs.destination_checks import NAME, check_alone, check_columns, check_ops
from dub_source.runs.planning import PlanResult, plan
from dub_source.runs.pushing import checked_options

_MODES = ("update", "upsert", "create")

_logger = logging.getLogger("dub_source")
T = TypeVar("T")


def dub_customers(
    *,
    key: Key = "id",
    sync_mode: str = "update",
    mapping: Mapping[str, str] | None = None,
    clear_nulls: Iterable[str] = (),
    refresh: bool = False,
    database: Path | str = DEFAULT_DATABASE,
    dataset: str = DEFAULT_DATASET,
    destination: str = "duckdb",
    pipelines_dir: Path | str | None = None,
    **options: Any,
) -> custom_destination:
    """A destination that changes customers in Dub: ``dlt.pipeline("crm", destination=dub_customers(...))``.

    The rows are one table of any name. The columns that count are called like those of the table of
    customers (dlt makes ``external_id`` of ``externalId``), or are named by ``mapping``; dlt's own are
    left out. Whatever the write disposition, a file is a desired state: compared with the customers in
    the warehouse, stored there as a plan, which all guards have passed, and applied. It deletes nobody.

    What Dub rejects stands in the way of nothing else: it is in ``push_log``, and the log gets a warning
    with counts. What a guard refuses, or stops an apply, ends the load with one sentence. The package
    then stays, as dlt has it, and comes first in the next run: right if the key was wrong, or Dub away.
    If the rows are wrong, ``pipeline.abort_packages()`` forgets them, and
    ``auto_abort_on_terminal_error`` under ``[load]`` does so at once. After a crash, dlt hands the file
    over again, and its plan goes on where it stopped.

    dlt does not tell a field that is missing from one that is None: either is NULL, which leaves the
    field in Dub alone, or clears it if the column is in ``clear_nulls``. It makes one file of a table
    unless it is told otherwise; guards look at one file at a time. Loaded files hold rows about people;
    dlt keeps them unless ``delete_completed_jobs`` is set under ``[load]``.

    Args:
        key: the column by which rows name customers: id or external_id.
        sync_mode: update (only customers that exist), upsert (create the others), create (nothing else).
        mapping: columns of a customer -> columns of the rows, as dlt calls them.
        clear_nulls: columns in which NULL clears the field.
        refresh: load the customers first. Without it, they must have been loaded within a day.
        database: the file of DuckDB that the customers are in; means nothing elsewhere. It may be the one
            that the rows come from, unless somebody has it open.
        dataset: the dataset that the customers are in.
        destination: the dlt destination that the customers are in.
        pipelines_dir: the folder of working files, the same for loads into this place; None is dlt's default.
        options: as of :func:`~dub_source.runs.plan`, such as api_key and base_url; what is missing comes
            from dlt's configuration, section ``sources.dub``.

    Raises:
        SettingsError: for what cannot be right.
        InvalidArgument: for an option that does not exist.
    """
    push = _Push(
        target=Target(destination, dataset, Path(database)),
        sync=_declared(key, sync_mode, mapping or {}, clear_nulls),
        refresh=refresh,
        pipelines_dir=None if pipelines_dir is None else Path(pipelines_dir),
        options=checked_options(options),
    )

    def hand_over(items: Any, table: Any) -> None:
        push.load(Path(items), table)

    return custom_destination(
        hand_over,
        destination_name=NAME,
        # The other format leaves NULL out.
        loader_file_format="parquet",
        supported_loader_file_formats=["parquet"],
        batch_size=0,  # the path of a whole file
        naming_convention="snake_case",
        max_table_nesting=0,
        max_parallel_load_jobs=1,
        loader_parallelism_strategy="sequential",
    )


def _declared(key: Key, sync_mode: str, mapping: Mapping[str, str], clear_nulls: Iterable[str]) -> Sync:
    """The sync of every file, but for the file."""
    if sync_mode not in _MODES:
        raise SettingsError(
            f"The sync_mode of {NAME} must be one of {', '.join(_MODES)}, because it deletes nobody: "
            "for the others there is dub-source plan."
        )
    cleared = clear_nulls if isinstance(clear_nulls, str) else tuple(clear_nulls)
    # The type is checked by the class itself, as it is for those that come from a file.
    declared: Any = {"sync_mode": sync_mode, "clear_nulls": cleared}
    return Sync(table=NAME, key=key, mapping=mapping, max_deletes=0, **declared)


@dataclass(frozen=True, slots=True)
class _Push:
    """What is done with a file."""

    target: Target
    sync: Sync
    refresh: bool
    pipelines_dir: Path | None
    options: Mapping[str, Any]

    def load(self, file: Path, table: Mapping[str, Any]) -> None:
        """Called by dlt, in a thread of its load step.

        Raises:
            DestinationTerminalException: with one sentence, if trying again is no use.
            DestinationTransientException: with one sentence, if it may be.
        """
        try:
            self._load(file, table)
        except KeyboardInterrupt:
            # dlt has noted the signal, and ends by it. What it takes for a failure of the file would end
            # that.
            failed: Exception = DestinationTransientException("Interrupted: the next run goes on.")
            ours: BaseException | None = None
        except Exception as error:  # noqa: BLE001 - whatever it is, dlt must know whether to try it again
            failed, ours = _for_dlt(error)
        else:
            return
        raise failed from ours

    def _load(self, file: Path, table: Mapping[str, Any]) -> None:
        # One plan for a file, whatever happens: what was sent without being noted is in its journal.
        plans, place = destination_state(), f"plan.{ParsedLoadJobFileName.parse(file.name).file_id}"
        if place in plans:
            try:
                _tell(self._apply(plans[place]))
            except (StalePlan, InvalidArgument):
                # Made and not begun until it was too old, or the warehouse is another one.
                del plans[place]
            else:
                return
        check_alone(table["name"])
        made = self._plan(file, table)
        if not made.finished:
            plans[place] = made.plan.plan_id
            commit_load_package_state()
            _tell(self._apply(made.plan.plan_id), unmatched=made.plan.unmatched)
        elif made.plan.unmatched:
            _tell_unmatched(made.plan.plan_id, made.plan.unmatched)

    def _plan(self, file: Path, table: Mapping[str, Any]) -> PlanResult:
        sync = replace(self.sync, table=None, file=file.name, name=_sync_name(table["name"]))
        check_columns(sync, table)
        check_ops(sync, file, table)
        return _elsewhere(
            lambda: plan(
                self.target,
                sync,
                pipelines_dir=self.pipelines_dir,
                refresh=self.refresh,
                folder=file.parent,
                **self.options,
            )
        )

    def _apply(self, plan_id: str) -> ApplyResult:
        return _elsewhere(
            lambda: apply(self.target, plan_id, pipelines_dir=self.pipelines_dir, **self.options)
        )


def _elsewhere(work: Callable[[], T]) -> T:
    """Do it in a thread of its own: in dlt's pool, dlt would take our pipeline for the one that runs."""
    with ThreadPoolExecutor(1, thread_name_prefix=NAME) as alone:
        return alone.submit(work).result()


def _sync_name(table: str) -> str:
    """``dlt`` and the table's name: the same in every run."""
    return f"dlt {table}"[:100]


# What dlt and people are told


def _for_dlt(error: Exception) -> tuple[Exception, BaseException | None]:
    """What says to dlt whether trying again is of use, and the error of ours that it comes from."""
    failure, first = explain(error), cause(error)
    if isinstance(first, DubError):
        again = first.kind is Kind.RETRYABLE
        return (DestinationTransientException if again else DestinationTerminalException)(str(first)), first
    # A signal that ends our own pipeline comes as an error of dlt. The words of others may hold rows.
    again = failure.exit_code in (ExitCode.DESTINATION, ExitCode.INTERRUPTED, ExitCode.TERMINATED)
    return (DestinationTransientException if again else DestinationTerminalException)(failure.sentence), None


def _tell(result: ApplyResult, *, unmatched: int = 0) -> None:
    """Warn of what is not in effect, in counts.

    Raises:
        DubError: what stopped the apply.
    """
    plan_id = result.plan.plan_id
    failed = {
        each.value: number for each, number in result.counts.items() if number and each not in IN_EFFECT
    }
    if failed:
        _logger.warning(
            "%s: of %d changes, %d are not in effect (%s): the table push_log says why.",
            plan_id,
            result.plan.changes,
            sum(failed.values()),
            ", ".join(f"{name} {number}" for name, number in failed.items()),
        )
    if unmatched:
        _tell_unmatched(plan_id, unmatched)
    if result.stopped_by is not None:
        raise result.stopped_by


def _tell_unmatched(plan_id: str, unmatched: int) -> None:
    _logger.warning("%s: %d rows name nobody whom the warehouse knows.", plan_id, unmatched)
