"""synimg: phantoms of synapse maps that record learning, their analysis, and the score of that analysis.

The public functions load on first use, so that ``import synimg`` costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synimg.analysis.measure import measure, measure_image
    from synimg.analysis.separate.protocol import Separation
    from synimg.analysis.separation import separate
    from synimg.analysis.stitch_folders import stitch
    from synimg.analysis.validate import validate
    from synimg.config import Config, load, preset
    from synimg.errors import SynimgError
    from synimg.phantoms.generate import generate
    from synimg.phantoms.plan import plan
    from synimg.phantoms.populate import population
    from synimg.phantoms.repair import repair
    from synimg.phantoms.resimulate import resimulate
    from synimg.store.dataset import Dataset
    from synimg.viewers.benchmark import benchmark
    from synimg.viewers.report import report
    from synimg.viewers.view import view

__version__ = "0.1.0"

_HOMES = {
    "Config": "synimg.config",
    "Dataset": "synimg.store.dataset",
    "Separation": "synimg.analysis.separate.protocol",
    "SynimgError": "synimg.errors",
    "benchmark": "synimg.viewers.benchmark",
    "generate": "synimg.phantoms.generate",
    "load": "synimg.config",
    "measure": "synimg.analysis.measure",
    "measure_image": "synimg.analysis.measure",
    "plan": "synimg.phantoms.plan",
    "population": "synimg.phantoms.populate",
    "preset": "synimg.config",
    "repair": "synimg.phantoms.repair",
    "report": "synimg.viewers.report",
    "resimulate": "synimg.phantoms.resimulate",
    "separate": "synimg.analysis.separation",
    "stitch": "synimg.analysis.stitch_folders",
    "validate": "synimg.analysis.validate",
    "view": "synimg.viewers.view",
}

__all__ = [
    "Config",
    "Dataset",
    "Separation",
    "SynimgError",
    "benchmark",
    "generate",
    "load",
    "measure",
    "measure_image",
    "plan",
    "population",
    "preset",
    "repair",
    "report",
    "resimulate",
    "separate",
    "stitch",
    "validate",
    "view",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'synimg' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
