"""``report``: the figures as a page with charts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dub_source.cli.options import EXIT_CODES, looked_at, one_workspace, tables_options
from dub_source.cli.reporting import exit_on_error, say
from dub_source.failures import ExitCode
from dub_source.process import unhurried_garbage_collector

if TYPE_CHECKING:
    from dub_source.report import Figures


@click.command(epilog=EXIT_CODES)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    help="The file to write (dub_report.html, or dub_report_NAME.html of a workspace).",
)
@click.option("--force", is_flag=True, help="Write over a file that is no report.")
@click.option("--open/--no-open", "opened", default=False, help="Show the page in the browser.")
@click.option(
    "--partner-names/--no-partner-names", default=True, help="Show partners by name (default) or by id."
)
@one_workspace
@tables_options
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON, and write no page.")
@exit_on_error
def report(
    workspace: str | None,
    database: Path | None,
    dataset: str,
    destination: str,
    output: Path | None,
    force: bool,
    opened: bool,
    partner_names: bool,
    as_json: bool,
) -> int:
    """Make a page with charts: growth, revenue, cohorts, first sales, cancellations, health of the sync.

    One HTML file that needs no network. It looks at the warehouse alone: Dub is not asked, no key is needed,
    nothing is changed. The page holds sums, and no names, addresses or ids of customers. The exit code says
    whether the page was made, not how the warehouse is: that is what status is for.
    """
    from dub_source.report import file

    name = "dub_report.html" if workspace is None else f"dub_report_{workspace}.html"
    path = output or Path(name)
    if not as_json:
        _check_extra()
        file.check(path, force=force)
    with unhurried_garbage_collector():
        from dub_source import runs

        target, table = looked_at(workspace, database, dataset, destination)
        figures = runs.report(target, table=table, workspace=workspace, partner_names=partner_names)
    if as_json:
        say(json.dumps(target.as_json() | figures.as_json()))
        return ExitCode.OK
    _write(path, figures, force=force)
    say(f"{figures.verdict}\nWritten: {path}")
    if opened:
        click.launch(path.resolve().as_uri())
    return ExitCode.OK


def _check_extra() -> None:
    """Refuse to begin without what draws the charts.

    Raises:
        SettingsError: if a package of the extra is missing; with what to install.
    """
    from dub_source.errors import SettingsError

    try:
        import altair  # noqa: F401
        import jinja2  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError as error:
        raise SettingsError(
            f"The report is drawn by packages that are not installed ({error.name}): "
            "pip install 'dub-source[report]'."
        ) from None


def _write(path: Path, figures: Figures, *, force: bool) -> None:
    from dub_source.report import file
    from dub_source.report.page import as_html

    file.write(path, as_html(figures), force=force)
