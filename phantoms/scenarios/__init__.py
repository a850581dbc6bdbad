"""Synapse tables with truth in seconds: named statistical scenarios for separation methods."""
