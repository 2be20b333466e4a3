"""What the command line does, as plain functions: load and check."""

from dub_source.runs.check import Finding, check
from dub_source.runs.load import load
from dub_source.runs.result import LoadResult, Outcome
from dub_source.runs.steps import run_source

__all__ = ["Finding", "LoadResult", "Outcome", "check", "load", "run_source"]
