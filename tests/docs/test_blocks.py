"""Blocks in other languages than the shell's are what those languages understand."""

import ast
import configparser
import importlib
import re
import tomllib
from itertools import chain

import pytest
import sqlglot
import yaml

from dub_source.failures import ExitCode
from dub_source.workspaces.names import names_in_environment
from tests.docs.pages import BLOCKS, ROOT, Block, block, blocks

CRON_FIELD = re.compile(r"(\*|\d+(-\d+)?(,\d+)*)(/\d+)?")


def test_the_lines_for_cron() -> None:
    text = block("crontab")
    lines = [line for line in text.splitlines() if line and not re.match(r"#|\w+=", line)]
    assert lines
    for line in lines:
        *fields, command = line.split(maxsplit=5)
        assert all(CRON_FIELD.fullmatch(each) for each in fields), line
        assert "dub-source load" in command
        # cron takes a percent sign for the end of a line.
        assert "%" not in command


def test_the_units_for_systemd() -> None:
    units = configparser.ConfigParser(strict=True, interpolation=None)
    units.optionxform = str  # type: ignore[assignment,method-assign]
    text = block("ini", "OnCalendar")
    units.read_string(text)
    assert units["Service"]["Type"] == "oneshot"
    assert "dub-source load" in units["Service"]["ExecStart"]
    assert units["Service"]["ExecStart"].startswith("/"), "systemd wants an absolute path"
    assert units["Service"]["SuccessExitStatus"] == str(int(ExitCode.OUT_OF_TIME))
    assert units["Timer"]["OnCalendar"]
    assert units["Install"]["WantedBy"] == "timers.target"


def test_the_workflow_for_github_actions() -> None:
    text = block("yaml", "runs-on")
    workflow = yaml.safe_load(text)
    triggers = workflow[True]  # YAML 1.1 takes "on" for a truth value; GitHub does not
    assert all(CRON_FIELD.fullmatch(each) for each in triggers["schedule"][0]["cron"].split())
    (job,) = workflow["jobs"].values()
    names = job["strategy"]["matrix"]["workspace"]
    assert job["strategy"]["fail-fast"] is False
    (step,) = [each for each in job["steps"] if "dub-source load" in each.get("run", "")]
    keys = {name for name in step["env"] if name.endswith("__API_KEY")}
    assert keys == {f"SOURCES__DUB__WORKSPACES__{name.upper()}__API_KEY" for name in names}
    assert names_in_environment(step["env"]) == set(names)


# mermaid: the diagram of the data dictionary is generated, and has a test of its own.
LANGUAGES = {"sh", "python", "toml", "ini", "yaml", "sql", "crontab", "mermaid"}
ELSEWHERE = {"pysail": "lake", "pyspark": "lake"}
"""Packages that only an environment of its own has, and which group of dependencies brings them."""


def of(language: str) -> pytest.MarkDecorator:
    found = blocks(language)
    assert found, language
    return pytest.mark.parametrize("shown", found, ids=[f"{each.page}: {each.text[:30]!r}" for each in found])


def test_every_block_names_a_language_that_is_tested() -> None:
    assert {each.language for each in BLOCKS} <= LANGUAGES


@of("python")
def test_what_python_blocks_import_is_there(shown: Block) -> None:
    tree = ast.parse(shown.text)
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
    names = chain.from_iterable(
        [(each.name, None) for each in node.names]
        if isinstance(node, ast.Import)
        else [(str(node.module), each.name) for each in node.names]
        for node in imports
    )
    for module, name in names:
        package = module.split(".")[0]
        if package in ELSEWHERE:
            assert _brings(ELSEWHERE[package], package)
            continue
        found = importlib.import_module(module)
        if name is not None and not hasattr(found, name):
            importlib.import_module(f"{module}.{name}")


def _brings(group: str, package: str) -> bool:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return any(isinstance(each, str) and each.startswith(package) for each in groups[group])


@of("toml")
def test_toml_blocks_are_toml(shown: Block) -> None:
    assert tomllib.loads(shown.text)


@of("sql")
def test_sql_blocks_are_sql(shown: Block) -> None:
    assert sqlglot.parse(shown.text, dialect="duckdb")
