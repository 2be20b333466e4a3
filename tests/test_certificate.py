"""What a certificate proves, and that nothing less does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dub_source.walk import Certificate, SegmentProof, verify

SEGMENTS = (
    SegmentProof("cus_a", 10, None, "cus_b"),
    SegmentProof("cus_b", 1, "cus_a", "cus_c"),
    SegmentProof("cus_c", 5, "cus_b", None),
)
GOOD = Certificate(rows=17, segments=SEGMENTS, aside=1, counted=16)
A, B, C = SEGMENTS


def test_a_whole_chain_proves() -> None:
    assert verify(GOOD)
    assert GOOD.complete
    assert str(GOOD) == "complete"
    assert verify(Certificate(rows=0))
    assert verify(Certificate(rows=3, segments=(SegmentProof("cus_a", 3, None, None),)))


@pytest.mark.parametrize(
    "segments",
    (
        pytest.param((A, C), id="one dropped"),
        pytest.param((B, C), id="the first dropped"),
        pytest.param((A, B), id="the last dropped"),
        pytest.param((), id="all dropped"),
        pytest.param((A, C, B), id="reordered"),
        pytest.param((C, B, A), id="reversed"),
        pytest.param((A, B, B, C), id="one repeated"),
        pytest.param((A, B, C, A, B, C), id="all repeated"),
        pytest.param((replace(A, rows=9), B, C), id="one truncated"),
        pytest.param((replace(A, rows=16), replace(B, rows=0), replace(C, rows=0)), id="two emptied"),
        pytest.param((replace(A, above="cus_c"), B, C), id="a link changed"),
        pytest.param((A, replace(B, below=None), C), id="a link cut"),
        pytest.param((replace(A, below="cus_0"), B, C), id="the start is not the start"),
        pytest.param((A, B, replace(C, above="cus_d")), id="the end is not the end"),
        pytest.param((A, replace(B, anchor="cus_x"), C), id="an anchor changed"),
    ),
)
def test_nothing_less_than_the_whole_chain_proves(segments: tuple[SegmentProof, ...]) -> None:
    assert not verify(replace(GOOD, segments=segments))
    assert str(replace(GOOD, segments=segments)) == "not proven to be complete"


def test_rows_that_nobody_accounts_for_disprove() -> None:
    assert not verify(replace(GOOD, rows=18))
    assert not verify(replace(GOOD, aside=0))


def test_unread_customers_disprove_whatever_the_chain() -> None:
    certificate = replace(GOOD, unread=2)
    assert not certificate.complete
    assert str(certificate) == "complete except 2"


@st.composite
def chains(draw: st.DrawFn) -> Certificate:
    """A certificate of one segment or more, with some customers read aside."""
    sizes = draw(st.lists(st.integers(1, 50), min_size=1, max_size=12))
    anchors = [None, *(f"cus_{number}" for number in range(len(sizes))), None]
    segments = tuple(
        SegmentProof(f"cus_{number}", size, anchors[number], anchors[number + 2])
        for number, size in enumerate(sizes)
    )
    aside = draw(st.integers(0, 3))
    return Certificate(rows=sum(sizes) + aside, segments=segments, aside=aside)


@given(good=chains(), data=st.data())
def test_whichever_segment_is_tampered_with(good: Certificate, data: st.DataObject) -> None:
    assert verify(good)
    chain = list(good.segments)
    at = data.draw(st.integers(0, len(chain) - 1))
    to = data.draw(st.integers(0, len(chain) - 1))
    one = chain[at]
    dropped = chain[:at] + chain[at + 1 :]
    repeated = [*chain[: at + 1], *chain[at:]]
    moved = [*dropped[:to], one, *dropped[to:]]
    shortened = [*chain[:at], replace(one, rows=one.rows - 1), *chain[at + 1 :]]
    cut_off = chain[:at]
    for tampered in (dropped, repeated, shortened, cut_off, *([moved] if moved != chain else [])):
        assert not verify(replace(good, segments=tuple(tampered)))
        # The numbers of rows made to fit, as somebody would who repairs a sum.
        rows = sum(segment.rows for segment in tampered) + good.aside
        if tampered and tampered is not shortened:
            assert not verify(replace(good, segments=tuple(tampered), rows=rows))
