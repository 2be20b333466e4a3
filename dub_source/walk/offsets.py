"""Finding customers by their position in the order of creation, where no cursor leads to them."""

from collections.abc import Iterator

from dub_source.client import DubClient, SortOrder
from dub_source.errors import UnreadableRow
from dub_source.types import Page

_DIRECTIONS: tuple[SortOrder, ...] = ("desc", "asc")
_LAST_PAGE = 1_000
"""Dub refuses offset pages beyond this one."""
_SIZES = (100, 10, 1)
"""A page with an unreadable row is read again in parts of a tenth, so that the others come through."""


def readable_pages(client: DubClient, *, include_expanded_fields: bool) -> Iterator[Page]:
    """Pages of customers from the newest on, then from the oldest on; most come twice.

    Offset pages reach 100,000 customers from each end. Within the first 1,000 every readable one is
    found, further inside the neighbours of unreadable ones may be missing.

    Args:
        client: where to read.
        include_expanded_fields: whether link, partner and discount come along.

    Yields:
        Pages, read as late as possible, so that a caller that stops early pays little.
    """
    for direction in _DIRECTIONS:
        for page in range(1, _LAST_PAGE + 1):
            ended = True
            for window in _window(client, direction, page, 0, include_expanded_fields):
                ended = False
                if window is not None and window.customers:
                    yield window
            if ended:
                break


def _window(
    client: DubClient, direction: SortOrder, page: int, level: int, expanded: bool
) -> Iterator[Page | None]:
    """The readable parts of a page of ``_SIZES[level]`` rows, with None for an unreadable row."""
    if page > _LAST_PAGE:
        yield None
        return
    try:
        answer = client.list(
            sort_by="createdAt",
            sort_order=direction,
            page=page,
            page_size=_SIZES[level],
            include_expanded_fields=expanded,
        )
    except UnreadableRow:
        if level + 1 == len(_SIZES):
            yield None
            return
        parts = _SIZES[level] // _SIZES[level + 1]
        for part in range(1, parts + 1):
            yield from _window(client, direction, (page - 1) * parts + part, level + 1, expanded)
        return
    if answer.customers:
        yield answer
