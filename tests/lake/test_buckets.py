"""A lake in a bucket: every promise with objects instead of files, and without a lock."""

import io
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest

from dub_source import runs
from dub_source.destinations import Target, open_destination
from dub_source.failures import ExitCode, explain
from dub_source.reverse.sync_file import Sync
from dub_source.sandbox import Sandbox
from tests.conftest import StartSandbox
from tests.lake.bucket import Bucket, s3_bucket
from tests.lake.test_loads import SCRIPT
from tests.sync.world import counts

pytestmark = pytest.mark.only("delta")

TARGET = Target("filesystem")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, _private_dlt: None) -> Iterator[Bucket]:
    with s3_bucket() as made:
        for name, value in made.environment.items():
            monkeypatch.setenv(name, value)
        yield made


def here(sandbox: Sandbox, working: Path) -> dict[str, Any]:
    return {"pipelines_dir": working, "api_key": sandbox.key(), "base_url": sandbox.url}


def living(bucket: Bucket) -> dict[str, str]:
    """Names by id, each customer there once."""
    rows = bucket.rows("customers")
    assert set(Counter(row["id"] for row in rows).values()) == {1}
    return {row["id"]: row["name"] for row in rows if row["deleted_at"] is None}


def mentions(bucket: Bucket, text: str) -> list[str]:
    """The objects that hold a text."""

    def content(name: str, data: bytes) -> str:
        if name.endswith(".parquet"):
            return str(pyarrow.parquet.ParquetFile(io.BytesIO(data)).read().to_pylist())
        return data.decode("utf-8", "replace")

    return [name for name, data in bucket.objects().items() if text in content(name, data)]


def test_there_and_back_from_machines_that_know_nothing(
    bucket: Bucket, start_sandbox: StartSandbox, tmp_path: Path
) -> None:
    sandbox = start_sandbox(120)
    gone, changed, planned = sandbox.ids()[5:8]

    def load(machine: str, mode: str = "full") -> tuple[int, int, int]:
        return counts(runs.load(TARGET, mode=mode, **here(sandbox, tmp_path / machine)))

    assert load("first") == (120, 0, 0)
    assert living(bucket).keys() == set(sandbox.ids())
    before = bucket.objects()
    assert load("second", "incremental") == (0, 0, 0)
    added = bucket.objects().keys() - before.keys()
    assert not [name for name in added if "/dub/customers" in name], "nothing new writes no row of a customer"

    sandbox.delete(gone)
    sandbox.change(changed, name="Somebody Changed", email="changed@example.test")
    assert load("third") == (0, 1, 1)
    assert living(bucket)[changed] == "Somebody Changed"
    assert living(bucket).keys() == set(sandbox.ids())

    wish = Sync(query=f"SELECT id, 'Rosalind Planned' AS name FROM customers WHERE id = '{planned}'")
    machine = here(sandbox, tmp_path / "fourth")
    plan = runs.plan(TARGET, wish, **machine).plan
    assert runs.apply(TARGET, plan.plan_id, **machine).complete
    assert sandbox.snapshot()[planned]["name"] == "Rosalind Planned"
    assert load("fifth") == (0, 0, 0)
    assert [row["result"] for row in bucket.rows("push_log")] == ["applied"]

    assert mentions(bucket, "Rosalind"), "the search finds what is there"
    erased = runs.erase(TARGET, ids=[planned], apply=True, **here(sandbox, tmp_path / "sixth"))
    assert (erased.complete, erased.erased, erased.rewritten) == (True, (planned,), True)
    assert mentions(bucket, "Rosalind") == []
    assert mentions(bucket, "Somebody Changed")
    assert living(bucket).keys() == set(sandbox.ids())
    assert load("seventh") == (0, 0, 0)


def test_two_runs_at_once_do_no_harm(bucket: Bucket, start_sandbox: StartSandbox, tmp_path: Path) -> None:
    """No lock is there: commits tell them apart. The first ones ever, and ones with changes."""
    sandbox = start_sandbox(120)
    settings = {"SOURCES__DUB__API_KEY": sandbox.key(), "SOURCES__DUB__BASE_URL": sandbox.url}
    for expected in (120, 121):
        both = [
            subprocess.Popen(
                [sys.executable, "-c", SCRIPT, bucket.url, str(tmp_path / f"machine-{number}")],
                cwd=tmp_path,
                env={**os.environ, **settings},
                stderr=subprocess.PIPE,
                text=True,
            )
            for number in range(2)
        ]
        ends = [(run.communicate(timeout=100)[1], run.returncode) for run in both]
        assert [code for _, code in ends] == [0, 0], ends
        assert living(bucket).keys() == set(sandbox.ids())
        assert len(living(bucket)) == expected
        keys = Counter(row["version_key"] for row in bucket.rows("customers_history"))
        assert set(keys.values()) == {1}
        for customer_id in sandbox.ids()[:20]:
            sandbox.change(customer_id, name=f"Changed {expected}", email="same@example.test")
        sandbox.insert(name="New")
    assert counts(runs.load(TARGET, mode="full", **here(sandbox, tmp_path / "last"))) == (1, 20, 0)


def test_a_bucket_that_does_not_answer_is_one_sentence(
    bucket: Bucket, start_sandbox: StartSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESTINATION__FILESYSTEM__CREDENTIALS__ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(Exception, match=r".") as caught:
        runs.load(TARGET, mode="full", **here(start_sandbox(20), tmp_path))
    failure = explain(caught.value)
    assert failure.exit_code is ExitCode.DESTINATION
    assert failure.sentence.count("\n") == 0
    assert "secret-of-the-bucket" not in failure.sentence
    assert bucket.objects() == {}


@pytest.mark.usefixtures("_private_dlt")
def test_keys_that_are_renewed_during_a_run_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of a session end after an hour, say, and another program writes new ones into the same file."""
    keys = tmp_path / "credentials"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(keys))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setenv("DESTINATION__FILESYSTEM__BUCKET_URL", "s3://lake/customers")

    def renew(key: str) -> None:
        keys.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")

    renew("first")
    destination = open_destination(TARGET).destination
    for key in ("first", "second"):
        renew(key)
        wanted = destination.spec()
        wanted.dataset_name = "dub"
        found = destination.configuration(wanted).credentials.to_object_store_rs_credentials()
        assert found["aws_access_key_id"] == key
