"""Commands about several workspaces: which, what they print, what they end with."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from dub_source.cli.commands import dub_source
from dub_source.sandbox import Fault, Sandbox
from dub_source.sandbox.generate import generate
from tests.conftest import StartSandbox
from tests.workspaces.conftest import Project

COMMAND = str(Path(sys.executable).parent / "dub-source")
Run = Callable[..., Result]


def section(name: str, sandbox: Sandbox, key: str | None = None, **more: Any) -> str:
    settings = {"api_key": key or sandbox.key(), "base_url": sandbox.url, **more}
    lines = [f"{setting} = {json.dumps(value)}" for setting, value in settings.items()]
    return "\n".join([f"[sources.dub.workspaces.{name}]", *lines, ""])


def own(start_sandbox: StartSandbox, name: str, customers: int) -> Sandbox:
    """A sandbox with a key that no other one has."""
    dataset = generate(customers)
    dataset.tokens[0] = replace(dataset.tokens[0], key=f"dub_key_of_{name}")
    return start_sandbox(dataset)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(dub_source, list(arguments), catch_exceptions=False)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [COMMAND, *arguments], cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def rows(folder: Path, name: str) -> int:
    with duckdb.connect(str(folder / f"dub_customers_{name}.duckdb"), read_only=True) as connection:
        found = connection.execute(f"SELECT count(*) FROM dub_{name}.customers").fetchone()
    assert found is not None
    return int(found[0])


@pytest.mark.slow
def test_all_at_once_with_a_line_and_a_code_for_each(start_sandbox: StartSandbox, project: Project) -> None:
    acme, globex = own(start_sandbox, "acme", 60), own(start_sandbox, "globex", 40)
    folder = project(
        section("acme", acme) + section("globex", globex) + section("initech", acme, "dub_nobodys")
    )
    with start(folder, "load", "--all-workspaces", "--parallel", "3") as process:
        said, told = process.communicate(timeout=100)
    assert process.returncode == 4
    words = r"Full run: (\d+) read, \1 created, 0 updated, 0 deleted; \d+ requests, \d+\.\d s; "
    for name, count in (("acme", 60), ("globex", 40)):
        place = f"dub_customers_{name}.duckdb: dub_{name}.customers has {count} rows."
        assert re.search(rf"^{name}: {words}{re.escape(place)}$", said, re.MULTILINE)
        assert f"{name}: Reading {count} customers\n" in told
        assert rows(folder, name) == count
    assert len(said.splitlines()) == 2
    (failed,) = [line for line in told.splitlines() if "Error" in line]
    assert failed.startswith("initech: Error: ")
    assert failed.endswith("(exit code 4)")
    assert "dub_nobodys" not in said + told


def test_one_of_them_as_a_list_and_in_a_line(start_sandbox: StartSandbox, project: Project) -> None:
    sandbox = start_sandbox(30)
    project(section("acme", sandbox) + section("globex", sandbox, "dub_other"))
    listed = run("load", "--workspace", "acme", "--json")
    assert (listed.exit_code, listed.stderr) == (0, "")
    (outcome,) = json.loads(listed.stdout)
    assert (outcome["workspace"], outcome["exit_code"], outcome["error"]) == ("acme", 0, None)
    assert (outcome["rows"], outcome["dataset"]) == (30, "dub_acme")
    quiet = run("load", "--workspace", "acme", "--quiet")
    assert (quiet.exit_code, quiet.stderr) == (0, "")
    assert re.fullmatch(r"acme: Incremental run: .* has 30 rows\.\n", quiet.stdout)


@pytest.mark.parametrize(
    "arguments, said",
    (
        (("--workspace", "acne"), "There is no workspace acne"),
        (("--workspace", "acme", "--workspace", "acme"), "acme is named twice"),
        (("--workspace", "acme", "--all-workspaces"), "use one of them"),
        (("--workspace", "acme", "--dataset", "My-Data"), "cannot have the dataset 'My-Data_acme'"),
    ),
)
@pytest.mark.parametrize("command", ("load", "check"))
def test_what_cannot_be_is_said_before_anything_is_sent(
    start_sandbox: StartSandbox, project: Project, command: str, arguments: tuple[str, ...], said: str
) -> None:
    if command == "check" and "--dataset" in arguments:
        return
    sandbox = start_sandbox(3)
    project(section("acme", sandbox))
    result = run(command, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert said in result.stderr
    assert result.stderr.count("\n") == 1
    assert sandbox.requests == []


@pytest.mark.parametrize(
    "command", (("load",), ("check",), ("plan", "crm.people"), ("apply", "plan_12345678"))
)
def test_no_workspaces_two_with_one_key(
    start_sandbox: StartSandbox, project: Project, command: tuple[str, ...]
) -> None:
    sandbox = start_sandbox(3)
    project(section("acme", sandbox) + section("globex", sandbox))
    result = run(*command, "--workspace", "acme")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: The workspaces acme and globex have the same key")
    assert sandbox.requests == []


def test_check_looks_at_each(start_sandbox: StartSandbox, project: Project) -> None:
    sandbox = start_sandbox(3, rate_limit=None)
    project(section("acme", sandbox) + section("globex", sandbox, "dub_nobodys"))
    result = run("check", "--all-workspaces")
    assert result.exit_code == 4
    lines = result.stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["acme:"] * 5 + ["globex:"]
    assert lines[-1].startswith("globex: BAD  key: ")
    findings = [
        json.loads(line) for line in run("check", "--workspace", "acme", "--json").stdout.splitlines()
    ]
    assert {each["workspace"] for each in findings} == {"acme"}
    assert all(each["ok"] for each in findings)


@pytest.mark.slow
def test_plan_apply_and_revert_in_a_workspace(start_sandbox: StartSandbox, project: Project) -> None:
    acme = start_sandbox(20)
    folder = project(section("acme", acme) + section("globex", acme, "dub_other"))
    here = ("--workspace", "acme")
    assert run("load", *here).exit_code == 0
    one = acme.ids()[0]
    (folder / "names.csv").write_text(f"id,name\n{one},Jane Doe\n")
    planned = run("plan", "names.csv", *here)
    assert planned.exit_code == 0, planned.stderr
    *_, advice = planned.stdout.splitlines()
    program, command, *arguments = advice.split()
    assert (program, command, arguments[1:]) == ("dub-source", "apply", ["--workspace", "acme"])
    assert run(command, *arguments).exit_code == 0
    assert acme.snapshot()[one]["name"] == "Jane Doe"
    back = run("revert", *arguments)
    assert back.exit_code == 0, back.stderr
    assert back.stdout.splitlines()[-1].endswith("--workspace acme")


# Logs for programs


def logged(text: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])
        assert line["level"] in ("info", "warning", "error")
    return lines


def test_json_logs_of_a_load(start_sandbox: StartSandbox, project: Project) -> None:
    sandbox = start_sandbox(30)
    people = [
        value for row in sandbox.snapshot().values() for value in (row["email"], row["externalId"]) if value
    ]
    project(section("acme", sandbox))
    result = run("load", "--workspace", "acme", "--log-json")
    assert (result.exit_code, result.stdout) == (0, "")
    lines = logged(result.stderr)
    assert [line["event"] for line in lines] == ["begins", "expecting", "loading", "done"]
    assert {line["workspace"] for line in lines} == {"acme"}
    assert (lines[0]["mode"], lines[1]["customers"], lines[-1]["exit_code"]) == ("full", 30, 0)
    assert lines[-1]["rows"] == 30
    assert not [value for value in [*people, sandbox.key()] if value in result.stderr]


def test_json_logs_without_workspaces_of_errors_and_warnings(
    start_sandbox: StartSandbox, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = start_sandbox(30)
    project()
    monkeypatch.setenv("SOURCES__DUB__BASE_URL", sandbox.url)
    monkeypatch.setenv("SOURCES__DUB__API_KEY", "dub_nobodys")
    refused = run("load", "--log-json")
    assert (refused.exit_code, refused.stdout) == (4, "")
    assert [(line["event"], line["level"]) for line in logged(refused.stderr)] == [
        ("begins", "info"),
        ("failed", "error"),
    ]
    monkeypatch.setenv("SOURCES__DUB__API_KEY", sandbox.key())
    warned = run("load", "--log-json", "--json", "--exclude-column", "emial")
    assert warned.exit_code == 0
    assert json.loads(warned.stdout)["rows"] == 30
    first, *_, last = logged(warned.stderr)
    assert (first["event"], first["level"]) == ("warning", "warning")
    assert "emial" in first["text"]
    assert (last["event"], last["exit_code"], last["rows"]) == ("done", 0, 30)


# Interrupted, killed, out of time


def held_up(start_sandbox: StartSandbox, name: str) -> Sandbox:
    """A sandbox whose pages do not come for long."""
    sandbox = own(start_sandbox, name, 300)
    sandbox.inject(Fault("stall", containing="startingAfter", seconds=5.0, times=1_000))
    return sandbox


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_free(folder: Path) -> bool:
    """Whether nobody holds a lock in the folder of working files."""
    import fcntl

    for lock in folder.rglob("lock"):
        with lock.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
    return True


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("number, code", ((signal.SIGTERM, 143), (signal.SIGINT, 130)))
def test_interrupted_all_end_in_good_order(
    start_sandbox: StartSandbox, project: Project, number: signal.Signals, code: int
) -> None:
    names = ("acme", "globex", "initech")
    sandboxes = [held_up(start_sandbox, name) for name in names]
    folder = project("".join(map(section, names, sandboxes)))
    arguments = ("load", "--all-workspaces", "--parallel", "2", "--pipelines-dir", "working")
    with start(folder, *arguments) as process:
        wait_for(lambda: sum("startingAfter" in str(each.requests) for each in sandboxes) == 2)
        process.send_signal(number)
        said, told = process.communicate(timeout=100)
    assert (process.returncode, said) == (code, "")
    *lines, last = [line for line in told.splitlines() if "Read" not in line]
    assert sorted(lines) == [
        f"{name}: Error: Interrupted; nothing is half-written. (exit code {code})" for name in names
    ]
    assert last == "Interrupted; nothing is half-written."
    assert sandboxes[2].requests == [], "none was begun after that"
    assert is_free(folder / "working")
    assert list(folder.glob("*.duckdb")) == []


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_loads_whose_parent_is_killed_end_soon_and_free_their_place(
    start_sandbox: StartSandbox, project: Project
) -> None:
    names = ("acme", "globex")
    sandboxes = [held_up(start_sandbox, name) for name in names]
    folder = project("".join(map(section, names, sandboxes)))
    arguments = ("load", "--all-workspaces", "--parallel", "2", "--pipelines-dir", "working")
    with start(folder, *arguments) as process:
        wait_for(lambda: all("startingAfter" in str(each.requests) for each in sandboxes))
        assert not is_free(folder / "working")
        process.kill()
        process.wait()
        wait_for(lambda: is_free(folder / "working"))
    for sandbox in sandboxes:
        sandbox.clear_faults()
    with start(folder, *arguments) as process:
        process.communicate(timeout=100)
    assert process.returncode == 0
    assert rows(folder, "acme") == rows(folder, "globex") == 300


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_load_whose_process_is_killed_fails_alone(start_sandbox: StartSandbox, project: Project) -> None:
    sandboxes = [held_up(start_sandbox, "acme"), own(start_sandbox, "globex", 40)]
    folder = project("".join(map(section, ("acme", "globex"), sandboxes)))
    with start(folder, "load", "--all-workspaces", "--parallel", "2") as process:
        wait_for(lambda: "startingAfter" in str(sandboxes[0].requests))
        wait_for(
            lambda: (folder / "dub_customers_globex.duckdb").exists() and len(children(process.pid)) == 1
        )
        os.kill(children(process.pid)[0], signal.SIGKILL)
        _, told = process.communicate(timeout=100)
    assert process.returncode == 1
    assert "acme: Error: The process of this load was killed by signal 9" in told
    assert rows(folder, "globex") == 40


def children(pid: int) -> list[int]:
    return [
        int(each)
        for task in Path(f"/proc/{pid}/task").iterdir()
        for each in (task / "children").read_text().split()
    ]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_time_is_that_of_all_together(start_sandbox: StartSandbox, project: Project) -> None:
    """Whoever has no turn any more is not begun."""
    sandboxes = [own(start_sandbox, "acme", 2_000), own(start_sandbox, "globex", 40)]
    # Longer than the time that there is, so that the second round of pages is not asked for.
    sandboxes[0].inject(Fault("stall", containing="startingAfter", seconds=3.0, times=1_000))
    folder = project("".join(map(section, ("acme", "globex"), sandboxes)))
    arguments = ("load", "--all-workspaces", "--parallel", "1", "--max-seconds", "2")
    with start(folder, *arguments, "--json", "--log-json") as process:
        said, told = process.communicate(timeout=100)
    assert process.returncode == 124
    assert [(each["workspace"], each["exit_code"]) for each in json.loads(said)] == [
        ("acme", 124),
        ("globex", 124),
    ]
    assert {line["level"] for line in logged(told) if line["event"] == "failed"} == {"error"}
    assert sandboxes[1].requests == []
    sandboxes[0].clear_faults()
    with start(folder, *arguments[:-1], "600", "--json") as process:
        said, _ = process.communicate(timeout=100)
    acme, globex = json.loads(said)
    assert (acme["resumed"], acme["rows"], globex["rows"]) == (True, 2_000, 40)
