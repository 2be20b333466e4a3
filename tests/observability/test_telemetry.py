"""What OpenTelemetry is told, with its real SDK; and that none of it is about people."""

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dlt.pipeline.exceptions import PipelineStepFailed
from opentelemetry import metrics, trace
from opentelemetry.instrumentation.urllib3 import URLLib3Instrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from dub_source.client import DubClient
from dub_source.failures import cause
from dub_source.reverse.model import Result
from dub_source.sandbox import Fault
from dub_source.settings import Settings
from tests.conftest import StartSandbox
from tests.reverse.conftest import MakePushWorld
from tests.reverse.world import PushWorld

_SPANS = InMemorySpanExporter()
_METRICS = InMemoryMetricReader()


@pytest.fixture(scope="module", autouse=True)
def _set_up() -> Iterator[None]:
    """A process can have these once. Spans of urllib3's own would hold addresses."""
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(_SPANS))
    trace.set_tracer_provider(provider)
    metrics.set_meter_provider(MeterProvider([_METRICS]))
    URLLib3Instrumentor().instrument()
    yield
    URLLib3Instrumentor().uninstrument()


@pytest.fixture(autouse=True)
def _nothing_yet() -> None:
    _SPANS.clear()
    counted()


@pytest.fixture
def world(make_push_world: MakePushWorld) -> PushWorld:
    return make_push_world(120, form=None)


def counted() -> Counter[tuple[str, ...]]:
    """What has been counted so far: the metric's name and its attributes -> sum, or number of durations."""
    found: Counter[tuple[str, ...]] = Counter()
    data = _METRICS.get_metrics_data()
    for resource in data.resource_metrics if data else ():
        for scope in resource.scope_metrics:
            assert scope.scope.name == "dub_source"
            for metric in scope.metrics:
                for point in metric.data.data_points:
                    values = point.attributes or {}
                    key = (metric.name, *(f"{name}={values[name]!s}" for name in sorted(values)))
                    number: Any = getattr(point, "value", None) or getattr(point, "count", 0)
                    found[key] = number
    return found


def by_name(name: str) -> list[ReadableSpan]:
    return [each for each in _SPANS.get_finished_spans() if each.name == name]


def the(name: str) -> ReadableSpan:
    (one,) = by_name(name)
    return one


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def everything() -> str:
    """All that would have been sent, as text."""
    spans = "".join(each.to_json() for each in _SPANS.get_finished_spans())
    data = _METRICS.get_metrics_data()
    return spans + (data.to_json() if data else "")


def test_a_load_is_a_span_with_its_requests_in_it(world: PushWorld) -> None:
    before = counted()
    result = world.load()
    load = the("dub_source load")
    told = attributes(load)
    assert told["dub_source.read"] == told["dub_source.created"] == 120
    assert told["dub_source.requests"] == result.report.stats.requests
    assert (told["dub_source.mode"], told["dub_source.certified"]) == ("full", True)
    assert load.status.status_code is StatusCode.UNSET
    spans = _SPANS.get_finished_spans()
    requests = [each for each in spans if each.kind is SpanKind.CLIENT]
    assert len(requests) == result.report.stats.requests
    parents = {each.context.span_id: each for each in spans if each.context}
    for each in requests:
        up = each
        while up.parent is not None:
            up = parents[up.parent.span_id]
        assert up is load
        assert attributes(each)["server.address"] == "127.0.0.1"
    assert {each.name for each in spans} - {each.name for each in requests} == {
        "dub_source load",
        "dub_source read",
        "dub_source write",
    }
    now = counted() - before
    made = [("dub_source.customers", "dub_source.change=created", "dub_source.dataset=dub")]
    assert [now[each] for each in made] == [120]
    assert now["dub_source.run.duration", "dub_source.command=load", "dub_source.exit_code=0"] == 1
    durations = [number for name, number in now.items() if name[0] == "http.client.request.duration"]
    assert sum(durations) == len(requests)


def test_an_attempt_that_fails_is_a_span_of_its_own(world: PushWorld) -> None:
    world.sandbox.inject(Fault("status", status=503, containing="/customers", times=2))
    world.load()
    failed = [each for each in _SPANS.get_finished_spans() if each.status.status_code is StatusCode.ERROR]
    assert [attributes(each)["error.type"] for each in failed] == ["503", "503"]
    again = [each for each in _SPANS.get_finished_spans() if "http.request.resend_count" in attributes(each)]
    assert again
    assert {each.name for each in again} <= {"GET /customers", "GET /customers/{id}", "GET /customers/count"}


def test_what_a_load_fails_with_is_told_by_its_class_and_our_sentence(world: PushWorld) -> None:
    with pytest.raises(PipelineStepFailed) as caught:
        world.load(api_key="dub_wrong")
    load = the("dub_source load")
    assert load.status.status_code is StatusCode.ERROR
    assert load.status.description == str(cause(caught.value))
    assert attributes(load)["error.type"] == "Unauthorized"
    assert not load.events


def test_waiting_for_the_rate_limit_is_counted(start_sandbox: StartSandbox) -> None:
    sandbox = start_sandbox(5, rate_limit=10, rate_window_s=1.0)
    before = counted()
    with DubClient(Settings(sandbox.key(), sandbox.url, rate_window_s=1.0)) as client:
        client.probe()
        for _ in range(20):
            client.list()
        assert client.stats.throttled_s > 0.5
    waited = sum(attributes(each)["dub_source.throttled_s"] for each in _SPANS.get_finished_spans())
    assert (counted() - before)[("dub_source.throttled",)] == pytest.approx(waited)
    assert waited == pytest.approx(client.stats.throttled_s, abs=0.5)


def test_nothing_about_people_is_told(world: PushWorld) -> None:
    """Not even by the instrumentation of urllib3, which records addresses and would record ours."""
    before = counted()
    world.load()
    first, second = world.sandbox.ids()[:2]
    world.wish(
        {first: {"name": "Someone Secret", "email": "someone.secret@example.test"}, second: {"name": "B"}}
    )
    made = world.plan()
    world.apply(made)
    world.load("incremental")
    now = counted() - before
    assert (
        now["dub_source.changes", "dub_source.dataset=dub", f"dub_source.result={Result.APPLIED.value}"] == 2
    )
    assert {"dub_source plan", "dub_source apply"} <= {each.name for each in _SPANS.get_finished_spans()}
    told = everything()
    assert world.sandbox.key() not in told
    for row in world.sandbox.snapshot().values():
        for name in ("id", "name", "email", "externalId"):
            assert not row.get(name) or str(row[name]) not in told, name


def test_the_address_that_a_failure_is_told_to_is_in_no_span(
    world: PushWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever knows the address of a webhook can write there."""
    monkeypatch.setenv("RUNTIME__SLACK_INCOMING_HOOK", f"{world.sandbox.url}/services/secret-part")
    with pytest.raises(PipelineStepFailed):
        world.load(api_key="dub_wrong")
    assert any("secret-part" in each.path for each in world.sandbox.requests)
    assert "secret-part" not in everything()


def test_without_opentelemetry_in_the_process_it_is_not_imported(tmp_path: Path) -> None:
    script = (
        "import sys; from dub_source import telemetry, runs\n"
        "with telemetry.span('a') as span: span.know({'a': 1}); span.failed('b', 'c')\n"
        "telemetry.count('dub_source.throttled', 1.0)\n"
        "assert telemetry.here() is None\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.slow
def test_as_the_documentation_says(world: PushWorld, tmp_path: Path) -> None:
    """The command behind OpenTelemetry's own launcher, which prints what it would send."""
    world.sandbox.forget_requests()
    launcher = Path(sys.executable).parent / "opentelemetry-instrument"
    done = subprocess.run(
        [launcher, "dub-source", "load", "--json", "--database", tmp_path / "a.duckdb"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
        env={
            **os.environ,
            "PATH": f"{launcher.parent}{os.pathsep}{os.environ['PATH']}",
            "OTEL_TRACES_EXPORTER": "console",
            "OTEL_METRICS_EXPORTER": "console",
            "OTEL_LOGS_EXPORTER": "none",
            "SOURCES__DUB__API_KEY": world.sandbox.key(),
            "SOURCES__DUB__BASE_URL": world.sandbox.url,
        },
    )
    result = next(json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"mode"'))
    assert result["created"] == 120
    for name in ("dub_source load", "GET /customers", "http.client.request.duration", "dub_source.customers"):
        assert f'"{name}"' in done.stdout
    assert "customer1@example.com" not in done.stdout
