"""Journals that nobody needs any more: of plans that were finished on another machine, say."""

from pathlib import Path

from dub_source.reverse.journal import Journal, written_journals
from dub_source.reverse.store import PushStore
from dub_source.reverse.units import known


def clear_journals(store: PushStore, folder: Path) -> None:
    """Remove the journals that hold nothing that the destination does not know: people's values are in them.

    Args:
        store: what is stored of plans.
        folder: of the journals; need not exist.

    Raises:
        SpoolError: if one cannot be read or removed.
    """
    for plan_id in written_journals(folder):
        plan = store.plan(plan_id)
        if plan is None or not store.progress(plan).finished:
            continue
        with Journal(folder, plan_id) as journal:
            left = known(
                store.changes(plan_id),
                done=store.outcomes(plan_id),
                journal=journal.outcomes,
                sent=journal.sent,
                retry_rejected=False,
            )
            # What is sent once more after it was rejected is wanted, although the plan counts as finished.
            if not (left.wanted or left.recovered):
                journal.remove()
