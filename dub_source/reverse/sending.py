"""One change, from the look at its customer to its one outcome.

Dub has no idempotency key, and the answer to a write can be lost after the write is in effect. So there is
one rule for all three operations: *look, then act*. Who is not sure, looks; nothing whose answer was lost is
sent again before a look has shown that it is not in effect.

    ┌────> look ──> settled without a request: as asked, drifted, gone, taken
    │        │ something is left to do
    │        v
    │    note the intent in the journal, send once
    │        │
    │        ├── 2xx             compare the answer with what was asked: applied or accepted_not_applied
    │        ├── refused         404, 409, 4xx: see the table
    │        ├── nothing done    429, no connection: wait, send again (after a look, if that took long)
    └────────┴── answer lost     reset, timeout, 5xx, no JSON: wait, and back to the look

What a look means, by operation (``sent``: we, in this apply or an earlier one, may have made it so):

    update   as asked                       applied if sent, else already_applied
             planned fields as in the plan  send
             a planned field is otherwise   drifted: somebody else has decided
             gone                           drifted: somebody has deleted the customer
             cannot be shown (no ext. id)   rejected: what cannot be compared is not overwritten
    create   nobody has the external id     send
             somebody, exactly as asked     applied if sent, else already_applied
             somebody, otherwise            rejected (conflict)
    delete   gone                           applied if sent, else already_applied
             another external id than known drifted: it may be another person by now
             there                          send, by id

A POST is sent without a look, unless an earlier one may have come through: an external id that is taken makes
it a clean 409, and then comes the look. That is one request for a new customer instead of two.

What a refusal means:

    404 PATCH    drifted: the customer was deleted after the look
    404 DELETE   already_applied; applied if an answer to a DELETE of ours was lost before
    409          look: as asked is ``applied`` if sent; else rejected, the value belongs to somebody else
    409 POST     and nobody has the external id: it is the Stripe id; without one, look and send again
    422 of a customer without external id, PATCH
                 **in effect** (recorded): look; if Dub cannot show it then either, accepted_not_applied
    other 4xx    rejected
    fatal        (key, role, plan) the apply stops; this change is not_attempted

A change that could not be settled after so many attempts is ``not_attempted``, with ``attempts`` and a reason
that says whether it may be in effect; the next apply begins with a look, and knows that we have sent it.

Swaps: the first half gives a customer a made-up value, and whoever goes on after a crash recognises it there:
the second half takes it, or the value from before the swap, for how things were planned. If the second half
fails in the end, the customer does not keep it (:mod:`swaps`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from dub_source.client import NO_RETRY, DubClient, RetryPolicy
from dub_source.errors import (
    Conflict,
    ConnectionFailed,
    CustomerNotFound,
    DubError,
    InvalidArgument,
    InvalidResponse,
    Kind,
    RateLimited,
    RequestError,
    ServerError,
    UnexpectedStatus,
    UnreadableRow,
)
from dub_source.reverse import reasons
from dub_source.reverse.drift import Step
from dub_source.reverse.fields import wire_body
from dub_source.reverse.judging import Verdict, judge_answer, judge_look
from dub_source.reverse.looking import Looking, Seen
from dub_source.reverse.model import Op, Outcome, Result
from dub_source.reverse.patience import Patience

MOST_AGE = timedelta(seconds=60)
"""A customer that was read longer ago is read again before it is written to."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of a change.

    Attributes:
        outcome: of the change.
        seen: the customer as last answered, if it was.
        seen_at: the moment that ``seen`` speaks for, on Dub's clock. Ours may jump before the row is written.
        trouble: what went wrong and may concern other changes, too: the network, Dub, the key.
    """

    outcome: Outcome
    seen: Seen | None = None
    seen_at: datetime | None = None
    trouble: DubError | None = None


class Sending:
    """Settles changes, one at a time; can be shared by threads.

    ``note`` is called with a change's number before anything is sent for it, and nothing is if it raises;
    ``pause`` takes seconds; ``stopped`` tells whether nothing new may be sent; ``policy`` says how often and
    how long to try; ``expanded`` asks for whole customers in answers.
    """

    def __init__(
        self,
        client: DubClient,
        looking: Looking,
        *,
        note: Callable[[int], None],
        stopped: Callable[[], bool],
        pause: Callable[[float], object],
        policy: RetryPolicy,
        expanded: bool,
    ) -> None:
        self.client = client
        self.looking = looking
        self.note = note
        self.stopped = stopped
        self.pause = pause
        self.policy = policy
        self.expanded = expanded

    def settle(self, step: Step, seen: Seen | None, *, to_the_end: bool = False) -> Settled:
        """Bring a change to its one outcome.

        Args:
            step: which.
            seen: its customer, read a moment ago; None if it was not.
            to_the_end: send even if the apply is to stop: this change belongs to what is under way.

        Raises:
            SpoolError: if the intent could not be noted; nothing was sent then.
        """
        return _Course(self, step, seen, to_the_end=to_the_end).run()


class _Again(Exception):
    """Not settled: after a pause, from the look on once more. Never leaves this module."""

    def __init__(self, trouble: RequestError) -> None:
        self.trouble = trouble


class _Course:
    """One change, and what has happened to it so far."""

    def __init__(self, sending: Sending, step: Step, seen: Seen | None, *, to_the_end: bool) -> None:
        self._all = sending
        self._step = step
        self._change = step.change
        self._seen = seen
        self._to_the_end = to_the_end
        self._sent = step.sent
        self._attempts = step.attempts
        self._patience = Patience(sending.policy, sending.pause)

    def run(self) -> Settled:
        trouble: RequestError | None = None
        while True:
            try:
                settled = self._without_sending()
                if settled is None and trouble is not None and self._patience.is_at_its_end:
                    return self._unsettled(trouble, reasons.in_vain(trouble, sent=self._sent))
                if settled is None and self._all.stopped() and not self._to_the_end:
                    return self._unsettled(None, reasons.INTERRUPTED)
                return settled or self._send()
            except _Again as again:
                trouble = again.trouble
                self._patience.wait(trouble)
            except RequestError as error:
                # Of a look: nothing can be said, so nothing is sent.
                return self._unsettled(error, reasons.no_look(error, sent=self._sent))
            except InvalidArgument as error:
                return self._settled(Verdict(Result.REJECTED, reason=error.reason), None)

    def _without_sending(self) -> Settled | None:
        """The end, if there is nothing to send."""
        if self._change.op is Op.CREATE and not self._sent:
            return None
        if self._seen is None or self._all.looking.now() - self._seen.at > MOST_AGE:
            self._seen = self._look()
        return self._judged(self._seen)

    def _look(self) -> Seen:
        looking = self._all.looking
        if self._change.op is Op.CREATE:
            return looking.at_external(self._change.asked["external_id"] or "")
        return looking.at([self._step])[self._change.customer_id or ""]

    def _judged(self, seen: Seen) -> Settled | None:
        verdict = judge_look(self._step, seen, sent=self._sent)
        return None if verdict is None else self._settled(verdict, seen)

    # Sending

    def _send(self) -> Settled:
        self._all.note(self._change.number)
        try:
            seen = self._request()
        except RateLimited as error:
            raise _Again(error) from None
        except ConnectionFailed as error:
            self._count(in_doubt=error.sent)
            raise _Again(error) from None
        except (ServerError, InvalidResponse) as error:
            self._count(in_doubt=True)
            if error.kind is Kind.FATAL:
                return self._unsettled(error, reasons.no_look(error, sent=True))
            raise _Again(error) from None
        except RequestError as error:
            if error.kind is Kind.FATAL:
                # No attempt: a key that is refused changes nothing, and what is found later was not ours.
                return self._unsettled(error, reasons.no_look(error, sent=self._sent))
            self._attempts += 1
            return self._refused(error)
        self._attempts += 1
        return self._settled(judge_answer(self._change, seen), seen)

    def _request(self) -> Seen:
        """One request, sent once: what the client would repeat by itself is looked up here first."""
        change, client, now = self._change, self._all.client, self._all.looking.now
        customer_id = change.customer_id or ""
        if change.op is Op.DELETE:
            client.delete(customer_id, retry=NO_RETRY)
            return Seen(now())
        body = wire_body(change.asked)
        if change.op is Op.CREATE:
            answer = client.create(body, retry=NO_RETRY)
        else:
            expanded = self._all.expanded
            answer = client.update(customer_id, body, include_expanded_fields=expanded, retry=NO_RETRY)
        return Seen.of_write(answer, now())

    def _count(self, *, in_doubt: bool) -> None:
        self._patience.failures += 1
        if in_doubt:
            self._attempts += 1
            self._sent = True
            self._seen = None  # Look before anything else.

    def _refused(self, error: RequestError) -> Settled:
        if isinstance(error, UnreadableRow) and self._change.op is Op.UPDATE:
            return self._committed_unseen(error)
        if isinstance(error, Conflict):
            return self._taken(error)
        settled = None
        if isinstance(error, CustomerNotFound) and self._change.op is not Op.CREATE:
            settled = self._judged(Seen(self._all.looking.now()))
        return settled or self._rejected(error, error.reason, self._seen)

    def _committed_unseen(self, error: RequestError) -> Settled:
        """A PATCH that is in effect, of a customer that Dub could not show."""
        self._sent = True
        seen = self._look()
        verdict = judge_look(self._step, seen, sent=True)
        if verdict is None or verdict.result is not Result.APPLIED:
            verdict = Verdict(Result.ACCEPTED_NOT_APPLIED, error.status, error.code, reasons.COMMITTED_UNSEEN)
        return self._settled(verdict, seen)

    def _taken(self, error: RequestError) -> Settled:
        """409: is it ours after all?"""
        try:
            seen = self._look()
        except RequestError:
            if self._sent:
                raise
            # Refused, whatever the look would have shown.
            return self._rejected(error, reasons.taken(self._change), None)
        if self._change.op is Op.CREATE and seen.gone and "stripe_customer_id" not in self._change.asked:
            self._patience.failures += 1  # Somebody had the external id, and has not any more.
            raise _Again(error)
        return self._judged(seen) or self._rejected(error, reasons.taken(self._change), seen)

    # Ending

    def _rejected(self, error: RequestError, reason: str, seen: Seen | None) -> Settled:
        settled = self._settled(Verdict(Result.REJECTED, error.status, error.code, reason), seen, now=True)
        # A status that Dub does not answer comes from something in between, which may refuse all others.
        return replace(settled, trouble=error if isinstance(error, UnexpectedStatus) else None)

    def _unsettled(self, trouble: RequestError | None, reason: str) -> Settled:
        status = trouble.status if trouble is not None else None
        code = trouble.code if trouble is not None else None
        settled = self._settled(Verdict(Result.NOT_ATTEMPTED, status, code, reason), None)
        return replace(settled, trouble=trouble)

    def _settled(self, verdict: Verdict, seen: Seen | None, *, now: bool = False) -> Settled:
        change, row = self._change, seen.row if seen is not None else {}
        created = row.get("id") if verdict.result is not Result.REJECTED else None
        looking = self._all.looking
        seen_at = None if seen is None else looking.on_dubs_clock(seen.at)
        outcome = Outcome(
            number=change.number,
            result=verdict.result,
            customer_id=change.customer_id or created,
            status=verdict.status,
            code=verdict.code,
            reason=verdict.reason,
            attempts=self._attempts,
            answered={column: row.get(column) for column in change.asked} if row else {},
            requested_at=looking.on_dubs_clock(looking.now()) if now or seen_at is None else seen_at,
        )
        return Settled(outcome, seen, seen_at)
