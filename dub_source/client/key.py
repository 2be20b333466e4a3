"""What can be learnt about a key without reading or changing anything."""

from dub_source.client import routes
from dub_source.client.caller import Caller, is_page, is_row
from dub_source.client.retry import Operation, RetryPolicy
from dub_source.errors import BadRequest, CustomerNotFound, RoleTooLow, Unprocessable
from dub_source.types import KeyInfo


def limits(caller: Caller, retry: RetryPolicy | None, timeout: float | None) -> KeyInfo:
    """The key's rate limit: ``pageSize=0`` is a 422 for a key that works, and only errors carry the limit."""
    reply = caller.call(
        Operation.READ,
        routes.CUSTOMERS,
        routes.CUSTOMERS + "?pageSize=0",
        check=is_page,
        accept=(Unprocessable,),
        retry=retry or caller.policy.for_first_contact(),
        timeout=timeout,
    )
    return KeyInfo(
        limit=reply.times.limit,
        remaining=reply.times.remaining,
        latency_s=reply.answer.received_at - reply.answer.started_at,
        server_offset_s=caller.limiter.server_offset_s,
    )


def may_write(caller: Caller, retry: RetryPolicy | None, timeout: float | None) -> bool:
    """Whether the key's owner may change customers.

    Dub looks at the role before it reads the body, so a PATCH without a body is 403 for viewers and 400
    for others.
    """
    reply = caller.call(
        Operation.UPDATE,
        routes.CUSTOMER,
        routes.customer_path("cus_0"),
        check=is_row,
        accept=(BadRequest, RoleTooLow, CustomerNotFound),
        retry=retry or caller.policy.for_first_contact(),
        timeout=timeout,
    )
    return not isinstance(reply.error, RoleTooLow)
