"""``python -m tests.chaos``: see the package."""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.chaos.episode import Episode
from tests.chaos.report import Report
from tests.chaos.script import script_of
from tests.warehouses.postgres_server import PostgresServer, postgres_server


def main() -> int:
    """Exit code 1 when a promise was broken."""
    arguments = _arguments()
    seed = arguments.seed if arguments.seed is not None else random.SystemRandom().randrange(10**6)
    again = f"python -m tests.chaos --seed {seed} --warehouse {arguments.warehouse}"
    _say(f"Seed {seed}. The same again: {again} --minutes {arguments.minutes:g}")
    report, began = Report(seed), time.monotonic()
    folder = Path(arguments.folder or tempfile.mkdtemp(prefix="dub-chaos-"))
    with ExitStack() as stack:
        server = stack.enter_context(postgres_server()) if arguments.warehouse == "postgres" else None
        last = _episodes(arguments, seed, folder, report, server)
    report.seconds = time.monotonic() - began
    if arguments.json:
        arguments.json.write_text(json.dumps(report.as_json(), indent=2) + "\n", encoding="utf-8")
    _say("\n".join(report.lines()))
    if report.violations:
        _say(f"Everything is in {folder / 'broken'}. The same episode again:")
        _say(f"  {again} --episode {last} --verbose")
        return 1
    shutil.rmtree(folder, ignore_errors=True)
    return 0


def _episodes(
    arguments: argparse.Namespace, seed: int, folder: Path, report: Report, server: PostgresServer | None
) -> int:
    """One after the other, until the time is up or something is broken; the number of the last one."""
    began = time.monotonic()
    number = arguments.episode or 0
    tell = _say if arguments.verbose else _nothing

    def goes_on() -> bool:
        is_time_left = arguments.episode is not None or time.monotonic() < began + 60 * arguments.minutes
        return is_time_left and not report.violations

    while True:
        script = script_of(seed, number)
        _say(f"{time.monotonic() - began:7.0f} s  episode {number}: {script.customers} customers")
        with Episode(script, folder / script.name, report, tell, server) as running:
            running.run(goes_on)
            if report.violations:
                _keep(folder / script.name, folder / "broken")
        if arguments.episode is not None or not goes_on():
            return number
        shutil.rmtree(folder / script.name, ignore_errors=True)
        number += 1


def _keep(found: Path, kept: Path) -> None:
    """The disk of an episode goes with it."""
    shutil.copytree(found, kept, dirs_exist_ok=True, ignore=shutil.ignore_patterns("ballast"))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _nothing(_text: str) -> None:
    pass


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=5.0, help="no round begins after so long (5)")
    parser.add_argument("--seed", type=int, help="repeats what was decided with it")
    parser.add_argument("--episode", type=int, help="this episode of the seed alone, to its end")
    parser.add_argument("--warehouse", choices=("duckdb", "postgres"), default="duckdb")
    parser.add_argument("--json", type=Path, help="write the report there, too")
    parser.add_argument("--folder", help="where to work")
    parser.add_argument("--verbose", action="store_true", help="say what is done")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
