"""The dlt source: ``dub()`` with its resource ``customers``."""

import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import dlt
import pyarrow as pa
from dlt.common.configuration import with_config
from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.common.typing import TSecretStrValue
from dlt.extract.resource import DltResource

from dub_source.client import DubClient
from dub_source.errors import SettingsError
from dub_source.generated_names import GeneratedNames
from dub_source.observer import Observer
from dub_source.schema import arrow_schema, to_table
from dub_source.selection import Selection
from dub_source.settings import DEFAULT_BASE_URL, DEFAULT_RATE_SHARE, Settings
from dub_source.types import Customer
from dub_source.walk import Certificate, Sweep, workers_for

_logger = logging.getLogger("dub_source")

CUSTOMERS = "customers"
FILTERED = "customers_filtered"

_ROWS_PER_TABLE = 10_000
"""Arrow tables of this size load into DuckDB at full speed; tables of one page are ten times slower."""


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
    page_size: int = 100,
    include_expanded_fields: bool = True,
    max_rate_share: float = DEFAULT_RATE_SHARE,
    country: str | None = None,
    link_id: str | None = None,
    partner_id: str | None = None,
    email: TSecretStrValue | None = None,  # secret: dlt keeps other values in a file about each run
    external_id: TSecretStrValue | None = None,
    table_name: str | None = None,
    merge_strategy: str = "upsert",
    observer: Observer | None = None,
) -> DltResource:
    """Customers of a Dub workspace.

    Use it as any dlt source: ``dlt.pipeline(...).run(dub())``. Every argument can come from dlt's
    configuration, section ``sources.dub``.

    A filter does not go to the API, because a filtered walk there skips customers: all are read, and
    those that match go to a table of their own, ``customers_filtered``. There, a customer that does not
    match any more keeps its last values.

    Args:
        api_key: a workspace key of Dub; it begins with ``dub_``.
        base_url: where the API is.
        page_size: customers a request, 1 to 100.
        include_expanded_fields: load link, partner, program and discount, too.
        max_rate_share: the share of the key's rate limit to use, above 0 up to 1.
        country: only customers of this country (two letters, as Dub shows it).
        link_id: only customers of this link.
        partner_id: only customers of this partner.
        email: only customers with this email address.
        external_id: only the customer with this external id.
        table_name: load into this table instead; lower-case letters, digits and underscores.
        merge_strategy: dlt's strategy; ``delete-insert`` is for destinations without ``upsert``.
        observer: is told how the load gets on.

    Returns:
        The resource ``customers``: merged on ``id``, with the columns of :mod:`dub_source.schema`.

    Raises:
        SettingsError: if an argument is missing or cannot be used; that includes a filter that matches nobody
            for sure, such as an empty text.
    """
    if merge_strategy not in ("upsert", "delete-insert"):
        raise SettingsError("The merge_strategy must be upsert or delete-insert.")
    strategy: Literal["upsert", "delete-insert"] = merge_strategy  # type: ignore[assignment]
    selection = Selection(country, link_id, partner_id, email, external_id)
    if (link_id or partner_id) and not include_expanded_fields:
        raise SettingsError(
            "A filter by link_id or partner_id needs include_expanded_fields, because customers come without "
            "their link and partner otherwise."
        )
    reading = _Reading(
        settings=Settings(api_key=api_key, base_url=base_url, max_rate_share=max_rate_share),
        page_size=_checked_page_size(page_size),
        expanded=include_expanded_fields,
        selection=selection,
        observer=observer,
    )

    def customers() -> Iterator[pa.Table]:
        yield from reading.tables()

    return dlt.resource(
        customers,
        name=CUSTOMERS,
        table_name=_checked_table_name(table_name, filtered=bool(selection)),
        primary_key="id",
        write_disposition={"disposition": "merge", "strategy": strategy},
    )


def _checked_page_size(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= 100:
        raise SettingsError("The page_size must be a whole number from 1 to 100.")
    return value


def _checked_table_name(name: object, *, filtered: bool) -> str:
    if name is None:
        return FILTERED if filtered else CUSTOMERS
    if (
        not isinstance(name, str)
        or not re.fullmatch("[a-z_][a-z0-9_]{0,62}", name)
        or name.startswith("_dlt")
        or NamingConvention().normalize_tables_path(name) != name
    ):
        raise SettingsError(
            "The table_name must be a name that dlt leaves as it is: up to 63 lower-case letters, digits and "
            "underscores, not beginning with a digit or _dlt, not ending with an underscore."
        )
    if filtered and name == CUSTOMERS:
        raise SettingsError(
            "The table_name of a load with a filter must not be customers, which is the table of everybody: "
            "choose another name, or leave it out."
        )
    return name


@dataclass(frozen=True, slots=True)
class _Reading:
    """One walk over the customers, as Arrow tables."""

    settings: Settings
    page_size: int
    expanded: bool
    selection: Selection
    observer: Observer | None

    def tables(self) -> Iterator[pa.Table]:
        # The table exists, with all its columns, even when there is nobody to put into it.
        yield arrow_schema(expanded=self.expanded).empty_table()
        with DubClient(self.settings) as client:
            # One cheap request tells whether the key works and how fast it may go, before anything else.
            key = client.probe()
            sweep = Sweep(
                client,
                page_size=self.page_size,
                include_expanded_fields=self.expanded,
                workers=workers_for(
                    key.latency_s,
                    key.limit and key.limit / self.settings.rate_window_s,
                    most=self.settings.max_connections,
                ),
            )
            if self.observer is not None:
                self.observer.expecting(sweep.expected)
            names = GeneratedNames(client)
            for customers in self._batches(sweep):
                wanted = self.selection.of(customers)
                if wanted:
                    yield to_table(names.removed_from(wanted), expanded=self.expanded)
            if sweep.certificate is not None:
                self._report(sweep.certificate, client)

    def _report(self, certificate: Certificate, client: DubClient) -> None:
        if self.observer is not None:
            self.observer.ended(certificate, client.stats)
        elif not certificate.complete:
            neighbours = ", ".join(certificate.neighbours)
            _logger.warning(
                "The customers are %s. In the order of ids they stand next to: %s", certificate, neighbours
            )

    def _batches(self, sweep: Sweep) -> Iterator[list[Customer]]:
        batch: list[Customer] = []
        total = 0
        for page in sweep:
            batch.extend(page.customers)
            total += len(page.customers)
            if self.observer is not None:
                self.observer.read(total)
            if len(batch) >= _ROWS_PER_TABLE:
                yield batch
                batch = []
        if batch:
            yield batch
