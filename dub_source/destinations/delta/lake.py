"""A folder or a bucket of Delta tables as a place for runs."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dub_source.destinations.delta.rows import DeltaRows
from dub_source.destinations.locking import waiting_for
from dub_source.errors import DestinationError

if TYPE_CHECKING:
    import dlt

_PRIVATE = 0o700


class DeltaLake:
    """Where the datasets of a lake are.

    Runs need not be kept apart: a commit fails if another run has written since its rows were compared, and
    they are compared anew then. Only who removes the files of old versions must be alone. A lock sees to that
    on this machine's disks; elsewhere somebody must.

    Attributes:
        place: what tells it from all others.
    """

    append_first = False
    one_by_one = True

    def __init__(self, url: str, folder: Path | None, dataset: str) -> None:
        """Prepare.

        Args:
            url: of the bucket, without credentials.
            folder: the same on this machine's disks, symbolic links resolved; None elsewhere.
            dataset: the folder in it.
        """
        self.place = f"filesystem {url if folder is None else folder}"
        self._folder = folder
        self._dataset = dataset

    @property
    def unused(self) -> bool:
        """Whether there is no such folder."""
        return self._folder is not None and not (self._folder / self._dataset).exists()

    @contextmanager
    def writable(self) -> Iterator[None]:
        """Make the folder if there is none, for its owner alone; new files are as private as the folder."""
        if self._folder is None:
            yield
            return
        existed = self._folder.exists()
        mode = self._folder.stat().st_mode if existed else _PRIVATE
        mask = os.umask(~mode & 0o077)
        try:
            with self._locked(shared=True):
                pass
            try:
                yield
            except BaseException:
                if not existed:
                    self._remove_if_empty(self._folder)
                raise
        finally:
            os.umask(mask)

    def loading(self, pipeline: "dlt.Pipeline") -> AbstractContextManager[None]:
        """Several may load at once, but none while files are removed: a commit could still need them."""
        return self._locked(shared=True)

    @contextmanager
    def _locked(self, *, shared: bool) -> Iterator[None]:
        if self._folder is None:
            yield
            return
        with ExitStack() as stack:
            try:
                self._folder.mkdir(exist_ok=True)
                stack.enter_context(waiting_for(self._folder / self._lock, shared=shared))
            except OSError as error:
                raise DestinationError(
                    f"The folder of the lake {self._folder} cannot be used ({error.strerror}): see to it, or "
                    "name another one as bucket_url under [destination.filesystem]."
                ) from None
            yield

    @property
    def _lock(self) -> str:
        return f".{self._dataset}.lock"

    def _remove_if_empty(self, folder: Path) -> None:
        """A load that failed leaves no new folder behind, unless something was written there."""
        with suppress(OSError):
            if [each.name for each in folder.iterdir()] == [self._lock]:
                (folder / self._lock).unlink()
                folder.rmdir()

    def rows(self, pipeline: "dlt.Pipeline") -> DeltaRows:
        """By commits."""
        return DeltaRows(pipeline)

    def check_room(self) -> None:
        """Old files are removed, none is made."""

    def rewrite(self, pipeline: "dlt.Pipeline") -> bool:
        """Remove the files of all old versions, and what killed runs have left beside them.

        Deleting has written the files without the rows already. Whoever reads an old version at this moment
        will miss its files.
        """
        try:
            with self._locked(shared=False), pipeline.destination_client() as client:
                delta: Any = client
                for name in delta.table_names():
                    delta.delta_table(name).vacuum(
                        retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True
                    )
        except DestinationError:
            raise
        except Exception as error:  # noqa: BLE001 - each kind of bucket has errors of its own
            raise DestinationError(
                f"The files of old versions could not be removed ({type(error).__name__}), so what was "
                "deleted may still be found in them: see to the rights in the lake, then run the same again."
            ) from None
        return True
