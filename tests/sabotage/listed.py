"""The list of sabotages, and what must be true of it."""

import ast
import tomllib
from dataclasses import dataclass
from pathlib import Path

LIST = Path(__file__).parent / "sabotages.toml"
FEWEST = 30


@dataclass(frozen=True)
class Sabotage:
    """Text that stands in a file exactly once, and what it is replaced by.

    ``breaks`` is the promise that does not hold then, ``tests`` are those that must notice, as pytest takes
    them.
    """

    name: str
    breaks: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]

    def applied(self, text: str) -> str:
        """The sabotaged text of the file.

        Raises:
            ValueError: if the list does not fit to the file any more.
        """
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: the old text is {text.count(self.old)} times in {self.file}.")
        sabotaged = text.replace(self.old, self.new)
        try:
            is_other = ast.dump(ast.parse(sabotaged)) != ast.dump(ast.parse(text))
        except SyntaxError:
            raise ValueError(f"{self.name}: the new text makes {self.file} no Python.") from None
        if not is_other:
            raise ValueError(f"{self.name}: the new text means the same as the old one.")
        return sabotaged


def sabotages() -> list[Sabotage]:
    """All sabotages of the list."""
    entries = tomllib.loads(LIST.read_text(encoding="utf-8"))["sabotage"]
    return [Sabotage(**{**entry, "tests": tuple(entry["tests"])}) for entry in entries]
