"""Small workspaces made by hand, in which every row can be counted by eye."""

from typing import Any

from dub_source.sandbox import Customer, Dataset, Token, Workspace

MAIN, OTHER = "ws_test_main", "ws_test_other"
OWNER_KEY, OTHER_KEY = "dub_test_owner", "dub_test_other"
PROGRAM = "prog_test"
DAY_MS = 86_400_000
FIRST_MS = 1_767_225_600_000  # 2026-01-01


def customer(number: int, **fields: Any) -> Customer:
    """Customer ``number``: the later the number, the later its id and its createdAt."""
    values: dict[str, Any] = {
        "id": f"cus_1K{number:023d}",
        "workspace_id": MAIN,
        "external_id": f"user-{number}",
        "created_ms": FIRST_MS + number * DAY_MS,
        "name": f"Name {number}",
        "email": f"user{number}@example.test",
        "country": "US",
    }
    return Customer(**(values | fields))


def customers(count: int, **fields: Any) -> list[Customer]:
    return [customer(number, **fields) for number in range(1, count + 1)]


def workspace(*rows: Customer, plan: str = "business", trial: bool = False) -> Dataset:
    """One workspace with a program and keys of every role, and another one of the same owner."""
    roles = ("owner", "member", "viewer", "billing")
    return Dataset(
        workspaces=[
            Workspace(MAIN, "main", plan, default_program_id=PROGRAM, trial=trial),
            Workspace(OTHER, "other", "business"),
        ],
        tokens=[
            *(Token(role, f"dub_test_{role}", f"user_{role}", MAIN) for role in roles),
            Token("other", OTHER_KEY, "user_owner", OTHER),
        ],
        roles={("user_owner", OTHER): "owner"} | {(f"user_{role}", MAIN): role for role in roles},
        customers=list(rows),
    )
