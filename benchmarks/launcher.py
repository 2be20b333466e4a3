"""Runs a program and writes what it cost to a file; started by ``benchmarks.process`` as a small process.

On Linux the peak memory of a process begins with that of the process it was started from, because the
kernel carries the peak over ``exec``. Starting programs from here, from some 10 MB, keeps the memory of the
benchmark itself out of their figures.

Usage: ``python -I -S launcher.py RESULT_FILE PROGRAM ARGUMENTS...``
"""

import json
import os
import sys
import time


def main(result: str, program: list[str]) -> None:
    """Run the program to its end; the file ``result`` receives what it cost."""
    began = time.monotonic()
    child = os.posix_spawn(program[0], program, os.environ)
    _, status, usage = os.wait4(child, 0)
    seconds = time.monotonic() - began
    in_bytes = 1 if sys.platform == "darwin" else 1024
    measured = {
        "status": os.waitstatus_to_exitcode(status),
        "seconds": seconds,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_bytes": usage.ru_maxrss * in_bytes,
    }
    with open(result, "w", encoding="utf-8") as file:  # noqa: PTH123 - pathlib costs memory here
        json.dump(measured, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
