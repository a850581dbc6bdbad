"""A camera from files: dark frames, flat frames, or an image whose camera is not known."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from textwrap import wrap
from typing import Any

import numpy as np
from numpy.typing import NDArray

from synimg import compute
from synimg.analysis.camera import Curve, Dark, dark_frames, flat_level, transfer_curve
from synimg.analysis.image_noise import ImageNoise, image_noise
from synimg.analysis.plausible import KNOWN_TOPS
from synimg.cameras.scmos import Scmos
from synimg.config import to_literal
from synimg.errors import SynimgError
from synimg.store.atomic import write_text
from synimg.store.frames import Frames, open_frames
from synimg.store.tiff import write_tiff

MOST_VOXELS = 2e7  # of an image that are looked at: the gain is then known to 1 %
MOST_SIDE = 2048
LEAST_SD = 0.02  # spread of ln read noise, or of the offset in its noise, that is worth a map


LINEAR = {
    "quantum_efficiency": "not measured: see the data sheet; electrons per photon, over the excess noise factor if there is one",
    "gain_adu_per_electron": "grey levels per electron",
    "gain_adu_per_electron_se": "its standard error",
    "read_noise_electrons": "sd in the dark, mean of the pixels",
    "offset_adu": "mean grey level in the dark",
    "full_well_electrons": "electrons at which a pixel saturates, as far as was seen",
    "bits": "bits of a grey level",
}
PIXELS = {
    "offset_sd_adu": "sd of the offset over pixels",
    "read_noise_sd_ln": "sd of ln read noise over pixels",
    "pixels_file": "offset, gain and read noise of every pixel, beside this file; without it the sds hold",
}
COMMENTS = LINEAR | PIXELS


@dataclass(frozen=True)
class Found:
    """What was found out about a camera.

    source : what it was found from, in words
    camera : a linear camera with these values, or None if no value is known
    errors : standard errors by the name of the camera's field
    dark, curve, image : what it was found from
    notes : sentences that a user must know
    """

    source: str
    camera: Scmos | None
    errors: dict[str, float]
    dark: Dark | None
    curve: Curve | None
    image: ImageNoise | None
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """The values, for people."""
        out = [f"from {self.source}"]
        units = {
            "offset_adu": ("offset", "grey levels"),
            "gain_adu_per_electron": ("gain", "grey levels per electron"),
            "read_noise_electrons": ("read noise", "electrons"),
        }
        for name, (what, unit) in units.items():
            if self.camera is not None and name == "offset_adu" and self.dark is None:
                level = with_error(self.camera.offset_adu, self.errors[name])
                out.append(f"  {'no noise at':<12}{level} grey levels: the offset less gain x read noise²")
            elif self.camera is not None and name in self.errors:
                out.append(f"  {what:<12}{with_error(getattr(self.camera, name), self.errors[name])} {unit}")
        if self.dark is not None and self.camera is None:
            offset, noise = self.dark.offset_adu, self.dark.noise_adu
            out += [
                f"  {'offset':<12}{with_error(offset, self.dark.offset_se_adu)} grey levels",
                f"  {'dark noise':<12}{with_error(noise, self.dark.noise_se_adu)} grey levels",
            ]
        if self.dark is not None and self.dark.n_frames >= 4:
            spread = (
                f"offset by {self.dark.offset_sd_adu:.2g} grey levels, noise by {100 * self.dark.noise_sd_ln:.0f} %"
            )
            out.append(f"  {'pixels':<12}differ in {spread} (sd)")
        return out

    def facts(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "source": self.source,
            "camera": None if self.camera is None else self.camera.model_dump(),
            "standard_errors": self.errors,
            "noise_correlation": {} if self.image is None else {k: v for k, (v, _) in self.image.correlation.items()},
            "doubts": [] if self.image is None else list(self.image.doubts),
            "notes": list(self.notes),
        }


def with_error(value: float, se: float) -> str:
    """A value and its standard error with as many digits as the error allows."""
    if not 0 < se < np.inf:
        return f"{value:.6g}"
    digits = max(0, 1 - int(np.floor(np.log10(se))))
    return f"{value:.{digits}f} ± {se:.{digits}f}"


def find_camera(
    dark: list[Path],
    flats: list[list[Path]],
    image: Path | None = None,
    channel: int = 0,
    report: compute.Report = compute.silent,
) -> Found:
    """Offset, gain and read noise, as far as the files tell them.

    Parameters
    ----------
    dark : list of Path
        Frames in the dark: one file with several, or several files.
    flats : list of list of Path
        The same for each level of light: two frames or more of one still field.
    image : Path, optional
        An image whose own voxels take the place of the flat frames.
    channel : int
        Of files with several channels.
    report : callable
        As in `generate`.

    Raises
    ------
    SynimgError
        If a file cannot be read, frames do not fit together, or too few are given.
    """
    if image is not None and flats:
        raise SynimgError(f"{image}: give flat frames or an image, not both: flat frames tell more")
    if image is None and not flats and not dark:
        raise SynimgError("give dark frames (--dark), flat frames (--flat), or an image")
    steps = bool(dark) + len(flats) + (image is not None)
    stacks, done = {}, 0
    shape = None
    in_the_dark, said = None, []
    if dark:
        report("reading frames", done, steps)
        frames = _stack(dark, channel)
        shape, done, stacks["dark"] = frames.shape[1:], 1, frames
        in_the_dark = dark_frames(frames)
        said.append(f"{len(frames)} dark frames")
    curve, noise, top = None, None, np.inf
    if flats:
        levels = []
        for paths in flats:
            report("reading frames", done, steps)
            frames = _stack(paths, channel)
            if shape is not None and frames.shape[1:] != shape:
                raise SynimgError(
                    f"{paths[0]}: has {_size(frames.shape[1:])} pixels, others {_size(shape)}; "
                    "take one region of the sensor for all"
                )
            shape, done = frames.shape[1:], done + 1
            largest = _top(frames.max())
            top = min(top, largest)
            try:
                levels.append(flat_level(frames, in_the_dark.offset_adu if in_the_dark else 0.0, largest))
            except SynimgError as error:
                raise SynimgError(f"{paths[0]}: {error}") from None
        curve = transfer_curve(levels, in_the_dark)
        unused = len(curve.used) - int(curve.used.sum())
        said.append(f"{len(flats)} light levels" + (f", {unused} of them too bright" if unused else ""))
    if image is not None:
        report("reading frames", done, steps)
        opened = open_frames(image, channel)
        planes = _planes(opened)
        top = _top(planes.max())
        noise = image_noise(planes, top, in_the_dark)
        curve = noise.curve
        which = f", channel {channel}" if opened.n_channels > 1 else ""
        said.append(f"the noise of {image.name}{which} itself ({planes.size / 1e6:.2g} million voxels)")
    report("reading frames", steps, steps)
    source = " and ".join(said)
    is_known = curve is not None and not (noise and noise.doubts)
    if not is_known:
        notes = ["without light levels the gain is not known: add --flat, or an image"] if curve is None else []
        return Found(source, None, {}, in_the_dark, curve, noise, tuple(notes))
    assert curve is not None
    camera, errors, notes = _camera(curve, in_the_dark, top)
    return Found(source, camera, errors, in_the_dark, curve, noise, tuple(notes))


def _camera(curve: Curve, dark: Dark | None, top: float) -> tuple[Scmos, dict[str, float], list[str]]:
    """The camera of a curve, the standard errors, and what must be said."""
    gain, notes = curve.gain_adu_per_electron, []
    errors = {"gain_adu_per_electron": curve.gain_se}
    values: dict[str, Any] = {"gain_adu_per_electron": gain, "gain_adu_per_electron_se": curve.gain_se}
    if dark is not None:
        noise = dark.noise_adu / gain
        relative = np.hypot(dark.noise_se_adu / max(dark.noise_adu, 1e-12), curve.gain_se / gain)
        values |= {"offset_adu": max(dark.offset_adu, 0.0), "read_noise_electrons": noise}
        errors |= {"offset_adu": dark.offset_se_adu, "read_noise_electrons": float(noise * relative)}
    else:
        # noise as of light below the zero: where that is no grey level, read noise stands for it
        below = max(-curve.zero_adu, 0.0) / gain
        values |= {"offset_adu": max(curve.zero_adu, 0.0), "read_noise_electrons": float(np.sqrt(below))}
        errors["offset_adu"] = curve.zero_se_adu
        notes.append(
            "without dark frames offset and read noise cannot be told apart: the offset is the grey level at which the noise "
            "would vanish (the true one is higher by gain x read noise squared); counts above a local background are right"
        )
    offset = values["offset_adu"]
    end = top if np.isfinite(top) else 2**16 - 1
    values |= {"bits": int(np.clip(np.ceil(np.log2(end + 1)), 8, 16))}
    full = curve.mean_adu[~curve.used]
    well = full.max() if full.size and dark is not None else end
    values["full_well_electrons"] = max(float(well - offset) / gain, 1.0)
    rounded = {k: v if isinstance(v, int) else float(f"{v:.6g}") for k, v in values.items()}
    return Scmos.parse(rounded, "the camera found"), errors, notes


def refuse_ending(out: Path, of: str) -> None:
    """Refuse a file `of` a camera, or of dyes, that is no TOML.

    Raises
    ------
    SynimgError
        If it has another ending.
    """
    if out.suffix != ".toml":
        raise SynimgError(f"{out}: the file of {of} ends in .toml")


def save_camera(found: Found, out: Path, draw: Callable[[Path, Found], None] | None = None) -> list[Path]:
    """Write a camera as a section of a configuration, a picture of its curve, and a map of its pixels if they differ.

    Parameters
    ----------
    found : Found
        The camera; if it is not known, only the picture is written.
    out : Path
        ``.toml``; the others have its name and end in ``.png`` and ``_pixels.tif``.
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
    refuse_ending(out, "a camera")
    written = []
    if draw is not None:
        written.append(out.with_suffix(".png"))
        draw(written[-1], found)
    if found.camera is None:
        return written
    camera, dark = found.camera, found.dark
    if (
        dark is not None
        and dark.n_frames >= 4
        and (dark.noise_sd_ln > LEAST_SD or dark.offset_sd_adu > LEAST_SD * max(dark.noise_adu, 1.0))
    ):
        pixels = out.with_name(f"{out.stem}_pixels.tif")
        gain = camera.gain_adu_per_electron
        maps = np.stack([dark.offset_map_adu, np.full_like(dark.offset_map_adu, gain), dark.noise_map_adu / gain])
        write_tiff(pixels, maps.astype(np.float32))
        written.append(pixels)
        spread = {"offset_sd_adu": min(dark.offset_sd_adu, 50.0), "read_noise_sd_ln": min(dark.noise_sd_ln, 2.0)}
        spread = {k: float(f"{v:.3g}") for k, v in spread.items()}
        camera = camera.model_copy(update={"pixels_file": pixels.name, **spread})
    write_text(out, to_toml(camera, found))
    return [out, *written]


def to_toml(camera: Scmos, found: Found) -> str:
    """The section ``camera`` of a configuration."""
    text = [f"measured by synimg camera from {found.source}", *found.notes]
    lines = [f"# {line}" for sentence in text for line in wrap(sentence, 118)] + ["[camera]", f'kind = "{camera.kind}"']
    for name, comment in COMMENTS.items():
        value = getattr(camera, name)
        if value != Scmos.model_fields[name].default or name in LINEAR:
            error = f"± {found.errors[name]:.2g}; " if name in found.errors else ""
            lines.append(f"{name} = {to_literal(value)}  # {error}{comment}")
    return "\n".join(lines) + "\n"


def _stack(paths: list[Path], channel: int) -> NDArray[Any]:
    """All frames of files (n, y, x)."""
    opened = [open_frames(path, channel) for path in paths]
    for frames in opened[1:]:
        if frames.shape != opened[0].shape:
            raise SynimgError(
                f"{frames.path}: has {_size(frames.shape)} pixels, {opened[0].path.name} {_size(opened[0].shape)}; "
                "take one region of the sensor for all"
            )
    return np.concatenate([frames.all() for frames in opened])


def _planes(frames: Frames) -> NDArray[Any]:
    """Pairs of neighbouring planes of an image (n, 2, y, x), or its only plane: as many as tell enough, from all depths."""
    where = tuple(slice(max(n - MOST_SIDE, 0) // 2, max(n - MOST_SIDE, 0) // 2 + MOST_SIDE) for n in frames.shape)
    size = int(np.prod([min(n, MOST_SIDE) for n in frames.shape]))
    together = min(frames.n, 2)
    n_pairs = int(np.clip(MOST_VOXELS // (together * size), 1, frames.n // together))
    first = np.linspace(0, frames.n - together, n_pairs).astype(int)
    return np.stack([[frames.plane(int(z + k), where) for k in range(together)] for z in first])  # type: ignore[arg-type]


def _top(largest: Any) -> float:
    """The grey level of a saturated voxel, if the largest one is the last that a number of bits holds."""
    return float(largest) if float(largest) in KNOWN_TOPS else np.inf


def _size(shape: tuple[int, ...]) -> str:
    return " x ".join(str(n) for n in shape)
