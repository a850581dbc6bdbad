"""The report: one self-contained HTML page."""

from synimg.viewers.report.page import report

__all__ = ["report"]
