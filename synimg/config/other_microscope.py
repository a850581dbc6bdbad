"""The same tissue under another microscope."""

from typing import Any

import numpy as np

from synimg.config.config import Config
from synimg.config.microscope_values import microscope
from synimg.errors import SynimgError


def seen_by(config: Config, name: str) -> Config:
    """The configuration with the optics, the camera, the voxels and the preparation of a microscope.

    It shows the same block of tissue: as many voxels as that takes.

    Raises
    ------
    SynimgError
        For an unknown microscope, with the nearest known one.
    """
    try:
        values = microscope(name)
    except ValueError as error:
        raise SynimgError(f"--microscope: {error}") from None
    kept = config.model_dump(exclude={"psf", "camera", "optics", "preparation"})
    seen = Config.parse(kept | values | {"volume": kept["volume"] | values["volume"]}, f"microscope {name}")
    swelling = scale_of(seen.preparation) / scale_of(config.preparation)
    shape = np.round(config.volume.size_um * swelling / np.array(seen.volume.voxel_um)).astype(int)
    volume = seen.volume.model_copy(update={"shape_vox": tuple(np.maximum(shape, 1).tolist())})
    return seen.model_copy(update={"volume": volume})


def scale_of(preparation: tuple[Any, ...]) -> Any:
    """How much longer lengths along z, y, x become by the steps of a preparation, on average (3,)."""
    return np.prod([step.scale for step in preparation], axis=0) if preparation else np.ones(3)
