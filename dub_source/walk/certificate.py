"""What a finished sweep can prove about itself."""

from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class SegmentProof:
    """One link of the chain: a contiguous stretch of the table.

    Attributes:
        anchor: the id it began with.
        rows: customers read in it, the anchor included.
        below: the anchor of the stretch that ends where this one begins; None at the start of the table.
        above: the anchor of the stretch that begins where this one ends; None at the end of the table.
    """

    anchor: str
    rows: int
    below: str | None
    above: str | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """The outcome of one sweep over a workspace.

    Attributes:
        rows: customers read, each once.
        segments: the chain of stretches from the start of the table to its end, in the server's order; empty
            if there is no such chain or nobody to read.
        aside: customers read in stretches that the chain does not need, because all that led to them was
            deleted meanwhile, or they were created behind the sweep's back; all, if nobody was left.
        counted: what Dub's count endpoint said at the end; None where it does not answer.
        unread: customers that exist but that no request of the list can read (see
            :class:`~dub_source.errors.UnreadableRow`); a lower bound where ``counted`` is None.
        neighbours: ids of the readable customers next to those, to find them in Dub's dashboard.
    """

    rows: int
    segments: tuple[SegmentProof, ...] = ()
    aside: int = 0
    counted: int | None = None
    unread: int = 0
    neighbours: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """Whether it proves that every customer was read."""
        return verify(self)

    def __str__(self) -> str:
        if self.complete:
            return "complete"
        return f"complete except {self.unread}" if self.unread else "not proven to be complete"


def verify(certificate: Certificate) -> bool:
    """Whether a certificate proves that everybody who was there all the time was read.

    It does if its stretches lead from the start of the table to its end without a gap, each where the one
    before it says, none twice, and if they and what was read aside are all the rows.
    """
    segments = certificate.segments
    if certificate.unread:
        return False
    if not segments:  # nobody was there in the end, so nobody was there all the time
        return certificate.rows == certificate.aside
    return (
        segments[0].below is None
        and segments[-1].above is None
        and all(
            lower.above == upper.anchor and upper.below == lower.anchor for lower, upper in pairwise(segments)
        )
        and len({segment.anchor for segment in segments}) == len(segments)
        and all(segment.rows > 0 for segment in segments)
        and sum(segment.rows for segment in segments) + certificate.aside == certificate.rows
    )
