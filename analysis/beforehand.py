"""What a few tiles say before all are measured: does the recording fit its image, how wide are synapses, where are channels."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from synimg.analysis.block import Block, Tile, dendrite_colours, measure_block, read_tile
from synimg.analysis.damage import is_near, is_noisy
from synimg.analysis.find import TYPICAL_SPREAD_UM2, find_puncta, first_search
from synimg.analysis.fit import Fit, Scene, fit_puncta
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.recording import Recording
from synimg.analysis.registration import registered
from synimg.analysis.scene import background_again, scene_of
from synimg.analysis.skirt import SkirtSums, kernel_of, skirt_sums
from synimg.analysis.spread import estimate_spread
from synimg.analysis.survey import LEAST_NOISE, ChannelOptics, OpticsCheck, check_optics, noise_of
from synimg.analysis.tile_replica import Checked, n_replicas, replica_of_block, spread_over, to_replicate
from synimg.analysis.widening import TrueErrors, fit_true_errors
from synimg.errors import SynimgError
from synimg.optics.profile import FWHM
from synimg.schema import PLACE
from synimg.store.image import Box

Floats = NDArray[np.float64]
Cut = Callable[[Tile], Block | str]
"""Takes a tile's block out of the image, or says why all of it is lost."""
MOST_PER_UM3 = 5.0
"""Puncta per um^3 of a first search; cortex has 1 to 2 synapses, and the noise of a wrong camera has any number."""
MOST_NOISE = 2.0
"""Times the variance that a camera says: beyond it noise makes more candidates than synapses do."""
MOST_PASSES, STILL = 3, 0.03
N_ROUNDS = 2  # of the search: what the first did not find lies beside bright puncta, and would pass for their skirts
N_SKIRT_SWEEPS = 6
N_COLOUR_TILES = 64
"""At most, of which dendrites are read beforehand."""


def stretches(work: list[Tile], n_chosen: int) -> list[list[Tile]]:
    """The tiles in as many stretches as tiles are to be looked at: of each its first that is not lost."""
    begins = spread_over(len(work), n_chosen)
    return [work[i:j] for i, j in zip(begins, [*begins[1:], len(work)], strict=True)]


def _first_there(stretch: list[Tile], cut: Cut) -> tuple[Tile, Block] | str:
    """A stretch's first tile that is not lost, with its block, or why all are."""
    why = ""
    for tile in stretch:
        block = cut(tile)
        if isinstance(block, Block):
            return tile, block
        why = block
    return why


def _cut_over(work: list[Tile], cut: Cut, n_chosen: int) -> Iterator[tuple[Tile, Block]]:
    """A few of the tiles with their blocks: of each of as many `stretches` its first that is not lost.

    Raises
    ------
    SynimgError
        If all are lost.
    """
    there = stretches(work, n_chosen)
    why: list[str] = []
    for stretch in there:
        found = _first_there(stretch, cut)
        if isinstance(found, str):
            why.append(found)
        else:
            yield found
    if len(why) == len(there):
        raise _lost(why)


def _lost(why: list[str]) -> SynimgError:
    return SynimgError(f"no part of the image can be measured: {why[-1]}")


@dataclass(frozen=True)
class Shown:
    """What bright puncta of a tile show: the synapses' width per electron [um^2], and light beyond their Gaussians."""

    spread_um2: float
    skirt: SkirtSums


def _shown_in(stretch: list[Tile], cut: Cut, recording: Recording, settings: MeasureSettings) -> Shown | str:
    """`shown_in_block` of a stretch's first tile that is not lost, or why all are."""
    found = _first_there(stretch, cut)
    if isinstance(found, str):
        return found
    tile, block = found
    return shown_in_block(block.grey, recording, settings, tile.box[0], block.damaged)


def shown_in_file(stretch: list[Tile], image: str, recording: Recording, settings: MeasureSettings) -> Shown | str:
    """The same of an image in a file."""
    return _shown_in(stretch, lambda tile: read_tile(Path(image), tile, recording)[0], recording, settings)


def look_beforehand(
    work: list[Tile], cut: Cut, recording: Recording, settings: MeasureSettings
) -> tuple[Recording, float]:
    """`as_bright_puncta_show` by a few of the tiles, which `cut` takes out of the image."""
    shown = [_shown_in(s, cut, recording, settings) for s in stretches(work, settings.n_spread_tiles)]
    return as_bright_puncta_show(recording, shown)


def as_bright_puncta_show(recording: Recording, shown: Sequence[Shown | str]) -> tuple[Recording, float]:
    """The recording with the skirts of the receptors' channels that tiles show together, and the median of the widths.

    Raises
    ------
    SynimgError
        If all tiles are lost.
    """
    known = [one for one in shown if not isinstance(one, str)]
    if not known:
        raise _lost([why for why in shown if isinstance(why, str)])
    spread_um2 = float(np.median([one.spread_um2 for one in known]))
    profiles = SkirtSums.total([one.skirt for one in known]).profile()
    if not profiles.any():
        return recording, spread_um2
    channels = list(recording.channels)
    for i, profile in zip(recording.receptor_index, profiles, strict=True):
        channels[i] = channels[i].model_copy(update={"psf_skirt": tuple(map(tuple, profile.tolist()))})
    return recording.model_copy(update={"channels": tuple(channels)}), spread_um2


def colour_tiles(work: list[Tile], recording: Recording) -> list[Tile]:
    """The tiles whose dendrites are to show the codes of the neurons; none where parents are not told by colours."""
    is_colour = recording.identity.get("kind") == "colour"
    return [work[i] for i in spread_over(len(work), min(N_COLOUR_TILES, len(work)))] if is_colour else []


def colour_tile(tile: Tile, image: str, recording: Recording) -> Floats:
    """`dendrite_colours` of a tile of an image in a file; none if all of it is lost."""
    block, _ = read_tile(Path(image), tile, recording)
    if isinstance(block, str):
        return np.zeros((0, len(recording.dye_index)))
    return dendrite_colours(block.grey, recording, tile.box[0])


def refuse_unfit(recording: Recording, size_um: Floats, where: str) -> None:
    """Refuse a recording that does not fit its image.

    Raises
    ------
    SynimgError
        If a point spread function is larger than the image.
    """
    for i in recording.receptor_index:
        channel = recording.channels[i]
        for axis, sigma, size in zip("zyx", channel.psf_sigma_um, size_um, strict=True):
            if FWHM * sigma > size:
                raise SynimgError(
                    f"{where}: the point spread function of '{channel.called}' is {FWHM * sigma:.3g} um wide along {axis}, the "
                    f"image is {size:.3g} um large; check psf_sigma_um and voxel_um"
                )


def _refuse_unfit_block(grey: NDArray[np.uint16], scene: Scene, recording: Recording) -> None:
    """Refuse grey levels that the camera cannot have recorded.

    Raises
    ------
    SynimgError
        If a channel is constant or lies below the camera's offset.
    """
    dyes = recording.dye_index if recording.identity.get("kind") == "colour" and is_noisy(recording) else []
    for i in recording.receptor_index + dyes:
        if grey[i].min() == grey[i].max():
            use = "parents cannot be told" if i in dyes else "receptors cannot be counted"
            raise SynimgError(
                f"channel '{recording.channels[i].called}' holds the grey level {grey[i].min()} alone; it was not recorded, "
                f"and without it {use}"
            )
    for k, i in enumerate(recording.receptor_index):
        name = recording.channels[i].called
        pixels = recording.camera
        below = float(np.median(scene.data[k])) - pixels.read_noise_electrons**2
        if below < -2.0 - pixels.read_noise_electrons:
            raise SynimgError(
                f"channel '{name}': half of its grey levels lie {-below:.0f} electrons or more below the camera's offset of "
                f"{pixels.offset_adu:g}; check offset_adu"
            )


def shown_in_block(
    grey: NDArray[np.uint16],
    recording: Recording,
    settings: MeasureSettings,
    first_vox: tuple[int, int, int],
    damaged: Sequence[Box] = (),
) -> Shown:
    """What bright puncta of one block of grey levels show, away from damaged chunks."""
    typical_electrons = 50.0 * recording.camera.quantum_efficiency * recording.photons_per_receptor
    guess = TYPICAL_SPREAD_UM2 / typical_electrons
    scene = scene_of(grey[recording.receptor_index], recording, settings, guess, first_vox)
    _refuse_unfit_block(grey, scene, recording)
    n_found = len(first_search(scene, settings)[1])
    volume_um3 = float(np.prod(scene.voxel_um)) * scene.data[0].size
    if n_found > max(MOST_PER_UM3 * volume_um3, 200):
        raise SynimgError(
            f"{n_found} puncta in {volume_um3:.0f} um^3 stand out from the noise that {_camera(recording)} say: check these "
            "numbers"
        )
    scene, fit = find_puncta(scene, settings.model_copy(update={"n_rounds": N_ROUNDS}))
    for i, (seen, expected, n) in zip(recording.receptor_index, noise_of(scene, fit), strict=True):
        if n > LEAST_NOISE and seen > MOST_NOISE * expected:
            raise SynimgError(
                f"the noise of channel '{recording.channels[i].called}' has {seen / expected:.1f} times the variance that "
                f"{_camera(recording)} say, so that noise would pass for synapses: check these numbers"
            )
    fit = fit.keep(~is_near(fit.points_vox + first_vox, damaged, settings.halo_vox))
    return Shown(estimate_spread(scene, fit), _skirt_of(scene, fit, settings))


def _skirt_of(scene: Scene, fit: Fit, settings: MeasureSettings) -> SkirtSums:
    """The skirts of bright puncta, looked at twice: until they are known, their light passes for background and for counts.

    More passes would give them more and more of the background.
    """
    skirt = kernel_of(skirt_sums(scene, fit).profile(), scene.voxel_um)
    scene = background_again(replace(scene, skirt=skirt), fit, settings)
    return skirt_sums(scene, fit_puncta(scene, fit.theta, N_SKIRT_SWEEPS))


def _camera(recording: Recording) -> str:
    c = recording.camera
    return (
        f"the camera's offset of {c.offset_adu:g}, gain of {c.gain_adu_per_electron:g} and read noise of "
        f"{c.read_noise_electrons:g}"
    )


def as_puncta_show(
    recording: Recording,
    work: list[Tile],
    cut: Cut,
    settings: MeasureSettings,
    size_um: Floats,
) -> Recording:
    """The recording with the shift of the channels, if it is not stated, and the widths, if asked for, that puncta show.

    Shifts are found by laying the channels on each other; puncta then show that of the receptors more exactly. Some tiles are
    measured for that ahead of the others; again where widths were far from those stated, as what is found with
    wrong ones is not all there is.

    Raises
    ------
    SynimgError
        If the widths are to be taken from puncta and those do not show them.
    """
    is_unknown = [recording.channels[i].shift_um is None for i in recording.receptor_index]
    is_shift_known = not any(is_unknown)
    if any(channel.shift_um is None for channel in recording.channels):
        recording = registered(recording, lambda: (b.grey for _, b in _cut_over(work, cut, settings.n_spread_tiles)))
    if is_shift_known and settings.psf == "stated":
        return recording
    if not is_shift_known:  # a synapse that both channels show apart is one, however crowded that looks
        settings = settings.model_copy(update={"least_crowd": np.inf})
    for _ in range(MOST_PASSES if settings.psf == "puncta" else 1):
        checked = []
        spread = look_beforehand(work, cut, recording, settings)[1]
        for tile, block in _cut_over(work, cut, n_replicas(len(work), settings)):
            table = measure_block(block.grey, recording, settings, spread, tile)
            table = table[~near_damage(table, block.damaged, recording, settings)]
            for known in to_replicate([tile], table, recording, size_um, settings):
                checked.append(replica_of_block(block.grey, known, recording, settings, spread, size_um))
        _, optics = learn(checked, recording)
        channels, moved = list(recording.channels), 0.0
        for c, i in enumerate(recording.receptor_index):
            seen, update = optics.channels[c], {}
            if settings.psf == "puncta":
                by = _excess(seen)
                moved = max(moved, float(np.abs(by).max()))
                update["psf_sigma_um"] = tuple(float(v) for v in (1.0 + by) * channels[i].psf_sigma_um)
            channels[i] = channels[i].model_copy(update=update)
        if not is_shift_known and optics.shift_um is not None:
            # the pulse channel says where things are, unless only the chase channel's place is known
            moves, stays, sign = (1, 0, 1.0) if is_unknown[1] else (0, 1, -1.0)
            i, j = (recording.receptor_index[c] for c in (moves, stays))
            place = np.array(channels[j].shift_um) + sign * np.array(optics.shift_um)
            channels[i] = channels[i].model_copy(update={"shift_um": tuple(place.tolist())})
        recording = recording.model_copy(update={"channels": tuple(channels)})
        if moved < STILL:
            break
    return recording


def _excess(seen: ChannelOptics) -> Floats:
    """By what share a channel's widths along z, y, x are larger than stated.

    Raises
    ------
    SynimgError
        If puncta do not show them.
    """
    if seen.axial is None or seen.lateral is None or not (seen.axial.is_known and seen.lateral.is_known):
        raise SynimgError(
            f"channel '{seen.channel}': {seen.n_puncta} puncta stand alone and are bright, too few or too alike in brightness "
            "to take the point spread function from them; measure with one that is stated (--psf stated, or its sds: --psf Z,Y,X)"
        )
    return np.array([seen.axial.excess, seen.lateral.excess, seen.lateral.excess])


def near_damage(
    detections: pd.DataFrame, damaged: Sequence[Box], recording: Recording, settings: MeasureSettings
) -> NDArray[np.bool_]:
    """Which detections lie so near to damaged chunks that a part of their light may be lost."""
    points_vox = detections[PLACE].to_numpy(float) / np.array(recording.voxel_um)
    return is_near(points_vox, damaged, settings.halo_vox)


def learn(checked: list[Checked], recording: Recording) -> tuple[TrueErrors | None, OpticsCheck]:
    """What tiles and their replicas say together: true errors, and the optics."""
    index = recording.receptor_index
    channels = [recording.channels[i] for i in index]
    psf = np.array([c.psf_sigma_um for c in channels])
    shift = recording.shift_vox(index) * recording.voxel_um
    optics = check_optics(
        [c.survey for c in checked], [c.replica_survey for c in checked], [c.called for c in channels], psf, shift
    )
    return fit_true_errors(pd.concat([c.outcome.found for c in checked]), len(index)), optics
