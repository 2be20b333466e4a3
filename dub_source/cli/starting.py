"""``init`` and ``completion``: the first five minutes."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import click

from dub_source.cli.reporting import exit_on_error, found_by_the_shell, say
from dub_source.errors import SettingsError
from dub_source.failures import ExitCode

_FILES = {
    ".dlt/config.toml": "config.toml",
    ".dlt/secrets.toml": "secrets.toml",
    "syncs/names.toml": "names.toml",
    "dub_pipeline.py": "dub_pipeline.py",
    ".gitignore": "gitignore",
}
"""What is written, from which file of the folder ``starter``."""
_SECRETS, _IGNORE = ".dlt/secrets.toml", ".gitignore"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=".")
@exit_on_error
def init(folder: Path) -> int:
    """Write what a project needs into FOLDER: settings, a place for the key, a sync, a pipeline script.

    A file that is there already is left alone.
    """
    written, left = write_starter(folder)
    say("\n".join(_about(folder, written, left)))
    return ExitCode.OK


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@exit_on_error
def completion(shell: str) -> int:
    """Print what SHELL needs to complete commands, options, files and workspaces.

    \b
    bash, in ~/.bashrc:                   eval "$(dub-source completion bash)"
    zsh, in ~/.zshrc:                     eval "$(dub-source completion zsh)"
    fish, in ~/.config/fish/config.fish:  dub-source completion fish | source
    """
    from click.shell_completion import get_completion_class

    known = get_completion_class(shell)
    if known is None:
        raise SettingsError(f"There is no completion for {shell}: choose bash, zsh or fish.")
    program = click.get_current_context().find_root().command
    say(known(program, {}, "dub-source", "_DUB_SOURCE_COMPLETE").source())
    return ExitCode.OK


def write_starter(folder: Path) -> tuple[list[str], list[str]]:
    """Write the files of a new project, each as a whole or not at all.

    Returns:
        The files that were written, and those that were there and left alone.

    Raises:
        SettingsError: if the folder cannot be used.
    """
    written: list[str] = []
    left: list[str] = []
    source = files("dub_source.cli").joinpath("starter")
    for name, template in _FILES.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            made = _write(path, source.joinpath(template).read_bytes(), private=name == _SECRETS)
        except OSError as error:
            already = f" ({', '.join(written)} written already)" if written else ""
            raise SettingsError(
                f"The file {path} cannot be written ({error.strerror}){already}: see to the folder, or name "
                "another one: dub-source init FOLDER."
            ) from None
        (written if made else left).append(name)
    return written, left


def _write(path: Path, content: bytes, *, private: bool) -> bool:
    """Whether it was written; it was there otherwise, be it a link that leads nowhere."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600 if private else 0o666)
    except FileExistsError:
        return False
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return True


def _about(folder: Path, written: Sequence[str], left: Sequence[str]) -> list[str]:
    lines = []
    if written:
        lines.append(f"Written: {', '.join(written)}.")
    if left:
        lines.append(f"Left alone, because they were there: {', '.join(left)}.")
    missing = _not_ignored(folder) if _IGNORE in left else []
    if missing:
        lines.append(f"Add to .gitignore, so that no key and no customer gets into git: {', '.join(missing)}")
    steps = found_by_the_shell()
    if folder != Path():
        steps.append(f"cd {shlex.quote(str(folder))}")
    if _SECRETS in written:
        steps.append("put your key into .dlt/secrets.toml   (in Dub: Settings, API Keys)")
    steps += [
        "dub-source check                      (is the key good?)",
        "dub-source load                       (all customers into dub_customers.duckdb)",
        "dub-source status                     (how is it?)",
        "dub-source plan syncs/names.toml      (what would be changed in Dub?)",
        "python dub_pipeline.py                (all of it as a script)",
    ]
    lines += ["Next:", *(f"  {step}" for step in steps)]
    lines.append("No key yet? dub-source sandbox runs a Dub API on this machine, and prints keys for it.")
    return lines


def _not_ignored(folder: Path) -> list[str]:
    """Patterns that protect secrets and rows, and are not in the .gitignore that is there."""
    try:
        there = (folder / _IGNORE).read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        there = []
    return [each for each in (_SECRETS, "*.duckdb", ".*.duckdb.*.lock", "*.duckdb.wal") if each not in there]
