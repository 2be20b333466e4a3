"""A chain that goes through one stretch twice proves nothing, even if every link of it fits."""

from dub_source.walk import Certificate, SegmentProof, verify


def test_a_stretch_that_follows_itself_is_no_chain() -> None:
    first = SegmentProof("cus_a", 10, None, "cus_b")
    last = SegmentProof("cus_b", 10, "cus_b", None)
    assert verify(Certificate(20, (first, SegmentProof("cus_b", 10, "cus_a", None))))
    assert not verify(Certificate(30, (first, SegmentProof("cus_b", 10, "cus_a", "cus_b"), last)))
