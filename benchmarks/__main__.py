"""``python -m benchmarks``: measure, print Markdown tables, write ``benchmarks/results/<name>.json``."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from benchmarks.failure import BenchmarkFailed
from benchmarks.loaders import LOADERS
from benchmarks.readers import READERS
from benchmarks.report import RESULTS, Result, circumstances, write

Measure = Callable[[], Result]
_repeats = click.option(
    "--repeats", type=click.IntRange(1), default=3, show_default=True, help="The median counts."
)
_recorded = click.option(
    "--recordings/--without-recordings", "recorded", default=True, help="Read the recorded workspace, too."
)


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--full", is_flag=True, help="Measure everything at the sizes that the README quotes.")
@click.option("--results", type=click.Path(path_type=Path), default=RESULTS, help="Folder of the JSON files.")
@_recorded
@click.pass_context
def cli(context: click.Context, full: bool, results: Path, recorded: bool) -> None:
    """Measure this project beside its peers. Without a command: everything, small, in under three minutes."""
    context.obj = results
    if context.invoked_subcommand is not None:
        return
    suffix = "" if full else "-small"
    for name, measure in _everything(full=full, recorded=recorded):
        _report(name + suffix, measure, results)


def _everything(*, full: bool, recorded: bool) -> list[tuple[str, Measure]]:
    from benchmarks import applies, floors, pages, peers, plans, side_by_side, sweeps, walk

    if full:
        return [
            ("pages", pages.measure),
            ("sweeps", lambda: sweeps.measure(sizes=(*sweeps.SIZES, sweeps.LARGE))),
            ("peers", lambda: peers.measure(peers.workspaces(recorded=recorded))),
            ("side-by-side", lambda: side_by_side.measure(repeats=3)),
            ("floors", floors.measure),
            ("walk", lambda: walk.measure((*walk.CASES, walk.LARGE))),
            ("applies", applies.measure),
            ("plans", plans.measure),
        ]
    return [
        ("pages", lambda: pages.measure(seconds=1.0)),
        ("sweeps", lambda: sweeps.measure(sizes=sweeps.SIZES[:1], repeats=1)),
        ("peers", lambda: peers.measure(peers.workspaces(customers=2_000, recorded=recorded), repeats=1)),
        ("side-by-side", lambda: side_by_side.measure(side_by_side.SMALL)),
        ("floors", lambda: floors.measure(floors.SIZES[:1], repeats=1)),
        ("walk", lambda: walk.measure(walk.cases(customers=20_000), repeats=1)),
        ("applies", lambda: applies.measure((applies.SMALL,), repeats=1)),
        ("plans", lambda: plans.measure(plans.cases(customers=100_000, desired=20_000), repeats=1)),
    ]


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

    _report("floors", lambda: benchmark.measure(sizes or benchmark.SIZES, repeats=repeats), results)


@cli.command(name="side-by-side")
@click.option("--large", is_flag=True, help="200,000 customers at 150 ms, too: half an hour.")
@click.option("--customers", type=click.IntRange(100), help="One workspace of this size instead.")
@click.option("--latency", type=click.IntRange(0), default=0, help="Its milliseconds an answer.")
@click.option("--limit", type=click.IntRange(0), default=0, help="Its requests a minute; 0: no limit.")
@click.option("--only", type=click.Choice([loader.name for loader in LOADERS]), multiple=True)
@_repeats
@click.pass_obj
def side_by_side(
    results: Path,
    /,
    large: bool,
    customers: int | None,
    latency: int,
    limit: int,
    only: tuple[str, ...],
    repeats: int,
) -> None:
    """Two loads into DuckDB by everything that can do it, against the truth."""
    from benchmarks import side_by_side as benchmark

    cases: tuple[benchmark.Case, ...] = (*benchmark.CASES, *(benchmark.LARGE if large else ()))
    if customers is not None:
        cases = (benchmark.Case(customers, latency, limit),)
    _report("side-by-side", lambda: benchmark.measure(cases, repeats=repeats, only=only), results)


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


def _report(name: str, measure: Measure, folder: Path) -> None:
    around = circumstances(_without_folder(sys.argv[1:]))
    try:
        result = measure()
    except BenchmarkFailed as failure:
        raise click.ClickException(str(failure)) from None
    write(name, result, folder=folder, around=around)
    for table in result.tables:
        click.echo(f"\n{table}")


def _without_folder(arguments: list[str]) -> list[str]:
    """The arguments that matter to whoever repeats it: not where the results went on this machine."""
    kept = iter(arguments)
    return [
        each
        for each in kept
        if not each.startswith("--results=") and (each != "--results" or next(kept, None) is None)
    ]


if __name__ == "__main__":
    cli(prog_name="python -m benchmarks")
