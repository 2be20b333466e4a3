"""The scripts in ``pipelines/``: they do what the commands do, with the same exit codes."""

import os
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from dub_source.failures import ExitCode
from dub_source.sandbox import Sandbox
from dub_source.sandbox.generate import generate
from tests.conftest import StartSandbox

FOLDER = Path(__file__).parent.parent / "pipelines"


@pytest.fixture
def sandbox(start_sandbox: StartSandbox) -> Sandbox:
    return start_sandbox(120, rate_limit=None)


def run(
    script: str, sandbox: Sandbox, folder: Path, *arguments: str, key: str | None = None
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FOLDER / script, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={
            **os.environ,
            "SOURCES__DUB__API_KEY": sandbox.key() if key is None else key,
            "SOURCES__DUB__BASE_URL": sandbox.url,
        },
    )


def test_customers_are_loaded(sandbox: Sandbox, tmp_path: Path) -> None:
    good = run("load_customers.py", sandbox, tmp_path)
    assert good.returncode == ExitCode.OK, good.stderr
    with duckdb.connect(str(tmp_path / "dub_customers.duckdb"), read_only=True) as connection:
        assert connection.execute("SELECT count(*) FROM dub.customers").fetchall() == [(120,)]


def test_it_says_when_not_everybody_could_be_read(start_sandbox: StartSandbox, tmp_path: Path) -> None:
    done = run("load_customers.py", start_sandbox(generate(120, unreadable=2)), tmp_path)
    assert done.returncode == ExitCode.INCOMPLETE
    assert "complete except 2" in done.stderr


@pytest.mark.slow
def test_a_whole_reverse_run(sandbox: Sandbox, tmp_path: Path) -> None:
    one, two = sandbox.ids()[:2]
    taken = sandbox.snapshot()[two]["externalId"]
    assert run("load_customers.py", sandbox, tmp_path).returncode == ExitCode.OK
    with duckdb.connect(str(tmp_path / "dub_customers.duckdb")) as connection:
        connection.execute("CREATE SCHEMA crm")
        connection.execute("CREATE TABLE crm.people (id VARCHAR, name VARCHAR, stripe_customer_id VARCHAR)")
        connection.execute("INSERT INTO crm.people VALUES (?, 'Ada Lovelace', NULL)", [one])
    before = sandbox.snapshot()
    shown = run("push_customers.py", sandbox, tmp_path)
    assert (shown.returncode, shown.stderr) == (ExitCode.OK, "")
    assert "desired   1 rows; 0 need nothing" in shown.stdout
    assert sandbox.snapshot() == before
    done = run("push_customers.py", sandbox, tmp_path, "--apply")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (ExitCode.OK, "1 applied")
    assert sandbox.snapshot()[one]["name"] == "Ada Lovelace"
    again = run("push_customers.py", sandbox, tmp_path, "--apply")
    assert (again.returncode, "applied" in again.stdout) == (ExitCode.OK, False)
    # A guard of the plan: another customer has this Stripe id.
    with duckdb.connect(str(tmp_path / "dub_customers.duckdb")) as connection:
        connection.execute("UPDATE crm.people SET stripe_customer_id = 'cus_stripe_taken'")
    sandbox.insert(name="Quicker", external_id=f"{taken}-quicker", stripe_customer_id="cus_stripe_taken")
    refused = run("push_customers.py", sandbox, tmp_path, "--apply")
    assert (refused.returncode, refused.stderr.count("\n")) == (ExitCode.STOPPED, 1)
    assert not [name for name in ("Ada", "cus_stripe_taken") if name in refused.stderr]


@pytest.mark.slow
@pytest.mark.parametrize("script", ("load_customers.py", "push_customers.py"))
@pytest.mark.parametrize(
    "key, code, words",
    (
        ("dub_unknownkey", ExitCode.REFUSED, "does not know this API key"),
        ("", ExitCode.SETTINGS, "There is no Dub API key"),
    ),
)
def test_one_sentence_and_a_number(
    script: str, key: str, code: ExitCode, words: str, sandbox: Sandbox, tmp_path: Path
) -> None:
    bad = run(script, sandbox, tmp_path, key=key)
    assert bad.returncode == code
    assert bad.stderr.count("\n") == 1
    assert words in bad.stderr
