"""Reading the seed format of the recordings: the exact rows and keys of several workspaces."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dub_source.sandbox.access import PLAN_LIMITS
from dub_source.sandbox.collation import collate, id_key
from dub_source.sandbox.model import Customer, Dataset, Token, Workspace, milliseconds

_LINK_FIELDS = ("id", "domain", "key", "shortLink", "url", "programId")
_PARTNER_FIELDS = ("id", "name", "email", "image")
_DISCOUNT_FIELDS = ("id", "amount", "type", "maxDuration", "couponId", "couponTestId", "description")
_MACHINE_ROLE = "owner"  # Dub gives machine users this role whatever their membership says


def load_seed(path: Path) -> Dataset:
    """The dataset in a seed file.

    Raises:
        ValueError: with one sentence, if the file cannot be read, is not a seed, or contradicts itself.
    """
    try:
        dataset = _dataset(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise ValueError(f"The seed file {path} cannot be read: {error.strerror}.") from None
    except KeyError as error:
        raise ValueError(f"The file {path} is not a seed file: something in it has no {error}.") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"The file {path} is not a seed file ({type(error).__name__}).") from None
    trouble = _contradiction(dataset)
    if trouble:
        raise ValueError(f"The seed file {path} contradicts itself: {trouble}.")
    return dataset


def _contradiction(dataset: Dataset) -> str | None:
    """What no database could hold, if there is such a thing; a customer is named by its place in the file."""
    workspaces = {workspace.id for workspace in dataset.workspaces}
    for workspace in dataset.workspaces:
        if workspace.plan not in PLAN_LIMITS:
            return f"workspace {workspace.slug} has a plan that Dub does not know"
    taken: dict[tuple[str, ...], int] = {}
    for number, row in enumerate(dataset.customers, 1):
        if row.workspace_id not in workspaces:
            return f"customer {number} belongs to no workspace in it"
        for name, unique in _unique_keys(row):
            first = taken.setdefault(unique, number)
            if first != number:
                return f"customers {first} and {number} have the same {name}"
    return None


def _unique_keys(row: Customer) -> Iterator[tuple[str, tuple[str, ...]]]:
    yield "id", ("id", id_key(row.id))
    if row.external_id is not None:
        yield "externalId", ("externalId", row.workspace_id, collate(row.external_id))
    if row.stripe_customer_id is not None:
        yield "stripeCustomerId", ("stripeCustomerId", collate(row.stripe_customer_id))


def _dataset(seed: dict[str, Any]) -> Dataset:
    machines = {user["id"] for user in seed["users"] if user.get("isMachine")}
    discounts = {each["id"]: _only(each, _DISCOUNT_FIELDS) for each in seed["discounts"]}
    return Dataset(
        workspaces=[_workspace(each) for each in seed["workspaces"]],
        tokens=[_token(each) for each in seed["tokens"] + seed.get("personalTokens", [])],
        roles={
            (user, workspace): _MACHINE_ROLE if user in machines else role
            for user, workspace, role in seed["memberships"]
        },
        links={each["id"]: _only(each, _LINK_FIELDS) for each in seed["links"]},
        partners={each["id"]: _only(each, _PARTNER_FIELDS) for each in seed["partners"]},
        enrollments={
            (each["partnerId"], each["programId"]): discounts.get(each.get("discountId"))
            for each in seed["programEnrollments"]
        },
        customers=[_customer(each) for each in seed["customers"]],
    )


def _only(entry: dict[str, Any], fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: entry.get(name) for name in fields}


def _workspace(entry: dict[str, Any]) -> Workspace:
    return Workspace(
        id=entry["id"],
        slug=entry["slug"],
        plan=entry["plan"],
        default_program_id=entry.get("defaultProgramId"),
        trial=entry.get("trialEndsAt") is not None,
    )


def _token(entry: dict[str, Any]) -> Token:
    return Token(
        name=entry.get("name", "personal"),
        key=entry["key"],
        user_id=entry["userId"],
        workspace_id=entry.get("projectId"),
        expires_ms=milliseconds(entry.get("expires")),
    )


def _customer(entry: dict[str, Any]) -> Customer:
    created = milliseconds(entry["createdAt"])
    if created is None:
        raise ValueError("createdAt")
    return Customer(
        id=entry["id"],
        workspace_id=entry["projectId"],
        external_id=entry.get("externalId"),
        created_ms=created,
        name=entry.get("name"),
        email=entry.get("email"),
        avatar=entry.get("avatar"),
        stripe_customer_id=entry.get("stripeCustomerId"),
        country=entry.get("country"),
        sales=int(entry["sales"]),
        sale_amount=int(entry["saleAmount"]),
        first_sale_ms=milliseconds(entry.get("firstSaleAt")),
        canceled_ms=milliseconds(entry.get("subscriptionCanceledAt")),
        link_id=entry.get("linkId"),
        program_id=entry.get("programId"),
        partner_id=entry.get("partnerId"),
    )
