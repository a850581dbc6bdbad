"""Which channels of which files are one image."""

import re
from collections.abc import Sequence
from pathlib import Path

from synimg.errors import SynimgError
from synimg.store import ome_zarr
from synimg.store.microscopes import Scene, scenes
from synimg.store.place import Place, has_scenes, ome_channels, scene_of_zarr


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
    tiffs = [path for path in paths if not has_scenes(path)]
    if not named or all(value.isdigit() for value in named.values()):
        indices = {name: int(value) for name, value in named.items()} or {"puncta": 0}
        groups = [(path.stem, {name: Place(path, k) for name, k in indices.items()}) for path in tiffs]
    else:
        with_names = {path: k for path in tiffs if (k := _by_name(path, named)) is not None}
        groups = [(path.stem, {name: Place(path, k) for name, k in of.items()}) for path, of in with_names.items()]
        groups += _by_ending([path for path in tiffs if path not in with_names], named).items()
    left_out: list[str] = []
    for path in paths:
        if has_scenes(path):
            of_scenes, said = _of_scenes(path, named)
            groups, left_out = groups + of_scenes, left_out + said
    images: dict[str, dict[str, Place]] = {}
    for image_name, image in groups:
        if image_name in images:
            first, second = (next(iter(i.values())).path for i in (images[image_name], image))
            raise SynimgError(f"{first} and {second}: both images would be called '{image_name}'; rename one")
        images[image_name] = image
    return images, left_out


def _of_scenes(path: Path, named: dict[str, str]) -> tuple[list[tuple[str, dict[str, Place]]], list[str]]:
    """The images of a microscope's file, and which of its scenes are left out, and why."""
    found, images, left_out = [scene_of_zarr(path)] if ome_zarr.is_ome_zarr(path) else scenes(path), [], []
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
    found = {name: _fitting(ome_channels(path), value) for name, value in named.items()} if path.is_file() else {}
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
            names = ome_channels(path) if path.is_file() else []
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
