"""What becomes of a made-up value when the second half of its swap has failed."""

from dataclasses import replace

from dub_source.errors import Conflict, RequestError
from dub_source.reverse import reasons
from dub_source.reverse.drift import Step, holds_temporary
from dub_source.reverse.fields import wire_body
from dub_source.reverse.looking import Seen
from dub_source.reverse.model import IN_EFFECT, Change, Result, Values
from dub_source.reverse.sending import Sending, Settled

_TAKEN = 409


def end_swap(sending: Sending, step: Step, settled: Settled) -> Settled:
    """See to it that no customer keeps a made-up value, if that can be helped.

    The customer gets the value that was asked for, alone, unless that is taken; else the one from before.

    Args:
        sending: sends.
        step: a second half, or any other step.
        settled: its end.

    Returns:
        The same, unless the customer had a made-up value: then its outcome, which stays what it is, also says
        what became of that.
    """
    if settled.outcome.result in (*IN_EFFECT, Result.NOT_ATTEMPTED) or settled.seen is None:
        return settled
    half = holds_temporary(step.temporaries, settled.seen.row)
    return settled if half is None else _without(sending, half, step.change, settled)


def _without(sending: Sending, half: Change, second: Change, settled: Settled) -> Settled:
    ways: list[tuple[Values, str]] = []
    if settled.outcome.status != _TAKEN:
        wanted = {column: second.asked[column] for column in half.asked if column in second.asked}
        ways.append((wanted, reasons.SWAPPED_ALONE))
    ways.append(({column: half.before.get(column) for column in half.asked}, reasons.PUT_BACK))
    seen, reason, attempts = settled.seen, reasons.KEEPS_TEMPORARY, settled.outcome.attempts
    for values, told in ways:
        sending.note(second.number)
        attempts += 1
        try:
            answer = sending.client.update(
                half.customer_id or "",
                wire_body(values),
                include_expanded_fields=sending.expanded,
                retry=sending.policy,
            )
        except Conflict:
            continue
        except RequestError:
            break  # A person has to decide, and is told.
        seen, reason = Seen.of_write(answer, sending.looking.now()), told
        break
    reason = " ".join(filter(None, (settled.outcome.reason, reason)))
    return replace(settled, outcome=replace(settled.outcome, reason=reason, attempts=attempts), seen=seen)
