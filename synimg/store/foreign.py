"""Images from other labs: TIFF files, read without believing their resolution tags."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
import zarr
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.store.atomic import atomic_path


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
        If the file is missing, truncated, no TIFF, in colour, empty, constant or holds NaN, or has other axes.
    """
    path = Path(path)
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
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        raise SynimgError(f"{path}: holds NaN or infinite values; replace them before measuring")
    if values.size == 0 or values.min() == values.max():
        raise SynimgError(
            f"{path}: every voxel has the same value ({values.flat[0] if values.size else 'empty'}); no image in it"
        )
    full_scale = float(np.iinfo(values.dtype).max) if values.dtype.kind in "iu" else float("nan")
    return ForeignImage(path, values, full_scale, stated)


@dataclass(frozen=True)
class Frames:
    """Frames of one channel, read when they are asked for.

    path : the file
    n : frames
    n_channels : channels of the file, of which these frames are one
    shape : (y, x) pixels of a frame
    plane : frame k, or a part of it
    """

    path: Path
    n: int
    n_channels: int
    shape: tuple[int, int]
    plane: Callable[[int, tuple[slice, slice]], NDArray[Any]]

    def all(self) -> NDArray[Any]:
        """All frames (n, y, x)."""
        return np.stack([self.plane(k, (slice(None), slice(None))) for k in range(self.n)])


def open_frames(path: Path, channel: int = 0) -> Frames:
    """The frames of a channel of a TIFF file or an OME-Zarr image: planes along z, or in time.

    Parameters
    ----------
    path : Path
        ``.tif`` or a folder ``.zarr``.
    channel : int
        Index of the channel.

    Raises
    ------
    SynimgError
        If there is no such image or channel, the image is in colour, or has no whole or real numbers.
    """
    path = Path(path)
    if not path.exists():
        raise SynimgError(f"{path}: no such file")
    if (path / "dataset.json").is_file():
        raise SynimgError(f"{path}: a data set knows its camera; of its voxels alone: {path / 'image.ome.zarr'}")
    source, axes = _open_zarr(path) if path.is_dir() else _open_tiff(path)
    if source.dtype.kind not in "uif":
        raise SynimgError(f"{path}: holds {source.dtype}, not grey levels")
    axes = axes.upper()
    n_channels = source.shape[axes.index("C")] if "C" in axes else 1
    if channel >= n_channels:
        raise SynimgError(f"{path}: has {n_channels} channels, counted from 0; channel {channel} is not among them")
    others = [i for i, name in enumerate(axes) if name not in "CYX"]
    sizes = [source.shape[i] for i in others]

    def plane(k: int, where: tuple[slice, slice]) -> NDArray[Any]:
        at = dict(zip(others, np.unravel_index(k, sizes), strict=True)) if others else {}
        inside = {"C": channel, "Y": where[0], "X": where[1]}
        index = tuple(int(at[i]) if i in at else inside[name] for i, name in enumerate(axes))
        try:
            values = np.asarray(source[index])
        except (ValueError, RuntimeError, OSError) as error:
            raise SynimgError(f"{path}: frame {k} is truncated or altered ({str(error).splitlines()[0]})") from None
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise SynimgError(f"{path}: holds NaN or infinite values; replace them before measuring")
        return values if axes.index("Y") < axes.index("X") else values.T

    shape = source.shape[axes.index("Y")], source.shape[axes.index("X")]
    return Frames(path, int(np.prod(sizes)), n_channels, shape, plane)


def _open_tiff(path: Path) -> tuple[Any, str]:
    """The values of a TIFF file, left on the disk where they lie there as they are, and its axes."""
    try:
        with tifffile.TiffFile(path) as tiff:
            series = tiff.series[0]
            values = series.asarray() if series.dataoffset is None else tifffile.memmap(path, mode="r")
            axes = series.axes
    except (tifffile.TiffFileError, ValueError, IndexError, OSError, RuntimeError) as error:
        raise SynimgError(
            f"{path}: not readable as TIFF ({str(error).splitlines()[0]}); it is truncated or something else"
        ) from None
    if "S" in axes and axes.index("S") < axes.index("Y"):
        axes = axes.replace("S", "I")  # three or four frames are easily written as samples of a colour picture
    if "S" in axes:
        raise SynimgError(f"{path}: a colour (RGB) picture; noise is measured in grey levels: export those")
    return values, axes


def _open_zarr(path: Path) -> tuple[Any, str]:
    """The finest level of an OME-Zarr 0.4 or 0.5 image, and its axes."""
    try:
        group = zarr.open_group(path, mode="r")
        attributes = group.attrs.asdict()
        multiscale: Any = attributes.get("ome", attributes)["multiscales"][0]  # type: ignore[call-overload, index]
        axes = "".join(axis["name"] if isinstance(axis, dict) else axis for axis in multiscale["axes"])
        source = zarr.open_array(path / multiscale["datasets"][0]["path"], mode="r")
    except (OSError, KeyError, IndexError, ValueError, TypeError) as error:
        raise SynimgError(f"{path}: no readable OME-Zarr image there ({str(error).splitlines()[0]})") from None
    return source, axes


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


def write_tiff(path: Path, values: NDArray[Any]) -> None:
    """Write `values` as TIFF, whole or not at all."""
    with atomic_path(path) as temporary:
        tifffile.imwrite(temporary, values, metadata=None)
