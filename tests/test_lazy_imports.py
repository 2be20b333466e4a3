"""What a command does not need is not imported: where nothing is new, a run is hardly more than imports."""

import pkgutil
import subprocess
import sys
from types import ModuleType

from dub_source import runs


def imported_by(statement: str) -> set[str]:
    program = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_a_load_imports_nothing_of_the_way_back() -> None:
    imported = imported_by("from dub_source import runs; runs.load")
    assert "dub_source.runs.loading" in imported
    assert not [name for name in imported if name.startswith("dub_source.reverse")]


def test_what_runs_can_do_is_imported_when_it_is_asked_for() -> None:
    assert not [name for name in imported_by("from dub_source import runs") if name.startswith("dlt")]


def test_no_module_stands_in_the_place_of_a_function() -> None:
    for name in runs.__all__:
        assert not isinstance(getattr(runs, name), ModuleType), name
    modules = {each.name for each in pkgutil.iter_modules(runs.__path__)}
    assert not modules & set(runs.__all__)
