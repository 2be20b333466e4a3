"""What the two kinds of reading have in common."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from dub_source.changes import Diff
from dub_source.client import DubClient
from dub_source.deadline import Deadline
from dub_source.generated_names import GeneratedNames
from dub_source.settings import Settings
from dub_source.spool import Spool
from dub_source.state import State
from dub_source.sync.intake import Intake
from dub_source.sync.mirror import Mirror
from dub_source.sync.observer import Observer
from dub_source.sync.options import Options
from dub_source.sync.report import Report

_LEEWAY = timedelta(seconds=1)
"""A server's date is known to a second at best."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A run that reads.

    Attributes:
        client: asks Dub.
        settings: of the client.
        options: of the run.
        mirror: what the destination has.
        state: what earlier runs have noted.
        folder: private, for files of this run.
        report: is filled in meanwhile.
        observer: is told how it gets on.
        deadline: after it nothing more is read.
    """

    client: DubClient
    settings: Settings
    options: Options
    mirror: Mirror
    state: State
    folder: Path
    report: Report
    observer: Observer | None
    deadline: Deadline = field(default_factory=Deadline)

    def open_spool(self, *, resume: bool) -> Spool:
        """The rows on disk; with ``resume`` those of a killed run, if nothing has been loaded since."""
        manifest = {
            "api": self.settings.base_url,
            "table": self.report.table,
            "baseline": self.options.baseline,
            "after": self.state.run,
            "run": None if resume else self.report.run_id,
        }
        return Spool.open(self.folder / "spool", manifest)

    def diff(self, began: datetime) -> Diff:
        """What finds out which rows differ; ``began`` is when this reading did, or what it goes on with."""
        return Diff(self.folder, baseline=self.options.baseline, started_at=began)

    def intake(self, diff: Diff, spool: Spool) -> Intake:
        """Where pages go."""
        return Intake(
            self.options,
            diff=diff,
            spool=spool,
            names=GeneratedNames(self.client),
            on_dubs_clock=self.on_dubs_clock,
        )

    @property
    def hashed(self) -> tuple[str, ...]:
        """Columns that are, or were once, loaded as hashes."""
        return tuple(sorted(self.options.privacy.hashed.union(self.state.hashed)))

    def on_dubs_clock(self, moment: datetime) -> datetime:
        """A moment of this machine's clock as Dub's clock shows it, as far as that is known."""
        return self.client.limiter.on_servers_clock(moment)

    def surely_before(self, moment: datetime) -> datetime:
        """The same, rather a bit too early."""
        return self.on_dubs_clock(moment) - _LEEWAY
