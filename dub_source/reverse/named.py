"""By what somebody names the persons who are to be erased."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

from dub_source.errors import InvalidArgument, SettingsError
from dub_source.reverse.files import file_rows

_COLUMNS = {"id": "ids", "external_id": "external_ids", "email": "emails"}


@dataclass(frozen=True, slots=True)
class Named:
    """By what somebody names persons.

    Attributes:
        ids: Dub's ids.
        external_ids: exactly as they are.
        emails: whatever the case of their letters.
    """

    ids: Sequence[str] = field(default=(), repr=False)
    external_ids: Sequence[str] = field(default=(), repr=False)
    emails: Sequence[str] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        """Raise InvalidArgument for nothing, an empty one, one that is no text, and an external id as id."""
        for each in fields(self):
            names = getattr(self, each.name)
            # A text is a sequence of texts, too: "17" would be the persons 1 and 7.
            if isinstance(names, str) or not all(isinstance(name, str) for name in names):
                raise InvalidArgument(f"The {each.name} of persons must be a list of texts.")
            object.__setattr__(self, each.name, tuple(names))
        given = (*self.ids, *self.external_ids, *self.emails)
        if not given:
            raise InvalidArgument("Nobody is named: give ids, external ids or email addresses.")
        if any(not each.strip() for each in given):
            raise InvalidArgument("An id, external id or email address that is named is empty: leave it out.")
        if any("\ud800" <= character <= "\udfff" for each in given for character in each):
            raise InvalidArgument(
                "An id, external id or email address that is named holds half a character: write it as UTF-8."
            )
        if any(each.startswith("ext_") for each in self.ids):
            raise InvalidArgument("An id that is named begins with ext_: give the rest of it as external id.")


def named_in(file: Path) -> Named:
    """The names in a Parquet, CSV or JSONL file, in its columns ``id``, ``external_id`` and ``email``.

    A request need not have all of them; other columns mean nothing.

    Raises:
        SettingsError: if the file cannot be read, or names nobody.
    """
    with file_rows(file.name, file.parent) as rows:
        places = {name: place for place, name in enumerate(rows.names) if name in _COLUMNS}
        if not places:
            raise SettingsError(
                f"The file {file.name} has none of the columns {', '.join(_COLUMNS)}, and so names nobody."
            )
        found: dict[str, list[str]] = {name: [] for name in places}
        for batch in rows.batches(list(places.values())):
            for name, values in zip(places, batch, strict=True):
                found[name] += _texts(values, f"The column {name} of the file {file.name}")
    if not any(found.values()):
        raise SettingsError(f"The file {file.name} names nobody: {', '.join(places)} are empty in all rows.")
    return Named(**{_COLUMNS[name]: tuple(dict.fromkeys(values)) for name, values in found.items()})


def _texts(values: Sequence[object], called: str) -> list[str]:
    given = [each for each in values if each is not None and each != ""]
    if any(not isinstance(each, str) for each in given):
        raise SettingsError(f"{called} does not hold texts, and as numbers ids are not themselves any more.")
    return [each for each in given if isinstance(each, str)]
