"""What a warehouse shall not know about people: columns that are left out, columns that are hashed.

Applied to the rows before they are written anywhere: the spool, the destination, its history and its state
hold what is left. A hashed column still tells equal from different, and joins with what other systems hash
in the same way::

    hmac.new(key, value.encode("utf-8"), "sha256").hexdigest()

The value is hashed exactly as Dub shows it, case included, in every column alike. External ids are told
apart by case, and "lower case" is not the same in Python, SQL and spreadsheets beyond ASCII; so what joins
is whatever shows the same text, with no rule for emails that people would have to know of. Where another
system writes addresses in another case than Dub, bring both to one (in Dub, or before hashing there).

How far it reaches:

- The name of an object (``partner``) stands for all its columns, those that Dub adds later included.
- Objects that Dub adds are one text column of JSON. They go as a whole if one of their fields is excluded or
  hashed (``metadata__phone``), and so do the entries of ``other_fields`` under a name that is.
- Dub shows the email as the name of a customer who has none. Such a name is null if the email is excluded or
  hashed, unless names are, too.
- All else is taken at its word. An email that also is somebody's external id, link, avatar or part of a text
  stays there: exclude or hash these columns as well, and ``other_fields`` if nothing unforeseen may pass.
- Hashes hide values only as long as the key is secret: emails are few enough to be tried one by one.
"""

import hashlib
import hmac
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import Any, Self

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from dlt.common.normalizers.naming.snake_case import NamingConvention

from dub_source.errors import SettingsError
from dub_source.schema import COLUMNS, EXPANDED_COLUMNS
from dub_source.unknown_fields import OTHER_FIELDS, json_text

_SHORTEST_KEY = 16
_NEEDED = frozenset(
    "id row_hash name_generated observed_at deleted_at version_key change changed_fields".split()
)
"""What tells customers and their versions apart; holds nothing that people would recognise."""
_KNOWN = dict((COLUMNS | EXPANDED_COLUMNS).values())
# Longer ones, and those that begin with an underscore, are in other_fields.
_NAME = re.compile(r"(?!.*___)[a-z][a-z0-9_]{0,62}")
_NAMING = NamingConvention()


@dataclass(frozen=True, slots=True)
class Privacy:
    """Columns to leave out and columns to hash, by their names in the warehouse.

    A name that no table has is no fault: Dub may add the field later (see ``unknown``). Neither the key nor
    anything to guess it by is in ``repr``, errors or ``fingerprint``.

    Args:
        exclude: columns, or objects (``partner``), that are left out.
        hashed: text columns, or objects, whose values are replaced by hashes.
        key: the secret of the hashes, at least 16 characters; white space around it is ignored. Needed only
            if there is something to hash.

    Raises:
        SettingsError: for a name that is no column's or that rows cannot do without, for a column that is no
            text or is to be both left out and hashed, and for a key that is missing or too short.
    """

    exclude: frozenset[str] = frozenset()
    hashed: frozenset[str] = frozenset()
    key: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for setting, own in (("exclude_columns", "exclude"), ("hash_columns", "hashed")):
            object.__setattr__(self, own, _checked_names(setting, getattr(self, own)))
        for name in sorted(self.exclude):
            if _covers(self.hashed, name) or any(_covers({name}, each) for each in self.hashed):
                raise SettingsError(
                    f"The column {name} is to be left out and hashed at once: take it out of exclude_columns "
                    "or out of hash_columns."
                )
        for name, kind in _KNOWN.items():
            if _covers(self.hashed, name) and not pa.types.is_string(kind):
                raise _no_text(name)
        object.__setattr__(self, "key", _checked_key(self.key) if self.hashed else None)

    @classmethod
    def configured(cls, exclude: Any, hashed: Any, key: str | None) -> Self:
        """The same from settings as they come: lists of names, or None for none; anything else is refused."""
        left_out: Any = () if exclude is None else exclude
        replaced: Any = () if hashed is None else hashed
        return cls(left_out, replaced, key)

    def __bool__(self) -> bool:
        return bool(self.exclude or self.hashed)

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits that change when the names or the key do; without hashes, no key matters."""
        # The hash of a text that no value is: it has a control character.
        of_key = _hash(self.key, "\x00fingerprint") if self.key else None
        settings = orjson.dumps([sorted(self.exclude), sorted(self.hashed), of_key])
        return hashlib.sha256(settings).hexdigest()[:16]

    @property
    def unknown(self) -> frozenset[str]:
        """Names that are not among the columns known today: perhaps a coming field's, perhaps misspelt."""
        known = {*_KNOWN, OTHER_FIELDS}
        return frozenset(
            name for name in self.exclude | self.hashed if not any(_covers({name}, each) for each in known)
        )

    def applied(self, table: pa.Table) -> pa.Table:
        """The table without the excluded columns, the hashed ones as text of 64 hexadecimal digits.

        Nulls stay null, the order of rows and columns stays as it is.
        """
        if not self:
            return table
        table = self._without_email_as_name(table)
        table = table.select([name for name in table.column_names if not self._goes(name)])
        for number, column in enumerate(table.schema):
            if _covers(self.hashed, column.name):
                table = table.set_column(number, column.name, self._hashes(column, table.column(number)))
            elif column.name == OTHER_FIELDS:
                table = table.set_column(number, column.name, self._without_entries(table.column(number)))
        return table

    def _goes(self, name: str) -> bool:
        return _covers(self.exclude, name) or (name not in _KNOWN and self._is_over(name))

    def _is_over(self, name: str) -> bool:
        """Whether an object of that name has a field that is excluded or hashed."""
        return any(_covers({name}, each) and each != name for each in self.exclude | self.hashed)

    def _hashes(self, column: pa.Field, values: pa.ChunkedArray) -> pa.Array:
        if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
            raise _no_text(column.name)
        key = self.key or ""
        # Each distinct text once: a few partners stand in most rows.
        encoded = values.combine_chunks().dictionary_encode()
        hashes = [_hash(key, value) for value in encoded.dictionary.to_pylist()]
        return pa.array(hashes, type=pa.string()).take(encoded.indices)

    def _without_email_as_name(self, table: pa.Table) -> pa.Table:
        """An empty name reads back as the email (recorded), which it must not give away."""
        protected = self.exclude | self.hashed
        if not _covers(protected, "email") or _covers(protected, "name"):
            return table
        if not {"name", "email"} <= set(table.column_names):
            return table
        number = table.schema.get_field_index("name")
        shown = pc.fill_null(pc.equal(table["name"], table["email"]), False)
        names = pc.if_else(shown, pa.scalar(None, table["name"].type), table["name"])
        return table.set_column(number, table.schema.field(number), names)

    def _without_entries(self, values: pa.ChunkedArray) -> pa.Array:
        return pa.array([each and self._allowed(each) for each in values.to_pylist()], type=pa.string())

    def _allowed(self, text: str) -> str | None:
        """What is left of one customer's other fields; they stand there under their names on the wire."""
        try:
            entries = orjson.loads(text)
        except orjson.JSONDecodeError:
            return None  # Deeper than orjson reads: what it holds cannot be told.
        left = {name: value for name, value in entries.items() if not self._is_protected(name)}
        if len(left) == len(entries):
            return text
        return json_text(left) if left else None

    def _is_protected(self, wire_name: str) -> bool:
        if not re.search("[A-Za-z0-9]", wire_name):
            return False
        name = _NAMING.normalize_identifier(wire_name)
        return _covers(self.exclude | self.hashed, name) or self._is_over(name)


def _covers(names: Iterable[str], column: str) -> bool:
    """Whether a column is among the names, or a field of an object that is."""
    return any(column == name or column.startswith(f"{name}__") for name in names)


def _hash(key: str, value: str) -> str:
    return hmac.digest(key.encode(), value.encode(), "sha256").hex()


def _checked_names(setting: str, names: object) -> frozenset[str]:
    # A single text is a collection of texts, too: its letters.
    if isinstance(names, str) or not isinstance(names, Collection):
        raise SettingsError(f'The setting {setting} must be a list of columns, such as ["email", "name"].')
    for name in names:
        _check_name(setting, name)
    return frozenset(names)


def _check_name(setting: str, name: object) -> None:
    if not isinstance(name, str) or not re.fullmatch("[A-Za-z0-9_]{1,63}", name):
        # Not repeated: it may be anything, an address that was put where its column belongs included.
        raise SettingsError(
            f"The setting {setting} holds something that is no column: name columns as the warehouse does, "
            "such as external_id or partner__email."
        )
    if name in _NEEDED:
        raise SettingsError(
            f"The column {name} cannot be in {setting}, because rows are told apart by it or it says what "
            "became of them: take it out; it holds nothing personal."
        )
    column = _NAMING.normalize_path(name)
    if column != name or not _NAME.fullmatch(name):
        raise SettingsError(
            f"The setting {setting} holds {name}, which no column is called: name columns as the warehouse "
            f"does{f', {column}' if column != name and _NAME.fullmatch(column) else ''}."
        )


def _checked_key(key: object) -> str:
    """The key without white space around it, which files and shells like to add."""
    if not isinstance(key, str) or not key.strip():
        raise SettingsError(
            "hash_columns needs a secret to hash with: set hash_key, as SOURCES__DUB__HASH_KEY or under "
            "[sources.dub] in .dlt/secrets.toml, to a random text, and keep it."
        )
    key = key.strip()
    if len(key) < _SHORTEST_KEY or not _is_unicode(key):
        raise SettingsError(
            f"The setting hash_key must be a text of at least {_SHORTEST_KEY} characters, because shorter "
            "secrets can be found by trying: set it to a random text, and keep it."
        )
    return key


def _is_unicode(text: str) -> bool:
    """Bytes of the environment that are no UTF-8 become half characters, which nothing encodes."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _no_text(name: str) -> SettingsError:
    return SettingsError(
        f"The column {name} is no text, so its hash would be easy to guess: put it into exclude_columns "
        "instead of hash_columns."
    )
