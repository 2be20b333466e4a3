"""``views``: the views for analysts in a place that customers are loaded into; Dub is not asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dub_source.destinations import Target, open_destination
from dub_source.destinations.views import Selects, Views
from dub_source.errors import InvalidArgument
from dub_source.runs.warehouse import reading, warehouse
from dub_source.table_names import CUSTOMERS


@dataclass(frozen=True, slots=True)
class ViewsResult:
    """What became of the views.

    Attributes:
        target: where.
        created: names of those that were made or replaced.
        dropped: names of those that were dropped.
        left_out: by name, why there is none.
        in_the_way: names that something else has, which was left as it is.
    """

    target: Target
    created: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    in_the_way: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The same as plain values."""
        return {
            "created": list(self.created),
            "dropped": list(self.dropped),
            "left_out": dict(self.left_out),
            "in_the_way": list(self.in_the_way),
            **self.target.as_json(),
        }


def create_views(target: Target, *, table: str = CUSTOMERS, pipelines_dir: Path | None = None) -> ViewsResult:
    """Make the views for analysts, or replace those of an earlier time; loads keep them right from then on.

    Args:
        target: where the customers are.
        table: the table of customers.
        pipelines_dir: the folder of dlt's working files; None takes dlt's default.

    Returns:
        Those that were made, and why others were not. What is no view of ours is never replaced.

    Raises:
        AlreadyRunning: if a run works with the place.
        DestinationError: if the destination has no views, or does not let us make them.
        InvalidArgument: if nothing was loaded there.
    """
    opened = open_destination(target)
    if opened.storage.unused:
        raise nothing_loaded(target, table)
    with warehouse(target, pipelines_dir, opened=opened) as (pipeline, _):
        views = Views(pipeline, table)
        views.check()
        if not views.exist:
            raise nothing_loaded(target, table)
        changed = views.create()
    return ViewsResult(target, created=changed.done, left_out=changed.left_out, in_the_way=changed.in_the_way)


def drop_views(target: Target, *, table: str = CUSTOMERS, pipelines_dir: Path | None = None) -> ViewsResult:
    """Drop the views for analysts, but for the one of the history, which every load makes.

    Args and errors are those of :func:`create_views`; where nothing was loaded, there is nothing to drop.
    """
    opened = open_destination(target)
    if opened.storage.unused:
        return ViewsResult(target)
    with warehouse(target, pipelines_dir, opened=opened) as (pipeline, _):
        changed = Views(pipeline, table).drop()
    return ViewsResult(target, dropped=changed.done, in_the_way=changed.in_the_way)


def view_selects(target: Target, *, table: str = CUSTOMERS, dialect: str | None = None) -> Selects:
    """The SELECTs of the views that there can be; nothing is changed.

    Args:
        target: where the customers are.
        table: the table of customers.
        dialect: as sqlglot calls it; None is the destination's.

    Raises:
        AlreadyRunning: if a run keeps the file of DuckDB for itself.
        DestinationError: if the place cannot be looked at.
        InvalidArgument: if there is no such dialect, or nothing was loaded there.
    """
    if dialect is not None:
        _check_dialect(dialect)
    with reading(target) as pipeline:
        views = None if pipeline is None else Views(pipeline, table)
        if views is None or not views.exist:
            raise nothing_loaded(target, table)
        return views.selects(dialect, pretty=True)


def _check_dialect(name: str) -> None:
    from sqlglot.dialects.dialect import Dialect

    # sqlglot knows one without a name, too, which is nobody's.
    known = sorted(each for each in Dialect.classes if each)
    if name not in known:
        raise InvalidArgument(f"There is no dialect {name!r}: choose one of {', '.join(known)}.")


def nothing_loaded(target: Target, table: str) -> InvalidArgument:
    """What to say where there is no table of customers."""
    return InvalidArgument(
        f"There is no table {table} in {target.location}, dataset {target.dataset}, yet: load it with "
        "dub-source load, or name the database, destination and dataset that it was loaded into."
    )
