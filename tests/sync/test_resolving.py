"""A destination's configuration is looked for once, and still found wherever dlt finds it."""

from pathlib import Path
from typing import Any

import dlt
import pytest
from dlt.common.destination.reference import Destination
from dlt.destinations.impl.duckdb.configuration import DuckDbCredentials

from dub_source.destinations import Target, open_destination
from dub_source.destinations.resolving import resolving_once
from tests.sync.conftest import MakeWorld


class _Counting:
    """A destination of which it is counted how often dlt looks for its configuration."""

    def __init__(self, destination: Any) -> None:
        self.destination = destination
        self.resolved = 0
        resolve = destination.configuration

        def configuration(*args: Any, **kwargs: Any) -> Any:
            self.resolved += 1
            return resolve(*args, **kwargs)

        destination.configuration = configuration
        resolving_once(destination)


def _postgres() -> _Counting:
    return _Counting(dlt.destinations.postgres("postgresql://somebody:secret@127.0.0.1:9/nothing"))


def _for_dataset(destination: Any, name: str) -> Any:
    wanted = destination.spec()
    wanted.dataset_name = name
    return destination.configuration(wanted)


def test_clients_of_a_dataset_have_one_configuration() -> None:
    counting = _postgres()
    first, second = (_for_dataset(counting.destination, "dub") for _ in range(2))
    assert first is second
    assert counting.resolved == 1
    # A load step hands over the one that it has.
    assert counting.destination.configuration(first) is first
    assert counting.resolved == 1


def test_another_dataset_has_another_one() -> None:
    destination = _postgres().destination
    assert _for_dataset(destination, "dub").dataset_name == "dub"
    assert _for_dataset(destination, "other").dataset_name == "other"


def test_capabilities_are_no_configuration_to_connect_with() -> None:
    destination = _postgres().destination
    destination.capabilities()
    assert _for_dataset(destination, "dub").credentials.host == "127.0.0.1"


@pytest.mark.parametrize("name", ("sqlalchemy", "weaviate"))
def test_settings_may_be_mappings(name: str) -> None:
    counting = _Counting(Destination.from_reference(name))
    for _ in range(2):
        counting.destination.configuration(counting.destination.spec(), accept_partial=True)
    assert counting.resolved == 1


def test_credentials_that_come_with_the_question_are_not_remembered(tmp_path: Path) -> None:
    destination: Any = resolving_once(dlt.destinations.duckdb())
    for name in ("one.duckdb", "two.duckdb"):
        wanted = destination.spec(credentials=DuckDbCredentials(str(tmp_path / name)))
        wanted.dataset_name, wanted.local_dir = "dub", str(tmp_path)
        assert destination.configuration(wanted).credentials.database == str(tmp_path / name)


def test_what_is_missing_is_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    destination: Any = resolving_once(dlt.destinations.postgres())
    with pytest.raises(Exception, match="credentials"):
        _for_dataset(destination, "dub")
    monkeypatch.setenv(
        "DESTINATION__POSTGRES__CREDENTIALS", "postgresql://somebody:secret@here.example/nothing"
    )
    assert _for_dataset(destination, "dub").credentials.host == "here.example"


def test_a_section_of_the_pipelines_name_wins_in_its_pipeline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for section, name in (("", "all.duckdb"), ("OURS__", "ours.duckdb")):
        monkeypatch.setenv(f"{section}DESTINATION__DUCKDB__CREDENTIALS", str(tmp_path / name))
    destination: Any = resolving_once(dlt.destinations.duckdb())
    assert _for_dataset(destination, "dub").credentials.database == str(tmp_path / "all.duckdb")
    for name, file in (("ours", "ours.duckdb"), ("theirs", "all.duckdb")):
        pipeline = dlt.pipeline(
            name, destination=destination, dataset_name="dub", pipelines_dir=str(tmp_path)
        )
        client: Any = pipeline.sql_client()
        assert client.credentials.database == str(tmp_path / file)


def test_a_load_looks_a_few_times(make_world: MakeWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = []
    resolve = Destination.configuration

    def configuration(self: Any, *args: Any, **kwargs: Any) -> Any:
        looked.append(args)
        return resolve(self, *args, **kwargs)

    monkeypatch.setattr(Destination, "configuration", configuration)
    make_world(3).load()
    assert 0 < len(looked) <= 8  # of 40 or so questions


def test_the_destination_is_as_it_was_asked_for(tmp_path: Path) -> None:
    opened = open_destination(Target(database=tmp_path / "rows.duckdb"))
    assert _for_dataset(opened.destination, "dub").credentials.database == str(tmp_path / "rows.duckdb")
