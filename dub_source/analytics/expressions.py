"""Expressions of SQL in DuckDB's dialect that sqlglot can write in every other one.

Days and months are those of UTC. Months are counted by numbers: series of dates, intervals, and dates made of
numbers are not portable.
"""


def day(column: str) -> str:
    """The day of a moment."""
    # A cast alone would take the day of the session's time zone.
    return f"CAST({column} AT TIME ZONE 'UTC' AS DATE)"


def month(column: str) -> str:
    """The first day of the month of a moment."""
    return f"CAST(DATE_TRUNC('month', {day(column)}) AS DATE)"


def month_number(column: str) -> str:
    """Months since the year 0, which can be subtracted in every dialect."""
    date = day(column)
    return f"(EXTRACT(YEAR FROM {date}) * 12 + EXTRACT(MONTH FROM {date}) - 1)"


def month_of_number(number: str) -> str:
    """The first day of such a month."""
    year = f"CAST(FLOOR({number} / 12) AS INT)"
    month = f"CAST({number} - 12 * FLOOR({number} / 12) + 1 AS INT)"
    text = f"CAST({year} AS TEXT) || '-' || LPAD(CAST({month} AS TEXT), 2, '0') || '-01'"
    return f"CAST({text} AS DATE)"


def seconds(start: str, end: str) -> str:
    """Whole seconds between two moments."""
    # Of whole seconds: dialects round a difference in different ways. In UTC: Postgres has no difference of
    # moments, and local times jump with the season.
    whole = (f"DATE_TRUNC('second', {each} AT TIME ZONE 'UTC')" for each in (start, end))
    return f"DATE_DIFF('second', {', '.join(whole)})"


def share(part: str, whole: str) -> str:
    """A part of a whole, 0 to 1; null if that is nothing."""
    return f"CASE WHEN {whole} > 0 THEN CAST({part} AS DOUBLE) / {whole} END"


_DIGITS = " UNION ALL ".join(f"SELECT {digit} AS digit" for digit in range(10))
NUMBERS = (
    f"digits AS ({_DIGITS}), "
    "numbers AS (SELECT a.digit + 10 * b.digit + 100 * c.digit AS number "
    "FROM digits AS a CROSS JOIN digits AS b CROSS JOIN digits AS c)"
)
"""Common tables; ``numbers`` has 0 to 999, as months 83 years."""
