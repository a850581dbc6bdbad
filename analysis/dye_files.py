"""Photons of a receptor from movies or pictures of single dyes on a cover slip."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg import compute
from synimg.analysis.camera_files import refuse_ending, with_error
from synimg.analysis.dyes import (
    LEAST_DYES,
    STEADIEST,
    Brightness,
    Heights,
    Steps,
    brightness_law,
    heights_of_spots,
    heights_of_steps,
    steps_of,
)
from synimg.analysis.recording import pixels_of
from synimg.analysis.spots import Spots, find_spots
from synimg.cameras.protocol import Camera
from synimg.errors import SynimgError
from synimg.store.atomic import write_text
from synimg.store.frames import open_frames

Floats = NDArray[np.float64]
NOISY = 1.3
"""Times the variance from frame to frame that the camera says: beyond it something else moves, too."""
CROWDED = 0.25
"""Share of the spots too near to another, from which on many of the rest are two that nothing shows."""
MOST_VALUES = 2**30
"""Of a movie: 4 GB."""
BELOW = 3.0
"""Electrons that a usual pixel may lie below the camera's offset."""


@dataclass(frozen=True)
class DyeSettings:
    """How dyes were recorded.

    psf_um : sd of the point spread function along z, y, x
    voxel_um : pixel size along y and x, and along z the step of the stacks in which receptors are to be counted
    exposure : light of a frame (its time, times the power) over that of a plane of those stacks
    n_dyes : dyes in each spot of a standard; None for dyes that bleach
    labelled : share of them that has a dye
    """

    psf_um: tuple[float, float, float]
    voxel_um: tuple[float, float, float]
    exposure: float = 1.0
    n_dyes: float | None = None
    labelled: float = 1.0

    @property
    def planes(self) -> float:
        """Light of a dye in all planes of a stack over that in the plane in focus."""
        return float(np.sqrt(2.0 * np.pi) * self.psf_um[0] / self.voxel_um[0])


@dataclass(frozen=True)
class FoundDyes:
    """What was found out about a dye.

    source : what it was found from, in words
    law : brightness in a frame [electrons]
    photons, photons_se : of a dye in a stack like those to be measured, and standard error
    heights : of all fields
    spots, steps : of the first field; no steps of a standard
    settings : as given
    notes : sentences that a user must know
    """

    source: str
    law: Brightness
    photons: float
    photons_se: float
    heights: Heights
    spots: Spots
    steps: Steps | None
    settings: DyeSettings
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The values, for people."""
        law = self.law
        spread = (
            "dyes do not differ beyond the noise" if law.shape >= STEADIEST else f"{100 / law.shape**0.5:.0f} % (sd)"
        )
        return [
            f"from {self.source}",
            f"  {'a dye has':<12}{with_error(law.mean, law.mean_se)} electrons in a frame",
            f"  {'dyes differ':<12}by {spread}, shape {with_error(law.shape, law.shape_se)}",
            f"  {'in a stack':<12}{with_error(self.photons, self.photons_se)} photons in {self.settings.planes:.2f} planes' light",
        ]

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        law = self.law
        return {
            "source": self.source,
            "n": law.n,
            "electrons_per_dye_and_frame": law.mean,
            "electrons_per_dye_and_frame_se": law.mean_se,
            "photons_per_receptor": self.photons,
            "photons_per_receptor_se": self.photons_se,
            "photons_shape": law.shape,
            "photons_shape_se": law.shape_se if np.isfinite(law.shape_se) else None,
            "notes": list(self.notes),
        }


def find_dyes(
    paths: list[Path], camera: Camera, settings: DyeSettings, channel: int = 0, report: compute.Report = compute.silent
) -> FoundDyes:
    """Photons of a dye, and how much dyes differ.

    Parameters
    ----------
    paths : list of Path
        Each a field: a movie until its dyes are dark, or frames of a standard.
    camera : Camera
        Which recorded them; the images that are to be measured, too.
    settings : DyeSettings
        How they were recorded.
    channel : int
        Of files with several channels.
    report : callable
        As in `generate`.

    Raises
    ------
    SynimgError
        If a file cannot be read, a field is saturated or shows no bleaching, or dyes are too few or too dim.

    Notes
    -----
    The camera's gain and efficiency are those of the images: an error in them is in both, and drops out of receptors.
    """
    heights, n_spots, n_near, ratios = [], 0, 0, []
    first: tuple[Spots, Steps | None] | None = None
    for k, path in enumerate(paths):
        report("reading fields", k, len(paths))
        try:
            spots, steps, found = _field(path, camera, settings, channel)
        except SynimgError as error:
            raise error if str(error).startswith(str(path)) else SynimgError(f"{path}: {error}") from None
        heights.append(found)
        n_spots, n_near = n_spots + len(spots.at_vox), n_near + int((~spots.is_alone).sum())
        ratios += [steps.noise_ratio] if steps is not None else []
        first = first or (spots, steps)
    report("reading fields", len(paths), len(paths))
    assert first is not None
    every = Heights.joined(heights)
    _refuse_few(paths, len(every.seen), n_spots, n_near, settings.n_dyes is None)
    law = brightness_law(every, settings.n_dyes or 1.0, settings.labelled)
    to_photons = settings.planes / (settings.exposure * camera.quantum_efficiency)
    return FoundDyes(
        f"{_what(law.n, settings)} in {', '.join(p.name for p in paths[:3])}{' ...' if len(paths) > 3 else ''}",
        law,
        law.mean * to_photons,
        law.mean_se * to_photons,
        every,
        *first,
        settings,
        tuple(_notes(law, ratios, n_near / max(n_spots, 1))),
    )


def _field(path: Path, camera: Camera, settings: DyeSettings, channel: int) -> tuple[Spots, Steps | None, Heights]:
    """The spots of a file, their steps, and what they are as bright as."""
    opened = open_frames(path, channel)
    if settings.n_dyes is None and opened.n == 1:
        raise SynimgError(
            "one frame shows no bleaching: give a movie of one field until its dyes are dark, or --standard with the number of "
            "dyes in each spot (1 for single dyes)"
        )
    psf_vox = np.array(settings.psf_um[1:]) / np.array(settings.voxel_um[1:])
    if min(opened.shape) < 20 * psf_vox.max():
        size = " x ".join(map(str, opened.shape))
        raise SynimgError(
            f"{size} pixels are too few beside a point spread function of {psf_vox.max():.1f} pixels (sd)"
        )
    if opened.n * opened.shape[0] * opened.shape[1] > MOST_VALUES:
        raise SynimgError(
            f"{opened.n} frames of {opened.shape[0]} x {opened.shape[1]} pixels do not fit into memory; cut out a part of the field"
        )
    maps = pixels_of(camera, (0, 0), opened.shape)
    electrons = np.empty((opened.n, *opened.shape), np.float32)
    full = np.zeros(opened.shape, bool)
    for k in range(opened.n):
        grey = opened.plane(k, (slice(None), slice(None)))
        electrons[k] = (grey - maps[0]) / maps[1]
        full |= grey >= camera.largest_adu
    below = float(np.median(electrons[0])) + BELOW
    if below < 0:
        raise SynimgError(
            f"half of its grey levels lie {BELOW - below:.0f} electrons or more below the camera's offset of "
            f"{camera.offset_adu:g}: were the camera and the dyes recorded with the same settings?"
        )
    spots = find_spots(electrons, maps[2], psf_vox, full)
    if settings.n_dyes is not None:
        return spots, None, heights_of_spots(spots)
    steps = steps_of(spots)
    return spots, steps, heights_of_steps(steps)


def _refuse_few(paths: list[Path], n: int, n_spots: int, n_near: int, is_movie: bool) -> None:
    if n >= LEAST_DYES:
        return
    where = str(paths[0]) if len(paths) == 1 else f"{len(paths)} fields"
    crowded = f" ({n_near} of them too near to another)" if n_near else ""
    if is_movie and n_spots - n_near >= LEAST_DYES:
        raise SynimgError(
            f"{where}: {n} of {n_spots} spots{crowded} go dark in a step, {LEAST_DYES} or more are needed: the movie ends before "
            "the dyes bleach, or spots are not single dyes"
        )
    raise SynimgError(
        f"{where}: {n_spots} spots stand out from the noise{crowded}, {n} can be used; {LEAST_DYES} or more are needed: image more "
        f"fields{' or sparser ones' if 2 * n_near > n_spots else ''}, or check the camera and --psf"
    )


def _what(n: int, settings: DyeSettings) -> str:
    if settings.n_dyes is None:
        return f"{n} dyes that bleach"
    if settings.n_dyes == 1:
        return f"{n} single dyes"
    share = "" if settings.labelled == 1 else f", {100 * settings.labelled:g} % of them labelled"
    return f"{n} spots of {settings.n_dyes:g} dyes{share}"


def _notes(law: Brightness, ratios: list[float], share_near: float) -> list[str]:
    said = []
    if share_near > CROWDED:
        said.append(
            f"{share_near:.0%} of the spots lie too near to another, so that some of the rest are two: dyes seem to differ more "
            "than they do; image sparser fields"
        )
    if ratios and max(ratios) > NOISY:
        said.append(
            f"spots vary from frame to frame with {max(ratios):.1f} times the variance that the camera says: dyes blink, the light "
            "flickers, or the camera's gain is wrong"
        )
    if law.mean_se > 0.05 * law.mean:
        said.append(f"the light of a dye is known to {law.mean_se / law.mean:.0%} alone: image more fields")
    return said


def save_dyes(
    found: FoundDyes, out: Path, of: str | None = None, draw: Callable[[Path, FoundDyes], None] | None = None
) -> list[Path]:
    """Write what was found as lines of a recording's description, and a picture beside it.

    Parameters
    ----------
    found : FoundDyes
        What was found.
    out : Path
        ``.toml``, which ``synimg measure --recording`` takes; the picture ends in ``.png``.
    of : str, optional
        ``old`` or ``new``: the channel whose dye it is; that of both if not given.
    draw : callable, optional
        Draws the picture into a file: (path, found).

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    SynimgError
        If `out` has another ending, or the place cannot be written.
    """
    refuse_ending(out, "dyes")
    written = [out]
    if draw is not None:
        written.append(out.with_suffix(".png"))
        draw(written[-1], found)
    write_text(out, to_toml(found, of))
    return written


def to_toml(found: FoundDyes, of: str | None = None) -> str:
    """The lines of a recording's description that say how bright a dye is."""
    law = found.law
    shape_se = "not known: they differ less than the noise" if law.shape >= STEADIEST else f"± {law.shape_se:.2g}"
    lines = [f"# measured by synimg dyes from {found.source}", *(f"# {note}" for note in found.notes)]
    if of is not None:
        lines.append(f"[{of}]")
    return "\n".join(
        [
            *lines,
            f"photons_per_receptor = {found.photons:.5g}  # of a dye in a stack, planes {found.settings.voxel_um[0]:g} um apart",
            f"photons_per_receptor_se = {found.photons_se:.2g}",
            f"photons_shape = {law.shape:.4g}  # {shape_se}; 1 / CV^2 of dyes",
            "photons_by_camera = true  # with the camera of the images, so that an error of its gain drops out\n",
        ]
    )
