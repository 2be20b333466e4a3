"""Every command that the documentation shows is run against a sandbox, in the order in which it is shown."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import duckdb
import pytest

from tests.docs.pages import ROOT, Block, block, blocks, lines, program_arguments, words
from tests.docs.test_references import targets
from tests.docs.world import PERSON, PLAN, World

_SHELL = ("mkdir", "cd", "python ")
_NO_PRELOAD = ("init", "check", "load", "sandbox")


def _of_make(line: str) -> bool:
    return words(line)[1] in targets()


def _of_an_extra(line: str) -> bool:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    named = set(re.findall(r"'\.\[(\w+)\]'", line))
    return bool(named) and named <= set(extras)


def _of_the_airflow_pipeline(line: str) -> bool:
    text = (ROOT / "pipelines" / "airflow_dag.py").read_text(encoding="utf-8")
    if "dags trigger" in line:
        return f'"{words(line)[3]}"' in text or f"def {words(line)[3]}(" in text
    return words(line)[3] == "dub_acme" and "dub_{" in text


def _of_dbt(line: str) -> bool:
    text = (ROOT / "tests" / "orchestrators" / "test_dbt.py").read_text(encoding="utf-8")
    return all(f'"{word}"' in text for word in words(line)[1:2])


def _of_a_server(line: str) -> bool:
    return "postgres" in words(line) and (ROOT / "tests" / "postgres").is_dir()


NOT_RUN: dict[str, Callable[[str], bool]] = {
    # It would run these tests, or the demo, which has a test of its own.
    r"make ": _of_make,
    # It would change the environment that the tests run in.
    r"pip install ": _of_an_extra,
    # Airflow has an environment of its own: make test-airflow.
    r"airflow ": _of_the_airflow_pipeline,
    # So has dbt: make test-dbt.
    r"dbt ": _of_dbt,
    # A server of Postgres has one, too: make test-postgres.
    r"dub-source .*--destination postgres": _of_a_server,
}
"""What is shown and not run here: how such a line begins, and what is looked at instead."""


def why_not(line: str) -> Callable[[str], bool] | None:
    return next((check for start, check in NOT_RUN.items() if re.match(start, line)), None)


def with_programs() -> dict[str, str]:
    """The environment of a reader who has put .venv/bin before all others."""
    return {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


_FIRST = "README.md"
PAGES = [
    pytest.param(page, marks=[] if page == _FIRST else [pytest.mark.slow], id=page)
    for page in sorted({each.page for each in blocks("sh")})
]


@pytest.mark.timeout(180)
@pytest.mark.parametrize("page", PAGES)
def test_the_commands_of_a_page(page: str, world: World) -> None:
    shown = [line for each in blocks("sh") if each.page == page for line in lines(each.text)]
    called = [arguments[0] for line in shown if not why_not(line) and (arguments := program_arguments(line))]
    if "init" not in called:
        world.with_key()
    if called and called[0] not in _NO_PRELOAD:
        world.run("dub-source load")
    for line in shown:
        if (check := why_not(line)) is not None:
            assert check(line), line
        elif line.startswith("export "):
            _, setting = words(line)
            name, _, value = setting.partition("=")
            if name == "PATH":
                assert value == "$PWD/.venv/bin:$PATH"
            else:
                world.export(name, value)
        elif line.startswith(_SHELL):
            subprocess.run(["bash", "-euc", line], check=True, env=with_programs())
        else:
            assert program_arguments(line), f"{line}: neither run nor explained"
            said = world.run(line)
            if PERSON in line:
                assert said.startswith("1 customers found: 1 to delete in Dub"), said


def test_what_is_not_run_is_shown() -> None:
    shown = [line for each in blocks("sh") for line in lines(each.text)]
    for start in NOT_RUN:
        assert any(re.match(start, line) for line in shown), start


RUN_PYTHON = [each for each in blocks("python") if "pysail" not in each.text]
"""Sail is in the environment of make test-lake alone, where a test runs this query."""


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize("shown", RUN_PYTHON, ids=[f"{each.page}: {each.text[:40]!r}" for each in RUN_PYTHON])
def test_python_blocks_run(shown: Block, world: World) -> None:
    world.with_key()
    text = shown.text.replace('"postgres"', '"duckdb"').replace("cus_1K...", world.ids()[0])
    if "dub_customers(" in text:
        world.run("dub-source load")
    if PLAN in text:
        world.run("dub-source load --workspace acme")
        world.run("dub-source plan crm.people --map name=full_name --workspace acme")
        text = text.replace(PLAN, world.plan_id)
    exec(compile(text, shown.page, "exec"), {"__name__": "shown"})  # noqa: S102 - what a reader would run
    if "dub_customers(" in text:
        assert world.sandboxes[0].snapshot()[world.ids()[0]]["name"] == "Ada Lovelace"


@pytest.mark.slow
def test_the_file_of_a_sync(world: World) -> None:
    world.with_key()
    world.run("dub-source load")
    (world.folder / "crm_names.toml").write_text(block("toml", "max_deletes"))
    assert "(name 3)" in world.run("dub-source plan crm_names.toml")


@pytest.mark.slow
def test_the_history_of_names(world: World) -> None:
    world.with_key()
    world.run("dub-source load")
    world.sandboxes[0].change(world.ids()[0], name="Somebody Else")
    world.run("dub-source load --mode full")
    with duckdb.connect(world.folder / "dub_customers.duckdb") as connection:
        rows = connection.execute(block("sql", "changed_fields")).fetchall()
    assert [each for each, _ in rows] == [world.ids()[0]]
