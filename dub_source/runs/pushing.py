"""What plans, applies, reverts and erasures have in common: their place, and the workspace behind it."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import dlt
from dlt.common.configuration import with_config

from dub_source.client import DubClient
from dub_source.destinations import Opened, Target, open_destination
from dub_source.destinations.locks import kept_open, pushing_alone
from dub_source.errors import InvalidArgument
from dub_source.reverse import guards
from dub_source.reverse.form import Form, configured_form
from dub_source.reverse.store import PushStore
from dub_source.runs.arguments import given
from dub_source.runs.journals import clear_journals
from dub_source.runs.warehouse import warehouse
from dub_source.runs.working_folder import journals_of
from dub_source.settings import Settings
from dub_source.source import checked_table_name, configured_settings
from dub_source.sync.vanished import how_many_there

_SAMPLE = 100
"""Customers that are asked for before anything is planned or sent; one request."""


@with_config(sections=("sources", "dub", "dub"))
def configured_table(table_name: str | None = None) -> str:
    """The table of customers from the same place of dlt's configuration as that of the source."""
    return checked_table_name(table_name, filtered=False)


_READERS: tuple[Callable[..., Any], ...] = (configured_settings, configured_form, configured_table)
_OPTIONS = [name for reader in _READERS for name in inspect.signature(reader).parameters]


def utc_now() -> datetime:
    """The time, UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Pushing:
    """A place, while it is ours.

    Attributes:
        pipeline: that of the loads into it.
        opened: the target.
        store: plans and customers there.
        form: in which the customers are there.
        settings: of the client.
        journals: the folder of journals; it stays when the run ends.
    """

    pipeline: dlt.Pipeline
    opened: Opened
    store: PushStore
    form: Form
    settings: Settings
    journals: Path

    def client(self) -> DubClient:
        """A client of the workspace, to be closed."""
        return DubClient(self.settings)

    def asked_dub(self) -> float | None:
        """Requests a second, None if Dub does not say; and that the key leads to the workspace of the load.

        Raises:
            OtherWorkspace: if it leads to another one.
            RequestError: if Dub cannot be asked.
        """
        with self.client() as client:
            limit = client.probe().limit
            self.check_workspace(client)
        return self.settings.requests_per_s(limit)

    def check_workspace(self, client: DubClient, known: Sequence[str] | None = None) -> None:
        """Make sure that the key leads to the workspace that was loaded.

        Args:
            client: asks Dub.
            known: some customers who are there; None takes a sample of all that live in the warehouse.

        Raises:
            OtherWorkspace: if none of them is there.
        """
        sample = list(self.store.mirror.spread(_SAMPLE) if known is None else known[:_SAMPLE])
        if sample:
            guards.check_workspace(asked=len(sample), alive=how_many_there(client, sample))


@contextmanager
def pushing(target: Target, pipelines_dir: Path | None, options: Mapping[str, Any]) -> Iterator[Pushing]:
    """Take hold of a place that customers have been loaded into, in the form of now.

    Args:
        target: where they are.
        pipelines_dir: the folder of dlt's working files; None takes dlt's default.
        options: arguments of :func:`~dub_source.source.dub` that matter here; what is missing or None comes
            from dlt's configuration.

    Raises:
        InvalidArgument: for an option that does not matter here.
        SettingsError: if the options cannot be used, or nothing was loaded in this form.
        AlreadyRunning: if another run works with this place.
        DestinationError: if the target cannot work.
    """
    arguments = checked_options(options)
    settings, form, table = (
        reader(
            **{name: arguments[name] for name in inspect.signature(reader).parameters if name in arguments}
        )
        for reader in _READERS
    )
    opened = open_destination(target)
    if opened.storage.unused:
        form.check_stored(None, table)  # To look into it would make it.
    with warehouse(target, pipelines_dir, opened=opened) as (pipeline, _), pushing_alone(pipeline):
        with kept_open(pipeline):
            store = PushStore(pipeline, opened, table)
            store.check_form(form)
            journals = journals_of(pipeline)
            clear_journals(store, journals)
        yield Pushing(pipeline, opened, store, form, settings, journals)


def push_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those arguments of the source that plans, applies and reverts take, out of a workspace's options."""
    return {name: value for name, value in options.items() if name in _OPTIONS}


def checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are given.

    Raises:
        InvalidArgument: for one that does not matter here.
        SettingsError: for an empty one.
    """
    for name in options:
        if name not in _OPTIONS:
            near = get_close_matches(name, _OPTIONS, 1, 0.6)
            meant = f" (did you mean {near[0]}?)" if near else ""
            raise InvalidArgument(f"There is no option {name}{meant}: there are {', '.join(_OPTIONS)}.")
    return given(options)
