"""A sync as it is declared: where the desired state comes from, and what may be done about it.

Built from options, or read from a small TOML file that is versioned and reviewed::

    # syncs/crm_names.toml
    table = "crm.people"
    key = "external_id"
    clear_nulls = ["name"]

    [mapping]
    name = "full_name"
    external_id = "user_id"
"""

import hashlib
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypeAlias, get_args

from dub_source.errors import SettingsError
from dub_source.reverse.fields import CREATE_ONLY, KEYS, PLANNED, READ_ONLY, WRITABLE

SyncMode: TypeAlias = Literal["update", "upsert", "create", "delete", "mirror"]
Key: TypeAlias = Literal["id", "external_id"]

DEFAULT_DELETE_SHARE = 0.1
"""Of the customers in the mirror, those that a plan may delete."""
DEFAULT_AGE_H = 24.0

_CREATING = ("create", "upsert", "mirror")
_CLEARABLE = tuple(column for column in WRITABLE if column != "external_id")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._\-]{0,99}")
_PART = r'[^\s."\x00-\x1f\x7f][^."\x00-\x1f\x7f]*'
_TABLE = re.compile(rf"{_PART}(\.{_PART}){{0,2}}")
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]+://")
_LARGEST_FILE = 1_000_000
_A_CENTURY_H = 100 * 366 * 24.0


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from; exactly one of them is given.

    Attributes:
        table: a table or view of the pipeline's destination: ``people`` in the pipeline's dataset,
            ``crm.people`` in another one, ``warehouse.crm.people`` in another database.
        query: one SELECT in the pipeline's destination.
        file: a Parquet, CSV or JSONL file on this machine.
    """

    table: str | None = None
    # It may name people: WHERE email = ...
    query: str | None = field(default=None, repr=False)
    file: str | None = None

    def __post_init__(self) -> None:
        given = [each.name for each in fields(self) if getattr(self, each.name) is not None]
        if len(given) != 1:
            what = f"It has {' and '.join(given)}" if given else "It has none of them"
            raise SettingsError(
                f"A sync takes its rows from a table, a query or a file: name exactly one. {what}."
            )
        text = getattr(self, given[0])
        _check_kind(
            given[0], text.strip() if isinstance(text, str) else text, str, "a text that is not empty"
        )
        if self.table is not None and not _TABLE.fullmatch(self.table):
            raise SettingsError(
                "The table of a sync must be a name such as people or crm.people: correct it, "
                "or select from the table in a query."
            )
        if self.query is None and _ADDRESS.match(text):
            raise SettingsError(
                f"The {given[0]} of a sync must not be somewhere else, and this is an address: "
                "download it first, or load it into the warehouse and name the table."
            )

    @property
    def name(self) -> str:
        """A short name that is the same in every run, and holds nothing of a query but a digest."""
        if self.query is not None:
            return f"query {hashlib.sha256(self.query.strip().encode('utf-8', 'replace')).hexdigest()[:12]}"
        return f"table {self.table}" if self.table is not None else f"file {self.file}"


@dataclass(frozen=True, slots=True)
class Sync:
    """One declared sync; raises SettingsError, with one sentence, for what cannot be right.

    Attributes:
        table: the source of the desired state; see :class:`Source`.
        query: the same.
        file: the same; a relative path counts from the folder of the TOML file, else from the current one.
        name: who owns the customers that the sync creates. If it is left out, it follows from the source.
        key: by which column customers are named.
        mapping: columns of a customer (those that can be written, or the key) -> columns of the source. With
            a mapping of more than the key, columns that are not in it are left alone.
        sync_mode: update (only customers that exist), upsert (create the others), create (nothing else),
            delete (the customers named), mirror (upsert, and delete what is no longer named).
        clear_nulls: columns in which NULL clears the field, where it otherwise leaves it alone.
        allow_swaps: whether two customers may exchange external ids, through a temporary one.
        try_ignored: whether to send updates that Dub is known to ignore (country).
        max_deletes: how many customers a plan may delete; None leaves it to the share.
        max_delete_share: of the customers in the mirror, how many a plan may delete (0 to 1).
        owns: of mode mirror, whom it may delete besides those that it created: a source with a column ``id``.
        max_mirror_age_h: hours since the last load, after which no plan is made.
        max_plan_age_h: hours since it was made, after which a plan is not applied.
    """

    table: str | None = None
    query: str | None = field(default=None, repr=False)
    file: str | None = None
    name: str = ""
    key: Key = "id"
    mapping: Mapping[str, str] = field(default_factory=dict)
    sync_mode: SyncMode = "update"
    clear_nulls: tuple[str, ...] = ()
    allow_swaps: bool = False
    try_ignored: bool = False
    max_deletes: int | None = None
    max_delete_share: float = DEFAULT_DELETE_SHARE
    owns: Source | None = None
    max_mirror_age_h: float = DEFAULT_AGE_H
    max_plan_age_h: float = DEFAULT_AGE_H

    def __post_init__(self) -> None:
        if self.name == "":
            object.__setattr__(self, "name", self.source.name)
        elif self.name != self.source.name:
            _check_name(self.name)
        _check_choice("key", self.key, get_args(Key))
        _check_choice("sync_mode", self.sync_mode, get_args(SyncMode))
        self._check_mapping()
        self._check_clear_nulls()
        for switch in ("allow_swaps", "try_ignored"):
            _check_kind(switch, getattr(self, switch), bool, "true or false")
        self._check_numbers()
        if self.key == "id" and self.sync_mode in ("create", "upsert"):
            raise SettingsError(
                f"The sync_mode {self.sync_mode} creates customers, who have no id yet: "
                "set key to external_id."
            )
        _check_kind(
            "setting owns", self.owns, Source | None, 'a source, such as owns = { table = "crm.ours" }'
        )
        if self.owns is not None and self.sync_mode != "mirror":
            raise SettingsError(
                f"The setting owns says whom a mirror may delete, and the sync_mode is {self.sync_mode}: "
                "leave it out, or set sync_mode to mirror."
            )

    @property
    def source(self) -> Source:
        """Where the desired state comes from."""
        return Source(self.table, self.query, self.file)

    @property
    def creates(self) -> bool:
        """Whether the mode makes customers that do not exist."""
        return self.sync_mode in _CREATING

    def _check_mapping(self) -> None:
        _check_kind("mapping", self.mapping, Mapping, 'a table of columns, such as email = "primary_email"')
        for column, theirs in self.mapping.items():
            if column != self.key:
                self._check_mapped(column)
            _check_kind(f"mapping of {column}", theirs, str, "the name of a column of the source")

    def _check_mapped(self, column: object) -> None:
        if column in READ_ONLY or (column in KEYS and column not in PLANNED):
            raise SettingsError(
                f"The column {column} cannot be written to Dub: take it out of the mapping. "
                f"What can be is {', '.join(WRITABLE)}."
            )
        if column not in PLANNED:
            raise SettingsError(
                f"The mapping names {_shown(column)}, which no customer has{_meant(column, PLANNED)}: "
                "write it as column of the customer = column of the source."
            )

    def _check_clear_nulls(self) -> None:
        _check_kind("clear_nulls", self.clear_nulls, (list, tuple), 'a list of columns, such as ["email"]')
        object.__setattr__(self, "clear_nulls", tuple(self.clear_nulls))
        for column in self.clear_nulls:
            if column in ("external_id", *CREATE_ONLY):
                raise SettingsError(
                    f"The column {column} cannot be cleared, because Dub refuses that: "
                    "take it out of clear_nulls."
                )
            if column not in _CLEARABLE:
                raise SettingsError(
                    f"The setting clear_nulls names {_shown(column)}, which cannot be written"
                    f"{_meant(column, _CLEARABLE)}: it may hold {', '.join(_CLEARABLE)}."
                )

    def _check_numbers(self) -> None:
        if self.max_deletes is not None:
            _check_kind("max_deletes", self.max_deletes, int, "a whole number from 0 up")
            _check_number("max_deletes", self.max_deletes, "a whole number from 0 up", most=math.inf)
        _check_number("max_delete_share", self.max_delete_share, "a number from 0 to 1", most=1)
        for name in ("max_mirror_age_h", "max_plan_age_h"):
            _check_number(name, getattr(self, name), "a number of hours from 0 up", most=_A_CENTURY_H)


def read_sync(path: Path) -> Sync:
    """The sync that a TOML file declares; its name is the file's, unless it says another one.

    Raises:
        SettingsError: if it cannot be read, or says what no sync knows or can be.
    """
    shown = path.name
    try:
        if not path.is_file():
            raise SettingsError(f"There is no sync file {shown}: check its path.")
        if path.stat().st_size > _LARGEST_FILE:
            raise SettingsError(f"The file {shown} is too large for a sync: it must be a small TOML file.")
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        # The words of the parser may hold what is written there; where it is, is enough.
        line = re.search(r"line [0-9]+", str(error))
        raise SettingsError(f"The sync file {shown} is no TOML{f' in {line[0]}' if line else ''}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"The sync file {shown} cannot be read ({type(error).__name__}).") from None
    try:
        return _sync(values, stem=path.stem)
    except SettingsError as error:
        raise SettingsError(f"{error} It is in the sync file {shown}.") from None


def _sync(values: dict[str, Any], *, stem: str) -> Sync:
    _refuse_unknown(values, [each.name for each in fields(Sync)], "A sync")
    given = {"name": stem} | values
    if not given["name"]:
        raise SettingsError("The name of a sync must not be empty: leave it out, and it is the file's.")
    owns = given.get("owns")
    if isinstance(owns, dict):
        _refuse_unknown(owns, [each.name for each in fields(Source)], "The source in owns")
        given["owns"] = Source(**owns)
    return Sync(**given)


def _refuse_unknown(values: Mapping[str, Any], known: list[str], what: str) -> None:
    for name in values:
        if name not in known:
            raise SettingsError(
                f"{what} has no setting {_shown(name)}{_meant(name, known)}: it knows {', '.join(known)}."
            )


def _check_name(name: object) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise SettingsError(
            "The name of a sync must be at most 100 letters, digits, blanks, dots, dashes and "
            "underscores: choose one such as crm_names."
        )


def _check_kind(name: str, value: object, kind: Any, wanted: str) -> None:
    if not isinstance(value, kind) or value == "":
        raise SettingsError(f"The {name} of a sync must be {wanted}.")


def _check_choice(name: str, value: object, choices: tuple[str, ...]) -> None:
    if not isinstance(value, str) or value not in choices:
        raise SettingsError(
            f"The {name} of a sync must be one of {', '.join(choices)}{_meant(value, choices)}."
        )


def _check_number(name: str, value: object, wanted: str, *, most: float) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, int | float)
        or not math.isfinite(value)
        or not 0 <= value <= most
    ):
        raise SettingsError(f"The {name} of a sync must be {wanted}.")


def _shown(name: object) -> str:
    """A name that somebody wrote where a setting or a column belongs; anything else is not repeated."""
    if isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9_\-]{1,63}", name):
        return name
    return "something"


def _meant(name: object, known: list[str] | tuple[str, ...]) -> str:
    near = get_close_matches(name.lower(), known, 1, 0.5) if isinstance(name, str) else []
    return f" (did you mean {near[0]}?)" if near else ""
