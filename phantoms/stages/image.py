"""The stage `image`: rendering, block by block, into a pyramid."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np

from synimg import compute
from synimg.config import Config, Volume
from synimg.phantoms.plan import notes_beforehand
from synimg.phantoms.render import SATURATED, Channel, build_channels, render_block, shrink_block
from synimg.phantoms.solids import solids
from synimg.phantoms.stages.acquisition import acquisition, window
from synimg.phantoms.stages.drawn import crowd_around, draw
from synimg.phantoms.stages.tissue import AXON_TABLE, AXONS
from synimg.phantoms.strands import axon_capsules
from synimg.store.atomic import sha256
from synimg.store.bins import Bins
from synimg.store.dataset import Dataset, append_journal, read_journal
from synimg.store.image import Box, blocks, create_image, pyramid
from synimg.store.morphology import read_tree_arrays
from synimg.store.tables import table_pieces

MOST_SATURATED = 1e-4
"""Share of saturated voxels from which on the user is told."""
EMITTERS = "emitters"
"""Folder of what the blocks are rendered from, while the image is being made."""


def make_image(dataset: Dataset, config: Config, trees: list[Any], pool: compute.Pool, report: compute.Report) -> None:
    """Do the stage; blocks that an interrupted call has written are kept."""
    notes: dict[str, Any] = {}
    with dataset.stage("image", notes, resumes=True) as scratch:
        files, path, volume = scratch / EMITTERS, scratch / dataset.image.name, config.volume
        channels, things, facts = image_parts(dataset, config, trees, files)
        new_image(path, config, channels, facts)
        done = _rendered(scratch, path, volume)
        shared = (str(path.resolve()), channels, config, things)
        work: list[tuple[Any, ...]] = [
            (render_block, blocks(volume.shape_vox, volume.block_vox), "0", shared, "rendering")
        ]
        levels = pyramid(volume.shape_vox, volume.voxel_um)
        for level in range(1, len(levels)):
            boxes = blocks(levels[level].shape, volume.block_vox)
            below = (str(path.resolve()), level, levels)
            work.append((shrink_block, boxes, str(level), below, f"pyramid level {level}"))
        for function, boxes, array, arguments, what in work:
            todo = [box for box in boxes if _last_file(path, array, box, volume.block_vox) not in done]
            for _, sums in pool.run(function, todo, arguments, what, report):
                append_journal(scratch, {f"{path.name}/{name}": value for name, value in sums.items()})
        shutil.rmtree(files)
        full = [v.split() for k, v in read_journal(scratch).items() if k.startswith(f"{path.name}/{SATURATED}")]
        share = np.array(full, float).sum(axis=0) / np.prod(volume.shape_vox)
        notes["saturated_share"] = {c.name: float(s) for c, s in zip(channels, share, strict=True)}
        dataset.index["warnings"] = notes_beforehand(config) + [
            f"{name}: a share of {s:.2g} of its voxels is saturated; lower the gain or the photons"
            for name, s in notes["saturated_share"].items()
            if s > MOST_SATURATED
        ]


def image_parts(
    dataset: Dataset, config: Config, trees: list[Any] | None = None, folder: Path | None = None
) -> tuple[list[Channel], tuple[Bins, Bins | None], dict[str, Any]]:
    """What the image of a data set is rendered from: channels, solid things and axons, and what the experimenter knows.

    With a `folder`, all that may be long lies in files there.
    """
    if trees is None:
        trees = [read_tree_arrays(Path(name)) for name in config.tissue.morphologies]
    drawn, volume = draw(dataset, config, trees), config.volume
    crowd, tissue = crowd_around(config, drawn), drawn.tissue
    things = solids(tissue, volume.voxel_um, volume.shape_vox, folder / "solids" if folder else None)
    axons = None
    if config.axons.um_per_um3 > 0:
        file = dataset.path / "truth" / AXON_TABLE
        axons = axon_capsules(lambda: table_pieces(file), config, folder / AXONS if folder else None)
    filled = (things, axons) if axons else (things,)
    channels = build_channels(config, tissue, drawn.counts, filled, config.seed, crowd, folder)
    return channels, (things, axons), acquisition(config, channels, tissue)


def new_image(path: Path, config: Config, channels: list[Channel], facts: dict[str, Any]) -> None:
    """An image without voxels; those of one that is there already are kept."""
    shown = [{"name": c.name, "color": c.color, "window": window(c, config)} for c in channels]
    volume = config.volume
    create_image(path, volume.shape_vox, volume.chunk_vox, volume.voxel_um, shown, facts, volume.block_vox)


def _rendered(scratch: Path, path: Path, volume: Volume) -> set[str]:
    """The journal's files of the blocks that are whole; a power cut may have kept the journal and lost what it names."""
    journal = read_journal(scratch)
    done = set(journal)
    for name, checksum in journal.items():
        file = scratch / name
        if SATURATED not in file.parts and not (file.is_file() and sha256(file) == checksum):
            level, box = block_of(file.relative_to(path), volume) or (0, ((0, 0, 0), (0, 0, 0)))
            done.discard(_last_file(path, str(level), box, volume.block_vox))
    return done


def block_of(file: Path, volume: Volume) -> tuple[int, Box] | None:
    """Pyramid level and block that wrote a file of the image, given relative to it; None for its metadata."""
    parts = file.parts
    if "c" not in parts:
        return None
    level, block = int(parts[parts.index("c") - 1]), volume.block_vox
    start = tuple(int(i) * n for i, n in zip(parts[-3:], block, strict=True))
    shape = pyramid(volume.shape_vox, volume.voxel_um)[level].shape
    size = tuple(min(n, whole - s) for n, whole, s in zip(block, shape, start, strict=True))
    return level, (start, size)  # type: ignore[return-value]


def _last_file(path: Path, array: str, box: Any, chunk: tuple[int, int, int]) -> str:
    """The file that a block writes last, under the name that the journal has for it."""
    index = "/".join(str(s // c) for s, c in zip(box[0], chunk, strict=True))
    return f"{path.name}/labels/synapses/{array}/c/{index}"
