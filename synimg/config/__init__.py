"""The configuration of one animal: a file per section, and how configurations are read and written.

A TOML file holds it. Every parameter is spelt out once, in the file of its section or of its family's part, with unit,
bounds, default and source; `to_toml` writes them out as comments.
"""

from synimg.config.axons import Axons
from synimg.config.cohort import Cohort
from synimg.config.config import Config, families
from synimg.config.dyes import Dyes
from synimg.config.imported import Imported
from synimg.config.microscope_values import microscope, microscopes
from synimg.config.network import Network
from synimg.config.optics import FIRST_CHANNEL, MOST_SHIFT_UM, Optics
from synimg.config.other_microscope import scale_of, seen_by
from synimg.config.plasticity import Plasticity
from synimg.config.read import camera_beside, load, parse, preset, presets, read_camera, read_toml
from synimg.config.receptors import Receptors
from synimg.config.record import Record
from synimg.config.surroundings import Surroundings
from synimg.config.tissue import Tissue
from synimg.config.training import Training
from synimg.config.volume import Volume
from synimg.config.write import bounds, to_literal, to_toml

__all__ = [
    "FIRST_CHANNEL",
    "MOST_SHIFT_UM",
    "Axons",
    "Cohort",
    "Config",
    "Dyes",
    "Imported",
    "Network",
    "Optics",
    "Plasticity",
    "Receptors",
    "Record",
    "Surroundings",
    "Tissue",
    "Training",
    "Volume",
    "bounds",
    "camera_beside",
    "families",
    "load",
    "microscope",
    "microscopes",
    "parse",
    "preset",
    "presets",
    "read_camera",
    "read_toml",
    "scale_of",
    "seen_by",
    "to_literal",
    "to_toml",
]
