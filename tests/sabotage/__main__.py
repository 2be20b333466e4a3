"""Try all sabotages: ``python -m tests.sabotage [part of a name]``. Exit code 0 if each of them was noticed.

Each is applied to a copy of the checkout, where the tests that are named with it must fail: not for want of a
module or a name, but because a promise does not hold. Without any sabotage all of these tests must pass; with
``--tests-pass`` somebody has just seen that they do.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue

from tests.sabotage.listed import FEWEST, Sabotage, sabotages
from tests.sabotage.verdict import PLACE

_ROOT = Path(__file__).parent.parent.parent
_AT_ONCE = 2
_LONGEST_S = 120
_COPIED = (
    "dub_source",
    "tests",
    "pipelines",
    "benchmarks",
    "docs",
    ".dlt",
    "pyproject.toml",
    "README.md",
    "Makefile",
)
_TEST_FAILURES = 1
"""pytest's exit code; 2 to 5 are other trouble."""
_BROKEN = {
    "AttributeError",
    "ImportError",
    "ModuleNotFoundError",
    "NameError",
    "SyntaxError",
    "Timeout",
    "TypeError",
    "UnboundLocalError",
}
"""Of a module that does not work at all; every test notices that."""


@dataclass(frozen=True)
class Ran:
    """One run of tests in a copy; ``trouble`` says why it proves nothing, None where it does."""

    noticed: bool
    seconds: float
    trouble: str | None = None
    failures: str = ""


def copy_of_the_checkout(folder: Path) -> Path:
    """A copy without compiled files, so that none of a sound module stands in for a sabotaged one."""
    folder.mkdir()
    for name in _COPIED:
        source = _ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy(source, folder / name)
    return folder


def run(copy: Path, tests: tuple[str, ...], *, stops_early: bool, module: str | None = None) -> Ran:
    """Run tests against the copy. ``module`` is the one that must have been imported."""
    verdict = copy.parent / f"{copy.name}.verdict"
    verdict.unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-m", "not slow", "-p", "tests.sabotage.verdict"]
    command += ["-p", "no:cacheprovider", f"--timeout={_LONGEST_S // 2}", *(["-x"] if stops_early else [])]
    environment = {
        **os.environ,
        "PYTHONPATH": str(copy),  # before the installed package, which is the sound one
        "PYTHONDONTWRITEBYTECODE": "1",
        "DUB_SOURCE_RECORDINGS": os.environ.get("DUB_SOURCE_RECORDINGS")
        or str(_ROOT.parent / "shared" / "dub-api"),
        PLACE: str(verdict),
    }
    began = time.monotonic()
    try:
        done = subprocess.run(
            [*command, *tests],
            cwd=copy,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=_LONGEST_S * (1 if stops_early else 6),
        )
    except subprocess.TimeoutExpired:
        return Ran(False, time.monotonic() - began, "did not end in time")
    seconds = time.monotonic() - began
    if not verdict.exists():
        return Ran(
            False, seconds, f"pytest ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}"
        )
    found = json.loads(verdict.read_text(encoding="utf-8"))
    return _judged(done.returncode, found, copy, module, seconds)


def _judged(
    code: int,
    found: dict[str, dict[str, str | int]],
    copy: Path,
    module: str | None,
    seconds: float,
) -> Ran:
    modules, outcomes, failures = found["modules"], found["outcomes"], found["failures"]
    told = ", ".join(f"{number} {kind}" for kind, number in (failures or outcomes).items())
    trouble = None
    elsewhere = [file for file in modules.values() if not str(file).startswith(f"{copy}{os.sep}")]
    if elsewhere or (module is not None and module not in modules):
        trouble = "another package was tested, not the copy"
    elif code == 0 and not outcomes.get("passed"):
        trouble = "no test ran"
    elif code not in (0, _TEST_FAILURES) or any(kind.startswith("error in") for kind in outcomes):
        trouble = f"pytest ended with {code}, {outcomes}"
    elif failures.keys() & _BROKEN:
        trouble = f"broken instead of sabotaged: {told}"
    return Ran(code == _TEST_FAILURES and trouble is None, seconds, trouble, told)


def tried(sabotage: Sabotage, copy: Path) -> Ran:
    """Apply a sabotage to a copy, run its tests, and take it back."""
    path = copy / sabotage.file
    sound = path.read_text(encoding="utf-8")
    path.write_text(sabotage.applied(sound), encoding="utf-8")
    try:
        module = sabotage.file.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        return run(copy, sabotage.tests, stops_early=True, module=module)
    finally:
        path.write_text(sound, encoding="utf-8")


def main(part: str = "", *, tests_pass: bool = False) -> int:
    """Try those whose names hold ``part``; and nothing, too, unless it is known that the tests pass then."""
    chosen = [each for each in sabotages() if part in each.name]
    for each in chosen:
        each.applied((_ROOT / each.file).read_text(encoding="utf-8"))
    if not part and len(chosen) < FEWEST:
        raise ValueError(f"There are only {len(chosen)} sabotages.")
    with tempfile.TemporaryDirectory(prefix="sabotage-") as folder:
        # Without links on the way: what pytest imports is compared with it.
        copies: SimpleQueue[Path] = SimpleQueue()
        for number in range(_AT_ONCE):
            copies.put(copy_of_the_checkout(Path(folder).resolve() / f"copy-{number}"))

        def in_a_copy(sabotage: Sabotage | None) -> Ran:
            copy = copies.get()
            try:
                if sabotage is None:
                    every = tuple(dict.fromkeys(test for each in chosen for test in each.tests))
                    return run(copy, every, stops_early=False)
                return tried(sabotage, copy)
            finally:
                copies.put(copy)

        with ThreadPoolExecutor(_AT_ONCE) as pool:
            began = time.monotonic()
            sound = None if tests_pass else pool.submit(in_a_copy, None)
            results = [
                _told(each, ran) for each, ran in zip(chosen, pool.map(in_a_copy, chosen), strict=True)
            ]
            is_green = sound is None or _told(None, sound.result())
    noticed = sum(results)
    sys.stdout.write(
        f"{noticed} of {len(results)} sabotages were noticed, in {time.monotonic() - began:.0f} s.\n"
    )
    return int(not is_green or noticed < len(results))


def _told(sabotage: Sabotage | None, ran: Ran) -> bool:
    """Tell of a run at once; returns whether it went as it must: red with a sabotage, green without one."""
    name, wanted = (sabotage.name, "noticed") if sabotage else ("without any sabotage", "green")
    verdict = "TROUBLE" if ran.trouble else "noticed" if ran.noticed else "green"
    is_right = verdict == wanted
    said = verdict if is_right else verdict.upper()
    sys.stdout.write(f"{ran.seconds:6.1f} s  {said:9}  {name}  ({ran.trouble or ran.failures})\n")
    sys.stdout.flush()
    return is_right


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.sabotage", description=__doc__)
    parser.add_argument("part", nargs="?", default="", help="of the names of those to try")
    parser.add_argument("--tests-pass", action="store_true", help="the tests have just passed")
    sys.exit(main(**vars(parser.parse_args())))
