"""From places in tissue to places in the image, and back; the tissue as the microscope finds it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg.config import Config, scale_of
from synimg.family import part
from synimg.phantoms.morphology import Tree
from synimg.phantoms.preparation.base import retention
from synimg.phantoms.preparation.protocol import Size, Step
from synimg.phantoms.tissue import Tissue
from synimg.streams import key64

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Preparation:
    """The steps of a preparation, each with the block's size before it and the key of its random numbers."""

    steps: tuple[Step, ...]
    sizes_um: tuple[Size, ...]
    keys: tuple[int, ...]

    def to_image(self, points_um: Floats) -> Floats:
        """Places in the image (n, 3) [um] of places in tissue; not-a-number stays."""
        known = np.isfinite(points_um).all(axis=1)
        out, places = np.full(points_um.shape, np.nan), points_um[known]
        for step, size_um, key in zip(self.steps, self.sizes_um, self.keys, strict=True):
            places = step.forward(places, size_um, key)
        out[known] = places
        return out

    def to_tissue(self, points_um: Floats) -> Floats:
        """Places in tissue (n, 3) [um] of places in the image; undoes `to_image`."""
        places = points_um
        for step, size_um, key in reversed(list(zip(self.steps, self.sizes_um, self.keys, strict=True))):
            places = step.backward(places, size_um, key)
        return places

    def is_kept(self, points_um: Floats) -> NDArray[np.bool_]:
        """Whether what lies at places in tissue is there when the image is taken."""
        kept, places = np.ones(len(points_um), bool), points_um
        for step, size_um, key in zip(self.steps, self.sizes_um, self.keys, strict=True):
            kept &= step.is_kept(places, size_um, key)
            places = step.forward(places, size_um, key)
        return kept

    def is_visible(self, points_um: Floats) -> Any:
        """1 where there still is what would lie at places in the image, 0 in lost sections."""
        return self.is_kept(self.to_tissue(points_um)).astype(np.float64) if self.steps else 1.0

    @property
    def scale(self) -> Size:
        """How much longer lengths along z, y, x become, on average."""
        z, y, x = (float(np.prod([step.scale[axis] for step in self.steps])) for axis in range(3))
        return z, y, x

    @property
    def retention(self) -> float:
        """Share of the dyes that survive."""
        return retention(self.steps)

    def facts(self) -> dict[str, Any]:
        """The map as JSON: `preparation_of_facts` reads it again."""
        return {
            "steps": [step.model_dump(mode="json") for step in self.steps],  # type: ignore[attr-defined]
            "sizes_um": [list(size) for size in self.sizes_um],
            "keys": list(self.keys),
        }


def preparation_of(config: Config, seed: int) -> Preparation:
    """The preparation of a configuration: the image's block, followed back through the steps."""
    steps: tuple[Step, ...] = config.preparation
    sizes = [config.volume.size_um]
    for step in reversed(steps):
        sizes.append(tuple(s / f for s, f in zip(sizes[-1], step.scale, strict=True)))  # type: ignore[arg-type]
    keys = tuple(key64(seed, "preparation", i) for i in range(len(steps)))
    return Preparation(steps, tuple(reversed(sizes[1:])), keys)


def preparation_of_facts(facts: dict[str, Any]) -> Preparation:
    """The preparation that `Preparation.facts` wrote down."""
    steps = tuple(part("synimg.phantoms.preparation", step["kind"])(**step) for step in facts["steps"])
    sizes: Any = tuple(tuple(size) for size in facts["sizes_um"])
    return Preparation(steps, sizes, tuple(facts["keys"]))


def tissue_config(config: Config) -> Config:
    """The configuration with the block that the tissue fills before it is prepared."""
    if not config.preparation:
        return config
    voxel_um = tuple(float(v) for v in np.array(config.volume.voxel_um) / scale_of(config.preparation))
    return config.model_copy(update={"volume": config.volume.model_copy(update={"voxel_um": voxel_um})})


def prepared(tissue: Tissue, preparation: Preparation, size_um: Size) -> Tissue:
    """The tissue as it lies in an image of `size_um`; what was in a lost section or went out is not imaged any more.

    Notes
    -----
    Radii grow by the mean factor of the three axes; the normals of synapses keep their direction.
    """
    if not preparation.steps:
        return tissue
    factor = float(np.cbrt(np.prod(preparation.scale)))

    def moved(tree: Tree) -> Tree:
        return replace(tree, points_um=preparation.to_image(tree.points_um), radius_um=factor * tree.radius_um)

    position_um = preparation.to_image(tissue.position_um)
    shown = np.flatnonzero(tissue.is_imaged)
    place = position_um[shown]
    inside = ((place >= 0) & (place < np.array(size_um))).all(axis=1)
    there = np.zeros_like(tissue.is_imaged)
    there[shown] = inside & preparation.is_kept(tissue.position_um[shown])
    return replace(
        tissue,
        soma_um=preparation.to_image(tissue.soma_um),
        position_um=position_um,
        head_um=preparation.to_image(tissue.head_um),
        base_um=preparation.to_image(tissue.base_um),
        trees=tuple(moved(tree) for tree in tissue.trees),
        is_imaged=there,
        disc_radius_um=factor * tissue.disc_radius_um,
        head_radius_um=factor * tissue.head_radius_um,
    )
