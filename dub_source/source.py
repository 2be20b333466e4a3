"""The dlt source: ``dub()`` with its resources ``customers``, ``customers_history`` and ``sync_runs``."""

import logging
import re
from typing import Any, get_args

import dlt
from dlt.common.configuration import with_config
from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.common.typing import TSecretStrValue
from dlt.extract.resource import DltResource

from dub_source.changes import DEFAULT_SHARE, HISTORY_COLUMNS, VanishLimit
from dub_source.destinations import MergeStrategy
from dub_source.destinations.merging import added, merged
from dub_source.dictionary import TABLES
from dub_source.errors import SettingsError, WalkIncomplete
from dub_source.extraction import Extraction
from dub_source.incremental import DEFAULT_OVERLAP_S, DEFAULT_REFRESH_REQUESTS
from dub_source.privacy import Privacy
from dub_source.schedule import DEFAULT_SWEEP_EVERY_H, checked_mode
from dub_source.selection import Selection
from dub_source.settings import DEFAULT_BASE_URL, DEFAULT_RATE_SHARE, Settings
from dub_source.state import State
from dub_source.sync import RUN_SCHEMA, Observer, Options, Report
from dub_source.table_names import (
    COMMON,
    CUSTOMERS,
    FILTERED,
    HISTORY,
    HISTORY_SUFFIX,
    SYNC_RUNS,
    VALIDITY_SUFFIX,
    history_of,
)

_logger = logging.getLogger("dub_source")

_LONGEST_TABLE = 54
"""Postgres cuts names after 63 bytes, and _validity is added to this one."""


@with_config(sections=("sources", "dub", "dub"))
def configured_settings(
    api_key: str = dlt.secrets.value,
    base_url: str = DEFAULT_BASE_URL,
    max_rate_share: float = DEFAULT_RATE_SHARE,
) -> Settings:
    """The client's settings from the same places of dlt's configuration as those of :func:`dub`."""
    return Settings(api_key=api_key, base_url=base_url, max_rate_share=max_rate_share)


@dlt.source(name="dub", section="dub")
def dub(
    api_key: str = dlt.secrets.value,
    base_url: str = DEFAULT_BASE_URL,
    mode: str = "auto",
    sweep_every: float = DEFAULT_SWEEP_EVERY_H,
    page_size: int = 100,
    include_expanded_fields: bool = True,
    max_rate_share: float = DEFAULT_RATE_SHARE,
    overlap: float = DEFAULT_OVERLAP_S,
    refresh_requests: int = DEFAULT_REFRESH_REQUESTS,
    max_vanished_share: float = DEFAULT_SHARE,
    max_vanished: int | None = None,
    accept_vanished: int | None = None,
    exclude_columns: list[str] | None = None,
    hash_columns: list[str] | None = None,
    hash_key: TSecretStrValue | None = None,
    country: str | None = None,
    link_id: str | None = None,
    partner_id: str | None = None,
    email: TSecretStrValue | None = None,  # secret: dlt keeps other values in a file about each run
    external_id: TSecretStrValue | None = None,
    table_name: str | None = None,
    merge_strategy: str = "upsert",
    keep_rows: bool = False,
    append_first: bool = False,
    max_seconds: float | None = None,
    observer: Observer | None = None,
) -> list[DltResource]:
    """Customers of a Dub workspace, their history, and a row about each run.

    Use it as any dlt source: ``dlt.pipeline(...).run(dub())``. Every argument can come from dlt's
    configuration, section ``sources.dub``. Only rows that are new, have changed or are gone are loaded.

    A filter does not go to the API, because a filtered walk there skips customers: all are read, and
    those that match go to a table of their own, ``customers_filtered``, without history and deletes. There,
    a customer that does not match any more keeps its last values.

    Args:
        api_key: a workspace key of Dub; it begins with ``dub_``.
        base_url: where the API is.
        mode: ``full`` reads everybody and finds out who was deleted; ``incremental`` reads new customers,
            first sales, cancellations, and some known ones again; ``auto`` is full when a sweep is due.
        sweep_every: hours between two sweeps in mode auto.
        page_size: customers a request, 1 to 100.
        include_expanded_fields: load link, partner, program and discount, too.
        max_rate_share: the share of the key's rate limit to use, above 0 up to 1.
        overlap: seconds that an incremental run looks back, for customers that appeared late.
        refresh_requests: requests of an incremental run for reading known customers again.
        max_vanished_share: the share of the known customers that may be gone at once, 0 to 1; ten of them
            may in any case.
        max_vanished: the same as a number; the smaller of the two holds.
        accept_vanished: how many may be gone this time, after a look.
        exclude_columns: columns that are not loaded.
        hash_columns: text columns that are loaded as keyed hashes (see :mod:`dub_source.privacy`).
        hash_key: the secret for these.
        country: only customers of this country (two letters, as Dub shows it).
        link_id: only customers of this link.
        partner_id: only customers of this partner.
        email: only customers with this email address.
        external_id: only the customer with this external id.
        table_name: load into this table instead; lower-case letters, digits and underscores.
        merge_strategy: dlt's strategy; ``delete-insert`` is for destinations without ``upsert``.
        keep_rows: leave the rows on this machine's disk; for callers that remove them when they are loaded.
        append_first: append to tables that do not exist yet, which takes half the time of merging; for
            callers that are alone in the destination and drop what killed runs have left to load.
        max_seconds: after which it stops reading, with :class:`~dub_source.errors.OutOfTime`, in good order:
            with ``keep_rows`` a sweep goes on from there in the next run. Once everything is read it is
            loaded to its end, however long that takes: else no run would ever get there.
        observer: is told how the run gets on.

    Returns:
        The resources ``customers`` (merged on ``id``), ``customers_history`` (on ``version_key``) and
        ``sync_runs``; with a filter, no history.

    Raises:
        SettingsError: if an argument is missing or cannot be used; that includes a filter that matches nobody
            for sure, such as an empty text.
    """
    if merge_strategy not in get_args(MergeStrategy):
        raise SettingsError("The merge_strategy must be upsert or delete-insert.")
    selection = Selection(country, link_id, partner_id, email, external_id)
    if (link_id or partner_id) and not include_expanded_fields:
        raise SettingsError(
            "A filter by link_id or partner_id needs include_expanded_fields, because customers come without "
            "their link and partner otherwise."
        )
    table = checked_table_name(table_name, filtered=bool(selection))
    privacy = _checked_privacy(exclude_columns, hash_columns, hash_key)
    extraction = Extraction(
        Settings(api_key=api_key, base_url=base_url, max_rate_share=max_rate_share),
        Options(
            mode=checked_mode(mode),
            sweep_every_h=sweep_every,
            page_size=page_size,
            expanded=include_expanded_fields,
            overlap_s=overlap,
            refresh_requests=refresh_requests,
            selection=selection,
            privacy=privacy,
            limit=VanishLimit(share=max_vanished_share, count=max_vanished, accepted=accept_vanished),
            max_seconds=max_seconds,
        ),
        table=table,
        strategy=merge_strategy,
        observer=observer,
        keep_rows=keep_rows,
        append_first=append_first,
    )
    return _resources(extraction, table, merge_strategy, history=not selection)


def _resources(extraction: Extraction, table: str, strategy: str, *, history: bool) -> list[DltResource]:
    of_customers = extraction.columns
    of_history = [*of_customers, *HISTORY_COLUMNS]

    def customers() -> Any:
        _refuse_replace()
        yield from extraction.customers()

    def customers_history() -> Any:
        _refuse_replace()
        yield from extraction.history()

    def sync_runs() -> Any:
        yield from extraction.sync_runs()

    resources: list[DltResource] = [
        dlt.resource(
            customers,
            name=CUSTOMERS,
            table_name=table,
            primary_key="id",
            write_disposition=merged(strategy),
            columns=_described(CUSTOMERS, of_customers),
        ),
        dlt.resource(
            sync_runs,
            name=SYNC_RUNS,
            write_disposition="append",
            columns=_described(SYNC_RUNS, RUN_SCHEMA.names),
        ),
    ]
    if history:
        versions = dlt.resource(
            customers_history,
            name=HISTORY,
            table_name=history_of(table),
            primary_key="version_key",
            write_disposition=added(strategy),
            columns=_described(HISTORY, of_history),
        )
        resources.insert(1, versions)
    return resources


def _described(table: str, columns: list[str]) -> Any:
    """Hints with what the columns mean, for those that there will be: dlt notes one that never comes, too."""
    return TABLES[table].described(columns)


def _checked_privacy(exclude: list[str] | None, hashed: list[str] | None, key: str | None) -> Privacy:
    privacy = Privacy.configured(exclude, hashed, key)
    for name in sorted(privacy.unknown):
        _logger.warning("No column is called %s so far: check exclude_columns and hash_columns.", name)
    return privacy


def checked_table_name(name: object, *, filtered: bool) -> str:
    """The table of customers; raises SettingsError for a name that would not stay as it is."""
    if name is None:
        return FILTERED if filtered else CUSTOMERS
    if (
        not isinstance(name, str)
        or not re.fullmatch(f"[a-z_][a-z0-9_]{{0,{_LONGEST_TABLE - 1}}}", name)
        or name.startswith("_dlt")
        or NamingConvention().normalize_tables_path(name) != name
    ):
        raise SettingsError(
            f"The table_name must be a name that dlt leaves as it is: up to {_LONGEST_TABLE} lower-case "
            "letters, digits and underscores, not beginning with a digit or _dlt, not ending with an "
            "underscore."
        )
    if name in COMMON or name.endswith((HISTORY_SUFFIX, VALIDITY_SUFFIX)):
        raise SettingsError(
            f"The table_name must not be {', '.join(COMMON)} nor end with {HISTORY_SUFFIX} or "
            f"{VALIDITY_SUFFIX}, because such tables belong to one of customers: choose another name."
        )
    if filtered and name == CUSTOMERS:
        raise SettingsError(
            f"The table_name of a load with a filter must not be {CUSTOMERS}, which is the table of "
            "everybody: choose another name, or leave it out."
        )
    return name


def _refuse_replace() -> None:
    disposition: Any = dlt.current.resource().write_disposition
    if disposition == "replace":
        raise SettingsError(
            "These tables cannot be loaded with write_disposition replace, because only what has changed is "
            "loaded: leave write_disposition out."
        )


@dlt.source(name="dub", section="dub")
def failed_run(report: Report, error: BaseException) -> DltResource:
    """The row in ``sync_runs`` of a run that has failed, and what the next run must know of it.

    Args:
        report: of the run.
        error: what it failed with; only its kind is kept.
    """

    def sync_runs() -> Any:
        if report.decision.kind == "full" and isinstance(error, WalkIncomplete):
            stored = dlt.current.source_state().setdefault(report.table, {})
            State.read(stored).after_failed_sweep(report.started_at).write(stored)
        yield report.row(error=type(error).__name__)

    return dlt.resource(sync_runs, name=SYNC_RUNS, write_disposition="append")
