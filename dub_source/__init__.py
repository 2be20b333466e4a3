"""Every customer of a Dub workspace in your warehouse: a dlt source, a client, and a sandbox Dub API."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dub_source.client import DubClient
    from dub_source.destinations.delta import delta_lake
    from dub_source.errors import DubError
    from dub_source.runs.destination import dub_customers
    from dub_source.settings import Settings
    from dub_source.source import dub
    from dub_source.walk import Certificate, Sweep, verify

__all__ = [
    "Certificate",
    "DubClient",
    "DubError",
    "Settings",
    "Sweep",
    "delta_lake",
    "dub",
    "dub_customers",
    "verify",
]

_HOMES = {
    "Certificate": "dub_source.walk",
    "DubClient": "dub_source.client",
    "DubError": "dub_source.errors",
    "Settings": "dub_source.settings",
    "Sweep": "dub_source.walk",
    "delta_lake": "dub_source.destinations.delta",
    "dub": "dub_source.source",
    "dub_customers": "dub_source.runs.destination",
    "verify": "dub_source.walk",
}


def __getattr__(name: str) -> Any:
    """Import on first use: dlt alone takes a second, and a client or a ``--help`` does not need it."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
