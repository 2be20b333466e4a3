"""``python -m benchmarks``: measure, print Markdown tables, write ``benchmarks/results/<name>.json``."""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import click

from benchmarks import parts
from benchmarks.failure import BenchmarkFailed
from benchmarks.loaders import LOADERS
from benchmarks.readers import READERS
from benchmarks.report import RESULTS, Result, circumstances, commit, note, write, written
from benchmarks.writers import WRITERS

Measure = Callable[[], Result]
_repeats = click.option(
    "--repeats", type=click.IntRange(1), default=3, show_default=True, help="The median counts."
)
_once = click.option(
    "--repeats", type=click.IntRange(1), default=1, show_default=True, help="The median counts."
)
_recorded = click.option(
    "--recordings/--without-recordings", "recorded", default=True, help="Read the recorded workspace, too."
)
_drt = click.option(
    "--drt-python",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Python of an environment with drt-core; without it, that is left out.",
)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--large", is_flag=True, help="The whole matrix, a million customers and everything else: hours."
)
@click.option("--again", is_flag=True, help="Measure what this commit has a result of, too.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Folder of the JSON files.")
@click.option("--only", multiple=True, metavar="PREFIX", help="Only parts whose name begins so; repeatable.")
@click.option("--list", "listed", is_flag=True, help="Say which parts there are, and measure none.")
@_recorded
@_drt
@click.pass_context
def cli(
    context: click.Context,
    large: bool,
    again: bool,
    results: Path,
    only: tuple[str, ...],
    listed: bool,
    recorded: bool,
    drt_python: Path | None,
) -> None:
    """Measure this project beside its peers. Without a command: in parts, a dozen minutes in all.

    A part that has a result of this very commit is not measured again, so that what was stopped goes on. At
    the end the charts are drawn.
    """
    context.obj = results
    if context.invoked_subcommand is not None:
        return
    wanted = [
        each
        for each in parts.parts(large=large, recorded=recorded, drt_python=drt_python)
        if not only or each.name.startswith(only)
    ]
    if listed:
        for each in wanted:
            click.echo(f"{each.name:<32} about {each.seconds:>6,} s")
        click.echo(f"{'all of them':<32} about {sum(each.seconds for each in wanted) / 60:>6,.0f} minutes")
        return
    run = "large" if large else "small"
    failures = [failed for each in wanted if (failed := _part(each, run, results, again=again))]
    if not failures:
        _draw(results)
        return
    raise click.ClickException(" ".join(failures))


def _part(part: parts.Part, run: str, results: Path, *, again: bool) -> str | None:
    """Measure a part, unless there is a result; what went wrong, for the others are measured all the same."""
    now, told = commit(), written(part.name, results)
    # What the large run measured is all that the small one would.
    if (
        not again
        and now
        and not now.endswith("-dirty")
        and told
        and told["commit"] == now
        and told.get("run") in ("large", run)
    ):
        note(f"{part.name}: has been measured at {now}")
        return None
    note(f"{part.name}: about {part.seconds:,} s")
    try:
        _report(part.name, part.measure, results, run=run)
    except click.ClickException as failure:
        note(f"{part.name}: {failure.message}")
        return f"{part.name}: {failure.message}"
    return None


@cli.command()
@click.pass_obj
def chart(results: Path, /) -> None:
    """Draw what has been measured, and put it into a table: README.md and SVG files beside the JSON files."""
    _draw(results)


def _draw(results: Path) -> None:
    from benchmarks.chart import draw

    try:
        drawn = draw(results)
    except BenchmarkFailed as failure:
        raise click.ClickException(str(failure)) from None
    for path in drawn:
        note(path.name)


@cli.command()
@click.option("--customers", type=click.IntRange(200), default=20_000, show_default=True)
@click.option("--seconds", type=click.FloatRange(0.05), default=3.0, show_default=True, help="Of each run.")
@_repeats
@click.pass_obj
def pages(results: Path, /, **options: Any) -> None:
    """Pages of 100 a second from one sandbox process."""
    from benchmarks import pages as benchmark

    _report("pages", lambda: benchmark.measure(**options), results)


@cli.command()
@click.option("--customers", "sizes", type=click.IntRange(100), multiple=True, help="Size; can be repeated.")
@click.option("--large", is_flag=True, help="1,000,000 customers, too.")
@_repeats
@click.pass_obj
def sweeps(results: Path, /, sizes: tuple[int, ...], large: bool, repeats: int) -> None:
    """First loads, sweeps and incremental runs of `dub-source load`, as whole processes."""
    from benchmarks import sweeps as benchmark

    wanted = (*(sizes or benchmark.SIZES), *((benchmark.LARGE,) if large else ()))
    _report("sweeps", lambda: benchmark.measure(sizes=wanted, repeats=repeats), results)


@cli.command()
@click.option("--customers", type=click.IntRange(1), default=20_000, show_default=True)
@click.option(
    "--only", type=click.Choice([reader.name for reader in READERS]), multiple=True, help="Only this reader."
)
@click.option("--deletes/--without-deletes", default=True, help="Also lose a customer before each request.")
@_recorded
@_repeats
@click.pass_obj
def peers(
    results: Path, /, customers: int, only: tuple[str, ...], deletes: bool, recorded: bool, repeats: int
) -> None:
    """Who finds every customer: the SDK, dlt's rest_api, plain loops, and this tool."""
    from benchmarks import peers as benchmark

    def measure() -> Result:
        spaces = benchmark.workspaces(customers=customers, recorded=recorded, deletes=deletes)
        return benchmark.measure(spaces, repeats=repeats, only=only)

    _report("peers", measure, results)


@cli.command()
@click.option("--customers", "sizes", type=click.IntRange(100), multiple=True, help="Size; can be repeated.")
@_repeats
@click.pass_obj
def floors(results: Path, /, sizes: tuple[int, ...], repeats: int) -> None:
    """A load beside DuckDB alone and fetching alone, with and without a network."""
    from benchmarks import floors as benchmark

    for size in sizes or benchmark.SIZES:
        _report(f"floors-{size}", partial(benchmark.measure, (size,), repeats=repeats), results)


@cli.command(name="side-by-side")
@click.option("--customers", type=click.IntRange(100), default=1_000, show_default=True)
@click.option("--latency", type=click.IntRange(0), default=0, help="Milliseconds an answer.")
@click.option("--limit", type=click.IntRange(0), default=0, help="Requests a minute; 0: no limit.")
@click.option("--only", type=click.Choice([loader.name for loader in LOADERS]), multiple=True)
@_once
@click.pass_obj
def side_by_side(
    results: Path, /, customers: int, latency: int, limit: int, only: tuple[str, ...], repeats: int
) -> None:
    """Two loads into DuckDB by everything that can do it, against the truth."""
    from benchmarks import side_by_side as benchmark

    case = benchmark.Case(customers, latency, limit)
    _report(
        f"side-by-side-{case.name}", lambda: benchmark.measure((case,), repeats=repeats, only=only), results
    )


@cli.command()
@click.option("--updates", type=click.IntRange(100), default=5_000, show_default=True)
@click.option("--latency", type=click.IntRange(0), default=0, help="Milliseconds an answer.")
@click.option("--limit", type=click.IntRange(0), default=0, help="Requests a minute; 0: no limit.")
@click.option("--only", type=click.Choice([writer.name for writer in WRITERS]), multiple=True)
@_drt
@_once
@click.pass_obj
def pushes(
    results: Path,
    /,
    updates: int,
    latency: int,
    limit: int,
    only: tuple[str, ...],
    drt_python: Path | None,
    repeats: int,
) -> None:
    """New email addresses into Dub by everything that can do it, against what Dub then has."""
    from benchmarks import pushes as benchmark

    case = benchmark.Case(updates, latency, limit)

    def measure() -> Result:
        return benchmark.measure((case,), repeats=repeats, only=only, drt_python=drt_python)

    _report(f"pushes-{case.name}", measure, results)


@cli.command()
@click.option("--customers", "sizes", type=click.IntRange(100), multiple=True, help="Size; can be repeated.")
@click.option("--large", is_flag=True, help="1,000,000 customers, too: some minutes.")
@_once
@click.pass_obj
def growth(results: Path, /, sizes: tuple[int, ...], large: bool, repeats: int) -> None:
    """Requests, seconds and memory of each kind of run, as the workspace grows."""
    from benchmarks import sweeps as benchmark

    for size in (*(sizes or parts.GROWTH), *((parts.GROWTH_LARGE,) if large else ())):
        _report(f"growth-{size}", partial(benchmark.measure, sizes=(size,), repeats=repeats), results)


@cli.command()
@click.option("--customers", type=click.IntRange(1), default=50_000, show_default=True)
@click.option("--large", is_flag=True, help="500,000 customers cold, too: two minutes a run.")
@_repeats
@click.pass_obj
def walk(results: Path, /, customers: int, large: bool, repeats: int) -> None:
    """The sweep against the time that the rate limit alone takes."""
    from benchmarks import walk as benchmark

    wanted = (*benchmark.cases(customers=customers), *((benchmark.LARGE,) if large else ()))
    _report("walk", lambda: benchmark.measure(wanted, repeats=repeats), results)


@cli.command()
@click.option("--customers", type=click.IntRange(1), default=1_000_000, show_default=True)
@click.option("--desired", type=click.IntRange(1), default=200_000, show_default=True, help="Desired rows.")
@_repeats
@click.pass_obj
def plans(results: Path, /, customers: int, desired: int, repeats: int) -> None:
    """Desired rows planned against the mirror of a workspace."""
    from benchmarks import plans as benchmark

    wanted = benchmark.cases(customers=customers, desired=desired)
    _report("plans", lambda: benchmark.measure(wanted, repeats=repeats), results)


@cli.command()
@click.option("--updates", type=click.IntRange(1), default=5_000, show_default=True)
@_repeats
@click.pass_obj
def applies(results: Path, /, updates: int, repeats: int) -> None:
    """Applying a plan against the time that the rate limit alone takes."""
    from benchmarks import applies as benchmark

    _report("applies", lambda: benchmark.measure((benchmark.Case(updates),), repeats=repeats), results)


def _report(name: str, measure: Measure, folder: Path, *, run: str | None = None) -> None:
    around = {**circumstances(sys.argv[1:]), "run": run}
    try:
        result = measure()
    except BenchmarkFailed as failure:
        raise click.ClickException(str(failure)) from None
    write(name, result, folder=folder, around=around)
    for table in result.tables:
        click.echo(f"\n{table}")


if __name__ == "__main__":
    cli(prog_name="python -m benchmarks")
