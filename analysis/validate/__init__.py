"""Validation against the ground-truth network. The only part of the analysis that may look at the truth."""

from synimg.analysis.validate.run import validate, validate_elsewhere

__all__ = ["validate", "validate_elsewhere"]
