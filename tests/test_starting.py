"""The first five minutes: a folder to begin with, and a shell that completes."""

import os
import re
import stat
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dub_source.cli.commands import dub_source
from dub_source.sandbox import Sandbox
from tests.conftest import StartSandbox

ROOT = Path(__file__).parent.parent
PROGRAMS = Path(sys.executable).parent
FILES = [".dlt/config.toml", ".dlt/secrets.toml", ".gitignore", "dub_pipeline.py", "syncs/names.toml"]

Init = Callable[..., Result]


@pytest.fixture
def init(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Init:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(dub_source, ["init", *arguments], catch_exceptions=False)

    return invoke


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_what_is_written_into_an_empty_folder(init: Init) -> None:
    result = init()
    assert (result.exit_code, result.stderr) == (0, "")
    assert files(Path()) == FILES
    first, second, *steps, last = result.stdout.splitlines()
    assert (
        first == f"Written: {', '.join([*FILES[:2], 'syncs/names.toml', 'dub_pipeline.py', '.gitignore'])}."
    )
    assert second == "Next:"
    assert steps[0].startswith("  put your key into .dlt/secrets.toml")
    assert [" ".join(step.split()[:2]) for step in steps[1:]] == [
        "dub-source check",
        "dub-source load",
        "dub-source status",
        "dub-source plan",
        "python dub_pipeline.py",
    ]
    assert "dub-source sandbox" in last
    assert stat.S_IMODE(Path(".dlt/secrets.toml").stat().st_mode) == 0o600
    assert tomllib.loads(Path(".dlt/secrets.toml").read_text())["sources"]["dub"] == {"api_key": ""}
    assert ".dlt/secrets.toml" in Path(".gitignore").read_text().split()


def test_a_shell_that_does_not_find_the_program_is_told_where_it_is(
    init: Init, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    steps = init("new").stdout.splitlines()[2:]
    assert steps[:2] == [f'  export PATH="{PROGRAMS}:$PATH"', "  cd new"]
    found = subprocess.run(
        ["bash", "-euc", f"{steps[0]}; dub-source --version"], capture_output=True, text=True, check=False
    )
    assert found.stdout.startswith("dub-source, version "), found.stderr


def test_the_settings_are_those_of_this_project() -> None:
    starter = ROOT / "dub_source" / "cli" / "starter" / "config.toml"
    assert starter.read_bytes() == (ROOT / ".dlt" / "config.toml").read_bytes()


def test_a_mode_that_is_more_generous_does_not_open_the_secrets(init: Init) -> None:
    before = os.umask(0)
    try:
        init()
    finally:
        os.umask(before)
    assert stat.S_IMODE(Path(".dlt/secrets.toml").stat().st_mode) == 0o600


def test_nothing_is_overwritten(init: Init) -> None:
    Path(".dlt").mkdir()
    Path(".dlt/secrets.toml").write_text("mine")
    Path(".gitignore").write_text("mine\n*.duckdb\n")
    Path("dub_pipeline.py").symlink_to("nowhere.py")
    result = init()
    assert result.exit_code == 0
    written, left, ignore, *_ = result.stdout.splitlines()
    assert written == "Written: .dlt/config.toml, syncs/names.toml."
    assert left == "Left alone, because they were there: .dlt/secrets.toml, dub_pipeline.py, .gitignore."
    assert ignore.startswith("Add to .gitignore, ")
    assert ignore.endswith(": .dlt/secrets.toml, .*.duckdb.*.lock, *.duckdb.wal")
    assert "put your key" not in result.stdout
    assert Path(".dlt/secrets.toml").read_text() == "mine"
    assert Path(".gitignore").read_text() == "mine\n*.duckdb\n"
    assert not Path("nowhere.py").exists()

    content = {name: Path(name).read_bytes() for name in FILES if name != "dub_pipeline.py"}
    again = init()
    assert again.exit_code == 0
    assert "Written" not in again.stdout
    assert content == {name: Path(name).read_bytes() for name in content}


def test_another_folder(init: Init) -> None:
    result = init("new/my project")
    assert files(Path("new/my project")) == FILES
    assert "Next:\n  cd 'new/my project'\n" in result.stdout


def test_folders_that_cannot_be_used(init: Init) -> None:
    Path("file").write_text("")
    Path(".dlt").write_text("")
    for arguments in (("file",), ("file/below",), ()):
        result = init(*arguments)
        assert result.exit_code == 2
        assert result.stderr.splitlines()[-1].startswith("Error: ")
        assert "Traceback" not in result.stderr
    assert files(Path()) == [".dlt", "file"]


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_next_steps_work_as_they_are_told(init: Init, start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(50)
    one = sandbox.ids()[0]
    sandbox.change(one, name="  Blank Ahead")
    result = init()
    assert program("check").returncode == 2, "there is no key yet"
    put_key(sandbox)
    steps = [line.split("   ")[0].split() for line in result.stdout.splitlines() if line.startswith("  ")][1:]
    assert len(steps) == 5
    said = []
    for _, *arguments in steps[:4]:
        done = program(*arguments)
        assert (arguments, done.returncode) == (arguments, 0), done.stderr
        said.append(done.stdout)
    assert "(name 1)" in said[-1], "the plan"
    script = [sys.executable, *steps[4][1:]]
    shown = subprocess.run(script, capture_output=True, text=True, env=environment(), check=False)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert sandbox.snapshot()[one]["name"] == "  Blank Ahead"
    applied = subprocess.run(
        [*script, "--apply"], capture_output=True, text=True, env=environment(), check=False
    )
    assert (applied.returncode, applied.stderr) == (0, "")
    assert applied.stdout.splitlines()[-1] == "1 applied"
    assert sandbox.snapshot()[one]["name"] == "Blank Ahead"
    assert "Blank" not in "".join((shown.stdout, applied.stdout))


def put_key(sandbox: Sandbox) -> None:
    path = Path(".dlt/secrets.toml")
    text = path.read_text().replace('api_key = "" ', f'api_key = "{sandbox.key()}" ')
    text = re.sub(r"# base_url = \S+", f'base_url = "{sandbox.url}"', text)
    path.write_text(text)


def environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}"}


def program(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [PROGRAMS / "dub-source", *arguments], capture_output=True, text=True, env=environment(), check=False
    )


# Completion

ASK = """
eval "$(dub-source completion bash)"
complete -p dub-source >/dev/null || exit 1
COMP_WORDS=({words}) COMP_CWORD={last}
_dub_source_completion dub-source
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def completed(line: str) -> list[str]:
    """What bash would offer at the end of a line."""
    words = line.split(" ")
    script = ASK.format(words=" ".join(each or "''" for each in words), last=len(words) - 1)
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, env=environment(), check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_bash_completes_commands_options_choices_and_workspaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert completed("dub-source st") == ["status"]
    assert completed("dub-source status --max-") == ["--max-age", "--max-sweep-age"]
    assert completed("dub-source load --mode i") == ["incremental"]
    Path(".dlt").mkdir()
    Path(".dlt/secrets.toml").write_text(
        "[sources.dub.workspaces.acme]\nmax_rate_share = 0.5\n"
        "[sources.dub.workspaces.globex]\nmax_rate_share = 0.5\n"
    )
    assert completed("dub-source load --workspace ") == ["acme", "globex"]
    assert completed("dub-source status --workspace g") == ["globex"]
    Path(".dlt/secrets.toml").write_text("not toml")
    assert completed("dub-source load --workspace ") == []


@pytest.mark.parametrize("shell", ("bash", "zsh", "fish"))
def test_a_script_for_each_shell(shell: str) -> None:
    result = CliRunner().invoke(dub_source, ["completion", shell], prog_name="dub-source")
    assert result.exit_code == 0
    assert f"_DUB_SOURCE_COMPLETE={shell}_complete" in result.stdout


def test_a_command_that_is_misspelt_is_guessed() -> None:
    result = CliRunner().invoke(dub_source, ["stauts"])
    assert result.exit_code == 2
    assert "Did you mean 'status'?" in result.stderr
