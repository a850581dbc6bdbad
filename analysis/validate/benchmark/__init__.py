"""The challenge suite: separation methods on named scenarios, scored beside the ceiling."""

from synimg.analysis.validate.benchmark.suite import run_suite

__all__ = ["run_suite"]
