"""What Dub's server answered, replayed against the sandbox."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from dub_source.sandbox import Dataset
from tests.conftest import StartSandbox
from tests.sandbox.conftest import Connect
from tests.sandbox.http_api import RATE_HEADERS

_LIMIT, _REMAINING, _RESET = "x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset"
_SUMMARY = re.compile(r"^(\d+) replayed, (\d+) alike, (\d+) different$", re.MULTILINE)
# Recorded under /customers: below another prefix a redirect to the same place has another address.
_REDIRECTS = {"d_list_params | trailing slash", "f_patch | PATCH trailing slash (308)"}


def replay(recordings: Path, address: str) -> tuple[int, tuple[int, ...], set[str]]:
    """Exit code, (replayed, alike, different), and the cases that differ."""
    run = subprocess.run(
        [sys.executable, str(recordings / "replay.py"), address],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    found = _SUMMARY.search(run.stdout)
    assert found is not None, run.stdout + run.stderr
    different = {line.removeprefix("DIFF ") for line in run.stdout.splitlines() if line.startswith("DIFF ")}
    return run.returncode, tuple(int(number) for number in found.groups()), different


def test_every_recorded_exchange_is_answered_alike(
    recordings: Path, seed: Dataset, start_sandbox: StartSandbox
) -> None:
    assert replay(recordings, start_sandbox(seed, rate_limit=None).url) == (0, (404, 404, 0), set())


def test_under_api_only_the_address_of_two_redirects_differs(
    recordings: Path, seed: Dataset, start_sandbox: StartSandbox
) -> None:
    code, numbers, different = replay(recordings, start_sandbox(seed, rate_limit=None).url + "/api")
    assert (code, numbers, different) == (1, (404, 402, 2), _REDIRECTS)


def cases_of(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def test_the_recorded_rate_limits_come_out_of_the_sliding_window(
    recordings: Path, seed: Dataset, start_sandbox: StartSandbox, connect: Connect
) -> None:
    """The recording leaves requests out, of a burst most of them: they are made up for, and counted."""
    cases = cases_of(recordings / "golden" / "j_ratelimit.jsonl")
    first, second = sorted({int(end) for case in cases if (end := case["response"]["headers"].get(_RESET))})
    now = first / 1000 - 57
    api = connect(start_sandbox(seed, rate_limit=None, clock=lambda: now))
    keys = {token.name: token.key for token in seed.tokens}
    used: dict[str, int] = dict.fromkeys(keys, 0)
    left_out: list[int] = []
    for case in cases:
        request, response = case["request"], case["response"]
        if case["case"].startswith("burst #1 "):
            assert used["trial"] == 11  # success and error count alike
            now = second / 1000 - 57
            used["trial"] = 0
        name, headers = request["auth"], response["headers"]
        api.key = keys.get(name, name)
        if _REMAINING in headers and response["status"] != 429:
            before = int(headers[_LIMIT]) - int(headers[_REMAINING]) - 1
            if name == "trial":
                left_out.append(before - used[name])
            for _ in range(before - used[name]):
                assert api.listed(pageSize=1).status != 429
            used[name] = before
        if name in keys and "/a/b" not in request["path"]:
            used[name] += response["status"] != 429
        raw = request.get("rawBody")
        target = request["path"] + (f"?{request['query']}" if request["query"] else "")
        reply = api.send(
            request["method"], target, request.get("body"), raw=raw.encode() if raw is not None else None
        )
        assert reply.status == response["status"], case["case"]
        for header in RATE_HEADERS:
            assert reply.headers.get(header) == headers.get(header), (case["case"], header)
    assert used["trial"] == 120  # a refusal does not count
    # Before its first case this key was used once; from there to the burst not one request is missing.
    assert left_out == [1, 0, 0, 0, 0, 38, 39, 38]
