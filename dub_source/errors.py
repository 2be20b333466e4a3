"""Everything this package raises on purpose.

    DubError
    ├── SettingsError            fatal       a setting is missing or wrong; nothing was sent
    ├── DestinationError         fatal       the destination does not exist, cannot merge or cannot be opened
    │   └── AlreadyRunning       retryable   another load into the same place is under way; nothing was sent
    ├── SpoolError               fatal       what was read cannot be kept on this machine's disk meanwhile
    ├── UnknownFormat            rejected    a customer's field holds what no known version of Dub answers
    ├── InvalidArgument          rejected    a call that cannot be right (page_size 0); nothing was sent
    ├── TooManyVanished          fatal       more customers are gone than may be marked deleted at once
    ├── OtherWorkspace           fatal       none of the known customers is in the key's workspace
    ├── PlanRefused              fatal       a guard stops a plan before anything of it is sent
    │   ├── NothingDesired                   the desired state has no rows
    │   ├── NotWritable                      a column that cannot be written is to be
    │   ├── BadValues                        values that Dub would refuse, or rows that lack one
    │   ├── AmbiguousRows                    keys are missing, twice, or name several customers
    │   ├── ConflictingClaims                two customers would have one external id or Stripe id
    │   │   └── SwapRefused                  ... in turn, which is done only where it is allowed
    │   ├── TooManyDeletes                   more customers than may be deleted, or none may
    │   ├── StaleMirror                      the customers in the warehouse are too old to compare with
    │   └── StalePlan                        the plan is too old to apply
    ├── WalkIncomplete           incomplete  a walk ended without its certificate
    ├── AnchorsLost              incomplete  none of the customers to read on from exists any more
    ├── OutOfTime                retryable   the time that was given is up; the same again goes on
    └── RequestError                         one request went wrong: method, route, status, code, attempts
        ├── ConnectionFailed     retryable   no answer: refused, name not found, reset, timeout (``sent``)
        ├── InvalidResponse      retryable   an answer that is not what the route answers: HTML, cut off
        │   └── UnexpectedRedirect fatal     3xx: base_url is not the address of an API
        └── ApiError                         Dub answered with an error status
            ├── RateLimited      retryable   429 (``retry_after_s``)
            ├── ServerError      retryable   5xx
            ├── BadRequest       rejected    400
            ├── NotFound         rejected    404 of something else than the customer
            │   └── CustomerNotFound         404 and Dub says that it is the customer
            ├── Conflict         rejected    409
            ├── Unprocessable    rejected    422
            │   ├── InvalidCursor            the cursor's customer is gone
            │   └── UnreadableRow            a row without external id spoils its page (``index``)
            ├── UnexpectedStatus rejected    any other status
            ├── Unauthorized     fatal       401, and 400 about the Authorization header
            ├── Forbidden        fatal       403
            │   ├── PlanTooLow               the workspace's plan has no API access to customers
            │   ├── RoleTooLow               the key's owner may not write
            │   └── LimitExceeded            a quota of the plan is used up
            ├── WorkspaceNotFound fatal      404: the key belongs to no workspace
            ├── InvitePending    fatal       409
            └── InviteExpired    fatal       410

``kind`` says what to do: *retryable* may work later as it is, *rejected* concerns this request alone
(others may go on), *fatal* stops until a person acts, *incomplete* is a result that must not be taken for
the whole.

What an error may say: addresses hold personal data (``?email=``, ``/customers/ext_…``) and so may the text
of an answer. So errors carry route templates, known codes and known sentences, never a body, an id, or a
query. They carry no cause or context either, and survive ``pickle`` and ``copy``, as orchestrators do both.
Which class a status becomes is decided in ``client.error_table``.
"""

from enum import Enum
from typing import ClassVar


class Kind(Enum):
    """What can be done about an error."""

    RETRYABLE = "retryable"
    REJECTED = "rejected"
    FATAL = "fatal"
    INCOMPLETE = "incomplete"


class DubError(Exception):
    """Base of all errors of this package. ``str(error)`` is one sentence: what, where, what to do."""

    kind: ClassVar[Kind] = Kind.FATAL

    def __init__(self, reason: str = "") -> None:
        # The single positional argument is also what pickle calls the class with; the rest of an
        # error's attributes travels in __dict__.
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return self.reason


class SettingsError(DubError):
    """A setting is missing or cannot be right. Nothing was sent."""


class DestinationError(DubError):
    """The destination cannot be used. Nothing was read."""


class AlreadyRunning(DestinationError):
    """Another load into the same place is under way. Nothing was sent."""

    kind = Kind.RETRYABLE


class SpoolError(DubError):
    """What was read cannot be kept on this machine's disk, or not be read back. Nothing was loaded."""


class UnknownFormat(DubError):
    """A field of a customer cannot be read as what it is. Names the column (``column``), never the value."""

    column: str = ""


class InvalidArgument(DubError, ValueError):
    """An argument cannot be right. Nothing was sent."""

    kind = Kind.REJECTED


class TooManyVanished(DubError):
    """More customers are gone than may be marked as deleted without a person's look. Nothing was changed."""


class OtherWorkspace(DubError):
    """None of the known customers is in the workspace that the key leads to. Nothing was changed."""


class PlanRefused(DubError):
    """A guard stops a plan. Nothing was sent. Names rows of the desired state, never their values."""


class NothingDesired(PlanRefused):
    """The desired state has no rows, or nothing in it that could be written."""


class NotWritable(PlanRefused):
    """A column is to be written that nobody can write, or that Dub ignores."""


class BadValues(PlanRefused):
    """Rows of the desired state hold what Dub would refuse, or lack what it needs."""


class AmbiguousRows(PlanRefused):
    """Rows of the desired state do not name one customer each."""


class ConflictingClaims(PlanRefused):
    """Two customers would have the same external id or Stripe id, which Dub refuses."""


class SwapRefused(ConflictingClaims):
    """Customers would exchange external ids or Stripe ids, which takes a temporary value."""


class TooManyDeletes(PlanRefused):
    """The plan would delete more customers than it may."""


class StaleMirror(PlanRefused):
    """The customers in the warehouse were loaded too long ago to compare with them."""


class StalePlan(PlanRefused):
    """The plan was made too long ago to apply it."""


class WalkIncomplete(DubError):
    """A walk over the customers ended without proof that it saw all of them."""

    kind = Kind.INCOMPLETE


class AnchorsLost(DubError):
    """Nobody is left of the customers from which an incremental run would have read on: only a sweep can."""

    kind = Kind.INCOMPLETE


class OutOfTime(DubError):
    """The time that somebody gave it is up."""

    kind = Kind.RETRYABLE

    def __init__(self, reason: str = "") -> None:
        super().__init__(
            reason
            or "The time is up (max_seconds): nothing is half-written. Run the same again: a sweep goes on "
            "where it was, on this machine, and so does the rest of a plan."
        )


class RequestError(DubError):
    """One request went wrong.

    Attributes: ``method`` (GET, PATCH, ...), ``route`` (template: ``/customers``, ``/customers/{id}``,
    ``/customers/count``), ``status`` (HTTP status or None), ``code`` (one of Dub's known error codes or
    None), ``reason`` (what happened), ``advice`` (what to do), ``attempts`` (requests sent for this call),
    ``may_have_committed`` (a write that this call asked for may be in effect nevertheless).
    """

    default_reason: ClassVar[str] = "The request failed"
    default_advice: ClassVar[str] = "try again later"

    def __init__(
        self,
        reason: str = "",
        *,
        method: str | None = None,
        route: str | None = None,
        status: int | None = None,
        code: str | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(reason or self.default_reason)
        self.method = method
        self.route = route
        self.status = status
        self.code = code
        self.advice = advice or self.default_advice
        self.attempts = 1
        self.may_have_committed = False

    def __str__(self) -> str:
        where = f"{self.method or '?'} {self.route or '?'}"
        answer = " ".join(str(part) for part in (self.status, self.code) if part is not None)
        facts = [f"{where} answered {answer}" if answer else where]
        if self.attempts > 1:
            facts.append(f"{self.attempts} attempts")
        if self.may_have_committed:
            facts.append("the change may be in effect nevertheless")
        return f"{self.reason} ({', '.join(facts)}): {self.advice}."


class ConnectionFailed(RequestError):
    """No answer. ``sent`` tells whether the request may have reached the server."""

    kind = Kind.RETRYABLE
    default_reason = "Dub could not be reached"
    default_advice = "check the network, any proxy and base_url, then run the same again"

    def __init__(
        self,
        reason: str = "",
        *,
        sent: bool = True,
        method: str | None = None,
        route: str | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(reason, method=method, route=route, advice=advice)
        self.sent = sent


class InvalidResponse(RequestError):
    """An answer that this route of Dub's API never gives: not JSON, cut off, another JSON type."""

    kind = Kind.RETRYABLE
    default_reason = "The answer is not what Dub's API answers"
    default_advice = "check that base_url is the address of Dub's API and that no proxy answers in its place"


class UnexpectedRedirect(InvalidResponse):
    """A redirect. Following it would carry the key to an address nobody chose."""

    kind = Kind.FATAL
    default_reason = "The server redirects to another address, and the key is not carried there"
    default_advice = "set base_url to the address of Dub's API itself, such as https://api.dub.co"


class ApiError(RequestError):
    """Dub answered with an error status."""

    kind = Kind.REJECTED
    default_reason = "Dub refused the request"
    default_advice = "check the request against Dub's API reference"


class RateLimited(ApiError):
    """429. ``retry_after_s``: the server's wish in seconds, at most one window; None when it has none."""

    kind = Kind.RETRYABLE
    default_reason = "The key's rate limit is used up"
    default_advice = (
        "run fewer programs with this key at once, or lower max_rate_share, then run the same again"
    )
    retry_after_s: float | None = None


class ServerError(ApiError):
    """5xx. ``retry_after_s`` as in RateLimited."""

    kind = Kind.RETRYABLE
    default_reason = "Dub failed to answer"
    default_advice = "look at Dub's status page and run the same again later"
    retry_after_s: float | None = None


class BadRequest(ApiError):
    """400."""

    default_reason = "Dub could not read the request"


class NotFound(ApiError):
    """404 of neither the customer nor the workspace: no evidence that a customer is gone."""

    default_reason = "Dub did not find what the request names"
    default_advice = "check the filters of the request"


class CustomerNotFound(NotFound):
    """404, and Dub says that it is the customer that does not exist in this workspace."""

    default_reason = "This customer does not exist in the workspace"
    default_advice = "check the id (external ids take the prefix ext_) or load the customers again"


class Conflict(ApiError):
    """409: externalId or stripeCustomerId belongs to another customer (Dub words both alike)."""

    default_reason = "The change conflicts with another customer"
    default_advice = "look for the customer that already has this externalId or stripeCustomerId"


class Unprocessable(ApiError):
    """422: a value that Dub does not accept."""

    default_reason = "Dub does not accept a value of the request"
    default_advice = "correct the value"


class InvalidCursor(Unprocessable):
    """422: the customer that serves as cursor was deleted, or belongs to another workspace."""

    default_reason = "The cursor's customer does not exist (any more)"
    default_advice = "continue from another customer id"


class UnreadableRow(Unprocessable):
    """422: a customer that Dub cannot print spoils its page.

    ``index`` is its position in the page, counted from 0; None where the request was about that one
    customer. A PATCH that answers this **is** committed (recorded: the next read shows the change), hence
    ``may_have_committed``.
    """

    default_reason = "Dub cannot show a customer that has no external id, and refuses the whole answer"
    default_advice = "give this customer an external id in Dub"
    index: int | None = None


class UnexpectedStatus(ApiError):
    """Any other status."""

    default_reason = "Dub answered with a status that its API does not document"
    default_advice = "check that base_url is the address of Dub's API"


class Unauthorized(ApiError):
    """401: the key is unknown or expired."""

    kind = Kind.FATAL
    default_reason = "Dub does not accept the API key"
    default_advice = (
        "create a workspace key in Dub under Settings, API Keys, and set it as SOURCES__DUB__API_KEY"
    )


class Forbidden(ApiError):
    """403."""

    kind = Kind.FATAL
    default_reason = "The API key may not do this"
    default_advice = "check the plan of the workspace and the role of the key's owner"


class PlanTooLow(Forbidden):
    """403: customers need a higher plan."""

    default_reason = "The plan of this workspace does not include the customers API"
    default_advice = "upgrade the workspace to Business or higher, or use the key of another workspace"


class RoleTooLow(Forbidden):
    """403: viewers and billing members read, but do not write."""

    default_reason = "The owner of this API key may read customers but not change them"
    default_advice = "use a key that belongs to an owner or a member of the workspace"


class LimitExceeded(Forbidden):
    """403 exceeded_limit: a quota of the plan, not the rate limit."""

    default_reason = "A quota of the workspace's plan is used up"
    default_advice = "raise the quota in Dub under Settings, Billing"


class WorkspaceNotFound(ApiError):
    """404: the key leads to no workspace."""

    kind = Kind.FATAL
    default_reason = "The API key leads to no workspace"
    default_advice = (
        "use a workspace key (it begins with dub_) whose owner is still a member of the workspace"
    )


class InvitePending(ApiError):
    """409 invite_pending."""

    kind = Kind.FATAL
    default_reason = "The owner of this API key has not accepted the invitation to the workspace"
    default_advice = "accept the invitation in Dub"


class InviteExpired(ApiError):
    """410 invite_expired."""

    kind = Kind.FATAL
    default_reason = "The invitation of this API key's owner to the workspace has expired"
    default_advice = "ask an owner of the workspace for a new invitation"
