"""Pictures and a page of tables of whatever results are there; the page names command, versions and date."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.drawings import DRAWINGS
from benchmarks.failure import BenchmarkFailed
from benchmarks.loaders import LOADERS
from benchmarks.report import Cell, Table, written
from benchmarks.svg import Theme, svg
from benchmarks.writers import WRITERS

_PAGE = "README.md"
_THEMES: dict[Theme, str] = {"light": "", "dark": "-dark"}
Results = Mapping[str, Mapping[str, Any]]


def draw(folder: Path) -> list[Path]:
    """Draw each picture that there are results for, in light and dark, and write the page.

    Args:
        folder: of the results, and for what is drawn.

    Returns:
        The files that were written.

    Raises:
        BenchmarkFailed: if there is no result.
    """
    results = {
        path.stem: told for path in sorted(folder.glob("*.json")) if (told := written(path.stem, folder))
    }
    if not results:
        raise BenchmarkFailed("There is no result to draw: run python -m benchmarks first.")
    files: list[Path] = []
    pictures: list[str] = []
    for drawing in DRAWINGS:
        rows = rows_of(results, drawing.prefix)
        described = drawing.describe(rows) if rows else None
        if described is None:
            continue
        for theme, suffix in _THEMES.items():
            path = folder / f"{drawing.name}{suffix}.svg"
            path.write_text(svg(described, theme) + "\n", encoding="utf-8")
            files.append(path)
        pictures.append(_picture(drawing.name, drawing.title))
    page = folder / _PAGE
    page.write_text("\n\n".join(_page(results, pictures)) + "\n", encoding="utf-8")
    return [*files, page]


def rows_of(results: Results, prefix: str) -> list[dict[str, Any]]:
    """The rows of all results whose names begin so."""
    return [row for name, told in results.items() if name.startswith(prefix) for row in told["results"]]


def _picture(name: str, title: str) -> str:
    return (
        f'<picture><source media="(prefers-color-scheme: dark)" srcset="{name}-dark.svg">'
        f'<img src="{name}.svg" alt="{title}"></picture>'
    )


def _page(results: Results, pictures: Sequence[str]) -> Iterator[str]:
    yield "# Results"
    yield "Made by `python -m benchmarks chart` of the JSON files beside it. Ratios first; figures below."
    yield from pictures
    for table_of in (_first_loads, _second_loads, _pushes, _growth, _floors):
        table = table_of(results)
        if table.rows:
            yield str(table)
    yield str(_circumstances(results))


def _first_loads(results: Results) -> Table:
    return _matrix(results, 1, "A first load: × time of dub-source load, and how many customers are missing")


def _second_loads(results: Results) -> Table:
    return _matrix(
        results,
        2,
        "The second load, after 1% were renamed, 1% deleted, 1% imported: × time, and what is wrong then",
    )


def _matrix(results: Results, load: int, title: str) -> Table:
    """A row for each workspace, a column for each loader; what was not measured says so."""
    rows = [row for row in rows_of(results, "side-by-side-") if row["load"] == load]
    cells = {(_case(row), row["loader"]): _told(row, load) for row in rows}
    cases = sorted({_case(row) for row in rows})
    seconds = {_case(row): row["seconds"] for row in rows if row["loader"] == "dub-source"}
    others = [each for each in LOADERS if each.name != "dub-source"]
    return Table(
        title,
        ("workspace", "dub-source load, s", *(each.title for each in others)),
        (0, 2, *(0 for _ in others)),
        [
            (
                _words(case),
                seconds.get(case),
                *(cells.get((case, each.name), "not run") for each in others),
            )
            for case in cases
        ],
    )


def _case(row: Mapping[str, Any]) -> tuple[int, int, int]:
    return row["customers"], row["latency_ms"], row["rate_limit"]


def _words(case: tuple[int, int, int]) -> str:
    customers, latency, limit = case
    return f"{customers:,}, {latency} ms" + (f", {limit:,} a minute" if limit else "")


def _told(row: Mapping[str, Any], load: int) -> str:
    ratio = "-" if row["of_ours"] is None else f"{row['of_ours']:.2f}"
    wrong = [f"{row['missing']:,} missing"] if row["missing"] else []
    if load == 2:
        wrong += [f"{row[name]:,} {word}" for name, word in _FAULTS if row[name]]
    if row["error"]:
        wrong.append(row["error"])
    return ", ".join([f"{ratio}×", *wrong])


_FAULTS = (("wrong", "wrong"), ("ghosts", "still there"))


def _pushes(results: Results) -> Table:
    rows = rows_of(results, "pushes-")
    found = {(row["updates"], row["latency_ms"], row["rate_limit"], row["writer"]): row for row in rows}
    cases = sorted({key[:3] for key in found})
    lines: list[tuple[Cell, ...]] = []
    for case in cases:
        for writer in WRITERS:
            row = found.get((*case, writer.name))
            if row is None:
                lines.append((None, _words(case), writer.title, "not run", *(None for _ in range(6))))
                continue
            told = (row[name] for name in "overwritten twice mistold seconds cpu_s requests".split())
            lines.append((row["of_ours"], _words(case), writer.title, f"{row['missing']:,}", *told))
    return Table(
        "Updates into Dub; 1% of them had been changed there since the load",
        (
            "× time of dub-source", "updates", "writer", "not written", "overwritten", "written twice",
            "told wrongly", "s", "CPU s", "requests",
        ),
        (2, 0, 0, 0, 0, 0, 0, 2, 2, 0),
        lines,
        (
            "Overwritten: somebody's change in Dub is lost. Told wrongly: in Dub, and counted as failed, or "
            "the other way round. drt-core's REST destination (1.2.1) sends all rows to one address: it "
            "fills no template into its url, and Dub's address of a customer has the id in it.",
        ),
    )  # fmt: skip


def _growth(results: Results) -> Table:
    return Table(
        "What each kind of run costs as the workspace grows",
        ("× time of the first load", "customers", "run", "requests", "s", "CPU s", "peak MB"),
        (2, 0, 0, 0, 2, 2, 0),
        _by_size(results, "growth-", "of_first_load customers run requests seconds cpu_s peak_mb"),
    )


def _floors(results: Results) -> Table:
    return Table(
        "A load, and what DuckDB alone takes for the same rows",
        ("× time of DuckDB", "× its CPU", "customers", "what", "s", "CPU s", "peak MB"),
        (2, 2, 0, 0, 2, 2, 0),
        _by_size(results, "floors-", "of_raw cpu_of_raw customers step seconds cpu_s peak_mb"),
    )


def _by_size(results: Results, prefix: str, names: str) -> list[tuple[Cell, ...]]:
    rows = sorted(rows_of(results, prefix), key=lambda row: row["customers"])
    return [tuple(row[name] for name in names.split()) for row in rows]


def _circumstances(results: Results) -> Table:
    drawn = ("side-by-side-", "pushes-", "floors-", "growth-")
    return Table(
        "How it was measured",
        ("result", "date", "command", "commit", "cores", "versions"),
        (0, 0, 0, 0, 0, 0),
        [
            (
                f"[{name}]({name}.json)",
                told["date"],
                f"`{told['command']}`",
                told["commit"] or "",
                told["machine"]["cores"],
                ", ".join(f"{key} {value}" for key, value in told["versions"].items() if value),
            )
            for name, told in results.items()
            if name.startswith(drawn)
        ],
    )
