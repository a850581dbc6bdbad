"""Images in the formats of microscopes (CZI, ND2, LIF, ...), which bioio reads where the format's reader is installed."""

import importlib.util
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.store.image import Box
from synimg.store.source import Source, planes_of

READERS = {
    ".czi": "bioio-czi",
    ".nd2": "bioio-nd2",
    ".lif": "bioio-lif",
    ".lof": "bioio-lif",
    ".dv": "bioio-dv",
    ".r3d": "bioio-dv",
    ".sldy": "bioio-sldy",
    ".oib": "bioio-bioformats",
    ".oif": "bioio-bioformats",
    ".vsi": "bioio-bioformats",
    ".ims": "bioio-bioformats",
}
"""Package that reads a file, by the end of its name; each needs bioio."""


@dataclass(frozen=True)
class Scene:
    """What a file states of one of its images.

    path : the file
    name : of the scene
    channels : names of the channels; those that have none are numbered
    voxel_um : voxel size along z, y, x; None where it is not stated
    shape : planes, rows, columns
    n_times : time points
    dtype : of its voxels
    """

    path: Path
    name: str
    channels: tuple[str, ...]
    voxel_um: tuple[float | None, float | None, float | None]
    shape: tuple[int, int, int]
    n_times: int
    dtype: np.dtype[Any]


def is_microscope_file(path: Path) -> bool:
    """Whether the end of its name is that of a format of microscopes."""
    return path.suffix.lower() in READERS


def scenes(path: Path) -> list[Scene]:
    """The images in a file.

    Raises
    ------
    SynimgError
        If the file is missing or damaged, or its reader is not installed; the sentence says what to install.
    """
    with _opened(path) as image:
        found = []
        for scene in image.scenes:
            image.set_scene(scene)
            size, dims = image.physical_pixel_sizes, image.dims
            voxel_um = tuple(float(v) if v and v > 0 else None for v in (size.Z, size.Y, size.X))
            shape, n_times = (int(dims.Z), int(dims.Y), int(dims.X)), int(dims.T)
            if "S" in dims.order and int(dims.S) > 1:
                raise SynimgError(f"{path}: a colour (RGB) picture; puncta are measured in greyscale channels")
            channels = distinct([str(name) for name in image.channel_names or []], int(dims.C))
            of_scene = channels, voxel_um, shape, n_times, np.dtype(image.dtype)
            found.append(Scene(path, str(scene), *of_scene))  # type: ignore[arg-type]
    return found


def read_channel(scene: Scene, index: int) -> tuple[NDArray[Any], int | None]:
    """The voxels (z, y, x) of a channel of a scene [grey levels], and how many of their bits the camera filled, if stated."""
    with _opened(scene.path) as image:
        image.set_scene(scene.name)
        values = np.asarray(image.get_image_data("ZYX", T=0, C=index))
        return values, _significant_bits(image)


def open_channel(scene: Scene, index: int) -> Source:
    """A channel of a scene."""

    def read(box: Box) -> NDArray[Any]:
        where = tuple(slice(s, s + n) for s, n in zip(*box, strict=True))
        with _opened(scene.path) as image:
            image.set_scene(scene.name)
            return np.asarray(image.get_image_dask_data("ZYX", T=0, C=index)[where])

    return Source(scene.shape, scene.dtype, read, lambda box: planes_of(box, scene.shape[1:]))


def distinct(names: list[str], n: int) -> tuple[str, ...]:
    """Names for `n` channels, none twice."""
    out: list[str] = []
    for k in range(n):
        name = names[k] if k < len(names) and names[k] else f"channel{k}"
        out.append(name if name not in out else f"{name}_{k}")
    return tuple(out)


def _significant_bits(image: Any) -> int | None:
    """Bits that the camera fills: of OME's metadata where the reader has them, else of Zeiss' or Leica's own."""
    try:
        of_scenes = image.ome_metadata.images
        pixels = of_scenes[image.current_scene_index if len(of_scenes) == len(image.scenes) else 0].pixels
        if pixels.significant_bits:
            return int(pixels.significant_bits)
    except (NotImplementedError, AttributeError, IndexError, ValueError, TypeError):
        pass
    if not isinstance(image.metadata, ElementTree.Element):
        return None
    stated = [e.text for e in image.metadata.iter("ComponentBitCount")]
    stated += [e.get("Resolution") for e in image.metadata.iter("ChannelDescription")]
    bits = [int(text) for text in stated if text and text.isdigit() and int(text) > 0]
    return max(bits) if bits else None


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """The file as a `bioio.BioImage`; whatever its reader raises becomes one sentence."""
    package = READERS[path.suffix.lower()]
    missing = [name for name in ("bioio", package) if importlib.util.find_spec(name.replace("-", "_")) is None]
    if missing:
        raise SynimgError(
            f"{path}: {path.suffix} files are read by {package}, which is not installed: pip install {' '.join(missing)}"
        )
    if not path.is_file():
        raise SynimgError(f"{path}: no such file")
    from bioio import BioImage
    from bioio_base.exceptions import UnsupportedFileFormatError

    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)  # readers log every file that they refuse, and every tag that they miss
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield BioImage(path)
    except (SynimgError, MemoryError):
        raise
    except UnsupportedFileFormatError:
        raise SynimgError(f"{path}: not readable by {package}; it is truncated or something else") from None
    except Exception as error:  # of any of a dozen readers, in C or Python
        said = re.sub(r"\s+", " ", str(error)).strip()[:160]
        raise SynimgError(
            f"{path}: not readable by {package} ({type(error).__name__}: {said}); it is damaged, or its reader cannot do that"
        ) from None
    finally:
        logging.disable(before)
