"""What the README tells people to type or to install is what the commands understand."""

import re
import shlex
from pathlib import Path

import click
import pytest

from dub_source.cli.commands import dub_source

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


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
