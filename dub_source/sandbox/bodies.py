"""JSON bodies, checked as Dub's schemas check them: first error only, in Dub's words."""

import json
import re
from collections.abc import Callable
from typing import Any

from dub_source.sandbox.problems import INVALID_JSON, Problem, invalid

# The pattern that Dub's validation library uses for emails.
_EMAIL = re.compile(
    r"(?!\.)(?!.*\.\.)[A-Za-z0-9_'+\-.]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9-]*\.)+[A-Za-z]{2,}"
)
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):")
_SPECIAL_SCHEMES = ("http", "https", "ws", "wss", "ftp")
_FORBIDDEN_IN_HOST = re.compile(r"[\x00-\x20#<>\[\]^|%\\]")
_MAX_PORT = 65_535
_UNDEFINED = object()
_JSON_TYPES: dict[type, str] = {str: "string", list: "array", dict: "object", bool: "boolean"}

Check = Callable[[str, object], object]


def create_body(raw: bytes) -> dict[str, Any]:
    """Check the body of POST /customers: externalId and country are required.

    Returns:
        the known fields that it has, by Dub's names.

    Raises:
        Problem: 400 if it is not JSON, 422 with the first error.
    """
    return _body(raw, partial=False)


def update_body(raw: bytes) -> dict[str, Any]:
    """Check the body of PATCH /customers/{id}: every field is optional. As :func:`create_body` otherwise."""
    return _body(raw, partial=True)


def _body(raw: bytes, *, partial: bool) -> dict[str, Any]:
    body = _parse(raw)
    if not isinstance(body, dict):
        raise invalid(f"invalid_type: : Invalid input: expected object, received {_type_name(body)}")
    checked = {
        name: check(name, body.get(name, _UNDEFINED))
        for name, check in _FIELDS.items()
        if name in body or not partial
    }
    return {name: value for name, value in checked.items() if value is not _UNDEFINED}


def _parse(raw: bytes) -> Any:
    """The JSON value of a body, whatever its content type says; ``fetch`` skips a byte order mark too."""
    try:
        return json.loads(raw.decode("utf-8-sig", "replace"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Problem("bad_request", INVALID_JSON) from None


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _type_name(value: object) -> str:
    if value is _UNDEFINED:
        return "undefined"
    return "null" if value is None else _JSON_TYPES.get(type(value), "number")


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise invalid(f"invalid_type: {name}: Invalid input: expected string, received {_type_name(value)}")
    return _LONE_SURROGATE.sub("\ufffd", value)  # half a character cannot be stored as UTF-8


def _external_id(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise invalid(f"invalid_type: {name}: External ID is required")
    return _string(name, value)


def _email(name: str, value: object) -> str:
    text = _string(name, value)
    if not _EMAIL.fullmatch(text):
        raise invalid(f"invalid_format: {name}: Invalid email address")
    return text


def _url(name: str, value: object) -> str:
    text = _string(name, value).strip()
    if not is_url(text):
        raise invalid(f"invalid_format: {name}: Invalid URL")
    return text


def _nullish(check: Check) -> Check:
    def checked(name: str, value: object) -> object:
        return value if value is None or value is _UNDEFINED else check(name, value)

    return checked


def is_url(text: str) -> bool:
    """Whether a WHATWG parser takes it: any scheme will do, web schemes need a host."""
    scheme = _SCHEME.match(text)
    if scheme is None:
        return False
    if scheme[1].lower() not in _SPECIAL_SCHEMES:
        return True
    rest = text[scheme.end() :].lstrip("/\\")
    host = re.split(r"[/\\?#]", rest, maxsplit=1)[0].rpartition("@")[2]
    if host.startswith("["):
        return re.fullmatch(r"\[[0-9A-Fa-f:.]+\](?::\d*)?", host) is not None
    name, _, port = host.partition(":")
    if not name or _FORBIDDEN_IN_HOST.search(name):
        return False
    return not port or (port.isascii() and port.isdigit() and int(port) <= _MAX_PORT)


_FIELDS: dict[str, Check] = {
    "email": _nullish(_email),
    "name": _nullish(_string),
    "avatar": _nullish(_url),
    "externalId": _external_id,
    "stripeCustomerId": _nullish(_string),
    "country": _string,
}
