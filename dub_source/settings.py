"""Where Dub is, which key opens it, and how hard to lean on it."""

import ipaddress
import math
import re
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

from dub_source.errors import SettingsError

DEFAULT_BASE_URL = "https://api.dub.co"
DEFAULT_RATE_SHARE = 0.8

_WHERE_KEYS_ARE = (
    "create a workspace key (it begins with dub_) in Dub under Settings, API Keys, and set it as "
    "SOURCES__DUB__API_KEY or as api_key under [sources.dub] in .dlt/secrets.toml"
)
NO_KEY = (
    f"There is no Dub API key in the settings: {_WHERE_KEYS_ARE} (dub-source init makes that file); "
    "dub-source sandbox has keys to practise with."
)
"""What people read when there is no key, whichever way it is missed."""
# Letters, digits and the few signs an address of an API consists of. Stricter than RFC 3986 on purpose: a
# backslash, a space or a control character is read differently by different URL parsers, and one of them
# decides where the key goes.
_BASE_URL = re.compile(r"https?://[A-Za-z0-9._\-\[\]:]+(?:/[A-Za-z0-9._~\-%/]*)?", re.IGNORECASE)


def default_user_agent() -> str:
    """``dub-source/<version>``."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return f"dub-source/{version('dub-source')}"
    except PackageNotFoundError:
        # Run from a checkout that is not installed.
        return "dub-source/0"


@dataclass(frozen=True, slots=True)
class Settings:
    """Checked settings of a client; raises SettingsError, with one sentence that never holds the key.

    ``connect_timeout_s`` and ``read_timeout_s`` are seconds for one attempt (read: between two pieces of an
    answer). ``max_connections`` bounds the requests that are under way at once. ``max_rate_share`` (0 to 1]
    is how much of the key's rate limit to use at most, ``rate_window_s`` the length of Dub's rate limit
    window in seconds.
    """

    # Not in repr: settings end up in logs and tracebacks.
    api_key: str = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 60.0
    max_connections: int = 16
    max_rate_share: float = DEFAULT_RATE_SHARE
    rate_window_s: float = 60.0
    user_agent: str = field(default_factory=default_user_agent)

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", _checked_key(self.api_key))
        object.__setattr__(self, "base_url", _checked_base_url(self.base_url))
        for name in ("connect_timeout_s", "read_timeout_s", "rate_window_s"):
            _check_number(name, getattr(self, name), "a number of seconds above 0", above=0.0)
        _check_number(
            "max_rate_share", self.max_rate_share, "a number above 0 and up to 1", above=0.0, up_to=1.0
        )
        if isinstance(self.max_connections, bool) or not isinstance(self.max_connections, int):
            raise SettingsError("The setting max_connections must be a whole number from 1 up.")
        _check_number("max_connections", self.max_connections, "a whole number from 1 up", above=0)
        if not re.fullmatch(r"[\x20-\x7e]+", self.user_agent):
            raise SettingsError(
                "The setting user_agent must be printable ASCII text: remove other characters."
            )

    def requests_per_s(self, limit: int | None) -> float | None:
        """How many requests a second may be sent of a key's limit per window; None if that is not known."""
        return None if limit is None else limit * self.max_rate_share / self.rate_window_s

    @property
    def host(self) -> str:
        """The name or address of the server."""
        return urlsplit(self.base_url).hostname or ""

    @property
    def is_loopback(self) -> bool:
        """Whether base_url is on this machine."""
        return _is_loopback(self.host)


def _checked_key(key: object) -> str:
    if not isinstance(key, str) or not key.strip():
        raise SettingsError(NO_KEY)
    key = key.strip()
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise SettingsError(
            "The Dub API key in the settings holds a space, a control character or a non-ASCII character, "
            f"which no key does: copy the key again, or {_WHERE_KEYS_ARE}."
        )
    if not key.startswith("dub_") or key == "dub_":
        # Dub answers 404 "Workspace ID not found" to these, which sends people looking for the wrong fault.
        raise SettingsError(
            "The Dub API key in the settings is not a workspace key, "
            f"for those look like dub_xxxxxxxxxxxxxxxxxxxxxxxx: {_WHERE_KEYS_ARE}."
        )
    return key


def _checked_base_url(base_url: object) -> str:
    # The value is never repeated: people paste keys and passwords into addresses.
    if not isinstance(base_url, str):
        raise _bad_base_url("is not a text")
    base_url = base_url.strip()
    if "@" in base_url:
        raise _bad_base_url("holds a user name or a password, which belongs nowhere in it")
    if not re.match(r"https?://", base_url, re.IGNORECASE):
        raise _bad_base_url("does not begin with https://")
    if not _BASE_URL.fullmatch(base_url):
        raise _bad_base_url("holds a query or a character that has no place in it")
    parts = _split(base_url)
    if parts is None or not parts.hostname:
        raise _bad_base_url("has no valid host and port")
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise SettingsError(
            "The setting base_url is a plain http address of another machine, where anybody on the way could "
            "read the API key: use https (http is for a server on this machine, such as http://127.0.0.1:8787)."
        )
    return base_url.rstrip("/")


def _split(base_url: str) -> SplitResult | None:
    try:
        parts = urlsplit(base_url)
        _ = parts.port
    except ValueError:
        return None
    return parts


def _bad_base_url(fault: str) -> SettingsError:
    return SettingsError(
        f"The setting base_url {fault}: set it to an address such as {DEFAULT_BASE_URL}, or leave it out."
    )


def _is_loopback(host: str) -> bool:
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _check_number(name: str, value: object, wanted: str, *, above: float, up_to: float = math.inf) -> None:
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not above < value <= up_to
        or value == math.inf
    ):
        raise SettingsError(f"The setting {name} must be {wanted}: correct it or leave it out.")
