"""From emitters to grey levels, block by block: a voxel's bytes depend on the seed and its place alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.config import Config
from synimg.phantoms.identity.protocol import Identity
from synimg.phantoms.receptors import Counts
from synimg.phantoms.tissue import Tissue, fill_points, paint_labels, receptor_positions
from synimg.psf.gaussian import REACH, deposit
from synimg.store.image import Box, level_shape, read_block, write_block
from synimg.streams import key64, stream

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Channel:
    """What is to be recorded in one channel.

    points_vox : (n, 3) ndarray, emitters in voxels (z, y, x)
    photons : (n,) ndarray, expected photons of each
    sigma_vox : (3,) ndarray, width of the point spread function
    lattice : (z, y, x) ndarray, normal numbers at the nodes of the background's lattice
    lattice_vox : (3,) ndarray, spacing of the nodes
    background, background_cv : float, mean photons per voxel and their relative sd
    noise_key : int, key of the camera's noise
    """

    name: str
    color: str
    emission_nm: float
    points_vox: Floats
    photons: Floats
    sigma_vox: Floats
    lattice: Floats
    lattice_vox: Floats
    background: float
    background_cv: float
    noise_key: int


def build_channels(config: Config, tissue: Tissue, counts: Counts, seed: int) -> list[Channel]:
    """The two receptor channels and the identity's dye channels."""
    voxel = np.array(config.volume.voxel_um)
    dyes = config.dyes
    channels = []
    receptor = (
        ("pulse", "FF00FF", dyes.pulse_emission_nm, counts.labelled_old, counts.photons_old),
        ("chase", "00FF00", dyes.chase_emission_nm, counts.labelled_new, counts.photons_new),
    )
    for name, color, emission_nm, labelled, photons in receptor:
        shown = np.flatnonzero(tissue.is_imaged & (labelled > 0))
        contact = np.repeat(shown, labelled[shown])
        points = receptor_positions(tissue, contact, stream(seed, "render", "receptors", name))
        each = np.repeat(photons[shown] / labelled[shown], labelled[shown])
        background = dyes.background_photons
        channels.append(_channel(config, seed, name, color, emission_nm, points / voxel, each, background))
    identity: Identity = config.identity
    dye_channels = identity.dye_channels()
    if dye_channels:
        points, row, volume_um3 = fill_points(tissue, config.volume.size_um)
        levels = identity.codes(tissue.neuron_id, seed)
        for k, (name, color, emission_nm) in enumerate(dye_channels):
            photons = identity.photons(levels[:, k])[row] * volume_um3
            background = identity.dye_background_photons()
            channels.append(_channel(config, seed, name, color, emission_nm, points / voxel, photons, background))
    return channels


def _channel(
    config: Config,
    seed: int,
    name: str,
    color: str,
    emission_nm: float,
    points_vox: Floats,
    photons: Floats,
    background: float,
) -> Channel:
    voxel = np.array(config.volume.voxel_um)
    lattice_vox = config.dyes.background_scale_um / voxel
    nodes = [int(np.ceil(n / s)) + 2 for n, s in zip(config.volume.shape_vox, lattice_vox, strict=True)]
    return Channel(
        name=name,
        color=color,
        emission_nm=emission_nm,
        points_vox=np.ascontiguousarray(points_vox),
        photons=np.ascontiguousarray(photons, dtype=np.float64),
        sigma_vox=np.array(config.psf.sigma_um(emission_nm)) / voxel,
        lattice=stream(seed, "render", "background", name).standard_normal(nodes),
        lattice_vox=lattice_vox,
        background=background,
        background_cv=config.dyes.background_cv,
        noise_key=key64(seed, "render", "noise", name),
    )


def expected_photons(channel: Channel, box: Box) -> Floats:
    """Expected photons per voxel (z, y, x) of a block: background and emitters through the PSF (MODEL.md 3)."""
    start, shape = np.array(box[0]), box[1]
    block = np.empty(shape)
    _background(block, start, channel.lattice, channel.lattice_vox, channel.background, channel.background_cv)
    reach = np.ceil(REACH * channel.sigma_vox) + 1
    near = ((channel.points_vox > start - reach) & (channel.points_vox < start + shape + reach)).all(axis=1)
    deposit(block, start, channel.points_vox[near], channel.photons[near], channel.sigma_vox)
    return block


@nb.njit(cache=True, nogil=True)
def _background(
    block: Floats, start: NDArray[np.int64], lattice: Floats, spacing: Floats, mean: float, cv: float
) -> None:
    """Fill `block` with ``mean (1 + cv g)``: g is the lattice interpolated, weighted to unit variance everywhere."""
    corner = np.empty(3, np.int64)
    part = np.empty(3)
    for z in range(block.shape[0]):
        for y in range(block.shape[1]):
            for x in range(block.shape[2]):
                position = (start[0] + z, start[1] + y, start[2] + x)
                for axis in range(3):
                    at = position[axis] / spacing[axis]
                    corner[axis] = int(at)
                    part[axis] = at - corner[axis]
                    part[axis] *= part[axis] * (3.0 - 2.0 * part[axis])  # no kink at a node
                value, power = 0.0, 0.0
                for k in range(8):
                    weight = 1.0
                    for axis in range(3):
                        weight *= part[axis] if (k >> axis) & 1 else 1.0 - part[axis]
                    node = lattice[corner[0] + (k & 1), corner[1] + ((k >> 1) & 1), corner[2] + ((k >> 2) & 1)]
                    value += weight * node
                    power += weight * weight
                block[z, y, x] = max(mean * (1.0 + cv * value / np.sqrt(power)), 0.0)


def render(channels: list[Channel], config: Config, box: Box) -> NDArray[np.uint16]:
    """Grey levels (channel, z, y, x) of a block of the image."""
    image = np.empty((len(channels), *box[1]), np.uint16)
    for c, channel in enumerate(channels):
        photons = expected_photons(channel, box)
        image[c] = config.camera.record(photons, channel.noise_key, box[0], config.volume.shape_vox)
    return image


def render_block(box: Box, path: str, channels: list[Channel], config: Config, tissue: Tissue) -> dict[str, str]:
    """Render and write one block with its labels; return the checksums of its files."""
    image = Path(path)
    sums = write_block(image, "0", box, render(channels, config, box))
    painted = paint_labels(tissue, box[0], box[1], config.volume.voxel_um)
    for name, labels in zip(("neurons", "synapses"), painted, strict=True):
        sums |= write_block(image, f"labels/{name}/0", box, labels)
    return sums


def shrink_block(box: Box, path: str, level: int, shape_vox: tuple[int, int, int]) -> dict[str, str]:
    """Write a block of pyramid level `level` from the level below: means of the image, every second label."""
    image = Path(path)
    (z, y, x), (nz, ny, nx) = box
    below = level_shape(shape_vox, level - 1)
    source: Box = ((z, 2 * y, 2 * x), (nz, min(2 * ny, below[1] - 2 * y), min(2 * nx, below[2] - 2 * x)))
    sums = write_block(image, str(level), box, _mean2(read_block(image, str(level - 1), source)))
    for name in ("neurons", "synapses"):
        labels = read_block(image, f"labels/{name}/{level - 1}", source)[:, ::2, ::2]
        sums |= write_block(image, f"labels/{name}/{level}", box, labels)
    return sums


def _mean2(image: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Means over 2 x 2 voxels of y and x; a last odd row or column is averaged with itself."""
    odd = [(0, 0)] * (image.ndim - 2) + [(0, n % 2) for n in image.shape[-2:]]
    even: NDArray[Any] = np.pad(image, odd, mode="edge").astype(np.uint32)
    total = even[..., ::2, ::2] + even[..., 1::2, ::2] + even[..., ::2, 1::2] + even[..., 1::2, 1::2]
    return ((total + 2) // 4).astype(np.uint16)
