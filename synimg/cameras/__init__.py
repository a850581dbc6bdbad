"""Cameras: one file per kind, from expected photons to grey levels."""
