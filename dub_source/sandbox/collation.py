"""How the sandbox's database compares strings: MySQL's ``utf8mb4_unicode_ci``.

The recordings of Dub's server were made under this collation. It compares only the primary weights of
the Unicode Collation Algorithm 4.0.0: case, accents, kana forms, trailing spaces and invisible characters
make no difference, punctuation does, and all characters beyond U+FFFF are equal to each other. Two strings
are equal to the database exactly when their :func:`collate` keys are equal; ids sort by :func:`id_key`.
"""

import unicodedata

_SUPPLEMENTARY = "\ufffd"  # UCA 4.0.0 in MySQL gives one weight to every character beyond U+FFFF
_WEIGHTED_CONTROLS = "\t\n\v\f\r\x85"  # the other control characters weigh nothing
_VIRAMA = 9  # the one class of combining marks that has a primary weight
_NO_WEIGHT = frozenset("\u034f" + "".join(map(chr, range(0xFE00, 0xFE10))))  # joiner, variation selectors

_LARGE_KANA = dict(zip("ぁぃぅぇぉっゃゅょゎゕゖ", "あいうえおつやゆよわかけ", strict=True))
_ONE_LETTER = str.maketrans(
    {
        "æ": "ae",
        "œ": "oe",
        **_LARGE_KANA,
        **{chr(kana): _LARGE_KANA.get(chr(kana - 0x60), chr(kana - 0x60)) for kana in range(0x30A1, 0x30F7)},
    }
)
# All that sorts before the digits, in the order of UCA 4.0.0, which is not the order of ASCII.
_BEFORE_DIGITS = _WEIGHTED_CONTROLS + " _-,;:!?.'\"()[]{}@*/\\&#%`^+<=>|~$"
_ID_ORDER = {ord(character): chr(rank) for rank, character in enumerate(_BEFORE_DIGITS, 1)}


def collate(text: str) -> str:
    """The comparison key of a string: equal keys mean equal to the database."""
    if text.isascii() and text.isprintable():
        return text.lower().rstrip(" ")
    within_plane = "".join(_SUPPLEMENTARY if ord(character) > 0xFFFF else character for character in text)
    weighted = (each for each in unicodedata.normalize("NFKD", within_plane) if not _is_weightless(each))
    return "".join(weighted).casefold().translate(_ONE_LETTER).rstrip(" ")


def id_key(customer_id: str) -> str:
    """The sort key of an id: punctuation sorts before digits, digits before letters."""
    return collate(customer_id).translate(_ID_ORDER)


def _is_weightless(character: str) -> bool:
    category = unicodedata.category(character)
    if category == "Cc":
        return character not in _WEIGHTED_CONTROLS
    if category in ("Cf", "Me") or character in _NO_WEIGHT:
        return True
    return unicodedata.combining(character) not in (0, _VIRAMA)
