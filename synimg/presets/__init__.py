"""Presets: each file holds the changes to the defaults."""
