"""Drift laws: one file per law, each a step of ln receptors per contact."""
