"""A block of grey levels as the fit sees it: photo-electrons, and the background beside its puncta."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from synimg.analysis.background import smooth_background
from synimg.analysis.fit import Fit, Scene, model_of
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.recording import Recording
from synimg.analysis.skirt import kernel_of, skirts_of

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


def scene_of(
    grey: NDArray[np.uint16],
    recording: Recording,
    settings: MeasureSettings,
    spread_um2: float,
    first_vox: tuple[int, int, int],
) -> Scene:
    """The receptor channels of a block, (2, z, y, x) grey levels, ready for the fit; it begins at voxel `first_vox`."""
    index, pixels = recording.receptor_index, recording.pixels(first_vox, grey.shape)
    voxel_um, skirt = np.array(recording.voxel_um), recording.skirt(index)
    return Scene(
        *data_and_background(recording.electrons(grey, pixels), pixels[2], voxel_um, settings),
        recording.sigma_vox(index),
        recording.shift_vox(index),
        voxel_um,
        spread_um2,
        _receptor_electrons(recording),
        pixels[2],
        None if skirt is None else kernel_of(skirt, voxel_um),
    )


def _receptor_electrons(recording: Recording) -> float | None:
    """`Scene.receptor_electrons`, the mean of the channels."""
    if not recording.is_light_known:
        return None
    n_channels = len(recording.receptor_index)
    return n_channels / float(recording.n_receptors(np.ones((1, n_channels)))[0])


def scene_again(scene: Scene, data: Singles, settings: MeasureSettings) -> Scene:
    """Other `data` in the place of those of a scene, their background estimated anew."""
    electrons = data - np.square(scene.read_noise)
    data, background = data_and_background(electrons, scene.read_noise, scene.voxel_um, settings)
    return replace(scene, data=data, background=background, beside=None)


def background_again(scene: Scene, fit: Fit, settings: MeasureSettings, light: Singles | None = None) -> Scene:
    """The scene with the background that is left without its puncta, and with their skirts.

    The light of neighbours passes for background between them, until they are known.

    Parameters
    ----------
    light : (channel, z, y, x) ndarray [electrons], optional
        Expected of the Gaussians of `fit`, if it is there already.
    """
    light = model_of(scene, fit) - scene.background if light is None else light
    variance, beside = read_variance(scene.read_noise), skirts_of(scene, fit)
    known = light if beside is None else light + beside
    smooth = scene.background if scene.beside is None else scene.background - scene.beside
    background = np.empty_like(smooth)
    for data, of_puncta, before, out in zip(scene.data, known, smooth, background, strict=True):
        seen = data - variance - of_puncta
        out[...] = _background(seen, scene.read_noise, scene.voxel_um, settings, of_puncta, before - variance)
    if beside is not None:
        background += beside
    return replace(scene, background=background, beside=beside)


def data_and_background(
    electrons: Singles | Floats, read_noise: Floats | float, voxel_um: Floats, settings: MeasureSettings
) -> tuple[Singles, Singles]:
    """`Scene.data` and `Scene.background` of photo-electrons (channel, z, y, x).

    The read noise is one number or that of every pixel (y, x).
    """
    data = electrons.astype(np.float32, copy=False)
    background = np.empty_like(data)
    for channel, out in zip(data, background, strict=True):
        out[...] = _background(channel, read_noise, voxel_um, settings)
    return data + read_variance(read_noise), background


def _background(
    electrons: Singles,
    read_noise: Floats | float,
    voxel_um: Floats,
    settings: MeasureSettings,
    light: Singles | None = None,
    begin: Singles | None = None,
) -> Singles:
    """One channel's background, plus the variance of the read noise; see `smooth_background`."""
    width, variance = np.maximum(settings.background_um / voxel_um, 2.0), read_variance(read_noise)
    smooth = smooth_background(electrons, width, float(np.sqrt(np.mean(variance))), light, begin)
    smooth += variance
    return smooth


def read_variance(read_noise: Floats | float) -> Singles:
    """Of the read noise [electrons^2], in the precision of images."""
    return np.square(np.asarray(read_noise, np.float32))


def moved_back(image: Singles, shift_vox: Floats) -> Singles:
    """Channels (c, z, y, x) moved by whole voxels so that what was shifted by `shift_vox` (c, 3) lies together.

    What comes in over a face repeats it.
    """
    whole = np.rint(shift_vox).astype(int)
    if not whole.any():
        return image
    out = np.empty_like(image)
    for channel, step, target in zip(image, whole, out, strict=True):
        at = [np.clip(np.arange(n) + s, 0, n - 1) for n, s in zip(channel.shape, step, strict=True)]
        target[...] = channel[np.ix_(*at)]
    return out
