"""The one error of the benchmarks."""


class BenchmarkFailed(Exception):
    """A measurement that would mean nothing: a wrong answer, a missing row, a process that died.

    The text is one sentence for the person at the terminal.
    """
