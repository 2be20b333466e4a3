"""A folder or a bucket of Delta tables as a place for runs."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dub_source.destinations.delta.rows import DeltaRows
from dub_source.destinations.locks import writing_alone
from dub_source.errors import DestinationError, DubError

if TYPE_CHECKING:
    import dlt

_PRIVATE = 0o700


class DeltaLake:
    """Where the datasets of a lake are.

    Loads need not be kept apart: a commit fails if another run has written since its rows were compared, and
    they are compared anew then. Only who removes the files of old versions must be alone. On this machine's
    disks a lock sees to that (:mod:`dub_source.destinations.locks`); elsewhere somebody must.

    Attributes:
        place: what tells it from all others.
    """

    append_first = False

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
            self._try_writing(self._folder)
            try:
                yield
            except BaseException:
                if not existed:
                    self._remove_if_unused(self._folder)
                raise
        finally:
            os.umask(mask)

    def _try_writing(self, folder: Path) -> None:
        try:
            folder.mkdir(exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise DestinationError(
                f"The folder of the lake {folder} cannot be used ({error.strerror}): see to it, or name "
                "another one as bucket_url under [destination.filesystem]."
            ) from None

    def _remove_if_unused(self, folder: Path) -> None:
        """A load that failed leaves no new folder behind, unless something was written there."""
        with suppress(OSError):
            left = list(folder.iterdir())
            if all(each.suffix == ".lock" for each in left):
                for each in left:
                    each.unlink()
                folder.rmdir()

    def rows(self, pipeline: "dlt.Pipeline") -> DeltaRows:
        """By commits."""
        return DeltaRows(pipeline)

    def check_rewrite(self) -> None:
        """Old files are removed, none is made."""

    def rewrite(self, pipeline: "dlt.Pipeline") -> bool:
        """Remove the files of all old versions, and what killed runs have left beside them.

        Deleting has written the files without the rows already. Whoever reads an old version at this moment
        will miss its files.
        """
        try:
            with writing_alone(pipeline), pipeline.destination_client() as client:
                delta: Any = client
                for name in delta.table_names():
                    delta.delta_table(name).vacuum(
                        retention_hours=0, enforce_retention_duration=False, dry_run=False, full=True
                    )
        except DubError:
            raise
        except Exception as error:  # noqa: BLE001 - each kind of bucket has errors of its own
            raise DestinationError(
                f"The files of old versions could not be removed ({type(error).__name__}), so what was "
                "deleted may still be found in them: see to the rights in the lake, then run the same again."
            ) from None
        return True
