"""How many customers may vanish at once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dub_source.changes import VanishLimit
from dub_source.errors import DubError, Kind, OtherWorkspace, SettingsError, TooManyVanished


def passes(limit: VanishLimit, known: int, vanished: int) -> bool:
    try:
        limit.check(known=known, vanished=vanished)
    except TooManyVanished:
        return False
    return True


@pytest.mark.parametrize(
    "limit, known, most",
    (
        (VanishLimit(), 3, 10),
        (VanishLimit(), 100, 10),
        (VanishLimit(), 101, 10),
        (VanishLimit(), 109, 10),
        (VanishLimit(), 110, 11),
        (VanishLimit(), 10_000, 1_000),
        (VanishLimit(share=0.29), 100, 29),
        (VanishLimit(share=0.0), 10_000, 10),
        (VanishLimit(share=0.0, floor=0), 10_000, 0),
        (VanishLimit(share=1.0), 10_000, 10_000),
        (VanishLimit(count=50), 10_000, 50),
        (VanishLimit(count=50), 400, 40),
        (VanishLimit(count=5), 10_000, 5),
        (VanishLimit(count=0), 3, 0),
        (VanishLimit(count=0, floor=0), 10_000, 0),
        (VanishLimit(accepted=3_000), 10_000, 3_000),
        (VanishLimit(accepted=20), 10_000, 1_000),
        (VanishLimit(accepted=0), 10_000, 1_000),
    ),
)
def test_so_many_and_not_one_more(limit: VanishLimit, known: int, most: int) -> None:
    assert passes(limit, known, most)
    assert not passes(limit, known, most + 1)


def test_one_of_three_passes_and_thirty_percent_of_many_does_not() -> None:
    assert passes(VanishLimit(), 3, 1)
    assert not passes(VanishLimit(), 10_000, 3_000)


@given(known=st.integers(0, 10**7), vanished=st.integers(0, 10**7), accepted=st.integers(0, 10**7))
def test_accepting_what_the_sentence_names_is_enough_and_less_is_not(
    known: int, vanished: int, accepted: int
) -> None:
    if not passes(VanishLimit(), known, vanished):
        assert passes(VanishLimit(accepted=vanished), known, vanished)
        assert not passes(VanishLimit(accepted=vanished - 1), known, vanished)
    assert passes(VanishLimit(accepted=accepted), known, vanished) >= passes(VanishLimit(), known, vanished)


def sentence(kind: type[DubError], limit: VanishLimit, check: str, **numbers: int) -> str:
    with pytest.raises(kind) as caught:
        getattr(limit, check)(**numbers)
    assert type(caught.value) is kind
    assert caught.value.kind is Kind.FATAL
    return str(caught.value)


def test_the_sentence_has_the_numbers_and_what_to_do() -> None:
    assert sentence(TooManyVanished, VanishLimit(), "check", known=10_000, vanished=3_000) == (
        "3,000 of the 10,000 known customers were not met in Dub, and at most 1,000 may be marked as deleted "
        "at once, so nothing was changed: if they were meant to be deleted, run the same again with "
        "--accept-vanished 3000."
    )


def test_an_empty_answer_stops_while_customers_are_known() -> None:
    text = sentence(TooManyVanished, VanishLimit(), "check_answer", known=3, read=0)
    assert "3 are known" in text
    assert "--accept-vanished 3." in text
    assert "--accept-vanished 12000." in sentence(
        TooManyVanished, VanishLimit(share=1.0, accepted=11_999), "check_answer", known=12_000, read=0
    )
    VanishLimit().check_answer(known=3, read=1)
    VanishLimit().check_answer(known=0, read=0)
    VanishLimit(accepted=3).check_answer(known=3, read=0)


def test_another_workspace_stops() -> None:
    text = sentence(OtherWorkspace, VanishLimit(), "check_workspace", known=12_000, alive=0)
    assert "12,000 known" in text
    assert "check that the key" in text
    assert "another dataset" in text
    assert "--accept-vanished 12000." in text
    sentence(OtherWorkspace, VanishLimit(accepted=2), "check_workspace", known=3, alive=0)
    VanishLimit().check_workspace(known=12_000, alive=1)
    VanishLimit().check_workspace(known=0, alive=0)
    VanishLimit(accepted=3).check_workspace(known=3, alive=0)


@pytest.mark.parametrize(
    "wrong",
    (
        {"share": -0.1},
        {"share": 1.1},
        {"share": float("nan")},
        {"count": -1},
        {"floor": -1},
        {"accepted": -1},
    ),
)
def test_limits_that_cannot_be_right(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        VanishLimit(**wrong)  # type: ignore[arg-type]
