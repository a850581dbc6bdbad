"""Microscopes: one file per preset, with its sources; a configuration takes one by `microscope = "NAME"`."""
