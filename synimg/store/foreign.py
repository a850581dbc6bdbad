"""Images from other labs: TIFF files, read without believing their resolution tags."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from synimg.errors import SynimgError


@dataclass(frozen=True)
class ForeignImage:
    """An image as it was found.

    path : the file
    values : (c, y, x) or (c, z, y, x) ndarray, grey levels
    full_scale : float, largest value that the type can hold; nan for floating point
    stated_um : pixel size that the file's tag claims, or None
    """

    path: Path
    values: NDArray[Any]
    full_scale: float
    stated_um: float | None


def read_image(path: Path, n_axes: int) -> ForeignImage:
    """The image in a TIFF file, channels first.

    Parameters
    ----------
    path : Path
        A TIFF file, greyscale, with one or several channels.
    n_axes : {2, 3}
        Spatial axes of the image: as many as the voxel size has numbers.

    Raises
    ------
    SynimgError
        If the file is missing, truncated, no TIFF, in colour, or has other axes.
    """
    path = Path(path)
    if path.is_dir():
        raise SynimgError(
            f"{path}: a folder; images are TIFF files, and the image of a data set goes by the data set's folder"
        )
    if not path.is_file():
        raise SynimgError(f"{path}: no such file")
    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            values, axes, tags = series.asarray(), series.axes, tiff.pages[0].tags  # type: ignore[union-attr]
            stated = _stated_um(tags)
    except (tifffile.TiffFileError, ValueError, IndexError, OSError, RuntimeError) as error:
        raise SynimgError(
            f"{path}: not readable as TIFF ({str(error).splitlines()[0]}); it is truncated or something else"
        ) from None
    if "S" in axes:
        raise SynimgError(f"{path}: a colour (RGB) picture; puncta are measured in greyscale channels: export those")
    values = _channels_first(values, axes, n_axes, path)
    full_scale = float(np.iinfo(values.dtype).max) if values.dtype.kind in "iu" else float("nan")
    return ForeignImage(path, values, full_scale, stated)


def _channels_first(values: NDArray[Any], axes: str, n_axes: int, path: Path) -> NDArray[Any]:
    """`values` as (c, y, x) or (c, z, y, x)."""
    for extra in [a for a, n in zip(axes, values.shape, strict=True) if n == 1 and a not in "YX"]:
        values = np.squeeze(values, axis=axes.index(extra))
        axes = axes.replace(extra, "")
    if n_axes == 3:
        axes = axes.replace("I", "Z").replace("Q", "Z")
    wanted = "ZYX" if n_axes == 3 else "YX"
    if "C" not in axes:
        values, axes = values[None], "C" + axes
    if set(axes) != {"C", *wanted}:
        raise SynimgError(
            f"{path}: has the axes {axes} and the shape {values.shape}; --voxel-um with {n_axes} numbers needs {wanted}"
        )
    return np.transpose(values, [axes.index(a) for a in "C" + wanted])


def _stated_um(tags: Any) -> float | None:
    """Pixel size that the resolution tag claims; a tag without unit is read as pixels per um, as ImageJ writes it."""
    if "XResolution" not in tags or "ResolutionUnit" not in tags:
        return None
    numerator, denominator = tags["XResolution"].value
    unit_um = {2: 2.54e4, 3: 1e4}.get(int(tags["ResolutionUnit"].value), 1.0)
    return None if not numerator else unit_um * denominator / numerator


def group_channels(paths: list[Path], channels: list[str]) -> dict[str, dict[str, tuple[Path, int]]]:
    """Images by name; each a file and an index in it for every channel.

    Parameters
    ----------
    paths : list of Path
        Files.
    channels : list of str
        ``NAME=INDEX`` takes a channel of a file with several; ``NAME=ENDING[,ENDING]`` takes files whose name ends so,
        and files with the same rest of the name form one image. Empty: every file is an image with one channel.

    Raises
    ------
    SynimgError
        For a channel that is not of that form, a file that no ending fits, or a channel that an image lacks.
    """
    if not channels:
        return {path.stem: {"puncta": (path, 0)} for path in paths}
    named = {}
    for channel in channels:
        name, equals, value = channel.partition("=")
        if not (name and equals and value):
            raise SynimgError(f"--channel {channel}: it takes NAME=INDEX or NAME=ENDING, such as pre=0 or pre=bassoon")
        named[name] = value
    if all(value.isdigit() for value in named.values()):
        return {path.stem: {name: (path, int(value)) for name, value in named.items()} for path in paths}
    endings = {ending: name for name, value in named.items() for ending in value.split(",")}
    images: dict[str, dict[str, tuple[Path, int]]] = {}
    for path in paths:
        ending = next((e for e in endings if path.stem.endswith(e)), None)
        if ending is None:
            raise SynimgError(f"{path}: its name ends in none of {', '.join(endings)}; name its ending with --channel")
        image = images.setdefault(path.stem.removesuffix(ending).rstrip("_-. "), {})
        if endings[ending] in image:
            raise SynimgError(f"{path}: a second '{endings[ending]}' channel beside {image[endings[ending]][0].name}")
        image[endings[ending]] = (path, 0)
    for image_name, image in images.items():
        for name in named:
            if name not in image:
                raise SynimgError(
                    f"{image_name}: has no '{name}' channel; a file that ends in {named[name]} is missing"
                )
    return {image_name: {name: image[name] for name in named} for image_name, image in images.items()}
