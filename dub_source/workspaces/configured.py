"""Workspaces as dlt's configuration describes them: each with its key, its place and its settings.

What stands under a workspace's name wins over what stands under ``[sources.dub]``, wherever either of them
is. dlt by itself looks through the environment first and only then into files, from the innermost section to
the outermost each time: SOURCES__DUB__API_KEY, set for something else, would become the key of every
workspace whose own is in secrets.toml. So the sections are read one by one here, with dlt's providers but
without its search, and what they say goes to the source as arguments. dlt keeps no trace of those.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dlt.common.configuration.container import Container
from dlt.common.configuration.exceptions import ConfigValueCannotBeCoercedException
from dlt.common.configuration.providers.provider import ConfigProvider
from dlt.common.configuration.specs.base_configuration import extract_inner_hint, is_secret_hint
from dlt.common.configuration.specs.pluggable_run_context import PluggableRunContext
from dlt.common.configuration.utils import deserialize_value

from dub_source.destinations import DEFAULT_DATABASE, DEFAULT_DATASET, Target, check_dataset
from dub_source.errors import SettingsError
from dub_source.settings import Settings
from dub_source.source import dub
from dub_source.workspaces.names import (
    PREFIX,
    SECTION,
    check_known,
    checked_section,
    names_in_environment,
)

_PLACE: dict[str, Any] = {"destination": str, "dataset": str, "database": str}
_INTERNAL = {"merge_strategy", "keep_rows", "append_first", "observer"}
_API_KEY = "api_key"


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace, and where its customers go.

    Attributes:
        name: what the settings call it.
        target: its own place: ``runs.load(workspace.target, **workspace.options)``.
        options: arguments of :func:`~dub_source.source.dub` that the settings have for it, its key among
            them; not in the repr.
    """

    name: str
    target: Target
    options: Mapping[str, Any] = field(repr=False)


def select(
    names: Sequence[str] | None = None,
    *,
    destination: str = "duckdb",
    dataset: str = DEFAULT_DATASET,
    database: Path | str | None = None,
    keys: bool = True,
) -> list[Workspace]:
    """Some of the configured workspaces, or all of them; nothing is sent.

    A workspace has a dataset of its own, by default ``<dataset>_<name>``, and with DuckDB a file of its own,
    by default ``dub_customers_<name>.duckdb``. Its section may have ``destination``, ``dataset``,
    ``database`` and every argument of :func:`~dub_source.source.dub`.

    Args:
        names: which, in this order; None is all, sorted.
        destination: of those that name none.
        dataset: how the datasets begin of those that name none.
        database: the DuckDB file of those that name none, one for all of them.
        keys: whether each must have a key of its own; not for those who only look at what was loaded.

    Raises:
        SettingsError: if one is unknown, named twice, has no key, a setting that does not exist
            or cannot be used; if two of all that are configured have the same key or the same dataset.
        dlt's ConfigurationException: if a value has the wrong type, or dlt's files cannot be read.
    """
    providers = Container()[PluggableRunContext].providers.providers
    known = _names(providers)
    wanted = known if names is None else list(names)
    if not wanted:
        raise SettingsError(
            "There are no workspaces in the settings: give each a section such as "
            "[sources.dub.workspaces.acme] in .dlt/secrets.toml with its api_key, or set "
            f"{PREFIX}ACME__API_KEY."
        )
    check_known(wanted, known)
    for name in wanted:
        if wanted.count(name) > 1:
            raise SettingsError(f"The workspace {name} is named twice: name it once.")
    file = None if database is None else Path(database)
    found = {name: _workspace(providers, name, Target(destination, dataset), file) for name in known}
    for name in wanted if keys else ():
        _check_key(found[name])
    _check_distinct(list(found.values()))
    return [found[name] for name in wanted]


def _names(providers: Sequence[ConfigProvider]) -> list[str]:
    names = names_in_environment(os.environ)
    *sections, last = SECTION
    for provider in providers:
        section, _ = provider.get_value(last, dict[str, Any], None, *sections)
        if section is not None:
            names.update(checked_section(section))
    return sorted(names)


def _workspace(
    providers: Sequence[ConfigProvider], name: str, base: Target, database: Path | None
) -> Workspace:
    options = _values(providers, name)
    dataset = options.pop("dataset", f"{base.dataset}_{name}")
    own = database or DEFAULT_DATABASE.with_stem(f"{DEFAULT_DATABASE.stem}_{name}")
    target = Target(options.pop("destination", base.destination), dataset, Path(options.pop("database", own)))
    try:
        check_dataset(dataset)
    except SettingsError as error:
        raise SettingsError(f"The workspace {name} cannot have the dataset {dataset!r}: {error}") from None
    return Workspace(name, target, options)


def _values(providers: Sequence[ConfigProvider], name: str) -> dict[str, Any]:
    """What the section of a workspace has; of a setting in several places what dlt would take, too."""
    hints = _hints()
    sections = (*SECTION, name)
    _check_settings(providers, name, hints)
    values: dict[str, Any] = {}
    for setting, hint in hints.items():
        for provider in providers:
            value, _ = provider.get_value(setting, hint, None, *sections)
            if value is None:
                continue
            if is_secret_hint(hint) and not provider.supports_secrets:
                raise SettingsError(
                    f"The setting {setting} of the workspace {name} is secret: move it from .dlt/config.toml "
                    "to .dlt/secrets.toml."
                )
            values[setting] = _coerced(name, setting, value, hint)
            break
    return values


def _hints() -> dict[str, Any]:
    """The types of all settings that a workspace can have."""
    fields: Mapping[str, Any] = dub.ref.SPEC.get_resolvable_fields()
    return {name: hint for name, hint in fields.items() if name not in _INTERNAL} | _PLACE


def _check_settings(providers: Sequence[ConfigProvider], name: str, hints: Mapping[str, Any]) -> None:
    given: set[str] = set()
    for provider in providers:
        section, _ = provider.get_value(name, dict[str, Any], None, *SECTION)
        given.update(section if isinstance(section, Mapping) else ())
    start = f"{PREFIX}{name.upper()}__"
    given.update(each[len(start) :].lower() for each in os.environ if each.upper().startswith(start))
    for setting in sorted(given - hints.keys()):
        near = get_close_matches(setting, hints, 1, 0.6)
        meant = f" (did you mean {near[0]}?)" if near else ""
        raise SettingsError(
            f"The workspace {name} has a setting {setting}, which does not exist{meant}: correct it, or "
            "remove it."
        )


def _coerced(name: str, setting: str, value: Any, hint: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise SettingsError(
            f"The setting {setting} of the workspace {name} is empty: give it a value, or leave it out."
        )
    try:
        return deserialize_value(setting, value, extract_inner_hint(hint))
    except ConfigValueCannotBeCoercedException:
        # Its words hold the value.
        raise SettingsError(
            f"The setting {setting} of the workspace {name} has a value of the wrong type: correct it."
        ) from None


def _check_key(workspace: Workspace) -> None:
    name, key = workspace.name, workspace.options.get(_API_KEY)
    if key is None:
        raise SettingsError(
            f"The workspace {name} has no key of its own: set api_key under [sources.dub.workspaces.{name}] "
            f"in .dlt/secrets.toml, or {PREFIX}{name.upper()}__API_KEY."
        )
    try:
        Settings(api_key=key)
    except SettingsError as error:
        raise SettingsError(f"The workspace {name} cannot be used: {error}") from None


def _check_distinct(workspaces: Sequence[Workspace]) -> None:
    """No key and no dataset twice: a workspace would be loaded over another one, or at twice its limit."""
    keys: dict[str, str] = {}
    places: dict[tuple[Any, ...], str] = {}
    for each in workspaces:
        key, target = each.options.get(_API_KEY), each.target
        if key is not None and (other := keys.setdefault(key.strip(), each.name)) != each.name:
            raise SettingsError(
                f"The workspaces {other} and {each.name} have the same key, so they are one workspace: give "
                "each its own, or remove one."
            )
        file = target.database.resolve() if target.destination == "duckdb" else None
        place = (target.destination, target.dataset, file)
        if (other := places.setdefault(place, each.name)) != each.name:
            raise SettingsError(
                f"The workspaces {other} and {each.name} have the same dataset {target.dataset!r}, and one "
                "dataset holds one workspace: give each its own."
            )
