"""Images from other labs: TIFF files, whose resolution tags are not believed, and the formats of microscopes and OME, whose are."""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from synimg.errors import SynimgError
from synimg.store import ome_zarr
from synimg.store.atomic import atomic_path
from synimg.store.image import Box, open_array
from synimg.store.microscopes import Scene, distinct, is_microscope_file, read_channel, scenes
from synimg.store.results import identity_of
from synimg.store.tiff import cut_off, damage_heard, reading_tiff
from synimg.store.tiff_stack import stack_of

TRUNCATED = "; it is truncated or something else"
UM_PER = {"m": 1e6, "cm": 1e4, "mm": 1e3, "µm": 1.0, "um": 1.0, "micron": 1.0, "nm": 1e-3, "pm": 1e-6, "Å": 1e-4}


@dataclass(frozen=True)
class Place:
    """Where a channel of an image lies: a file, the channel's index in it, and the scene of a microscope's file."""

    path: Path
    index: int
    scene: Scene | None = None

    def identity(self) -> list[Any]:
        """What tells it from another, and from the same in another version of the file; JSON-ready."""
        return [*identity_of(self.path), self.index, self.scene and self.scene.name]


def place_again(identity: list[Any]) -> Place:
    """The place of which `Place.identity` was kept.

    Raises
    ------
    SynimgError
        If the file is gone, or was changed since.
    """
    path, index, name = Path(identity[0]), int(identity[-2]), identity[-1]
    if not path.exists():
        raise SynimgError(f"{path}: no such file; what was measured in it is there, but not its voxels")
    scene = None
    if name is not None:
        found = [_scene_of_zarr(path)] if ome_zarr.is_ome_zarr(path) else scenes(path)
        scene = next((scene for scene in found if scene.name == name), None)
    place = Place(path, index, scene)
    if place.identity() != identity:
        raise SynimgError(f"{path}: was changed since it was measured; measure it again")
    return place


@dataclass(frozen=True)
class ForeignChannel:
    """A channel as it was found.

    values : (y, x) or (z, y, x) ndarray, grey levels
    full_scale : float, largest value that the camera can give, as far as the file says; nan for floating point
    claimed_um : pixel size that a TIFF file's tag claims, or None
    lost : boxes (z, y, x) that are missing or damaged, and why; zero
    """

    values: NDArray[Any]
    full_scale: float
    claimed_um: float | None
    lost: dict[Box, str] = field(default_factory=dict)


def stated_voxel_um(place: Place) -> tuple[float, ...] | None:
    """Voxel size (y, x) or (z, y, x) [um] as the metadata of a microscope or of OME-TIFF state it; None where they do not."""
    if place.scene is not None:
        sizes, n_planes = place.scene.voxel_um, place.scene.shape[0]
    elif (described := _ome_pixels(place.path)) is None:
        return None
    else:
        sizes = tuple(_size_um(described, axis) for axis in "ZYX")  # type: ignore[assignment]
        n_planes = int(described.get("SizeZ", 1))
    wanted = sizes if n_planes > 1 else sizes[1:]
    return None if any(size is None for size in wanted) else tuple(float(size) for size in wanted if size is not None)


def channel_names(place: Place) -> list[str]:
    """What the metadata of a microscope, of OME-Zarr or of OME-TIFF call the channels of an image; nothing where they do not."""
    return list(place.scene.channels) if place.scene is not None else _ome_channels(place.path)


def _ome_channels(path: Path) -> list[str]:
    """The names of the channels in OME-TIFF, if all have one."""
    stated = (_ome_pixels(path) or {}).get("Channel", [])
    names = [str(channel.get("Name") or "") for channel in (stated if isinstance(stated, list) else [stated])]
    return names if all(names) else []


def exchanged(places: dict[str, Place]) -> list[str]:
    """That channels have the names which the file gives to others, if they do."""
    wrong = []
    for name, place in places.items():
        names = channel_names(place)
        if name in names and names[place.index] != name:
            wrong.append(
                f"'{name}' is asked for as its channel {place.index}, which it calls '{names[place.index]}', and not as channel "
                f"{names.index(name)}, which it calls '{name}'"
            )
    first = next(iter(places.values())).path
    return [f"{first}: {'; '.join(wrong)}: check that the channels are not exchanged"] if wrong else []


def refuse_without_shape(path: Path) -> None:
    """Refuse a TIFF file that is cut off so that not even its shape is known.

    Raises
    ------
    SynimgError
        If it is.
    """
    with reading_tiff(str(path), TRUNCATED), damage_heard() as heard, tifffile.TiffFile(path) as tiff:
        stack_of(tiff, path, bool(heard))


def _ome_pixels(path: Path) -> dict[str, Any] | None:
    """What OME-TIFF states of its first image's voxels; None of another file."""
    try:
        with damage_heard(), tifffile.TiffFile(path) as tiff:
            described = tiff.ome_metadata
        images = tifffile.xml2dict(described)["OME"]["Image"] if described else None
    except (tifffile.TiffFileError, ValueError, KeyError, IndexError, OSError, SyntaxError):
        return None  # reading it will say what is wrong
    if images is None:
        return None
    pixels: dict[str, Any] = (images[0] if isinstance(images, list) else images).get("Pixels", {})
    return pixels


def _size_um(pixels: dict[str, Any], axis: str) -> float | None:
    size, unit = pixels.get(f"PhysicalSize{axis}"), UM_PER.get(str(pixels.get(f"PhysicalSize{axis}Unit", "µm")))
    return float(size) * unit if size and unit and float(size) > 0 else None


def stated_position_um(place: Place) -> list[float] | None:
    """Where the stage stood (z, y, x) [um] for the first voxel, as OME-TIFF or OME-Zarr state it; None where they do not."""
    if ome_zarr.is_ome_zarr(place.path):
        image = ome_zarr.describe(place.path)
        shift = dict(zip(image.axes, image.shift, strict=True))
        return [float(shift.get(a, 0.0)) for a in "zyx"] if image.has_place else None
    described = _ome_pixels(place.path) if place.scene is None else None
    planes = (described or {}).get("Plane", [])
    first = planes[0] if isinstance(planes, list) and planes else planes
    if not first or any(f"Position{axis}" not in first for axis in "ZYX"):
        return None
    return [float(first[f"Position{a}"]) * UM_PER.get(str(first.get(f"Position{a}Unit", "µm")), 1.0) for a in "ZYX"]


def read_channel_of(place: Place, n_axes: int) -> ForeignChannel:
    """A channel of an image.

    Parameters
    ----------
    place : Place
        Where it lies.
    n_axes : {2, 3}
        Spatial axes of the image: as many as the voxel size has numbers.

    Raises
    ------
    SynimgError
        As `read_tiff`, and where a microscope's file has other axes or no reader.
    """
    if place.scene is None:
        return read_tiff(place.path, place.index, n_axes)
    lost: dict[Box, str] = {}
    if ome_zarr.is_ome_zarr(place.path):
        source, bits = ome_zarr.open_channel(ome_zarr.describe(place.path), place.index), None
        values, lost = source.read_intact(((0, 0, 0), source.shape))
    else:
        values, bits = read_channel(place.scene, place.index)
    if n_axes == 2 and values.shape[0] > 1:
        raise SynimgError(f"{place.path}: has {values.shape[0]} planes; --voxel-um takes three numbers, Z,Y,X")
    values = values[0] if n_axes == 2 else values
    stated = float(2**bits - 1) if bits and values.dtype.kind in "iu" else np.inf
    full_scale = stated if values.max() <= stated < _largest(values) else _largest(values)
    return ForeignChannel(values, full_scale, None, lost)


def read_tiff(path: Path, index: int, n_axes: int) -> ForeignChannel:
    """A channel of the image in a TIFF file.

    Parameters
    ----------
    path : Path
        A TIFF file, greyscale, with one or several channels.
    index : int
        Of the channel.
    n_axes : {2, 3}
        Spatial axes of the image: as many as the voxel size has numbers.

    Raises
    ------
    SynimgError
        If the file is missing, truncated, no TIFF, in colour, has other axes or fewer channels.
    """
    path = Path(path)
    if path.is_dir():
        raise SynimgError(
            f"{path}: a folder; images are TIFF files, and the image of a data set goes by the data set's folder"
        )
    if not path.is_file():
        raise SynimgError(f"{path}: no such file")
    with _whole_tiff(path) as tiff:
        series = tiff.series[0]
        values, axes, tags = series.asarray(), series.axes, tiff.pages[0].tags  # type: ignore[union-attr]
        claimed = None if tiff.is_ome else _claimed_um(tags)
    if "S" in axes:
        raise SynimgError(f"{path}: a colour (RGB) picture; puncta are measured in greyscale channels: export those")
    channels = _channels_first(values, axes, n_axes, path)
    if index >= len(channels):
        raise SynimgError(f"{path}: has {len(channels)} channels; channel {index} is not among them, the first is 0")
    return ForeignChannel(channels[index], _largest(channels), claimed)


@contextmanager
def _whole_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """A TIFF file that is not cut off."""
    with reading_tiff(str(path), TRUNCATED), damage_heard(), tifffile.TiffFile(path) as tiff:
        if error := cut_off(tiff, path):
            raise error
        yield tiff


def _largest(values: NDArray[Any]) -> float:
    return float(np.iinfo(values.dtype).max) if values.dtype.kind in "iu" else float("nan")


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
    with _whole_tiff(path) as tiff:
        series = tiff.series[0]
        values = series.asarray() if series.dataoffset is None else tifffile.memmap(path, mode="r")
        axes = series.axes
    if "S" in axes and axes.index("S") < axes.index("Y"):
        axes = axes.replace("S", "I")  # three or four frames are easily written as samples of a colour picture
    if "S" in axes:
        raise SynimgError(f"{path}: a colour (RGB) picture; noise is measured in grey levels: export those")
    return values, axes


def _open_zarr(path: Path) -> tuple[Any, str]:
    """The finest level of an OME-Zarr 0.4 or 0.5 image, and its axes."""
    image = ome_zarr.describe(path)
    return open_array(path, image.levels[0]), "".join(image.axes)


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


def _claimed_um(tags: Any) -> float | None:
    """Pixel size that the resolution tag claims; a tag without unit is read as pixels per um, as ImageJ writes it."""
    if "XResolution" not in tags or "ResolutionUnit" not in tags:
        return None
    numerator, denominator = tags["XResolution"].value
    unit_um = {2: 2.54e4, 3: 1e4}.get(int(tags["ResolutionUnit"].value), 1.0)
    return None if not numerator else unit_um * denominator / numerator


def group_channels(paths: list[Path], channels: list[str]) -> tuple[dict[str, dict[str, Place]], list[str]]:
    """Images by name, for every channel its place; and what of the files is left out, a sentence each.

    Parameters
    ----------
    paths : list of Path
        Files.
    channels : list of str
        ``NAME=INDEX`` takes a channel of a file with several. ``NAME=ENDING[,ENDING]`` takes TIFF files whose name ends so, and
        files with the same rest of the name form one image; of a file that names its channels (a microscope's, OME-Zarr,
        OME-TIFF) it takes the one that has one of these names there. Empty: every TIFF file is an image with one channel, every
        scene of a microscope's file one with all.

    Raises
    ------
    SynimgError
        For a channel that is not of that form, a file that no ending fits, a channel that an image lacks, or two images of
        one name.
    """
    named = {}
    for channel in channels:
        name, equals, value = channel.partition("=")
        if not (name and equals and value):
            raise SynimgError(f"--channel {channel}: it takes NAME=INDEX or NAME=ENDING, such as pre=0 or pre=bassoon")
        named[name] = value
    tiffs = [path for path in paths if not _has_scenes(path)]
    if not named or all(value.isdigit() for value in named.values()):
        indices = {name: int(value) for name, value in named.items()} or {"puncta": 0}
        groups = [(path.stem, {name: Place(path, k) for name, k in indices.items()}) for path in tiffs]
    else:
        with_names = {path: k for path in tiffs if (k := _by_name(path, named)) is not None}
        groups = [(path.stem, {name: Place(path, k) for name, k in of.items()}) for path, of in with_names.items()]
        groups += _by_ending([path for path in tiffs if path not in with_names], named).items()
    left_out: list[str] = []
    for path in paths:
        if _has_scenes(path):
            of_scenes, said = _of_scenes(path, named)
            groups, left_out = groups + of_scenes, left_out + said
    images: dict[str, dict[str, Place]] = {}
    for image_name, image in groups:
        if image_name in images:
            first, second = (next(iter(i.values())).path for i in (images[image_name], image))
            raise SynimgError(f"{first} and {second}: both images would be called '{image_name}'; rename one")
        images[image_name] = image
    return images, left_out


def _has_scenes(path: Path) -> bool:
    """Whether a file states its channels and voxel size, as those of microscopes and OME-Zarr do."""
    return is_microscope_file(path) or ome_zarr.is_ome_zarr(path)


def _scene_of_zarr(path: Path) -> Scene:
    """An OME-Zarr image as the one scene of a microscope's file."""
    image = ome_zarr.describe(path)
    array = open_array(path, image.levels[0])
    shape = dict(zip(image.axes, array.shape, strict=True))
    scale = dict(zip(image.axes, image.scale, strict=True))
    names = distinct([str(c.get("label") or "") for c in image.channels], shape.get("c", 1))
    z, y, x = (float(scale[a]) if image.has_size and a in scale else None for a in "zyx")
    size = shape.get("z", 1), shape["y"], shape["x"]
    return Scene(path, path.name, names, (z, y, x), size, shape.get("t", 1), array.dtype)


def _of_scenes(path: Path, named: dict[str, str]) -> tuple[list[tuple[str, dict[str, Place]]], list[str]]:
    """The images of a microscope's file, and which of its scenes are left out, and why."""
    found, images, left_out = [_scene_of_zarr(path)] if ome_zarr.is_ome_zarr(path) else scenes(path), [], []
    for scene in found:
        if scene.n_times > 1 or min(scene.shape[1:]) == 1:
            what = f"{scene.n_times} time points" if scene.n_times > 1 else "a single line of voxels"
            left_out.append(
                f"{path}: '{scene.name}' has {what} and is left out: export one plane or stack to measure it"
            )
            continue
        of_scene = "" if len(found) == 1 else "_" + re.sub(r"[^\w.-]+", "_", scene.name).strip("_")
        stem = path.name.removesuffix(".zarr").removesuffix(".ome") if ome_zarr.is_ome_zarr(path) else path.stem
        images.append((stem + of_scene, {n: Place(path, k, scene) for n, k in _indices(scene, named).items()}))
    if not images:
        raise SynimgError(left_out[0] if left_out else f"{path}: holds no image")
    return images, left_out


def _by_name(path: Path, named: dict[str, str]) -> dict[str, int] | None:
    """Channels of an OME-TIFF file by the names that were asked for; None if it does not have them all."""
    found = {name: _fitting(_ome_channels(path), value) for name, value in named.items()} if path.is_file() else {}
    return {name: fitting[0] for name, fitting in found.items()} if found and all(found.values()) else None


def _fitting(channels: Sequence[str], value: str) -> list[int]:
    """Of channels those that have one of the names in `value`, or that number."""
    return [k for k, channel in enumerate(channels) if channel in value.split(",") or str(k) == value]


def _indices(scene: Scene, named: dict[str, str]) -> dict[str, int]:
    """Channels of a scene by the names that were asked for, or by its own."""
    if not named:
        return {name: k for k, name in enumerate(scene.channels)}
    indices = {}
    for name, value in named.items():
        fitting = _fitting(scene.channels, value)
        if not fitting:
            raise SynimgError(
                f"{scene.path}: has the channels {', '.join(scene.channels)}; --channel {name}={value} is not among them"
            )
        indices[name] = fitting[0]
    return indices


def _by_ending(paths: list[Path], named: dict[str, str]) -> dict[str, dict[str, Place]]:
    """TIFF files with the same name but for one of the endings, as one image."""
    endings = {ending: name for name, value in named.items() for ending in value.split(",")}
    images: dict[str, dict[str, Place]] = {}
    for path in paths:
        ending = next((e for e in endings if path.stem.endswith(e)), None)
        if ending is None:
            names = _ome_channels(path) if path.is_file() else []
            raise SynimgError(
                f"{path}: its name ends in none of {', '.join(endings)}"
                + (f", and it names the channels {', '.join(names)}" if names else "")
                + "; of TIFF files a channel is the ending of its file's name, its name in OME-TIFF, or its number in a file with "
                "several, from 0"
            )
        image = images.setdefault(path.stem.removesuffix(ending).rstrip("_-. "), {})
        if endings[ending] in image:
            raise SynimgError(f"{path}: a second '{endings[ending]}' channel beside {image[endings[ending]].path.name}")
        image[endings[ending]] = Place(path, 0)
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
