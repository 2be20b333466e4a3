"""All commands: arguments in, words and exit codes out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dub_source.cli.erasing import erase
from dub_source.cli.loading import check, load
from dub_source.cli.options import finite
from dub_source.cli.pushing import apply, plan, revert, show
from dub_source.cli.report import report
from dub_source.cli.reporting import exit_on_error
from dub_source.cli.starting import completion, init
from dub_source.cli.status import status
from dub_source.cli.views import views


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="dub-source", prog_name="dub-source")
def dub_source() -> None:
    """Every customer of a Dub workspace in your warehouse, and its decisions back in Dub.

    Begin with: dub-source init. The key comes from SOURCES__DUB__API_KEY, or from api_key under
    [sources.dub] in .dlt/secrets.toml.
    """


@dub_source.command()
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8787, show_default=True, help="0 chooses a free one."
)
@click.option("--seed", type=click.Path(path_type=Path), help="Start with this seed file's rows and keys.")
@click.option(
    "--customers", type=click.IntRange(0), default=1_000, show_default=True, help="Make up this many."
)
@click.option(
    "--random-seed", type=int, default=0, show_default=True, help="The same seed makes the same customers."
)
@click.option("--unreadable", type=click.IntRange(0), default=0, help="So many of them without externalId.")
@click.option(
    "--latency-ms", type=click.FloatRange(0), callback=finite, default=0.0, help="Delay of every answer."
)
@click.option(
    "--rate-limit", default="plan", show_default=True, help="Requests a window and key; or 'plan', 'off'."
)
@click.option(
    "--rate-window",
    type=click.FloatRange(0.1),
    callback=finite,
    default=60.0,
    show_default=True,
    help="Seconds.",
)
@click.option("--faults", type=click.Path(path_type=Path), help="JSON file with scripted faults.")
@click.option("--log/--no-log", default=False, help="Keep a log of requests in memory.")
@exit_on_error
def sandbox(port: int, rate_limit: str, faults: Path | None, **options: Any) -> int:
    """Run a Dub API on 127.0.0.1, to practise and test on. Stop it with Ctrl-C."""
    from dub_source.cli.sandbox import serve

    serve(port=port, rate_limit=rate_limit, faults=faults, **options)
    return 0


@dub_source.command()
@exit_on_error
def demo() -> int:
    """Load a made-up workspace from a sandbox, and see what a plain cursor walk would have lost."""
    from dub_source.cli.demo import run

    run()
    return 0


for command in (init, load, check, status, report, plan, show, apply, revert, erase, views, completion):
    dub_source.add_command(command)
