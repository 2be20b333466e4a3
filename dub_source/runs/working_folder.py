"""The folder of dlt's working files: one for each place to load into; private, locked, empty afterwards."""

import hashlib
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import dlt

from dub_source.destinations.locking import locked
from dub_source.errors import SettingsError
from dub_source.extraction import KEPT

_LOCK = "lock"


@contextmanager
def working_folder(pipelines_dir: Path, place: str) -> Iterator[Path]:
    """The folder for loads into one place, for one load at a time.

    Its name comes from the place, because dlt would otherwise take what another load left in it, or is
    putting into it just now, for its own. It is emptied before and after: packages that a killed load left
    behind hold rows of long ago, which must neither be loaded nor kept. What dlt has to know comes back from
    the destination.

    Args:
        pipelines_dir: where such folders are.
        place: what tells the place from all others.

    Raises:
        AlreadyRunning: if another process, or another thread, is in it.
        SettingsError: if the folder cannot be made.
    """
    folder = pipelines_dir / f"dub_source_{hashlib.sha256(place.encode()).hexdigest()[:16]}"
    with _alone_in(folder):
        _empty(folder)
        try:
            yield folder
        finally:
            _empty(folder)


def journals_of(pipeline: dlt.Pipeline) -> Path:
    """The folder of the journals of plans: it stays when a run ends."""
    return Path(pipeline.pipelines_dir) / f"{pipeline.pipeline_name}.push{KEPT}"


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    with ExitStack() as stack:
        try:
            # Rows about people are in it on their way; nobody else may enter, whatever the modes inside are.
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.chmod(0o700)
            stack.enter_context(locked(folder / _LOCK))
        except OSError as error:
            raise SettingsError(
                f"The folder of dlt's working files cannot be used ({error.strerror}): "
                "name another one with --pipelines-dir."
            ) from None
        yield


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name.endswith(KEPT):
            continue  # A sweep that was killed goes on from there; it knows itself whether that is too old.
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != _LOCK:
            entry.unlink()
