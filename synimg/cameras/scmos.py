"""A linear sCMOS camera: expected photons to grey levels (EMVA 1288, release 4.0 Linear)."""

from functools import lru_cache
from pathlib import Path
from typing import Literal

import numba as nb
import numpy as np
import tifffile
from numpy.typing import NDArray
from pydantic import Field

from synimg.cameras.protocol import Photons
from synimg.counter import normal, poisson_and_normal, start
from synimg.errors import SynimgError
from synimg.model import Model
from synimg.store.tiff import damage_heard, reading_tiff
from synimg.streams import key64

Floats = NDArray[np.float64]


class Scmos(Model):
    """Linear camera: photo-electrons are Poisson, read noise is normal, grey levels are rounded and clipped.

    Notes
    -----
    Every pixel of the sensor has an offset, a gain and a read noise of its own, the same in all planes and channels: normal,
    normal and log-normal about the means. They belong to the camera (`sensor`), not to the data set.
    """

    kind: Literal["scmos"] = "scmos"
    quantum_efficiency: float = Field(0.82, gt=0, le=1, description="electrons per photon (Flash4 class)")
    gain_adu_per_electron: float = Field(2.17, gt=0, description="grey levels per electron: 1 / (0.46 e/ADU)")
    gain_adu_per_electron_se: float = Field(0.0, ge=0, description="standard error of a gain that was measured")
    read_noise_electrons: float = Field(1.6, ge=0, description="sd per voxel [electrons]")
    offset_adu: float = Field(100.0, ge=0, description="mean grey level in the dark")
    full_well_electrons: float = Field(30000.0, gt=0, description="electrons at which a pixel saturates")
    bits: int = Field(16, ge=8, le=16, description="bits of a grey level")
    offset_sd_adu: float = Field(0.0, ge=0, le=50, description="sd of the offset over pixels; 1 to 2 in Flash4 class")
    gain_sd: float = Field(0.0, ge=0, le=0.2, description="relative sd of the gain over pixels; about 0.01")
    read_noise_sd_ln: float = Field(
        0.0, ge=0, le=2, description="sd of ln read noise over pixels; 0.3 to 0.5, with a tail of noisy pixels"
    )
    sensor: int = Field(0, ge=0, description="number of the camera whose pixels these are")
    pixels_file: str = Field(
        "",
        description="TIFF of every pixel's offset, gain, read noise, as 'synimg camera' writes it; in place of the sds and sensor",
    )

    @property
    def largest_adu(self) -> int:
        """Grey level of a saturated voxel: where the well is full, or the bits end."""
        top = self.offset_adu + self.gain_adu_per_electron * self.full_well_electrons
        return int(min(top, 2**self.bits - 1))

    def record(
        self, photons: Photons, key: int, origin_vox: tuple[int, int, int], shape_vox: tuple[int, int, int]
    ) -> NDArray[np.uint16]:
        """Grey levels of a block of the image; see `synimg.cameras.protocol.Camera`."""
        settings = np.array([self.quantum_efficiency, self.full_well_electrons, self.largest_adu])
        grey = np.empty(photons.shape, np.uint16)
        maps = self.maps(origin_vox[1:], photons.shape[1:])
        _record(photons, grey, settings, maps, np.uint64(key), np.array(origin_vox), np.array(shape_vox))
        return grey

    def maps(self, origin_vox: tuple[int, int], shape_vox: tuple[int, ...]) -> Floats:
        """Offset [adu], gain [adu per electron] and read noise [electrons] of the pixels (3, y, x) of a part of the sensor."""
        if self.pixels_file:
            part: Floats = _measured_pixels(self.pixels_file, shape_vox, origin_vox)
            return part
        maps = np.empty((3, *shape_vox))
        maps[0], maps[1], maps[2] = self.offset_adu, self.gain_adu_per_electron, self.read_noise_electrons
        if max(self.offset_sd_adu, self.gain_sd, self.read_noise_sd_ln) > 0:
            draws = np.empty_like(maps)
            _pixels(draws, np.uint64(key64(self.sensor, "scmos", "pixels")), np.array(origin_vox))
            maps[0] += self.offset_sd_adu * draws[0]
            maps[1] *= 1.0 + self.gain_sd * draws[1]
            maps[2] *= np.exp(self.read_noise_sd_ln * draws[2] - 0.5 * self.read_noise_sd_ln**2)
        return maps


def _measured_pixels(file: str, shape_vox: tuple[int, ...], origin_vox: tuple[int, int]) -> Floats:
    """The part of a sensor's maps that begins at a pixel.

    Raises
    ------
    SynimgError
        If the sensor ends before the part does.
    """
    whole = _sensor(file)
    end = [o + n for o, n in zip(origin_vox, shape_vox, strict=True)]
    if end[0] > whole.shape[1] or end[1] > whole.shape[2]:
        raise SynimgError(
            f"camera.pixels_file: {file}: has {whole.shape[1]} x {whole.shape[2]} pixels, the image reaches to "
            f"{end[0]} x {end[1]}; measure the camera with the region of the sensor that the image has, or take the line "
            "pixels_file out of the camera's file: all pixels then count as alike"
        )
    return whole[:, origin_vox[0] : end[0], origin_vox[1] : end[1]]


@lru_cache(maxsize=2)
def _sensor(file: str) -> Floats:
    """Offset, gain and read noise of every pixel (3, y, x).

    Raises
    ------
    SynimgError
        If the file is no such TIFF.
    """
    path = Path(file)
    if not path.is_file():
        raise SynimgError(f"camera.pixels_file: {path}: no such file; 'synimg camera' writes one")
    with reading_tiff(f"camera.pixels_file: {path}"), damage_heard():  # what is cut off has another shape
        maps = tifffile.imread(path)
    if maps.ndim != 3 or len(maps) != 3 or not np.isfinite(maps).all() or maps[1].min() <= 0 or maps[2].min() < 0:
        raise SynimgError(
            f"camera.pixels_file: {path}: holds {maps.shape}; it takes offset, gain above 0 and read noise (3, y, x)"
        )
    return maps.astype(np.float64)


@nb.njit(cache=True, nogil=True)
def _pixels(draws: Floats, key: np.uint64, origin: NDArray[np.int64]) -> None:
    """Three normal numbers per pixel, which belong to its row and column, not to a region of the sensor."""
    for y in range(draws.shape[1]):
        for x in range(draws.shape[2]):
            state = start(key, np.uint64(((origin[0] + y) << 32) + origin[1] + x))
            for i in range(3):
                state, draws[i, y, x] = normal(state)


@nb.njit(cache=True, nogil=True)
def _record(
    photons: Photons,
    grey: NDArray[np.uint16],
    settings: Floats,
    maps: Floats,
    key: np.uint64,
    origin: NDArray[np.int64],
    shape: NDArray[np.int64],
) -> None:
    efficiency, full_well, largest = settings
    offsets, gains, read_noises = maps[0], maps[1], maps[2]
    n = photons.shape[2]
    means, electrons, noise = np.empty(n), np.empty(n), np.empty(n)
    for z in range(photons.shape[0]):
        for y in range(photons.shape[1]):
            first = ((origin[0] + z) * shape[1] + origin[1] + y) * shape[2] + origin[2]
            for x in range(n):
                means[x] = efficiency * photons[z, y, x]
            poisson_and_normal(key, np.uint64(first), means, electrons, noise)
            for x in range(n):
                level = offsets[y, x] + gains[y, x] * (min(electrons[x], full_well) + read_noises[y, x] * noise[x])
                grey[z, y, x] = np.uint16(np.int32(min(max(np.rint(level), 0.0), largest)))


part = Scmos
