"""What a look, or an answer, means for a change: functions of values. The table is in :mod:`sending`."""

from dataclasses import dataclass

from dub_source.reverse import reasons
from dub_source.reverse.drift import Standing, Step, not_as_asked, other_than_asked, standing
from dub_source.reverse.looking import Seen
from dub_source.reverse.model import Change, Op, Result


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, as far as one answer tells it."""

    result: Result
    status: int | None = None
    code: str | None = None
    reason: str | None = None


def judge_look(step: Step, seen: Seen, *, sent: bool) -> Verdict | None:
    """The outcome of a change for whose customer somebody has just looked; None: it is to be sent.

    Args:
        step: the change.
        seen: the customer with its id or, for a creation, whoever has the external id.
        sent: whether a request of ours, whose answer is not known, may have come through before.
    """
    done = Result.APPLIED if sent else Result.ALREADY_APPLIED
    match step.change.op:
        case Op.UPDATE:
            return _update(step, seen, done, sent=sent)
        case Op.CREATE:
            return _creation(step.change, seen, done, sent=sent)
        case Op.DELETE:
            return _delete(step.change, seen, done)


def judge_answer(change: Change, seen: Seen) -> Verdict:
    """The outcome of a change that Dub has accepted; ``seen`` is its answer."""
    status = 201 if change.op is Op.CREATE else 200
    columns = not_as_asked(change, seen.row)
    if columns:
        return Verdict(Result.ACCEPTED_NOT_APPLIED, status, reason=reasons.not_applied(columns))
    return Verdict(Result.APPLIED, status)


def _update(step: Step, seen: Seen, done: Result, *, sent: bool) -> Verdict | None:
    if seen.unreadable:
        reason = reasons.unreadable(sent=sent)
        return Verdict(Result.REJECTED, 422, "unprocessable_entity", reason)
    if seen.gone:
        return Verdict(Result.DRIFTED, 404, "not_found", reasons.DELETED)
    how, columns = standing(step, seen.row, sent=sent)
    if how is Standing.AS_ASKED:
        return Verdict(done, 200)
    if how is Standing.OTHERWISE:
        return Verdict(Result.DRIFTED, 200, reason=reasons.drifted(columns))
    return None


def _creation(change: Change, seen: Seen, done: Result, *, sent: bool) -> Verdict | None:
    if seen.gone:
        return None
    columns = () if seen.unreadable else other_than_asked(change, seen.row, sent=sent)
    if seen.unreadable or columns:
        return Verdict(Result.REJECTED, 409, "conflict", reasons.exists(columns, sent=sent))
    return Verdict(done, 200)


def _delete(change: Change, seen: Seen, done: Result) -> Verdict | None:
    if seen.gone:
        return Verdict(done, 404, "not_found")
    known = change.external_id
    if known is not None and seen.row.get("external_id") != known:
        return Verdict(Result.DRIFTED, 200, reason=reasons.OTHER_EXTERNAL_ID)
    return None
