"""The report: figures of a workspace as one page with charts. No warehouse is read here."""

from dub_source.report.figures import Figures, SyncPlan

__all__ = ["Figures", "SyncPlan"]
