"""The command line: results, one sentence and an exit code for bad input, silence about people."""

import contextlib
import json
import os
import pty
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
import duckdb
import pytest
from click.testing import CliRunner, Result

from dub_source.cli.commands import dub_source
from dub_source.sandbox import Fault, Sandbox
from dub_source.sandbox.generate import generate
from tests.conftest import StartSandbox

Run = Callable[..., Result]
KEY, ADDRESS = "SOURCES__DUB__API_KEY", "SOURCES__DUB__BASE_URL"


@pytest.fixture
def sandbox(start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Sandbox:
    sandbox = start_sandbox(120, rate_limit=None)
    monkeypatch.setenv(KEY, sandbox.key())
    monkeypatch.setenv(ADDRESS, sandbox.url)
    monkeypatch.chdir(tmp_path)
    return sandbox


@pytest.fixture
def run(sandbox: Sandbox) -> Run:
    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(dub_source, list(arguments), catch_exceptions=False)

    return invoke


def sentence(result: Result) -> str:
    """The error; exactly one line, nothing else."""
    lines = [line for line in result.stderr.splitlines() if not line.startswith("Read")]
    assert len(lines) == 1, result.stderr
    assert result.stdout == ""
    assert lines[0].startswith("Error: ")
    assert lines[0].endswith(".")
    return lines[0]


# What works


def test_load_says_what_it_did_and_how_to_go_on(run: Run, tmp_path: Path) -> None:
    result = run("load")
    assert result.exit_code == 0
    why, what, cost, where, _, query = result.stdout.splitlines()
    assert why == "Full run: the first sweep of this table."
    assert what == "Read 120 customers: complete. 120 created, 0 updated, 0 deleted."
    assert re.match(r"\d+ requests, \d+\.\d s", cost)
    assert where == "dub_customers.duckdb: table dub.customers has 120 rows."
    with duckdb.connect(str(tmp_path / "dub_customers.duckdb"), read_only=True) as connection:
        assert connection.execute(query).fetchall()


def test_load_as_json(run: Run, sandbox: Sandbox) -> None:
    result = run("load", "--json", "--database", "rows.duckdb", "--dataset", "crm")
    assert (result.exit_code, result.stderr) == (0, "")
    outcome = json.loads(result.stdout)
    assert outcome["read"] == outcome["rows"] == outcome["created"] == 120
    assert (outcome["mode"], outcome["certified"], outcome["deleted"]) == ("full", True, 0)
    assert outcome["requests"] == len(sandbox.requests)
    assert (outcome["complete"], outcome["location"], outcome["dataset"]) == (True, "rows.duckdb", "crm")


def test_load_of_an_empty_workspace_says_so(
    run: Run, start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, start_sandbox(0).url)
    result = run("load")
    assert result.exit_code == 0
    assert "The workspace has no customers yet." in result.stdout


def test_an_incomplete_load_has_its_own_exit_code(
    run: Run, start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, start_sandbox(generate(120, unreadable=2)).url)
    result = run("load")
    assert result.exit_code == 3
    assert "complete except 2" in result.stdout
    assert "2 could not be read" in result.stdout
    assert json.loads(run("load", "--json", "--mode", "full").stdout)["unread"] == 2


def test_after_an_incomplete_sweep_auto_goes_on_in_small_steps_and_says_so(
    run: Run, start_sandbox: StartSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ADDRESS, start_sandbox(generate(120, unreadable=2)).url)
    run("load")
    result = run("load")
    assert result.exit_code == 0
    assert result.stdout.startswith("Incremental run: the next sweep is due at ")
    assert "The last sweep was complete except 2." in result.stdout
    assert json.loads(run("load", "--json").stdout)["unread"] == 2


def test_a_viewer_may_load(run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, sandbox.key("viewer"))
    assert run("load").exit_code == 0


def test_check_has_a_line_for_each_topic_and_changes_nothing(run: Run, sandbox: Sandbox) -> None:
    before = sandbox.snapshot()
    result = run("check")
    assert result.exit_code == 0
    lines = [line.split(maxsplit=2) for line in result.stdout.splitlines()]
    assert [(sign, topic) for sign, topic, _ in lines] == [
        ("ok", f"{topic}:") for topic in ("reachability", "key", "plan", "role", "limit")
    ]
    assert "1,200 requests a minute" in result.stdout
    assert sandbox.snapshot() == before


@pytest.mark.parametrize(
    "name, sign, topic, code",
    (
        ("viewer", "note", "role", 0),
        ("free", "BAD", "plan", 4),
        ("expired", "BAD", "key", 4),
    ),
)
def test_check_says_what_a_key_lacks(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, name: str, sign: str, topic: str, code: int
) -> None:
    monkeypatch.setenv(KEY, sandbox.key(name))
    result = run("check")
    assert result.exit_code == code
    assert any(line.startswith(f"{sign:<5}{topic}: ") for line in result.stdout.splitlines())
    findings = [json.loads(line) for line in run("check", "--json").stdout.splitlines()]
    assert {"ok": {"note": None, "BAD": False}[sign], "topic": topic} in [
        {"ok": each["ok"], "topic": each["topic"]} for each in findings
    ]


# What does not


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


@pytest.mark.parametrize("name", ("dub", "my_data", "_raw2", "main"))
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


@pytest.mark.parametrize(
    "destination, code, words",
    (
        ("nowhere", 6, "no dlt destination called 'nowhere'"),
        ("filesystem", 6, "pip install 'dub-source[lake]'"),
        ("postgres", 2, "password"),
    ),
)
def test_destinations_that_cannot_work(
    run: Run, sandbox: Sandbox, destination: str, code: int, words: str
) -> None:
    result = run("load", "--destination", destination)
    assert result.exit_code == code
    assert words in sentence(result)
    assert sandbox.requests == []


def test_a_destination_without_merge(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from dlt.destinations import dremio

    def capabilities(_self: object) -> SimpleNamespace:
        return SimpleNamespace(supported_merge_strategies=["scd2"])

    monkeypatch.setattr(dremio, "capabilities", capabilities)
    result = run("load", "--destination", "dremio")
    assert result.exit_code == 6
    assert "cannot merge" in sentence(result)


def test_database_files_that_cannot_work(run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "text.duckdb").write_text("not a database")
    (tmp_path / "folder.duckdb").mkdir()
    (tmp_path / "loop.duckdb").symlink_to("loop.duckdb")
    for name, words in {
        "missing/rows.duckdb": "does not exist",
        "folder.duckdb": "is a folder",
        "text.duckdb": "not a DuckDB database",
        "dub.duckdb": "have one name",
        "Dub.duckdb": "have one name",
        ":memory:": "gone after the load",
        "loop.duckdb": "cannot be",
        "x" * 300: "cannot be used",
        "/proc/rows.duckdb": "cannot be opened",
    }.items():
        result = run("load", "--database", name)
        assert (name, result.exit_code) == (name, 6)
        assert words in sentence(result)
    assert sandbox.requests == []
    assert (tmp_path / "text.duckdb").read_text() == "not a database"
    left = {path.name for path in tmp_path.iterdir()} - {"dlt-data"}
    assert left == {"folder.duckdb", "loop.duckdb", "text.duckdb"}


@pytest.mark.slow
def test_a_database_that_another_process_has_open(run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    code = (
        "import duckdb, sys; c = duckdb.connect('rows.duckdb'); print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"open\n"
        result = run("load", "--database", "rows.duckdb")
        holder.communicate(b"")
    assert result.exit_code == 6
    assert "in use by another program" in sentence(result)
    assert sandbox.requests == []


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


# Privacy


def test_nothing_about_people_is_said_or_logged(
    run: Run, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("RUNTIME__LOG_LEVEL", "DEBUG")
    sandbox.inject(Fault("status", containing="startingAfter", skip=1, status=503))
    result = run("load", "--database", "rows.duckdb", "--pipelines-dir", "working")
    assert result.exit_code == 0
    people = [
        value for row in sandbox.snapshot().values() for value in (row["email"], row["externalId"]) if value
    ]
    for where, text in {"output": result.output, "log": caplog.text}.items():
        found = [secret for secret in (sandbox.key(), *people) if secret in text]
        assert not found, f"{where} holds {len(found)} secrets"


def test_no_second_copy_of_the_rows_is_kept(run: Run, sandbox: Sandbox, tmp_path: Path) -> None:
    def copies() -> dict[str, int]:
        run("load", "--mode", "full", "--database", "rows.duckdb")
        with duckdb.connect(str(tmp_path / "rows.duckdb"), read_only=True) as connection:
            tables = connection.execute(
                "SELECT schema_name, table_name FROM duckdb_tables() WHERE table_name = 'customers'"
            ).fetchall()
            return {
                schema: connection.execute(f"SELECT count(*) FROM {schema}.{name}").fetchall()[0][0]
                for schema, name in tables
            }

    assert copies() == {"dub": 120}, "a first load does not even stage them"
    sandbox.change(sandbox.ids()[0], name="Somebody Else")
    assert copies() == {"dub": 120, "dub_staging": 0}


# The program as a whole


def program(*arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    script = Path(sys.executable).parent / "dub-source"
    return subprocess.run([script, *arguments], capture_output=True, text=True, check=False, **options)


def test_help_answers_at_once() -> None:
    fastest = 99.0
    for _ in range(3):
        began = time.monotonic()
        result = program("--help")
        fastest = min(fastest, time.monotonic() - began)
        assert result.returncode == 0
        assert dub_source.commands.keys() <= set(result.stdout.split())
    assert fastest < 0.5


def test_every_option_and_command_has_a_help_text() -> None:
    for name, command in dub_source.commands.items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Argument):
                assert str(parameter.metavar or parameter.name).upper() in command.help, (
                    name,
                    parameter.name,
                )
            else:
                assert isinstance(parameter, click.Option)
                assert parameter.help, (name, parameter.name)


@pytest.mark.slow
def test_streams_that_are_closed_full_or_ascii(sandbox: Sandbox, tmp_path: Path) -> None:
    script = Path(sys.executable).parent / "dub-source"

    def shell(redirect: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        command = ["sh", "-c", f'"$0" "$@" {redirect}', str(script), "load", *arguments]
        return subprocess.run(
            command,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            # Unbuffered streams would hide what fails when the process ends.
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
            | environment,
        )

    for redirect in ("2>&-", "2>/dev/full", "<&- >&- 2>&-"):
        assert shell(redirect).returncode == 0, redirect
    full = shell(">/dev/full")
    assert full.returncode == 1
    assert "Error: The result could not be written to the standard output" in full.stderr
    assert "Traceback" not in full.stderr
    ascii_only = shell("", "--database", "küche.duckdb", PYTHONIOENCODING="ascii")
    assert ascii_only.returncode == 0
    assert "che.duckdb: table dub.customers has 120 rows." in ascii_only.stdout


def test_demo_shows_that_all_arrived_and_what_a_plain_walk_loses(tmp_path: Path) -> None:
    result = program("demo", cwd=tmp_path, env={**os.environ, "HOME": str(tmp_path)})
    assert result.returncode == 0, result.stderr
    assert "Of 4,000 customers in the workspace, 4,000 are in dub_demo.duckdb." in result.stdout
    assert "finds 3,497 and loses 503" in result.stdout
    assert "5 created, 0 updated, 0 deleted." in result.stdout
    assert "0 created, 3 updated, 2 deleted." in result.stdout
    assert re.search(r'updated +\["name"\] +3\n', result.stdout)
    assert "update    5 (country 1, external_id 1, name 3)" in result.stdout
    outcomes = re.findall(r"^  (?:update|delete) +\{.*\} +(\w+) +(\d+)", result.stdout, re.MULTILINE)
    assert sorted(outcomes) == [
        ("accepted_not_applied", "200"),
        *[("applied", "200")] * 4,
        ("rejected", "409"),
    ]
    surprises = result.stdout.partition("Loaded again")[2]
    assert "1 created, 0 updated, 0 deleted." in surprises
    assert "Revenue by country" in result.stdout


def test_progress_is_a_bar_on_a_terminal_and_lines_elsewhere(sandbox: Sandbox, tmp_path: Path) -> None:
    lines = program("load", cwd=tmp_path)
    assert lines.stderr.splitlines() == [
        "Reading 120 customers",
        "Read 120 customers; loading what has changed",
    ]
    ours, theirs = pty.openpty()
    script = Path(sys.executable).parent / "dub-source"
    with subprocess.Popen(
        [script, "load", "--mode", "full"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm"},
    ) as terminal:
        os.close(theirs)
        drawn = b""
        with contextlib.suppress(OSError):  # how Linux says that the other side has closed
            while piece := os.read(ours, 4096):
                drawn += piece
    os.close(ours)
    assert terminal.returncode == 0
    assert "120/120" in drawn.decode()
    assert "━" in drawn.decode()
