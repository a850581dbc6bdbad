"""What an experimenter knows about a recording, and the camera's grey levels as photo-electrons."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat

from synimg.cameras.protocol import Camera
from synimg.cameras.scmos import Scmos
from synimg.errors import SynimgError
from synimg.family import member
from synimg.model import Model
from synimg.optics.bleed_through import separable

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
RECEPTOR_CHANNELS = ("pulse", "chase")
TYPICAL_PHOTONS, STEADY = 40.0, 1e9
"""Photons of a receptor where they are not stated, and the shape of a Gamma law that does not scatter: for a first look at the
image alone; counts are photons then."""


def _alike(channels: "tuple[RecordedChannel, ...]") -> "tuple[RecordedChannel, ...]":
    """Refuse skirts that cannot lie around one punctum."""
    shapes = {(len(c.psf_skirt), len(ring)) for c in channels if c.psf_skirt for ring in c.psf_skirt}
    if len(shapes) > 1 or any(n_planes % 2 == 0 for n_planes, _ in shapes):
        raise ValueError(
            "psf_skirt holds an odd number of planes, the same in all channels, with as many rings in each"
        )
    return channels


class RecordedChannel(Model):
    """One channel: its name, emission wavelength and the width of its point spread function."""

    name: str = Field(description="pulse, chase, or the name of a dye")
    emission_nm: float = Field(gt=0, description="emission wavelength")
    psf_sigma_um: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field(
        description="standard deviations along z, y, x"
    )
    psf_gaussian_share: float = Field(
        1.0, gt=0, le=1, description="share of an emitter's light in the Gaussian of these widths"
    )
    psf_skirt: tuple[tuple[float, ...], ...] | None = Field(
        None,
        description="light beyond that Gaussian, per electron in it, by plane and by ring of voxels; null: none is known",
    )
    shift_um: tuple[float, float, float] | None = Field(
        (0.0, 0.0, 0.0),
        description="where the channel shows what lies at 0, as a calibration with beads gives it; null if it is not known",
    )
    photons_per_receptor: float | None = Field(
        None, gt=0, description="mean photons of this channel's dye; the recording's if null"
    )
    photons_per_receptor_se: float = Field(0.0, ge=0, description="its standard error")
    photons_shape: float | None = Field(
        None, gt=0, description="shape of this dye's Gamma law; the recording's if null"
    )
    photons_by_camera: bool = Field(False, description="whether its photons were measured with this camera")
    label: str | None = Field(None, exclude=True, description="what the user calls it; its name if not given")

    @property
    def called(self) -> str:
        """Its name in what is said to the user."""
        return self.label or self.name


class Attenuation(Model):
    """How light fades from the first plane of an image on: with depth, and as dyes bleach over the scan."""

    length_um: float = Field(0.0, ge=0, description="depth over which light falls to 1/e; 0: none")
    length_se_um: float = Field(0.0, ge=0, description="its standard error")
    bleached_share: float = Field(0.0, ge=0, lt=1, description="share of the dye bleached by the last plane")
    bleached_share_se: float = Field(0.0, ge=0, description="its standard error")
    first_depth_um: float = Field(
        0.0, ge=0, description="depth of the first plane below where the photons of a receptor were measured"
    )

    def light(self, z_um: Floats, last_um: float) -> tuple[Floats, Floats]:
        """Light (n,) from places at `z_um` over that where photons were measured, and its relative standard error.

        `last_um` is where the last plane lies; the law is that of the phantoms (`synimg.config.Optics.brightness`).
        """
        share = z_um / max(last_um, 1e-9)
        light, error = (
            (1.0 - self.bleached_share) ** share,
            share * self.bleached_share_se / (1.0 - self.bleached_share),
        )
        if self.length_um:
            depth = z_um + self.first_depth_um
            light = light * np.exp(-depth / self.length_um)
            error = np.hypot(error, depth * self.length_se_um / self.length_um**2)
        return light, error


def pixels_of(camera: Camera, first_vox: tuple[int, ...], shape_vox: tuple[int, ...]) -> Floats:
    """Offset [adu], gain [adu per electron] and read noise [electrons] (3, y, x) of a part of a camera's pixels.

    Without maps of the pixels one (3, 1, 1) stands for all.
    """
    if isinstance(camera, Scmos):
        y, x = first_vox
        return camera.maps((y, x), shape_vox)
    return _one_pixel(camera)


def _one_pixel(camera: Camera) -> Floats:
    return np.array([camera.offset_adu, camera.gain_adu_per_electron, camera.read_noise_electrons])[:, None, None]


class Recording(Model):
    """Metadata of an image that holds counts: voxel size, channels, camera, labelling, parent codes."""

    synimg_schema: int = Field(description="version of this description")
    animal_id: str = Field("animal", description="the animal")
    group: str | None = Field("trained", description="its group; null if unknown")
    window_days: float | None = Field(gt=0, description="time from the pulse to death; null if unknown")
    voxel_um: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field(description="voxel size along z, y, x")
    channels: Annotated[tuple[RecordedChannel, ...], AfterValidator(_alike)] = Field(
        description="in the order of the image"
    )
    psf: dict[str, Any] = Field(default_factory=dict, description="the point spread function's settings")
    camera: member("synimg.cameras") = Field(description="the camera")  # type: ignore[valid-type]
    photons_per_receptor: float = Field(gt=0, description="mean photons of a labelled receptor")
    photons_per_receptor_se: float = Field(0.0, ge=0, description="its standard error")
    photons_shape: float = Field(gt=0, description="shape of the Gamma law of one dye's photons")
    photons_by_camera: bool = Field(
        False, description="whether photons were measured with this camera: an error of its gain then drops out"
    )
    tag: dict[str, Any] = Field(description="labelling efficiencies, and their standard errors where known")
    bleed_through: Annotated[
        tuple[tuple[str, str, float] | tuple[str, str, float, NonNegativeFloat], ...], AfterValidator(separable)
    ] = Field(
        (),
        description="light of one channel in another, as specimens with one dye show it: from, to, share, its standard error",
    )
    attenuation: Attenuation = Field(Attenuation(), description="how the light fades with depth and over the scan")
    identity: dict[str, Any] = Field(description="how a synapse shows its parent: kind, code book, errors")
    n_planes: int = Field(0, ge=0, description="planes of the image")
    by_pixel: bool = Field(
        False, description="whether every pixel has an offset and a gain of its own, or all count as equal"
    )

    @property
    def receptor_index(self) -> list[int]:
        """Image channels of the pulse and the chase dye.

        Raises
        ------
        SynimgError
            If the image lacks one of them.
        """
        names = [c.name for c in self.channels]
        for name in RECEPTOR_CHANNELS:
            if name not in names:
                raise SynimgError(f"the image has the channels {', '.join(names)}; '{name}' is missing")
        return [names.index(name) for name in RECEPTOR_CHANNELS]

    @property
    def dye_index(self) -> list[int]:
        """Image channels of the parent dyes."""
        return [i for i, c in enumerate(self.channels) if c.name not in RECEPTOR_CHANNELS]

    def sigma_vox(self, index: list[int]) -> Floats:
        """Widths of the point spread function (channel, axis) in voxels."""
        return np.array([self.channels[i].psf_sigma_um for i in index]) / np.array(self.voxel_um)

    def skirt(self, index: list[int]) -> Floats | None:
        """The light (channel, plane, ring) of a point beyond its Gaussian, per electron in it; None if none is known."""
        profiles = [self.channels[i].psf_skirt for i in index]
        return None if None in profiles else np.array(profiles)

    def shift_vox(self, index: list[int]) -> Floats:
        """Where channels show what lies at 0 (channel, axis), in voxels."""
        return np.array([self.channels[i].shift_um or (0.0, 0.0, 0.0) for i in index]) / np.array(self.voxel_um)

    @property
    def is_light_known(self) -> bool:
        """Whether the photons of a receptor are stated."""
        return (self.photons_per_receptor, self.photons_shape) != (TYPICAL_PHOTONS, STEADY)

    def electrons_per_dye(self, index: int) -> float:
        """Mean electrons of a dye in channel `index`, in the Gaussian that is fitted: not all of a physical PSF's light."""
        photons = self.channels[index].photons_per_receptor or self.photons_per_receptor
        return self.channels[index].psf_gaussian_share * self.camera.quantum_efficiency * photons

    def n_receptors(self, electrons: Floats) -> Floats:
        """Labelled receptors (n,) that as many electrons (n, channels) show, of dyes that were all equally bright."""
        per_dye = [self.electrons_per_dye(i) * (1.0 + 1.0 / self.shape_of_dye(i)) for i in self.receptor_index]
        n: Floats = (electrons / np.array(per_dye)).sum(axis=1)
        return n

    def shape_of_dye(self, index: int) -> float:
        """Shape of the Gamma law of a dye's photons in channel `index`."""
        return self.channels[index].photons_shape or self.photons_shape

    def light(self, z_um: Floats) -> tuple[Floats, Floats]:
        """Light (n,) from places at `z_um` over that of a dye whose photons are stated, and its relative standard error."""
        return self.attenuation.light(z_um, (self.n_planes - 1) * self.voxel_um[0])

    def bleed(self) -> tuple[Floats, Floats]:
        """Electrons that one of the receptor channels gets for each that another has, (to, from), and their standard errors.

        In the fitted Gaussians.
        """
        names = [self.channels[i].name for i in self.receptor_index]
        share = [self.channels[i].psf_gaussian_share for i in self.receptor_index]
        leaks, errors = np.zeros((len(names), len(names))), np.zeros((len(names), len(names)))
        for leak in self.bleed_through:
            if leak[0] in names and leak[1] in names:
                s, t = names.index(leak[0]), names.index(leak[1])
                leaks[t, s] += leak[2] * share[t] / share[s]
                errors[t, s] = np.hypot(errors[t, s], (leak[3] if len(leak) > 3 else 0.0) * share[t] / share[s])
        return leaks, errors

    def receptor_scatter_um(self, spread_um2: float) -> float:
        """Sd along an axis of the middle of a synapse's receptors about the synapse's place.

        Notes
        -----
        n receptors at random in a synapse whose variance is ``spread_um2`` times its electrons: that over n, a little more
        for dyes of unequal brightness; electrons over n are those of a dye, so that it is the same for every synapse.
        """
        per_dye = float(np.mean([self.electrons_per_dye(i) for i in self.receptor_index]))
        unequal = float(np.mean([1.0 / self.shape_of_dye(i) for i in self.receptor_index]))
        return float(np.sqrt(spread_um2 * per_dye * (1.0 + unequal)))

    @property
    def psf_um(self) -> Floats:
        """Mean widths (3,) of the point spread function in the two receptor channels."""
        return np.mean([self.channels[i].psf_sigma_um for i in self.receptor_index], axis=0)

    def pixels(self, first_vox: tuple[int, int, int], shape_vox: tuple[int, ...]) -> Floats:
        """Offset [adu], gain [adu per electron] and read noise [electrons] (3, y, x) of the pixels of a block.

        A camera with maps of its pixels has them `by_pixel`; else one pixel (3, 1, 1) stands for all.
        """
        if self.by_pixel:
            return pixels_of(self.camera, first_vox[1:], shape_vox[-2:])
        return _one_pixel(self.camera)

    def electrons(self, grey: NDArray[np.uint16], pixels: Floats) -> Singles:
        """Photo-electrons of grey levels (..., y, x), in single precision; negative where read noise went below the offset."""
        electrons: Singles = grey - pixels[0].astype(np.float32)
        electrons /= pixels[1].astype(np.float32)
        return electrons
