"""A plan for an approval: as Markdown and as a page; whatever values hold, they stay text."""

import json
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from html.parser import HTMLParser

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from dub_source import runs
from dub_source.cli.commands import dub_source
from dub_source.errors import InvalidArgument
from dub_source.reverse.model import Result
from dub_source.reverse.planning import plan_changes
from dub_source.reverse.review import as_html, as_markdown
from dub_source.reverse.summary import Summary, summarize
from dub_source.reverse.sync_file import Sync
from tests.reverse.conftest import MakePushWorld
from tests.reverse.states import START, customer, desired, mirror
from tests.reverse.test_summary import KNOWN, ROWS, SWAP, summary
from tests.reverse.world import PushWorld

EVIL = "<script>alert(1)</script>|x|`y`\n# z **b** [l](http://x) ![i](http://x) &lt; ~~s~~ _e_ \u202e"


class Page(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


def review(told: Summary, *, results: Mapping[Result, int] | None = None, at: datetime = START) -> str:
    return as_markdown(told, results=results or {}, at=at, command="dub-source apply plan_x")


def rows_of(markdown: str) -> list[list[str]]:
    """The cells of all tables, as text."""
    tokens = MarkdownIt("commonmark").enable("table").parse(markdown)
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline" and rows and token.level > 3:
            rows[-1].append("".join(each.content for each in token.children or ()))
    return rows


def test_what_somebody_who_approves_wants_to_know() -> None:
    told = summary(*ROWS, options={"key": "external_id"}, requests_per_s=2.5, ignored=["score"])
    text = review(told)
    lines = text.splitlines()
    assert lines[0] == f"# Plan {told.plan.plan_id}"
    assert "made 2026-11-20 12:00 UTC. Nothing of it has been sent to Dub." in lines[2]
    assert "| update | 1 | name 1 |" in lines
    assert "- requests: 5, about 2 s at 2.5 a second" in lines
    assert "- ignored: the columns score" in lines
    assert "- can be applied until 2026-11-21 12:00 UTC" in lines
    final = lines[lines.index("## Cannot be undone") + 2 :]
    assert final[0].startswith("- 1 customer will be deleted for good: no plan brings them back")
    assert final[1].startswith("- 1 customer will be created: a revert leaves them there")
    guards = lines[lines.index("## Guards passed") + 2 :]
    assert guards[0].startswith("- every row has the key external_id, no two have the same")
    assert text.endswith("## Apply it\n\n```sh\ndub-source apply plan_x\n```\n")
    assert "| update | cus_b | name | \\*\\*\\* | \\*\\*\\* |" in lines
    assert "| create | a new customer | external_id |  | \\*\\*\\* |" in lines
    assert "|  |  | country |  | FR |" in lines
    assert "| delete | cus_c | name | \\*\\*\\* |  |" in lines


def test_values_are_hidden_unless_they_are_asked_for() -> None:
    for rows, options in ((SWAP, {"allow_swaps": True}), (ROWS, {"key": "external_id"})):
        hidden = review(summary(*rows, options=options))
        assert "ecret" not in hidden
        assert "@" not in hidden
        shown = review(summary(*rows, options=options, show_values=True))
        assert "Secret" in shown
        assert "Secret" in as_html(shown, title="x")


def evil_summary() -> Summary:
    wish = desired({"key": "cus_a", "name": EVIL})
    planned = plan_changes(Sync(table="crm.<b>people</b>"), wish, mirror(*KNOWN))
    plan = planned.plan(created_at=START, baseline="b")
    return summarize(plan, planned.changes, notes=[EVIL], ignored=["<i>col|umn</i>"], show_values=True)


def test_whatever_a_value_holds_is_text_in_markdown() -> None:
    (row,) = [row for row in rows_of(review(evil_summary())) if row[:1] == ["update"] and len(row) == 5]
    assert row[:4] == ["update", "cus_a", "name", "Secret Ann"]
    assert row[4] == EVIL.replace("\n", "\\u000a").replace("\u202e", "\\u202e")


def test_whatever_a_value_holds_is_text_on_the_page() -> None:
    page = Page(as_html(review(evil_summary()), title=EVIL))
    assert not {"script", "a", "img", "i", "b", "s", "em"} & set(page.tags)
    assert page.tags.count("code") == 1, "the command alone"
    assert page.tags.count("h1") == 1
    assert "<script>alert(1)</script>|x|`y`" in page.text


def test_the_page_needs_nothing_from_anywhere_and_knows_light_and_dark() -> None:
    text = as_html(review(summary(*ROWS, options={"key": "external_id"})), title="plan_x")
    page = Page(text)
    assert text.startswith("<!doctype html>")
    assert not {"script", "link", "img", "iframe"} & set(page.tags)
    assert [value for name, value in page.attributes if name in ("src", "href")] == []
    assert "url(" not in text
    assert "default-src 'none'" in text
    assert "prefers-color-scheme: dark" in text
    assert "{title}" not in text
    assert page.tags.count("table") == 2


@pytest.mark.parametrize(
    "results, hours, words",
    (
        ({}, 25, "too old to be applied: plan again"),
        ({Result.APPLIED: 1, Result.NOT_ATTEMPTED: 2}, 1, "an apply goes on with the rest"),
        ({Result.APPLIED: 2, Result.REJECTED: 1}, 1, "It was applied."),
    ),
)
def test_how_far_it_is(results: dict[Result, int], hours: int, words: str) -> None:
    told = summary(*ROWS, options={"key": "external_id"})
    text = review(told, results=results, at=START + timedelta(hours=hours))
    assert words in text
    assert ("## Apply it" in text) is ("goes on" in words)
    for result, number in results.items():
        assert [result.value, str(number)] in rows_of(text)


def test_what_can_be_undone_and_a_first_external_id() -> None:
    name = review(summary({"key": "cus_a", "name": "Anna"}))
    assert "- Nothing of it: dub-source revert plans the way back" in name
    without = customer("cus_n", name="No Id", external_id=None)
    planned = plan_changes(
        Sync(table="crm.people"), desired({"key": "cus_n", "external_id": "e1"}), mirror(without)
    )
    told = summarize(planned.plan(created_at=START, baseline="b"), planned.changes)
    assert told.remarks.final == (
        "1 customer will get a first external id, which can be changed later, but not taken away.",
    )
    empty = review(summary({"key": "cus_a", "name": "Secret Ann"}))
    assert "There is nothing to change." in empty
    assert "Cannot be undone" not in empty


# What is stored


def test_a_stored_plan_is_shown_as_it_was_when_it_was_made(make_push_world: MakePushWorld) -> None:
    push_world = make_push_world(20, rate_limit=3_000)
    first, second, third = push_world.sandbox.ids()[:3]
    push_world.wish(
        {
            first: {"name": "Ada", "op": None},
            second: {"name": "Bo", "op": None},
            third: {"name": None, "op": "delete"},
        }
    )
    made = push_world.plan(name="names")
    requests = len(push_world.sandbox.requests)
    shown = runs.show(push_world.target, made.plan.plan_id[:12])
    assert shown.plan == made.plan
    assert shown.summary == made.summary
    assert shown.summary.remarks.passed
    assert shown.summary.remarks.requests_per_s == 40.0
    assert (shown.results, shown.finished) == ({}, False)
    assert runs.show(push_world.target).plan.plan_id == made.plan.plan_id
    assert len(push_world.sandbox.requests) == requests
    push_world.apply(made)
    assert runs.show(push_world.target).results == {Result.APPLIED: 3}
    push_world.wish({first: {"name": "Ada"}})
    empty = push_world.plan(name="others")
    assert runs.show(push_world.target).plan == empty.plan, "and not one that somebody has made before"
    with pytest.raises(InvalidArgument, match="dub-source status lists"):
        runs.show(push_world.target, "plan_0000000")


def test_where_there_is_no_plan(make_push_world: MakePushWorld) -> None:
    world = make_push_world(3, form=None)
    with pytest.raises(InvalidArgument, match="There is no plan in "):
        runs.show(world.target)
    world.load()
    with pytest.raises(InvalidArgument, match="There is no plan in "):
        runs.show(world.target)


@pytest.mark.only("duckdb")
def test_a_plan_of_an_earlier_version(push_world: PushWorld) -> None:
    first, second = push_world.sandbox.ids()[:2]
    push_world.wish({first: {"name": "Ada", "op": None}, second: {"name": None, "op": "delete"}})
    made = push_world.plan()
    push_world.warehouse.execute("ALTER TABLE dub.push_plans DROP COLUMN remarks")
    shown = runs.show(push_world.target, made.plan.plan_id)
    assert shown.plan == made.plan
    assert "has not kept which guards" in shown.summary.remarks.notes[0]
    assert "1 customer will be deleted for good" in shown.as_markdown()
    assert push_world.apply(made).complete


@pytest.mark.only("duckdb")
def test_the_command(push_world: PushWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    first = push_world.sandbox.ids()[0]
    push_world.wish({first: {"name": "Secret Ada"}})
    made = push_world.plan(name="names")
    monkeypatch.chdir(push_world.folder)

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(
            dub_source, ["show", *arguments, *push_world.warehouse.arguments], catch_exceptions=False
        )
        assert (result.exit_code, result.stderr) == (0, "")
        return result.stdout

    plan_id = made.plan.plan_id
    assert run().splitlines()[0] == f"{plan_id}: names (update), compared with customers"
    assert f"  dub-source apply {plan_id} --database {push_world.target.database}" in run(plan_id)
    markdown = run(plan_id, "--format", "markdown")
    assert markdown.startswith(f"# Plan {plan_id}\n")
    assert "ecret" not in markdown
    assert "Secret Ada" in run("--format", "markdown", "--show-values")
    assert run("--format", "html").startswith("<!doctype html>")
    found = json.loads(run("--format", "json"))
    assert (found["plan_id"], found["changes"], found["cannot_be_undone"]) == (plan_id, 1, [])
    assert re.search(r"\bdub-source apply plan_\w+ --database ", run("--format", "html"))
