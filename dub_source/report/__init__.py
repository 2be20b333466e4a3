"""The report: figures of a workspace as one page with charts. Functions of values; nothing is read here."""

from dub_source.report.figures import Figures, Group, Groups, Month, Run, SyncPlan

__all__ = ["Figures", "Group", "Groups", "Month", "Run", "SyncPlan"]
