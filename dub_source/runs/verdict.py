"""What to make of a status: all is well, or what somebody should look at. A function of values."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from dub_source import errors
from dub_source.failures import ExitCode
from dub_source.reverse.progress import PlanState
from dub_source.reverse.summary import spoken
from dub_source.runs.looking import Status, newest
from dub_source.runs.past_runs import PastRun

DEFAULT_MAX_AGE_H = 25.0
"""A load a day, and an hour for it to run late."""
DEFAULT_MAX_SWEEP_AGE_H = 49.0
"""A daily load sweeps every second day if it comes a minute early, and an hour."""

_CHECK = "dub-source check"
_LOAD = "dub-source load"
_SWEEP = "dub-source load --mode full"


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that somebody should look at: a part of a sentence, and the command that goes on from it.

    ``of_place`` is whether that command is about the place of the customers, and takes its options.
    """

    text: str
    command: str
    of_place: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether all is well.

    Attributes:
        problems: what is not; the first is the gravest.
        well: a part of a sentence, for when there are none.
    """

    problems: tuple[Problem, ...]
    well: str

    @property
    def exit_code(self) -> ExitCode:
        """For monitors."""
        return ExitCode.ATTENTION if self.problems else ExitCode.OK

    @property
    def line(self) -> str:
        """One line for people."""
        if not self.problems:
            return f"OK: {self.well}."
        return f"ATTENTION: {'; '.join(each.text for each in self.problems)}."


def judge(
    there: Status,
    *,
    max_age_h: float = DEFAULT_MAX_AGE_H,
    max_sweep_age_h: float = DEFAULT_MAX_SWEEP_AGE_H,
) -> Verdict:
    """Judge a status.

    Args:
        there: the status.
        max_age_h: hours after which the last load that went well is too old.
        max_sweep_age_h: the same for the last one that read everybody.
    """
    if there.loaded_at is None and there.rows == 0:
        text, last = "nothing has been loaded here yet", there.last_run
        if last is None:
            return Verdict((Problem(text, _LOAD),), "")
        return Verdict((_about_failure(f"{text}, and the last run failed ({last.error})", last),), "")
    problems = (*_rows(there), *_ages(there, max_age_h, max_sweep_age_h), *_runs(there), *_plans(there))
    swept = "" if there.swept_at is None else f", proven complete {ago(there.at, there.swept_at)}"
    loaded = "" if there.loaded_at is None else f", loaded {ago(there.at, there.loaded_at)}"
    return Verdict(problems, f"{there.living:,} customers{loaded}{swept}")


def ago(now: datetime, moment: datetime) -> str:
    """How long ago it was, in words."""
    return f"{spoken((now - moment).total_seconds())} ago"


def _rows(there: Status) -> Iterator[Problem]:
    if twice := there.rows - there.ids:
        rows = "row of a customer is" if twice == 1 else "rows of customers are"
        yield Problem(f"{twice:,} {rows} there twice", _SWEEP)


def _ages(there: Status, max_age_h: float, max_sweep_age_h: float) -> Iterator[Problem]:
    def old(moment: datetime, hours: float) -> bool:
        return there.at - moment > timedelta(hours=hours)

    if there.loaded_at is None:
        yield Problem("no load has gone well yet", _LOAD)
    elif old(there.loaded_at, max_age_h):
        when = ago(there.at, there.loaded_at)
        yield Problem(f"the last load that went well began {when}, and {max_age_h:g} h are allowed", _LOAD)
    if there.swept_at is None:
        yield Problem("no sweep has read everybody yet", _SWEEP)
        return
    if old(there.swept_at, max_sweep_age_h):
        when = ago(there.at, there.swept_at)
        yield Problem(f"the last sweep began {when}, and {max_sweep_age_h:g} h are allowed", _SWEEP)
    if not there.certified:
        unread = f"complete except {there.unread:,}" if there.unread else "not proven complete"
        yield Problem(f"the last sweep was {unread}", _SWEEP)


def _runs(there: Status) -> Iterator[Problem]:
    last = there.last_run
    if last is not None and last.status != "ok":
        when = ago(there.at, last.started_at)
        text = f"the last run, {when}, failed ({last.error or 'for an unknown reason'})"
        yield _about_failure(text, last)


def _about_failure(text: str, failed: PastRun) -> Problem:
    """Of a failure that was about the key or the way to Dub, check says more than another load would."""
    kind = getattr(errors, failed.error or "", None)
    if isinstance(kind, type) and issubclass(kind, errors.RequestError):
        return Problem(text, _CHECK, of_place=False)
    return Problem(text, _LOAD)


def _plans(there: Status) -> Iterator[Problem]:
    for plan_id, customer_id in there.erasures.items():
        yield Problem(f"the erasure {plan_id} was begun and is not done", _erase(customer_id))
    current = {plan.plan_id for plan in newest(list(there.plans)).values()}
    for each in there.plans:
        plan = each.plan
        if plan.plan_id in current and there.state_of(each) is PlanState.BEGUN and not plan.erases:
            yield Problem(
                f"{plan.plan_id} was begun and has not come to its end", f"dub-source apply {plan.plan_id}"
            )
    erasures = {each.plan.plan_id for each in there.plans if each.plan.erases}
    for plan_id in dict.fromkeys(each.plan_id for each in there.rejections):
        rejected = [each for each in there.rejections if each.plan_id == plan_id]
        number = sum(each.changes for each in rejected)
        changes = "change was" if number == 1 else "changes were"
        again = f"dub-source apply {plan_id} --retry-rejected"
        if plan_id in erasures:
            again = _erase(rejected[0].customer_id)
        yield Problem(f"{number:,} {changes} rejected of {plan_id}", again)


def _erase(customer_id: str | None) -> str:
    """Goes on with all erasures that are not done, and with the one of this customer in any case."""
    return f"dub-source erase --id {customer_id} --yes"
