"""``check``: what the key is good for, without changing anything."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dlt.common.configuration.exceptions import ConfigurationException

from dub_source.client import DubClient
from dub_source.errors import (
    DubError,
    PlanTooLow,
    RateLimited,
    RoleTooLow,
    SettingsError,
    Unauthorized,
    WorkspaceNotFound,
)
from dub_source.failures import explain
from dub_source.runs.arguments import given
from dub_source.source import configured_settings


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a check: ``ok`` is None where a fact is neither good nor bad, False with an ``error``."""

    topic: str
    ok: bool | None
    text: str
    error: Exception | None = None


def check(**options: Any) -> Iterator[Finding]:
    """Look at key, reachability, plan, role and limit, one finding after the other; changes nothing.

    ``options`` are api_key, base_url and max_rate_share as of :func:`~dub_source.source.dub`; others are left
    aside, what is missing or None comes from dlt's configuration.

    Ends with the first finding that is bad, because the rest cannot be looked at then.
    """
    try:
        yield from _findings(given(options))
    except ConfigurationException as error:
        yield Finding("settings", False, explain(error).sentence, error)
    except DubError as error:
        yield Finding(_TOPICS.get(type(error), "reachability"), False, str(error), error)


_TOPICS: dict[type[DubError], str] = {
    SettingsError: "settings",
    Unauthorized: "key",
    WorkspaceNotFound: "key",
    PlanTooLow: "plan",
    RoleTooLow: "role",
    RateLimited: "limit",
}


def _findings(arguments: dict[str, Any]) -> Iterator[Finding]:
    known = inspect.signature(configured_settings).parameters
    settings = configured_settings(**{name: value for name, value in arguments.items() if name in known})
    with DubClient(settings) as client:
        info = client.probe()
        yield Finding("reachability", True, f"{settings.base_url} answers in {info.latency_s * 1000:.0f} ms")
        yield Finding("key", True, "Dub knows it")
        yield Finding("plan", True, "includes the customers API")
        if client.can_write():
            yield Finding("role", True, "may read and write")
        else:
            yield Finding("role", None, "may read, but not write: enough for loads, not for changes in Dub")
        if info.limit is None:
            yield Finding("limit", None, "Dub does not say how many requests the key may send")
        else:
            yield Finding("limit", True, f"{info.limit:,} requests a minute, {info.remaining or 0:,} left")
