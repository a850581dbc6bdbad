"""Validation against the ground-truth network. The only part of the analysis that may look at the truth."""

from synimg.analysis.validate.elsewhere import validate_elsewhere
from synimg.analysis.validate.run import validate

__all__ = ["validate", "validate_elsewhere"]
