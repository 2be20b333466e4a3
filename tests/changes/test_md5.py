"""Digests of many values at once are those of each alone."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest

from dub_source.changes.md5 import md5_texts


def values(number: int, seed: int) -> list[bytes]:
    source = random.Random(seed)
    return [source.randbytes(source.randrange(300)) for _ in range(number)]


def one_by_one(many: list[bytes]) -> list[str]:
    return [hashlib.md5(each, usedforsecurity=False).hexdigest() for each in many]


@pytest.mark.parametrize("number", (0, 1, 1_000, 1_001, 30_000))
def test_they_are_those_of_each_value_in_their_order(number: int) -> None:
    many = values(number, number)
    digests = md5_texts(pa.array(many, pa.binary()))
    assert digests.type == pa.string()
    assert digests.to_pylist() == one_by_one(many)


def test_threads_do_not_get_into_each_others_way() -> None:
    lots = [values(3_000, seed) for seed in range(20)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda many: md5_texts(pa.array(many, pa.binary())).to_pylist(), lots))
    assert found == [one_by_one(many) for many in lots]
