"""Keys, workspaces, roles, plans and the rate limit, in the order in which Dub checks them."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from dub_source.sandbox.collation import collate
from dub_source.sandbox.model import Dataset, Token, Workspace
from dub_source.sandbox.problems import Problem

PLAN_LIMITS = {
    "free": 60,
    "pro": 600,
    "business": 1200,
    "business plus": 1200,
    "business extra": 1200,
    "business max": 1200,
    "advanced": 3000,
    "enterprise": 3000,
}
_TRIAL_LIMIT = 120
_PLANS_WITH_CUSTOMERS = frozenset(PLAN_LIMITS) - {"free", "pro"}
_PERSONAL_KEY = (
    "Workspace ID not found. Did you forget to include a `workspaceId` query parameter? "
    "It looks like you might be using personal API keys, "
    "we also recommend refactoring to workspace API keys: https://d.to/keys"
)
_NO_BEARER = (
    "Misconfigured authorization header. Did you forget to add 'Bearer '? Learn more: https://d.to/auth"
)
WRITERS = ("owner", "member")
Headers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Needs:
    """What an operation asks of a key."""

    paid_plan: bool = True
    roles: tuple[str, ...] = ()


class SlidingWindow:
    """Upstash's sliding window, which Dub uses: the last window counts for as much as it still overlaps.

    Windows are aligned to the clock. Requests that are turned away do not count.
    """

    def __init__(self, window_s: float, clock: Callable[[], float]) -> None:
        self._window_ms = round(window_s * 1000)
        self._clock = clock
        self._counts: dict[str, tuple[int, int, int]] = {}
        """key -> (number of the current window, requests in it, requests in the one before)."""

    def take(self, key: str, limit: int) -> tuple[bool, Headers]:
        """Count one request. Returns whether it may pass, and the headers that tell about it."""
        now = int(self._clock() * 1000)
        window, elapsed = divmod(now, self._window_ms)
        last, current, previous = self._counts.get(key, (window, 0, 0))
        if last != window:
            current, previous = 0, current if last == window - 1 else 0
        carried = math.floor((1 - elapsed / self._window_ms) * previous)
        allowed = carried + current < limit
        if allowed:
            current += 1
        self._counts[key] = (window, current, previous)
        reset = str((window + 1) * self._window_ms)
        remaining = max(0, limit - current - carried) if allowed else 0
        return allowed, {
            "retry-after": reset,
            "x-ratelimit-limit": str(limit),
            "x-ratelimit-remaining": str(remaining),
            "x-ratelimit-reset": reset,
        }


class Access:
    """Decides who may do what. The limit is the plan's unless ``limit`` replaces it; 0 means none."""

    def __init__(
        self, dataset: Dataset, *, limit: int | None, window_s: float, clock: Callable[[], float]
    ) -> None:
        self._tokens = {token.key: token for token in dataset.tokens}
        self._workspaces = {workspace.id: workspace for workspace in dataset.workspaces}
        self._roles = dataset.roles
        self._limit = limit
        self._clock = clock
        self._window = SlidingWindow(window_s, clock)

    def revoke(self, key: str) -> None:
        """Make a key unknown from now on."""
        self._tokens.pop(key, None)

    def admit(self, token: Token) -> None:
        """Make a key known from now on."""
        self._tokens[token.key] = token

    def check(
        self, authorization: str | None, parameters: dict[str, str], needs: Needs, headers: Headers
    ) -> Workspace:
        """The workspace that this request may use.

        Args:
            headers: receives the rate-limit headers once the key is known; they go out with errors only.

        Raises:
            Problem: 400, 401, 403, 404 or 429, as Dub would answer.
        """
        token = self._token(authorization, parameters)
        self._count(token, headers)
        workspace = self._workspace(token, parameters)
        role = self._roles.get((token.user_id, workspace.id)) if workspace else None
        if workspace is None or role is None:
            raise Problem("not_found", "Workspace not found.")
        if needs.roles and role not in needs.roles:
            listed = ", ".join(needs.roles)
            raise Problem(
                "forbidden",
                f"You don't have the required role to access this endpoint. Required role(s): {listed}.",
            )
        if needs.paid_plan and workspace.plan not in _PLANS_WITH_CUSTOMERS:
            raise Problem("forbidden", "Unauthorized: Need higher plan.")
        return workspace

    def _token(self, authorization: str | None, parameters: dict[str, str]) -> Token:
        if authorization and not authorization.startswith("Bearer "):
            raise Problem("bad_request", _NO_BEARER)
        key = authorization.removeprefix("Bearer ") if authorization else ""
        named = parameters.get("workspaceId") or parameters.get("projectSlug")
        if not named and not key.startswith("dub_"):
            if not authorization:
                raise Problem("unauthorized", "Missing Authorization header.")
            raise Problem("not_found", _PERSONAL_KEY)
        if not key:
            raise Problem("unauthorized", "Unauthorized: Login required.")
        token = self._tokens.get(key)
        if token is None:
            raise Problem("unauthorized", "Unauthorized: Invalid API key.")
        if token.expires_ms is not None and token.expires_ms < self._clock() * 1000:
            raise Problem("unauthorized", "Unauthorized: Access token expired.")
        return token

    def _count(self, token: Token, headers: Headers) -> None:
        limit = self._limit
        if limit is None:
            limit = self._plan_limit(token)
        if not limit:
            return
        allowed, told = self._window.take(token.key, limit)
        headers.update(told)
        if not allowed:
            raise Problem("rate_limit_exceeded", "Too many requests.")

    def _plan_limit(self, token: Token) -> int:
        workspace = self._workspaces.get(token.workspace_id or "")
        if workspace is None:
            return PLAN_LIMITS["free"]
        return _TRIAL_LIMIT if workspace.trial else PLAN_LIMITS[workspace.plan]

    def _workspace(self, token: Token, parameters: dict[str, str]) -> Workspace | None:
        """A ``dub_`` key brings its own workspace id; a slug that is also given must agree with it."""
        named = parameters.get("workspaceId") or parameters.get("projectSlug") or ""
        slug = "" if named.startswith("ws_") else collate(named)
        if token.workspace_id:
            own = self._workspaces.get(token.workspace_id)
            return own if own is None or slug in ("", collate(own.slug)) else None
        if not slug:
            return self._workspaces.get(named)
        return next((each for each in self._workspaces.values() if collate(each.slug) == slug), None)
