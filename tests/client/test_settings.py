"""Settings: what is refused before anything is sent, and in which words."""

import copy
import pickle

import pytest

from dub_source.errors import DubError, Kind, SettingsError
from dub_source.settings import Settings

KEY = "dub_sentinelKEY0000000000000"


@pytest.mark.parametrize("key", ("", "  ", "\n", None, 7))
def test_missing_key(key: object) -> None:
    with pytest.raises(SettingsError, match=r"^There is no Dub API key .* SOURCES__DUB__API_KEY .*\.$"):
        Settings(key)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "key", ("sentinel", "Dub_sentinel", "DUB_SENTINEL", "xdub_sentinel", "sk_live_sentinel", "dub_")
)
def test_key_of_another_kind(key: str) -> None:
    # Dub would answer 404 "Workspace ID not found", which says nothing about the key.
    with pytest.raises(SettingsError, match=r"look like dub_x+:") as caught:
        Settings(key)
    assert "sentinel" not in str(caught.value).lower()


@pytest.mark.parametrize(
    "key", ("dub_sent inel", "dub_sent\ninel", "dub_sent\x00inel", "dub_sentinél", "dub_\u200bsentinel")
)
def test_key_with_characters_that_no_key_has(key: str) -> None:
    with pytest.raises(SettingsError, match="space, a control character or a non-ASCII character") as caught:
        Settings(key)
    assert "sent" not in str(caught.value).replace("sent inel", "")


def test_space_around_a_key_is_taken_off() -> None:
    assert Settings(f" \t{KEY}\r\n").api_key == KEY


def test_key_is_not_shown() -> None:
    settings = Settings(KEY)
    assert "sentinel" not in repr(settings)
    assert "sentinel" not in f"{settings}"


@pytest.mark.parametrize(
    "url",
    (
        "https://api.dub.co",
        "HTTPS://api.dub.co/",
        "https://proxy.example.com:8443/dub/api",
        "http://localhost:8787",
        "http://127.0.0.1:8787/api/",
        "http://127.9.8.7",
        "http://[::1]:8787",
    ),
)
def test_good_base_urls(url: str) -> None:
    assert Settings(KEY, base_url=url).base_url == url.rstrip("/")


@pytest.mark.parametrize(
    "url, words",
    (
        ("http://api.dub.co", "plain http address of another machine"),
        ("http://127.0.0.1.example.com", "plain http address of another machine"),
        ("http://localhost.example.com", "plain http address of another machine"),
        ("http://0.0.0.0:8787", "plain http address of another machine"),
        ("http://10.0.0.1", "plain http address of another machine"),
        ("http://[::2]", "plain http address of another machine"),
        # Some resolvers read this as 127.0.0.1 and others do not: not worth finding out with a key.
        ("http://0x7f.1", "plain http address of another machine"),
        ("https://user:sentinel@api.dub.co", "user name or a password"),
        ("http://127.0.0.1\\@example.com", "user name or a password"),
        ("https://api.dub.co?key=sentinel", "query or a character"),
        ("https://api.dub.co/#x", "query or a character"),
        ("https://api dub.co", "query or a character"),
        ("https://api.dub.co/\u00e9", "query or a character"),
        ("https://api.dub.co\n.example.com", "query or a character"),
        ("https://api.dub.co:99999", "valid host and port"),
        ("https://[::1", "valid host and port"),
        ("https://:443", "valid host and port"),
        ("ftp://api.dub.co", "does not begin with https://"),
        ("api.dub.co", "does not begin with https://"),
        ("", "does not begin with https://"),
        (None, "is not a text"),
    ),
)
def test_bad_base_urls(url: str, words: str) -> None:
    with pytest.raises(SettingsError, match="base_url") as caught:
        Settings(KEY, base_url=url)
    assert words in str(caught.value)
    assert "sentinel" not in str(caught.value)
    # One sentence.
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    (
        {"connect_timeout_s": 0},
        {"read_timeout_s": -1},
        {"read_timeout_s": float("nan")},
        {"read_timeout_s": float("inf")},
        {"rate_window_s": 0},
        {"rate_window_s": "60"},
        {"max_rate_share": 0},
        {"max_rate_share": 1.01},
        {"max_connections": 0},
        {"max_connections": 1.5},
        {"max_connections": True},
        {"user_agent": "x\r\nAuthorization: y"},
        {"user_agent": ""},
    ),
)
def test_bad_numbers(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError, match=next(iter(wrong))):
        Settings(KEY, **wrong)  # type: ignore[arg-type]


def test_settings_error_is_fatal_and_survives_pickling() -> None:
    with pytest.raises(DubError) as caught:
        Settings("")
    error = caught.value
    assert error.kind is Kind.FATAL
    for twin in (pickle.loads(pickle.dumps(error)), copy.deepcopy(error)):  # noqa: S301
        assert type(twin) is SettingsError
        assert str(twin) == str(error)


def test_user_agent_names_the_program() -> None:
    assert Settings(KEY).user_agent.startswith("dub-source/")
