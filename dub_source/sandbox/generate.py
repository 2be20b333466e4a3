"""Believable workspaces of any size: the same for the same random seed.

The shares follow what makes real workspaces hard: backdated imports, ids of three ages, missing
names and emails, names in many scripts, a few customers with most of the revenue.
"""

import random
from itertools import accumulate

from dub_source.sandbox import ids
from dub_source.sandbox.model import Customer, Dataset, Token, Workspace

WORKSPACE_ID = "ws_1KDSANDBOX0000000000000001"
FREE_WORKSPACE_ID = "ws_1KDSANDBOX0000000000000002"
OWNER_KEY = "dub_sandboxowner000000000000"
VIEWER_KEY = "dub_sandboxviewer00000000000"
FREE_KEY = "dub_sandboxfree0000000000000"
EXPIRED_KEY = "dub_sandboxexpired0000000000"

_PROGRAM_ID = "prog_1KDSANDBOXPROGRAM00000001"
_DAY_MS = 86_400_000
_NEWEST_MS = 1_793_491_200_000  # 2026-11-01, a fixed day, so that a seed gives the same rows in any year
_OLDEST_MS = _NEWEST_MS - 900 * _DAY_MS
_NANOID_SINCE_MS = 1_727_740_800_000  # 2024-10-01: until then ids were cuids
_ULID_SINCE_MS = 1_741_046_400_000  # 2025-03-04: until then ids were nanoids
_IMPORTED = 0.25
_LAST_IMPORT_MS = _NEWEST_MS - 240 * _DAY_MS

_FIRST_NAMES = (
    "Ada Alice Amélie Björn Bob Carlos Chloé Dmitri Eve Fatima François Günther Hana Iñigo Jürgen Kōji Liam "
    "Lucía Maja Noah Olga Øyvind Paweł Priya Ravi Sofía Tomáš Yuki Zoë 李雷 韩梅梅 नेहा محمد Мария 민준"
).split()
_LAST_NAMES = (
    "Andersson Brown Costa d'Arc Doe Fernández García Hansen Ivanova Jansen Kim Kowalski Müller Nguyễn "
    "O'Brien Öztürk Papadopoulos Rossi Sato Silva Singh Smith Tanaka Wang"
).split()
_COUNTRIES = ("US", "GB", "DE", "FR", "IN", "BR", "CA", "NL", "AU", "JP", "ES", "SE", "PL", "MX", "SG", None)
_COUNTRY_WEIGHTS = list(accumulate((32, 11, 9, 7, 7, 5, 5, 4, 4, 3, 3, 2, 2, 2, 1, 3)))


def generate(customers: int, *, random_seed: int = 0, unreadable: int = 0) -> Dataset:
    """A business workspace with this many customers, and a free one without any.

    Args:
        unreadable: how many customers, evenly spread, have no externalId and so spoil their pages.

    Raises:
        ValueError: if a number is negative or there are more unreadable customers than customers.
    """
    if not 0 <= unreadable <= customers:
        raise ValueError("The number of customers must not be negative nor less than the unreadable ones.")
    dataset = _empty_dataset()
    source = random.Random(random_seed)
    references = _references(dataset)
    imported = _import_moments(customers, source)
    rows = [_customer(number, customers, imported, references, source) for number in range(customers)]
    for number in range(unreadable):
        rows[(2 * number + 1) * customers // (2 * unreadable)].external_id = None
    dataset.customers = rows
    return dataset


def _empty_dataset() -> Dataset:
    return Dataset(
        workspaces=[
            Workspace(WORKSPACE_ID, "sandbox", "business", default_program_id=_PROGRAM_ID),
            Workspace(FREE_WORKSPACE_ID, "sandbox-free", "free"),
        ],
        tokens=[
            Token("owner", OWNER_KEY, "user_owner", WORKSPACE_ID),
            Token("viewer", VIEWER_KEY, "user_viewer", WORKSPACE_ID),
            Token("free", FREE_KEY, "user_owner", FREE_WORKSPACE_ID),
            Token("expired", EXPIRED_KEY, "user_owner", WORKSPACE_ID, expires_ms=_OLDEST_MS),
        ],
        roles={
            ("user_owner", WORKSPACE_ID): "owner",
            ("user_viewer", WORKSPACE_ID): "viewer",
            ("user_owner", FREE_WORKSPACE_ID): "owner",
        },
    )


def _references(dataset: Dataset) -> list[tuple[str | None, str | None, str | None]]:
    """Links of partners and of the company itself, as (link id, program id, partner id)."""
    references: list[tuple[str | None, str | None, str | None]] = []
    for number in range(1, 41):
        link_id = f"link_1KDSANDBOX{number:015d}"
        partner_id = f"pn_1KDSANDBOX{number:015d}" if number <= 30 else None
        program_id = _PROGRAM_ID if partner_id else None
        key = f"partner{number}" if partner_id else f"campaign{number}"
        dataset.links[link_id] = {
            "id": link_id,
            "domain": "go.example.com",
            "key": key,
            "shortLink": f"https://go.example.com/{key}",
            "url": f"https://example.com/?via={key}",
            "programId": program_id,
        }
        if partner_id and program_id:
            dataset.partners[partner_id] = {
                "id": partner_id,
                "name": f"Partner {number}",
                "email": f"partner{number}@example.com" if number % 5 else None,
                "image": f"https://example.com/partners/{number}.png" if number % 3 else None,
            }
            dataset.enrollments[(partner_id, program_id)] = _discount(number) if number % 2 else None
        references.append((link_id, program_id, partner_id))
    return references


def _discount(number: int) -> dict[str, object]:
    return {
        "id": f"disc_1KDSANDBOX{number:015d}",
        "amount": 10 + number % 3 * 10,
        "type": "percentage",
        "maxDuration": 12 if number % 4 else None,
        "couponId": f"COUPON{number}",
        "couponTestId": None,
        "description": None,
    }


def _import_moments(customers: int, source: random.Random) -> list[int]:
    """When each importer ran: all ids of one import are minted within minutes."""
    count = max(1, min(12, customers // 500))
    return [source.randrange(_LAST_IMPORT_MS - 60 * _DAY_MS, _LAST_IMPORT_MS) for _ in range(count)]


def _customer(
    number: int,
    total: int,
    imports: list[int],
    references: list[tuple[str | None, str | None, str | None]],
    source: random.Random,
) -> Customer:
    """Customer ``number`` of ``total``; later numbers were created later, imports excepted."""
    draw = source.random
    created = _OLDEST_MS + int((number + draw()) * (_NEWEST_MS - _OLDEST_MS) / total)
    imported = imports[number % len(imports)] + number * 7 % 600_000
    if draw() < _IMPORTED and created < imported:  # an importer brings only who was there before it ran
        customer_id = ids.ulid(imported, source)
    else:
        customer_id = _id_of_its_time(created, source)
    name = f"{source.choice(_FIRST_NAMES)} {source.choice(_LAST_NAMES)}" if draw() > 0.08 else None
    row = Customer(
        id=customer_id,
        workspace_id=WORKSPACE_ID,
        external_id=f"user_{number + 1}",
        created_ms=created,
        name=name,
        email=f"customer{number + 1}@example.com" if draw() > 0.06 else None,
        avatar=f"https://dubassets.com/customers/{customer_id}/avatar_{number:07d}" if draw() < 0.4 else None,
        stripe_customer_id=f"cus_stripe{number + 1}" if draw() < 0.35 else None,
        country=source.choices(_COUNTRIES, cum_weights=_COUNTRY_WEIGHTS)[0],
    )
    if draw() < 0.3:
        row.link_id, row.program_id, row.partner_id = source.choice(references)
    if draw() < 0.35:
        _add_sales(row, source)
    return row


def _id_of_its_time(created_ms: int, source: random.Random) -> str:
    if created_ms >= _ULID_SINCE_MS:
        return ids.ulid(created_ms, source)
    return ids.nanoid(source) if created_ms >= _NANOID_SINCE_MS else ids.cuid(source)


def _add_sales(row: Customer, source: random.Random) -> None:
    row.sales = min(500, int(source.paretovariate(1.1)))
    row.sale_amount = row.sales * source.choice((900, 1900, 4900, 9900, 29900))
    if source.random() < 0.005:
        row.sale_amount = -row.sale_amount  # refunds can exceed sales
    row.first_sale_ms = row.created_ms + int(source.expovariate(1 / 12) * _DAY_MS)
    if source.random() < 0.2:
        row.canceled_ms = row.first_sale_ms + int(source.expovariate(1 / 90) * _DAY_MS)
