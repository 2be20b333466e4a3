"""A bucket of an S3 on this machine: moto's server, a process of its own.

Not a thread: deltalake keeps other threads of Python waiting until it has been answered.
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.warehouses import DATASET, Row

_KEY, _SECRET, _REGION = "key-of-the-bucket", "secret-of-the-bucket", "eu-west-1"
_FOLDER = "lake/customers"


@dataclass(frozen=True)
class Bucket:
    """A bucket with a lake to come.

    Attributes:
        endpoint: the address of the S3.
    """

    endpoint: str

    @property
    def url(self) -> str:
        return f"s3://{_FOLDER}"

    @property
    def environment(self) -> dict[str, str]:
        """What dlt has to be told, here and in other processes."""
        section = "DESTINATION__FILESYSTEM__"
        return {
            f"{section}BUCKET_URL": self.url,
            f"{section}CREDENTIALS__AWS_ACCESS_KEY_ID": _KEY,
            f"{section}CREDENTIALS__AWS_SECRET_ACCESS_KEY": _SECRET,
            f"{section}CREDENTIALS__REGION_NAME": _REGION,
            f"{section}CREDENTIALS__ENDPOINT_URL": self.endpoint,
        }

    @cached_property
    def files(self) -> Any:
        """The objects, as an fsspec filesystem."""
        import s3fs

        return s3fs.S3FileSystem(
            key=_KEY,
            secret=_SECRET,
            endpoint_url=self.endpoint,
            client_kwargs={"region_name": _REGION},
            use_listings_cache=False,
        )

    def rows(self, table: str) -> list[Row]:
        """All rows of a table of the dataset, read by deltalake alone."""
        from deltalake import DeltaTable

        options = {
            "aws_access_key_id": _KEY,
            "aws_secret_access_key": _SECRET,
            "aws_region": _REGION,
            "aws_endpoint_url": self.endpoint,
            "aws_allow_http": "true",
        }
        opened = DeltaTable(f"{self.url}/{DATASET}/{table}", storage_options=options)
        found: list[Row] = opened.to_pyarrow_table().to_pylist()
        return found

    def objects(self) -> dict[str, bytes]:
        """Everything that is in the bucket."""
        return {name: self.files.cat_file(name) for name in self.files.find("lake")}


@contextmanager
def s3_bucket() -> Iterator[Bucket]:
    """An empty bucket; gone afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = Path(sys.executable).with_name("moto_server")
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen([program, "--host", "127.0.0.1", "--port", str(port)], **quiet)
    try:
        _wait(process, port)
        bucket = Bucket(f"http://127.0.0.1:{port}")
        bucket.files.mkdir("lake")
        yield bucket
    finally:
        process.kill()
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("moto's server does not answer.") from None
            time.sleep(0.05)
        else:
            return
