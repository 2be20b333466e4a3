"""Who only looks needs no more than the right to read: nothing is written, not even by dlt."""

import os
import re

import pytest

from dub_source import runs
from tests.reverse.world import PushWorld

pytestmark = pytest.mark.only("postgres")


def test_a_role_that_may_only_read_is_enough(push_world: PushWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    push_world.warehouse.execute(
        "CREATE ROLE looks LOGIN",
        "GRANT USAGE ON SCHEMA dub TO looks",
        "GRANT SELECT ON ALL TABLES IN SCHEMA dub TO looks",
    )
    name = "DESTINATION__POSTGRES__CREDENTIALS"
    try:
        as_reader = re.sub(r"://[^@/]*@", "://looks:x@", os.environ[name])
        assert "looks" in as_reader
        with monkeypatch.context() as other:
            other.setenv(name, as_reader)
            assert runs.status(push_world.target).living == 120
    finally:
        push_world.warehouse.execute("DROP OWNED BY looks", "DROP ROLE looks")
