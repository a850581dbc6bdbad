"""Separation methods: which change is learning. One file per method, a function from a synapse table to a result."""

from synimg.analysis.separate.protocol import Separation
from synimg.analysis.separate.select import separate

__all__ = ["Separation", "separate"]
