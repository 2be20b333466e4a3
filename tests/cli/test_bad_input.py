"""One sentence and an exit code for keys, settings and answers that cannot work; nothing is written."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dub_source.sandbox import Fault, Sandbox
from tests.cli.conftest import ADDRESS, KEY, Run, program, sentence


@pytest.mark.parametrize(
    "key, code, words",
    (
        ("", 2, "There is no Dub API key"),
        ("   ", 2, "There is no Dub API key"),
        ("sk_live_51secret", 2, "not a workspace key"),
        ("dub_with space", 2, "holds a space"),
        ("dub_unknownkey", 4, "does not know this API key"),
        ("dub_sandboxfree0000000000000", 4, "plan"),
        ("dub_sandboxexpired0000000000", 4, "has expired"),
    ),
)
def test_keys_that_cannot_work(
    run: Run, monkeypatch: pytest.MonkeyPatch, key: str, code: int, words: str
) -> None:
    monkeypatch.setenv(KEY, key)
    result = run("load")
    assert result.exit_code == code
    assert words in sentence(result)
    if key.strip():
        assert key not in result.output


def test_check_finds_the_key_wherever_load_finds_it(
    run: Run, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox
) -> None:
    monkeypatch.delenv(KEY)
    for name in ("SOURCES__DUB__DUB__API_KEY", "SOURCES__API_KEY", "API_KEY"):
        monkeypatch.setenv(name, sandbox.key())
        assert (run("load").exit_code, run("check").exit_code) == (0, 0), name
        monkeypatch.delenv(name)
    assert run("check").exit_code == 2


def test_no_key_at_all(run: Run, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.delenv(KEY)
    result = run("load")
    assert result.exit_code == 2
    assert "SOURCES__DUB__API_KEY" in sentence(result)
    assert run("check").exit_code == 2
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "address, code, words",
    (
        ("http://127.0.0.1:9", 5, "refused"),
        ("https://no-such-host.invalid", 5, "cannot be resolved"),
        ("http://example.com", 2, "use https"),
        ("ftp://example.com", 2, "https://"),
        ("https://user:secret@example.com", 2, "password"),
    ),
)
def test_addresses_that_cannot_work(
    run: Run, monkeypatch: pytest.MonkeyPatch, address: str, code: int, words: str
) -> None:
    monkeypatch.setenv(ADDRESS, address)
    result = run("load")
    assert result.exit_code == code
    assert words in sentence(result)
    assert "secret" not in result.output


@pytest.mark.parametrize("value", ("0", "101", "-3"))
def test_page_sizes_out_of_range(run: Run, sandbox: Sandbox, value: str) -> None:
    result = run("load", "--page-size", value)
    assert result.exit_code == 2
    assert "from 1 to 100" in sentence(result)
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "name", ("a/b", 'x";', "My Data", "my-data", "a__b", "a_", "1a", "select", "left", "é", "", "x" * 51)
)
def test_datasets_that_would_not_keep_their_name(run: Run, sandbox: Sandbox, name: str) -> None:
    result = run("load", "--dataset", name)
    assert result.exit_code == 2
    assert "dataset" in sentence(result)
    assert sandbox.requests == []


def test_a_dataset_that_loads_into_another_one_would_empty(run: Run, sandbox: Sandbox) -> None:
    result = run("load", "--dataset", "dub_acme_staging")
    assert result.exit_code == 2
    assert "emptied by every load" in sentence(result)
    assert sandbox.requests == []


@pytest.mark.parametrize("name", ("dub", "my_data", "_raw2", "main", "staging"))
def test_datasets_that_keep_it(run: Run, tmp_path: Path, name: str) -> None:
    result = run("load", "--dataset", name, "--json")
    assert result.exit_code == 0
    with duckdb.connect(str(tmp_path / "dub_customers.duckdb"), read_only=True) as connection:
        assert connection.execute(json.loads(result.stdout)["query"]).fetchall()


@pytest.mark.parametrize("file", ("secrets.toml", "config.toml"))
@pytest.mark.parametrize("content", (b"broken [[[", b"\xd7\x00\xff"))
def test_broken_files_of_settings(sandbox: Sandbox, tmp_path: Path, file: str, content: bytes) -> None:
    (tmp_path / ".dlt").mkdir()
    (tmp_path / ".dlt" / file).write_bytes(content)
    for command in ("load", "check"):
        result = program(command, cwd=tmp_path)
        assert result.returncode == 2
        assert f".dlt/{file} is not valid TOML" in result.stdout + result.stderr
        assert (result.stdout + result.stderr).count("\n") == 1


def test_an_empty_address_is_not_that_of_dub(run: Run, sandbox: Sandbox) -> None:
    result = run("load", "--base-url", "")
    assert result.exit_code == 2
    assert "base_url is empty" in sentence(result)
    assert run("check", "--base-url", "").exit_code == 2
    assert sandbox.requests == []


@pytest.mark.parametrize("folder", ("/proc/working", "taken"))
def test_working_folders_that_cannot_be_used(run: Run, sandbox: Sandbox, tmp_path: Path, folder: str) -> None:
    (tmp_path / "taken").write_text("")
    result = run("load", "--pipelines-dir", folder)
    assert result.exit_code == 2
    assert "--pipelines-dir" in sentence(result)
    assert sandbox.requests == []


@pytest.mark.parametrize("option", ("--rate-window", "--latency-ms"))
@pytest.mark.parametrize("value", ("nan", "inf"))
def test_the_sandbox_refuses_durations_that_are_none(option: str, value: str) -> None:
    result = program("sandbox", option, value, "--port", "0", timeout=20)
    assert result.returncode == 2
    assert "no durations" in result.stderr


@pytest.mark.parametrize("setting", ("exclude_columns", "hash_columns"))
@pytest.mark.parametrize("value", ('[["email"]]', "[{}]", '[["email"], "name"]'))
def test_lists_in_lists_are_no_columns(
    setting: str, value: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"SOURCES__DUB__{setting.upper()}", value)
    result = run("load")
    assert result.exit_code == 2
    assert f"{setting} holds something that is no column" in sentence(result)


def test_settings_of_the_wrong_type(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCES__DUB__PAGE_SIZE", "many")
    result = run("load")
    assert result.exit_code == 2
    assert "page_size" in sentence(result)


@pytest.mark.parametrize("kind", ("not_json", "truncated"))
def test_an_answer_that_is_not_json(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    sandbox.inject(Fault(kind, times=999))
    result = run("load")
    assert result.exit_code == 5
    assert sentence(result)


def test_another_web_server_than_dub(run: Run, monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> None:
    monkeypatch.setenv(ADDRESS, sandbox.url + "/elsewhere")
    result = run("load")
    assert result.exit_code == 5
    assert "check that base_url is the address of Dub's API" in sentence(result)
