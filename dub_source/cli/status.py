"""``status``: at a glance, and for monitors."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dub_source.cli.options import EXIT_CODES, finite, here, some_workspaces, tables_options, target_of
from dub_source.cli.reporting import exit_on_error, say
from dub_source.cli.status_words import lines
from dub_source.cli.streams import tell
from dub_source.cli.workspaces import chosen_workspaces
from dub_source.process import unhurried_garbage_collector
from dub_source.table_names import CUSTOMERS

if TYPE_CHECKING:
    from dub_source.destinations import Target
    from dub_source.failures import Failure
    from dub_source.runs import Status, Verdict
    from dub_source.runs.verdict import Problem


@click.command(epilog=EXIT_CODES)
@click.option(
    "--max-age",
    "max_age_h",
    type=click.FloatRange(0),
    callback=finite,
    help="Hours since the last load after which that is too old (25).",
)
@click.option(
    "--max-sweep-age",
    "max_sweep_age_h",
    type=click.FloatRange(0),
    callback=finite,
    help="The same since everybody was read (49).",
)
@click.option("--quiet", is_flag=True, help="The verdict alone, in one line.")
@some_workspaces
@tables_options
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
@exit_on_error
def status(
    workspaces: tuple[str, ...],
    all_workspaces: bool,
    database: Path | None,
    dataset: str,
    destination: str,
    quiet: bool,
    as_json: bool,
    max_age_h: float | None,
    max_sweep_age_h: float | None,
) -> int:
    """Say how the warehouse is: how much, how old, how sure; what changed; which plans wait.

    It looks at the warehouse alone: Dub is not asked, no key is needed, nothing is changed. The exit code is
    0 if all is well, and 10 if somebody should look. With several workspaces, each has one line.
    """
    with unhurried_garbage_collector():
        from dub_source.runs.pushing import configured_table
    limits = {
        name: hours
        for name, hours in (("max_age_h", max_age_h), ("max_sweep_age_h", max_sweep_age_h))
        if hours is not None
    }
    if not (workspaces or all_workspaces):
        look = _look(None, target_of(database, dataset, destination), configured_table(), limits)
        looks = [look]
    else:
        chosen = chosen_workspaces(
            workspaces,
            all_workspaces,
            database=database,
            dataset=dataset,
            destination=destination,
            keys=False,
        )
        looks = [
            _look(each.name, each.target, each.options.get("table_name") or CUSTOMERS, limits)
            for each in chosen
        ]
    if as_json:
        values = [look.as_json() for look in looks]
        say(json.dumps(values if workspaces or all_workspaces else values[0]))
    else:
        for look in looks:
            look.say(short=quiet or len(looks) > 1)
    return max(look.exit_code for look in looks)


@dataclass(frozen=True, slots=True)
class _Look:
    """What was found at one place, or what went wrong there."""

    workspace: str | None
    target: Target
    found: Status | None = None
    verdict: Verdict | None = None
    failure: Failure | None = None

    @property
    def exit_code(self) -> int:
        if self.failure is not None:
            return self.failure.exit_code
        return 0 if self.verdict is None else self.verdict.exit_code

    def as_json(self) -> dict[str, Any]:
        whose = {} if self.workspace is None else {"workspace": self.workspace}
        said: dict[str, Any] = {
            "exit_code": int(self.exit_code),
            "error": None,
            "verdict": None,
            "problems": [],
        }
        if self.failure is not None:
            said["error"] = self.failure.sentence
        if self.verdict is not None:
            said["verdict"] = self.verdict.line
            said["problems"] = [
                {"text": each.text, "command": self._here(each)} for each in self.verdict.problems
            ]
        found = {} if self.found is None else self.found.as_json()
        return whose | said | self.target.as_json() | found

    def say(self, *, short: bool) -> None:
        before = "" if self.workspace is None else f"{self.workspace}: "
        if self.failure is not None:
            tell(f"{before}Error: {self.failure.sentence} (exit code {int(self.exit_code)})")
        if self.verdict is None or self.found is None:
            return
        say(f"{before}{self.verdict.line}")
        if not short:
            commands = dict.fromkeys(self._here(each) for each in self.verdict.problems)
            say("\n".join(lines(self.found, self.target, list(commands))))

    def _here(self, problem: Problem) -> str:
        """The command that goes on from it, about this place."""
        return here(problem.command, self.workspace, self.target if problem.of_place else None)


def _look(workspace: str | None, target: Target, table: str, limits: dict[str, float]) -> _Look:
    """Look at one place. One that cannot be looked at stops none of the others.

    Raises:
        Exception: what went wrong, where there are no others.
    """
    from dub_source import runs
    from dub_source.failures import explain

    try:
        found = runs.status(target, table=table)
    except Exception as error:
        if workspace is None:
            raise
        return _Look(workspace, target, failure=explain(error))
    return _Look(workspace, target, found, runs.judge(found, **limits))
