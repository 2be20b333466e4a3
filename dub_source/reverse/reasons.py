"""Why a change ended as it did, in sentences for people; none of them holds anybody's data."""

from collections.abc import Sequence

from dub_source.errors import RequestError
from dub_source.reverse.model import Change

DELETED = "The customer has been deleted in Dub since the plan."
COMMITTED_UNSEEN = (
    "Dub has made the change, but could not show the customer afterwards, who has no external id in Dub: the "
    "values could not be compared."
)
OTHER_EXTERNAL_ID = (
    "The customer has another external id in Dub than in the plan, so it may be somebody else by now."
)
INTERRUPTED = "The apply was interrupted before it was sent."
WAITS = "It waits for another change of the plan that could not be settled yet."
SWAPPED_ALONE = "The customer has the value that the swap asks for, and nothing else of this change."
PUT_BACK = "The customer has again the value that it had before the swap."
KEEPS_TEMPORARY = (
    "The customer keeps the temporary value of the swap, because what it had before could not be restored: "
    "give it another one in Dub."
)


def unreadable(*, sent: bool) -> str:
    """The customer has no external id any more."""
    doubt = " Whether an earlier request of this plan is in effect cannot be told." if sent else ""
    return (
        "Dub cannot show this customer, who has no external id in Dub, so its values cannot be compared with "
        f"the plan: give it an external id in Dub, then plan again.{doubt}"
    )


def drifted(columns: Sequence[str]) -> str:
    """Somebody has changed planned fields."""
    return f"Changed in Dub since the plan: {', '.join(columns)}."


def not_applied(columns: Sequence[str]) -> str:
    """Dub's answer differs from what was asked."""
    return f"Dub accepted the change and answered other values: {', '.join(columns)}."


def exists(columns: Sequence[str], *, sent: bool) -> str:
    """The external id of a customer to create is taken."""
    which = f" ({', '.join(columns)})" if columns else ""
    doubt = " Whether an earlier request of this plan made it cannot be told." if sent else ""
    return f"A customer with this external id exists with other values{which}.{doubt}"


def taken(change: Change) -> str:
    """409."""
    columns = [column for column in ("external_id", "stripe_customer_id") if column in change.asked]
    return f"Another customer has this {' or this '.join(columns) or 'value'} already."


def in_vain(trouble: RequestError, *, sent: bool) -> str:
    """Tried again and again, and looked up each time if need be."""
    what = "as far as Dub shows, the change is not in effect" if sent else "nothing was changed"
    return f"{_plain(trouble)}, again and again; {what}."


def no_look(trouble: RequestError, *, sent: bool) -> str:
    """The customer could not be looked at."""
    if sent:
        doubt = "whether the change is in effect is not known, and the next apply finds it out first"
        return f"{_plain(trouble)} after the change was sent; {doubt}."
    return f"{_plain(trouble)}; nothing was sent."


def stopped(trouble: str) -> str:
    """The apply ended before it."""
    return f"The apply ended before it was sent: {trouble.rstrip('.')}."


def _plain(trouble: RequestError) -> str:
    return trouble.reason.rstrip(".")
