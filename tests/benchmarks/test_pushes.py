"""Updates by everything that can write them: what is lost, overwritten or told wrongly is counted."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from benchmarks import pushes
from benchmarks.__main__ import cli
from benchmarks.failure import BenchmarkFailed
from benchmarks.pushes import Case, Judged, judge
from benchmarks.server import Options, Server
from dub_source.client import DubClient
from dub_source.settings import Settings

WANTED = {each: f"new-{each}" for each in "abcd"}
RIGHT = {"a": "new-a", "b": "new-b", "c": "new-c", "d": "theirs"}


@pytest.mark.parametrize(
    "emails, told, writes, judged",
    (
        (RIGHT, "abc", {"a": 1, "b": 1, "c": 1}, Judged(0, 0, 0, 0)),
        (RIGHT | {"d": "new-d"}, "abcd", {"d": 1}, Judged(0, 1, 0, 0)),
        (RIGHT | {"a": "old"}, "bc", {}, Judged(1, 0, 0, 0)),
        (RIGHT | {"a": "old"}, "abc", {}, Judged(1, 0, 0, 1)),
        (RIGHT, "ab", {"c": 2, "b": 1}, Judged(0, 0, 1, 1)),
        ({}, "", {}, Judged(3, 0, 0, 0)),
    ),
)
def test_each_mistake_is_counted(
    emails: dict[str, str], told: str, writes: dict[str, int], judged: Judged
) -> None:
    assert judge(WANTED, ["d"], emails, list(told), writes) == judged


def test_the_server_drifts_and_loses_an_answer() -> None:
    with Server(Options(customers=20, log=True)) as server:
        drifted = server.drift(2)
        assert len(set(drifted)) == 2
        server.lose_answer(skip=1)
        ids = [each for each in server.ids() if each not in drifted][:3]
        with DubClient(Settings(api_key=server.key, base_url=server.url)) as client:
            for number, each in enumerate(ids):
                client.update(each, {"email": f"new{number}@example.com"})
        # The client sends again what has no answer.
        assert server.writes() == dict(zip(ids, (1, 2, 1), strict=True))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_only_this_tool_gets_nothing_wrong(tmp_path: Path) -> None:
    arguments = ["--results", str(tmp_path), "pushes", "--updates", "200"]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 0, done.output
    told = json.loads((tmp_path / "pushes-200-0ms.json").read_text(encoding="utf-8"))
    rows = {row["writer"]: row for row in told["results"]}
    assert list(rows) == ["dub-source", "loop", "loop-again", "sdk"], "drt-core only where it is"
    found = {
        name: tuple(row[each] for each in ("missing", "overwritten", "twice", "mistold"))
        for name, row in rows.items()
    }
    assert found == {
        "dub-source": (0, 0, 0, 0),
        "loop": (0, 2, 0, 1),
        "loop-again": (0, 2, 1, 0),
        "sdk": (0, 2, 0, 1),
    }
    assert all(row["requests"] >= 200 for row in rows.values())
    assert rows["dub-source"]["of_ours"] == 1


def test_a_mistake_of_this_tool_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushes, "_ours", lambda *_: ([], []))
    monkeypatch.setattr(pushes, "load", lambda *_: None)
    with pytest.raises(BenchmarkFailed, match="got something wrong"):
        pushes.measure((Case(100),), only=("dub-source",))


@pytest.mark.parametrize("case, seconds", ((Case(5_000), 0), (Case(700, 0, 600), 10), (Case(600, 0, 600), 0)))
def test_the_time_that_the_rate_limit_alone_takes(case: Case, seconds: float) -> None:
    assert case.limit_s == seconds
