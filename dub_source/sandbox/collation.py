"""How the sandbox's database compares strings: MySQL's ``utf8mb4_unicode_ci``.

The recordings of Dub's server were made under this collation. It ignores case, accents and
trailing spaces, and holds all characters beyond U+FFFF equal. Two strings are equal to the
database exactly when their :func:`collate` keys are equal; ids sort by :func:`id_key`.
"""

import unicodedata

_REPLACEMENT = "\ufffd"  # the one weight that UCA 4.0.0 gives to every supplementary character


def collate(text: str) -> str:
    """The comparison key of a string: equal keys mean equal to the database."""
    if text.isascii():
        return text.lower().rstrip(" ")
    plain = "".join(
        _REPLACEMENT if ord(character) > 0xFFFF else character
        for character in unicodedata.normalize("NFKD", text)
        if not unicodedata.combining(character)
    )
    return plain.casefold().rstrip(" ")


def id_key(customer_id: str) -> str:
    """The sort key of an id: punctuation sorts before digits, digits before letters."""
    return collate(customer_id).replace("_", "!")
