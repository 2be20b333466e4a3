"""Commands, options, exit codes, targets and links: all that there are are documented, and no others."""

import inspect
import re
from pathlib import Path

import click
import pytest

from benchmarks.__main__ import cli as benchmarks
from dub_source import errors
from dub_source.changes import HISTORY_COLUMNS, SYSTEM_COLUMNS
from dub_source.cli.commands import dub_source
from dub_source.failures import ExitCode
from dub_source.schema import COLUMNS, EXPANDED_COLUMNS
from dub_source.source import dub
from dub_source.sync import RUN_SCHEMA
from tests.docs.pages import BLOCKS, PAGES, ROOT, inline, lines, name_of, program_arguments, text_of, words

SHELLS = [block for block in BLOCKS if block.language in ("sh", "crontab", "ini", "yaml")]
COMMANDS = [
    (block.page, arguments)
    for block in SHELLS
    for line in lines(block.text)
    if (arguments := program_arguments(line)) is not None
]
SAID = [
    (page, arguments)
    for page, code in inline()
    if (arguments := program_arguments(code)) is not None and not re.search(r"…|\b[A-Z]{3}", code)
]
OPTIONS = {
    (name, option)
    for name, command in dub_source.commands.items()
    for parameter in command.params
    if isinstance(parameter, click.Option)
    for option in (*parameter.opts, *parameter.secondary_opts)
    if option.startswith("--")
}
OTHERS = {
    "--version",  # of dub-source itself
    "--help",
}
"""Options that belong to no command."""


def shown() -> set[str]:
    """All options in code, be it in a sentence or in a block."""
    code = [text for _, text in inline()] + [block.text for block in BLOCKS]
    return {option for text in code for option in re.findall(r"(?<![\w-])--[a-z][a-z-]*", text)}


@pytest.mark.parametrize(
    "arguments",
    [each for _, each in COMMANDS + SAID],
    ids=[f"{page}: {' '.join(each)}" for page, each in COMMANDS + SAID],
)
def test_commands_have_the_options_that_they_are_given(arguments: list[str]) -> None:
    name, *rest = arguments
    with click.Context(dub_source) as group:
        command = dub_source.get_command(group, name)
        assert command is not None, name
        # A sentence may name a command without what it needs.
        command.make_context(name, list(rest), parent=group, resilient_parsing=not rest)


def test_each_command_is_shown() -> None:
    called = {arguments[0] for _, arguments in COMMANDS + SAID}
    assert set(dub_source.commands) - called == set()


def test_each_option_is_documented() -> None:
    assert {f"{name} {option}" for name, option in OPTIONS if option not in shown()} == set()


def test_no_option_is_documented_that_there_is_not() -> None:
    there_are = {option for _, option in OPTIONS} | OTHERS
    said = {(page, option) for page, code in inline() for option in re.findall(r"^--[a-z][a-z-]*", code)}
    assert {each for each in said if each[1] not in there_are} == set()


def test_the_benchmarks_that_are_named_can_be_run() -> None:
    named = [code for _, code in inline() if "-m benchmarks" in code]
    named += [line for block in SHELLS for line in lines(block.text) if "-m benchmarks" in line]
    assert named
    for code in named:
        rest = words(code.split("-m benchmarks", 1)[1])
        benchmarks.make_context("benchmarks", rest)


def test_the_exit_codes() -> None:
    text = text_of(ROOT / "docs" / "operations.md")
    rows = re.findall(r"^\| (\d+) \| ([^|]+) \|", text, re.MULTILINE)
    listed = {int(code): meaning for code, meaning in rows}
    assert len(rows) == len(listed)
    assert set(listed) == set(ExitCode)
    for code in ExitCode:
        assert listed[int(code)].startswith(code.meaning.split(";")[0].split(":")[0]), code
    spoken = {
        int(code)
        for page in PAGES
        for code in re.findall(r"exit\s+codes? (?:is )?(\d+)", text_of(page), re.IGNORECASE)
    }
    assert spoken
    assert spoken <= set(ExitCode)


def test_each_kind_of_error_is_documented() -> None:
    kinds = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.DubError)
    }
    text = text_of(ROOT / "docs" / "operations.md")
    documented = set(re.findall(r"`([A-Z][A-Za-z]+)`", text))
    assert kinds - documented == set()
    assert {each for each in documented if each.endswith(("Error", "Failed")) and each not in kinds} == set()


def test_the_columns_and_the_arguments_of_the_source() -> None:
    columns = [name for name, _ in (COLUMNS | EXPANDED_COLUMNS).values()]
    columns += [*SYSTEM_COLUMNS, *HISTORY_COLUMNS, "valid_from", "valid_to", "is_current"]
    not_worth_a_word = {"run_id", "table_name", "started_at", "ended_at", "retries", "baseline", "version"}
    columns += set(RUN_SCHEMA.names) - not_worth_a_word
    arguments = set(inspect.signature(dub).parameters) - {
        "observer",
        "keep_rows",
        "append_first",
        "merge_strategy",
    }
    for name in [*columns, *arguments]:
        assert any(f"`{name}`" in text_of(page) for page in PAGES), name


def targets() -> set[str]:
    """Targets of make that are meant for people."""
    phony = re.search(r"^\.PHONY: ((?:.*\\\n)*.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    return set(phony[1].replace("\\\n", " ").split())


def test_the_targets_of_make() -> None:
    said = [code for _, code in inline()] + [line for block in SHELLS for line in lines(block.text)]
    named = {match[1] for code in said if (match := re.match(r"make ([a-z-]+)", code))}
    assert named == targets()


def slug(heading: str) -> str:
    """What GitHub calls the place of a heading."""
    plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")


def headings(page: Path) -> set[str]:
    """The anchors of a page."""
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    return {slug(each) for each in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", text_of(page), flags=re.MULTILINE | re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r"""(?:src|href)="([^"]+)""", text)
    for target in targets:
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert there.is_relative_to(ROOT), target
        if anchor:
            assert there.suffix == ".md", target
            assert anchor in headings(there), target


def test_the_readme_leads_to_every_page() -> None:
    text = text_of(ROOT / "README.md")
    assert {name_of(page) for page in PAGES[1:] if f"]({name_of(page)}" not in text} == set()
