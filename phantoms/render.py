"""From emitters to grey levels, block by block: a voxel's bytes depend on the seed and its place alone."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numba as nb
import numpy as np
from numpy.typing import NDArray

from synimg.config import Config
from synimg.errors import SynimgError, nearest
from synimg.optics.profile import FWHM
from synimg.phantoms.discs import Discs, Lights, discs_of
from synimg.phantoms.identity.protocol import Identity
from synimg.phantoms.prepare import Preparation, preparation_of
from synimg.phantoms.receptors import Counts
from synimg.phantoms.solids import paint_labels
from synimg.phantoms.strands import Strands
from synimg.phantoms.surroundings import Crowd, shaft_lights
from synimg.phantoms.tissue import Tissue
from synimg.psf.protocol import Kernel
from synimg.store.atomic import atomic_path
from synimg.store.bins import Bins, Piece, bins_of, write_header
from synimg.store.image import Box, Level, open_array, read_block, write_block
from synimg.streams import key64, stream

Floats = NDArray[np.float64]
Floats32 = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Channel:
    """What is to be recorded in one channel.

    emitters : Bins, places (n, 3) in voxels (z, y, x) and expected photons (n,); None where there are no single ones
    kernel : Kernel, the point spread function as the voxels collect it
    lattice : (z, y, x) ndarray, normal numbers at the nodes of the background's lattice; or the .npy file that holds it
    lattice_vox : (3,) ndarray, spacing of the nodes
    background, background_cv : float, mean photons per voxel and their relative sd
    shift_um : (3,) ndarray, where the channel shows what lies at 0
    noise_key : int, key of the camera's noise
    discs : Discs, optional, the receptors in the network's synapses, made where they are asked for
    crowd : Crowd, optional, further light, likewise
    strands : Strands, optional, and the number of the dye: what it fills, likewise
    """

    name: str
    color: str
    emission_nm: float
    emitters: Bins | None
    kernel: Kernel
    lattice: Floats | Path
    lattice_vox: Floats
    background: float
    background_cv: float
    shift_um: Floats
    noise_key: int
    discs: Discs | None = None
    crowd: Crowd | None = None
    strands: tuple[Strands, int] | None = None


SATURATED = "saturated"
"""Key under which a block's saturated voxels per channel are noted beside its checksums."""


def imaging_notes(config: Config) -> list[str]:
    """What an experimenter should be told about the sampling, one sentence each.

    Raises
    ------
    SynimgError
        If the point spread function is larger than the volume, or a channel is named that is not there.
    """
    dyes, volume = config.dyes, config.volume
    emission = {"pulse": dyes.pulse_emission_nm, "chase": dyes.chase_emission_nm}
    emission |= {name: nm for name, _, nm in config.identity.dye_channels()}
    named = [name for pair in config.optics.bleed_through for name in pair[:2]] + [*config.optics.chromatic_shift_um]
    for name in named:
        if name not in emission:
            raise SynimgError(f"optics: no channel '{name}'; {nearest(name, list(emission))}")
    for nm in emission.values():
        config.psf.refuse_wide(nm, volume.voxel_um)
    widths = {name: FWHM * np.array(config.psf.sigma_um(nm)) for name, nm in emission.items()}
    notes = []
    for i, axis in enumerate("zyx"):
        # dyes fill dendrites, which are wide: it is the receptors' channels that must be sampled
        name, width = min(((name, widths[name][i]) for name in ("pulse", "chase")), key=lambda pair: pair[1])
        widest = max(w[i] for w in widths.values())
        if widest > volume.size_um[i]:
            raise SynimgError(
                f"psf: {widest:.3g} um wide along {axis}, the volume is {volume.size_um[i]:.3g} um; enlarge "
                "volume.shape_vox"
            )
        if volume.voxel_um[i] > 0.5 * width:
            notes.append(
                f"voxels of {volume.voxel_um[i]:g} um along {axis} sample the point spread function of '{name}' too "
                f"coarsely: half its width of {width:.3g} um, {0.5 * width:.2g} um, would do"
            )
    return notes


def build_channels(
    config: Config,
    tissue: Tissue,
    counts: Counts,
    filled: tuple[Bins, ...],
    seed: int,
    crowd: Crowd | None = None,
    folder: Path | None = None,
) -> list[Channel]:
    """The two receptor channels, and the identity's dye channels, which show what is `filled` (see `solids.by_place`).

    With a `folder`, emitters and lattices lie in files there: a worker holds those near its block and no others.
    """
    dyes, preparation = config.dyes, preparation_of(config, seed)
    channels = []
    receptor = (
        ("pulse", "FF00FF", dyes.pulse_emission_nm, counts.labelled_old, counts.photons_old),
        ("chase", "00FF00", dyes.chase_emission_nm, counts.labelled_new, counts.photons_new),
    )
    for name, color, emission_nm, labelled, photons in receptor:
        known = name, color, emission_nm, crowd, folder
        on_shafts = _shaft_lights(config, tissue, preparation, name, seed)
        channel = _channel(config, seed, known, on_shafts, dyes.background_photons)
        files = folder / name / "synapses" if folder else None
        channels.append(replace(channel, discs=discs_of(config, tissue, labelled, photons, name, seed, files)))
    identity: Identity = config.identity
    strands = Strands(filled, config, seed, preparation)
    for k, (name, color, emission_nm) in enumerate(identity.dye_channels()):
        known = name, color, emission_nm, crowd, folder
        channel = _channel(config, seed, known, None, identity.dye_background_photons())
        channels.append(replace(channel, strands=(strands, k)))
    return channels


def _shaft_lights(
    config: Config, tissue: Tissue, preparation: Preparation, name: str, seed: int
) -> Iterator[Lights] | None:
    """Light of the receptors on the shafts in a channel; None where there are none."""
    if config.surroundings.extrasynaptic_per_um2 == 0:
        return None
    lights = shaft_lights(config, tissue, preparation, name, seed)
    return ((points, photons * preparation.is_visible(points)) for points, photons in lights)


def _channel(
    config: Config,
    seed: int,
    known: tuple[str, str, float, Crowd | None, Path | None],
    lights: Iterator[Lights] | None,
    background: float,
) -> Channel:
    name, color, emission_nm, crowd, folder = known
    volume = config.volume
    voxel, preparation = np.array(volume.voxel_um), preparation_of(config, seed)
    lattice_vox = config.dyes.background_scale_um / voxel
    nodes = [int(np.ceil(n / s)) + 2 for n, s in zip(volume.shape_vox, lattice_vox, strict=True)]
    kernel = config.psf.kernel(emission_nm, volume.voxel_um, volume.shape_vox[0])
    shift_um = channel_shift_um(config, name, seed)

    def pieces(lights: Iterator[Lights]) -> Iterator[Piece]:
        for points_um, photons in lights:
            seen = _as_seen(points_um, photons, config, shift_um)
            yield seen[0], seen

    emitters = None
    if lights is not None:
        emitters = bins_of(pieces(lights), volume.shape_vox, kernel.reach_vox, folder / name if folder else None)
    file = folder / name / "lattice.npy" if folder else None
    return Channel(
        name=name,
        color=color,
        emission_nm=emission_nm,
        emitters=emitters,
        kernel=kernel,
        lattice=_lattice(nodes, stream(seed, "render", "background", name), file),
        lattice_vox=lattice_vox,
        background=background * preparation.retention / float(np.prod(preparation.scale)),  # what swells is diluted
        background_cv=config.dyes.background_cv,
        shift_um=shift_um,
        noise_key=key64(seed, "render", "noise", name),
        crowd=crowd,
    )


def channel_shift_um(config: Config, name: str, seed: int) -> Floats:
    """Where a channel shows what lies at 0 (3,) [um]."""
    shift_um: Floats = config.optics.shift_um(name, stream(seed, "render", "motion", name))
    return shift_um


def _lattice(nodes: list[int], rng: np.random.Generator, file: Path | None) -> Floats | Path:
    """Normal numbers at the nodes of a lattice; in a file, where one is given, plane by plane."""
    if file is None:
        return rng.standard_normal(nodes)
    # not through a memory map: there a full disk kills the process, and here it is an error
    with atomic_path(file) as temporary, temporary.open("wb") as opened:
        write_header(opened, np.dtype("<f8"), tuple(nodes))
        for _ in range(nodes[0]):
            opened.write(rng.standard_normal(nodes[1:]).astype("<f8").tobytes())
    return file.resolve()


def expected_photons(channels: list[Channel], config: Config, box: Box) -> Floats32:
    """Expected photons per voxel (channel, z, y, x) of a block: background, and emitters through the PSF.

    Single precision: memory is what limits workers side by side, and what is rounded off is far below the photons' own noise.
    """
    start, shape = np.array(box[0]), box[1]
    leaks = config.optics.leaks([c.name for c in channels])
    signal: Floats32 = (np.zeros if leaks else np.empty)((len(channels), *shape), np.float32)
    background = np.empty(shape, np.float32) if leaks else None
    for c, channel in enumerate(channels):
        if background is None:
            _fill_background(signal[c], channel, config, start)
        for points, photons in lights_near(channel, config, start, start + shape):
            channel.kernel.deposit(signal[c], start, points, photons)
    if background is None:
        return signal
    total = signal.copy()
    for source, target, share in leaks:
        total[target] += np.float32(share) * signal[source]
    for c, channel in enumerate(channels):
        _fill_background(background, channel, config, start)
        total[c] += background
    return total


def lights_near(
    channel: Channel, config: Config, start: NDArray[Any], stop: NDArray[Any]
) -> Iterator[tuple[Floats, Floats]]:
    """Places (n, 3) [voxels] and photons (n,) of what is felt in a block, kind by kind, in an order that the block does not change.

    Parameters
    ----------
    start, stop : (3,) ndarray
        The half-open block [voxels].
    """
    if channel.emitters is not None:
        places, photons = channel.emitters.near(start, stop)
        yield places, photons
    voxel, reach = np.array(config.volume.voxel_um), np.ceil(channel.kernel.reach_vox) + 1
    low, high = (start - reach) * voxel - channel.shift_um, (stop + reach) * voxel - channel.shift_um
    made = []
    if channel.discs is not None:
        made.append(channel.discs.near(low, high))
    if channel.strands is not None:
        strands, dye = channel.strands
        made.append(strands.near(dye, low, high))
    if channel.crowd is not None:
        made.append(channel.crowd.near(channel.name, channel.emission_nm, low, high))
    for points_um, photons in made:
        near = ((points_um >= low) & (points_um < high)).all(axis=1)
        yield _as_seen(points_um[near], photons[near], config, channel.shift_um)


def _as_seen(points_um: Floats, photons: Floats, config: Config, shift_um: Floats) -> tuple[Floats, Floats]:
    """Places [voxels] at which a channel shows points, and the photons that come from there."""
    volume = config.volume
    places: Floats = (points_um + shift_um) / np.array(volume.voxel_um)
    light = config.optics.brightness(places, volume.shape_vox, volume.voxel_um[0], config.first_depth_um)
    return places, photons * light


def _fill_background(block: Floats32, channel: Channel, config: Config, start: NDArray[np.int64]) -> None:
    lattice = channel.lattice
    if isinstance(lattice, Path):
        lattice = np.asarray(np.load(lattice, mmap_mode="r"))
    _background(block, start, lattice, channel.lattice_vox, channel.background, channel.background_cv)
    if config.optics.is_uneven:
        grid = np.stack(
            np.meshgrid(*(s + np.arange(n) for s, n in zip(start, block.shape, strict=True)), indexing="ij")
        )
        volume = config.volume
        place_vox = np.moveaxis(grid, 0, -1)
        block *= config.optics.brightness(place_vox, volume.shape_vox, volume.voxel_um[0], config.first_depth_um)


@nb.njit(cache=True, nogil=True)
def _background(
    block: Floats32, start: NDArray[np.int64], lattice: Floats, spacing: Floats, mean: float, cv: float
) -> None:
    """Fill `block` with ``mean (1 + cv g)``: g is the lattice interpolated, weighted to unit variance everywhere."""
    nx = block.shape[2]
    # where each node of a row begins to be the one below; shares of that node and of the next
    begins, below, above = [0], np.empty(nx, np.float32), np.empty(nx, np.float32)
    first, part, width = _between(start[2], spacing[2])
    last = first
    for x in range(nx):
        node, part, width = _between(start[2] + x, spacing[2])
        while node > last:
            begins.append(x)
            last += 1
        below[x], above[x] = (1.0 - part) / width, part / width
    begins.append(nx)
    line = np.empty(last + 2 - first)
    for z in range(block.shape[0]):
        k, pz, width_z = _between(start[0] + z, spacing[0])
        for y in range(block.shape[1]):
            j, py, width_y = _between(start[1] + y, spacing[1])
            scale = mean * cv / (width_z * width_y)
            for i in range(line.size):
                near = (1.0 - py) * lattice[k, j, first + i] + py * lattice[k, j + 1, first + i]
                far = (1.0 - py) * lattice[k + 1, j, first + i] + py * lattice[k + 1, j + 1, first + i]
                line[i] = scale * ((1.0 - pz) * near + pz * far)
            row, level = block[z, y], np.float32(mean)
            for i in range(line.size - 1):
                low, high = np.float32(line[i]), np.float32(line[i + 1])
                for x in range(begins[i], begins[i + 1]):
                    row[x] = max(level + (below[x] * low + above[x] * high), np.float32(0.0))


@nb.njit(inline="always")
def _between(position: int, spacing: float) -> tuple[int, float, float]:
    """Node below a position, how far it is to the next one (smoothly, so that no kink shows), sd of the blend of both."""
    at = position / spacing
    node = int(at)
    part = at - node
    part *= part * (3.0 - 2.0 * part)
    return node, part, np.sqrt(part * part + (1.0 - part) * (1.0 - part))


def render(channels: list[Channel], config: Config, box: Box) -> NDArray[np.uint16]:
    """Grey levels (channel, z, y, x) of a block of the image."""
    image = np.empty((len(channels), *box[1]), np.uint16)
    for c, photons in enumerate(expected_photons(channels, config, box)):
        image[c] = config.camera.record(photons, channels[c].noise_key, box[0], config.volume.shape_vox)
    return image


def render_block(
    box: Box, path: str, channels: list[Channel], config: Config, things: tuple[Bins, Bins | None]
) -> dict[str, str]:
    """Render and write one block with its labels; return the checksums of its files and its saturated voxels."""
    image = Path(path)
    grey = render(channels, config, box)
    sums = write_block(image, "0", box, grey)
    full = np.count_nonzero(grey >= config.camera.largest_adu, axis=(1, 2, 3))
    sums[f"{SATURATED}/{'/'.join(map(str, box[0]))}"] = " ".join(map(str, full))
    solids, axons = things
    painted = paint_labels(solids, box[0], box[1], config.volume.voxel_um, axons)
    for name, labels in zip(("neurons", "synapses"), painted, strict=True):
        sums |= write_block(image, f"labels/{name}/0", box, labels)
    return sums


def shrink_block(box: Box, path: str, level: int, levels: list[Level], into: str | None = None) -> dict[str, str]:
    """Write a block of pyramid level `level` from the level below: means of the image, every second label.

    It goes into the same image, or into another one, `into`. `levels` are all of the image (`pyramid`).
    """
    image, target, below = Path(path), Path(into or path), levels[level - 1]
    step = tuple(a // b for a, b in zip(levels[level].factor, below.factor, strict=True))
    first = tuple(f * s for f, s in zip(box[0], step, strict=True))
    size = tuple(min(n * s, whole - f) for n, s, whole, f in zip(box[1], step, below.shape, first, strict=True))
    source: Any = first, size
    grey = np.empty((open_array(image, str(level)).shape[0], *box[1]), np.uint16)
    for channel in range(len(grey)):  # one after the other: what is read is up to eight times as large
        grey[channel] = _mean2(read_block(image, str(level - 1), source, channel), step)
    sums = write_block(target, str(level), box, grey)
    for name in ("neurons", "synapses"):
        labels = read_block(image, f"labels/{name}/{level - 1}", source)[tuple(slice(None, None, s) for s in step)]
        sums |= write_block(target, f"labels/{name}/{level}", box, labels)
    return sums


def _mean2(image: NDArray[np.uint16], step: tuple[int, ...]) -> NDArray[np.uint16]:
    """Means over two voxels (z, y, x) along each axis whose step is 2; a last odd one is averaged with itself."""
    total: NDArray[Any] = np.pad(image, [(0, -n % s) for n, s in zip(image.shape, step, strict=True)], mode="edge")
    total = total.astype(np.uint32)
    for axis, s in enumerate(step):
        if s == 2:
            pair = np.moveaxis(total, axis, 0)
            total = np.moveaxis(pair[::2] + pair[1::2], 0, axis)
    n = int(np.prod(step))
    return ((total + n // 2) // n).astype(np.uint16)
