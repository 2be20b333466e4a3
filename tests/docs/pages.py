"""The README and the pages in docs/, and what stands in them."""

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_WORKFLOW = re.compile(r"\$\{\{.*?\}\}")


@dataclass(frozen=True)
class Block:
    """A fenced block: the page it stands on, its language, its text."""

    page: str
    language: str
    text: str


def name_of(page: Path) -> str:
    """README.md, docs/modes.md."""
    return str(page.relative_to(ROOT))


def text_of(page: Path) -> str:
    """What stands on it."""
    return page.read_text(encoding="utf-8")


def _block(page: str, language: str, text: str) -> Block:
    if language == "console":  # a shell with its prompt; what stands without one is what it answered
        typed = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
        return Block(page, "sh", "\n".join(typed))
    return Block(page, language, text)


BLOCKS = [
    _block(name_of(page), language, text)
    for page in PAGES
    for language, text in _FENCED.findall(text_of(page))
]


def blocks(language: str, containing: str = "") -> list[Block]:
    """The blocks of this language."""
    return [block for block in BLOCKS if block.language == language and containing in block.text]


def block(language: str, containing: str = "") -> str:
    """The text of the one block of this language that contains this."""
    (found,) = blocks(language, containing)
    return found.text


def inline() -> Iterator[tuple[str, str]]:
    """Code within sentences and tables, with the name of its page."""
    for page in PAGES:
        for code in _INLINE.findall(_FENCED.sub("", text_of(page))):
            yield name_of(page), code


def lines(text: str) -> list[str]:
    """The commands of a block for a shell, continued lines in one."""
    return [line for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]


def words(line: str) -> list[str]:
    """The first command of a line, without what the shell makes of the rest of it."""
    lexer = shlex.shlex(_WORKFLOW.sub("acme", line), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    found = list(lexer)
    end = next((place for place, word in enumerate(found) if set(word) <= set("<>&|;")), None)
    return found[:end]


def program_arguments(line: str) -> list[str] | None:
    """What dub-source is given in this line, wherever in the line it stands; None where it is not called."""
    command = re.search(r"(?:^|[\s/=(])(dub-source [a-z].*)", line.partition(" #")[0])
    return None if command is None else words(command[1].removesuffix(')"'))[1:]
