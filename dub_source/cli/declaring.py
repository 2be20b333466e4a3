"""From the arguments of ``plan`` to a declared sync."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dub_source.reverse.sync_file import Sync

_FILES = (".parquet", ".csv", ".jsonl", ".ndjson")
_OTHER_FILES = (".tsv", ".txt", ".xls", ".xlsx", ".gz", ".zip")
"""Handed in as well, and nobody's names of tables: what reads files says which it reads."""
_QUERY = re.compile(r"\s*(--[^\n]*\n\s*|/\*.*?\*/\s*)*\(*\s*(select|with)\b", re.IGNORECASE | re.DOTALL)


def declared(source: str, *, mapping: Sequence[str], **options: Any) -> tuple[Sync, Path | None]:
    """The sync that arguments declare, and the folder where paths in it begin.

    Args:
        source: the path of a sync file or of a file of rows, the name of a table, or a query.
        mapping: texts ``column=column of the source``.
        options: settings of a sync; None, or an empty tuple, is not given. Of a sync file, they replace what
            it says.

    Raises:
        SettingsError: if they cannot be right.
    """
    from dub_source.reverse.sync_file import Sync, read_sync

    given: dict[str, Any] = {
        name: value for name, value in options.items() if value is not None and value != ()
    }
    if mapping:
        given["mapping"] = _mapping(mapping)
    if source.strip().lower().endswith(".toml"):
        path = Path(source.strip())
        return replace(read_sync(path), **given), path.parent
    given[_kind(source)] = source
    return Sync(**given), None


def _kind(source: str) -> str:
    if _QUERY.match(source):
        return "query"
    text = source.strip()
    if text.lower().endswith(_FILES + _OTHER_FILES) or "/" in text or "\\" in text:
        return "file"
    return "table"


def _mapping(texts: Sequence[str]) -> dict[str, str]:
    from dub_source.errors import SettingsError

    mapping: dict[str, str] = {}
    for text in texts:
        column, sign, theirs = text.partition("=")
        if not (column.strip() and sign and theirs.strip()):
            raise SettingsError(
                "A --map must say column=column of the source, such as --map email=primary_email."
            )
        if column.strip() in mapping:
            raise SettingsError(f"The column {column.strip()} is mapped twice with --map: leave one of them.")
        mapping[column.strip()] = theirs.strip()
    return mapping
