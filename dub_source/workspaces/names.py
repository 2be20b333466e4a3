"""Which workspaces the settings name: from the environment and the files, without importing dlt.

An orchestrator asks for that each time it reads its definitions, and dlt alone takes a second to import.
"""

import os
import re
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dub_source.errors import SettingsError

SECTION = ("sources", "dub", "workspaces")
"""Where dlt's configuration has a section for each workspace."""
PREFIX = "__".join(SECTION).upper() + "__"
"""How the environment variables of workspaces begin."""

_NAME = r"[a-z][a-z0-9]*(_[a-z0-9]+)*"


def workspace_names(environ: Mapping[str, str] | None = None) -> list[str]:
    """The workspaces that the environment and the files of dlt's configuration name, sorted.

    Fast, for programs that are read often; dlt is not imported. What dlt would find in vaults or in
    Airflow's variables is not looked for: name such a workspace by an empty section in ``.dlt/config.toml``.

    Args:
        environ: the environment; None is that of this process.

    Raises:
        SettingsError: if a name cannot be one, or a file cannot be read.
    """
    environ = os.environ if environ is None else environ
    names = set(names_in_environment(environ))
    for folder in _folders(environ):
        for file in ("config.toml", "secrets.toml"):
            names.update(checked_section(_section_of(folder / file)))
    return sorted(names)


def names_in_environment(environ: Mapping[str, str]) -> set[str]:
    """The workspaces that variables such as SOURCES__DUB__WORKSPACES__ACME__API_KEY name.

    Raises:
        SettingsError: if there is a variable that names none, or no setting.
    """
    found = set()
    for variable in environ:
        if not variable.upper().startswith(PREFIX):
            continue
        name, _, setting = variable[len(PREFIX) :].lower().partition("__")
        if not re.fullmatch(_NAME, name) or not setting or "__" in setting:
            raise SettingsError(
                f"The environment variable {variable} is not the setting of a workspace, which are called "
                f"like {PREFIX}ACME__API_KEY, with single underscores inside the workspace's name: rename "
                "or remove it."
            )
        found.add(name)
    return found


def checked_section(section: object) -> list[str]:
    """The names in a section ``sources.dub.workspaces`` of a file.

    Raises:
        SettingsError: if a name cannot be one, or has no section of its own.
    """
    if not isinstance(section, Mapping):
        raise SettingsError(
            "The setting workspaces under [sources.dub] must be a section for each workspace, such as "
            "[sources.dub.workspaces.acme]: correct it."
        )
    for name, settings in section.items():
        if not re.fullmatch(_NAME, name):
            raise SettingsError(
                f"The section [sources.dub.workspaces.{name}] does not name a workspace by lower-case "
                "letters and digits, in words with single underscores between them, beginning with a letter: "
                "rename it, for example to acme_eu."
            )
        if not isinstance(settings, Mapping):
            raise SettingsError(
                f"The setting {name} under [sources.dub.workspaces] is not a section of a workspace: write "
                f"[sources.dub.workspaces.{name}], and its settings below."
            )
    return sorted(section)


def check_known(wanted: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names of workspaces that nobody has configured.

    Raises:
        SettingsError: naming the first one, and those that there are.
    """
    there = sorted(known)
    for name in wanted:
        if name not in there:
            raise SettingsError(
                f"There is no workspace {name} in the settings"
                + (f", only {', '.join(there)}: " if there else ": ")
                + f"give it a section [sources.dub.workspaces.{name}] in .dlt/secrets.toml with its api_key, "
                f"or set {PREFIX}{name.upper()}__API_KEY."
            )


def _folders(environ: Mapping[str, str]) -> list[Path]:
    """Where dlt looks for its files: the project's folder, then the user's."""
    project = Path(environ.get("DLT_PROJECT_DIR", "."))
    return [project / environ.get("DLT_CONFIG_FOLDER", ".dlt"), _global_folder(environ)]


def _global_folder(environ: Mapping[str, str]) -> Path:
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        return Path("/var/dlt")
    home = Path("~").expanduser()
    if not os.access(home, os.W_OK):
        return Path(tempfile.gettempdir()) / "dlt"
    if "XDG_DATA_HOME" in environ and not (home / ".dlt").is_dir():
        return Path(environ["XDG_DATA_HOME"]) / "dlt"
    return home / ".dlt"


def _section_of(file: Path) -> Any:
    if not file.is_file():
        return {}
    try:
        node: Any = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise SettingsError(
            f"The file .dlt/{file.name} is not valid TOML: correct it, or start from the example."
        ) from None
    except OSError as error:
        raise SettingsError(
            f"The file .dlt/{file.name} cannot be read ({error.strerror}): check its permissions."
        ) from None
    for part in SECTION:
        node = node.get(part, {}) if isinstance(node, dict) else {}
    return node
