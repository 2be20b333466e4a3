"""What the README tells people to type or to install is what the commands understand."""

import configparser
import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from dub_source.cli.commands import dub_source
from dub_source.failures import ExitCode
from dub_source.workspaces.names import names_in_environment

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
CRON_FIELD = re.compile(r"(\*|\d+(-\d+)?(,\d+)*)(/\d+)?")


def block(language: str, containing: str = "") -> str:
    (found,) = [str(text) for name, text in BLOCKS if name == language and containing in text]
    return found


def commands() -> list[list[str]]:
    """Every dub-source command in a block, without what the shell makes of the rest of its line."""
    found = []
    for _, text in BLOCKS:
        for line in re.sub(r"\\\n\s*", " ", text).splitlines():
            command = re.search(r"(?:^|[\s/=])(dub-source [a-z].*)", line)
            if command is None:
                continue
            plain = re.sub(r"\$\{\{.*?\}\}", "acme", command[1])
            words = shlex.shlex(plain, posix=True, punctuation_chars=True)
            words.whitespace_split = True
            _, *arguments = words
            end = next((place for place, word in enumerate(arguments) if set(word) <= set("<>&|;")), None)
            found.append(arguments[:end])
    return found


COMMANDS = commands()


@pytest.mark.parametrize("arguments", COMMANDS, ids=[" ".join(each) for each in COMMANDS])
def test_commands_have_the_options_that_they_are_given(arguments: list[str]) -> None:
    name, *rest = arguments
    with click.Context(dub_source) as group:
        command = dub_source.get_command(group, name)
        assert command is not None, name
        command.make_context(name, list(rest), parent=group)


def test_there_are_commands() -> None:
    assert {"load", "check", "plan", "apply", "revert", "sandbox"} <= {each[0] for each in COMMANDS}


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
