"""What an experimenter knows about a recording, and the camera's grey levels as photo-electrons."""

from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, PositiveFloat

from synimg.cameras.scmos import Scmos
from synimg.errors import SynimgError
from synimg.family import member
from synimg.model import Model
from synimg.optics.bleed_through import separable

Floats = NDArray[np.float64]
RECEPTOR_CHANNELS = ("pulse", "chase")


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
    shift_um: tuple[float, float, float] | None = Field(
        (0.0, 0.0, 0.0),
        description="where the channel shows what lies at 0, as a calibration with beads gives it; null if it is not known",
    )
    label: str | None = Field(None, exclude=True, description="what the user calls it; its name if not given")

    @property
    def called(self) -> str:
        """Its name in what is said to the user."""
        return self.label or self.name


class Recording(Model):
    """Metadata of an image that holds counts: voxel size, channels, camera, labelling, parent codes."""

    synimg_schema: int = Field(description="version of this description")
    animal_id: str = Field("animal", description="the animal")
    group: str | None = Field("trained", description="its group; null if unknown")
    window_days: float | None = Field(gt=0, description="time from the pulse to death; null if unknown")
    voxel_um: tuple[PositiveFloat, PositiveFloat, PositiveFloat] = Field(description="voxel size along z, y, x")
    channels: tuple[RecordedChannel, ...] = Field(description="in the order of the image")
    psf: dict[str, Any] = Field(default_factory=dict, description="the point spread function's settings")
    camera: member("synimg.cameras") = Field(description="the camera")  # type: ignore[valid-type]
    photons_per_receptor: float = Field(gt=0, description="mean photons of a labelled receptor")
    photons_shape: float = Field(gt=0, description="shape of the Gamma law of one dye's photons")
    tag: dict[str, Any] = Field(description="labelling efficiencies")
    bleed_through: Annotated[tuple[tuple[str, str, float], ...], AfterValidator(separable)] = Field(
        (), description="light of one channel in another, as specimens with one dye show it: from, to, share"
    )
    identity: dict[str, Any] = Field(description="how a synapse shows its parent: kind, code book, errors")
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

    def shift_vox(self, index: list[int]) -> Floats:
        """Where channels show what lies at 0 (channel, axis), in voxels."""
        return np.array([self.channels[i].shift_um or (0.0, 0.0, 0.0) for i in index]) / np.array(self.voxel_um)

    def electrons_per_dye(self, index: int) -> float:
        """Mean electrons of a dye in channel `index`, in the Gaussian that is fitted: not all of a physical PSF's light."""
        return self.channels[index].psf_gaussian_share * self.camera.quantum_efficiency * self.photons_per_receptor

    def n_receptors(self, electrons: Floats) -> Floats:
        """Labelled receptors (n,) that as many electrons (n, channels) show, of dyes that were all equally bright."""
        per_dye = np.array([self.electrons_per_dye(i) for i in self.receptor_index])
        n: Floats = (electrons / per_dye).sum(axis=1) / (1.0 + 1.0 / self.photons_shape)
        return n

    def bleed(self) -> Floats:
        """Electrons that one of the receptor channels gets for each that another has, (to, from), in the fitted Gaussians."""
        names = [self.channels[i].name for i in self.receptor_index]
        share = [self.channels[i].psf_gaussian_share for i in self.receptor_index]
        leaks = np.zeros((len(names), len(names)))
        for source, target, of_light in self.bleed_through:
            if source in names and target in names:
                s, t = names.index(source), names.index(target)
                leaks[t, s] += of_light * share[t] / share[s]
        return leaks

    def receptor_scatter_um(self, spread_um2: float) -> float:
        """Sd along an axis of the middle of a synapse's receptors about the synapse's place.

        Notes
        -----
        n receptors at random in a synapse whose variance is ``spread_um2`` times its electrons: that over n, a little more
        for dyes of unequal brightness; electrons over n are those of a dye, so that it is the same for every synapse.
        """
        per_dye = float(np.mean([self.electrons_per_dye(i) for i in self.receptor_index]))
        return float(np.sqrt(spread_um2 * per_dye * (1.0 + 1.0 / self.photons_shape)))

    @property
    def psf_um(self) -> Floats:
        """Mean widths (3,) of the point spread function in the two receptor channels."""
        return np.mean([self.channels[i].psf_sigma_um for i in self.receptor_index], axis=0)

    def pixels(self, first_vox: tuple[int, int, int], shape_vox: tuple[int, ...]) -> Floats:
        """Offset [adu], gain [adu per electron] and read noise [electrons] (3, y, x) of the pixels of a block.

        A camera with maps of its pixels has them `by_pixel`; else one pixel (3, 1, 1) stands for all.
        """
        camera = self.camera
        if isinstance(camera, Scmos) and self.by_pixel:
            return camera.maps(first_vox[1:], shape_vox[-2:])
        return np.array([camera.offset_adu, camera.gain_adu_per_electron, camera.read_noise_electrons])[:, None, None]

    def electrons(self, grey: NDArray[np.uint16], pixels: Floats) -> Floats:
        """Photo-electrons of grey levels (..., y, x); negative where read noise went below the offset."""
        return (grey.astype(np.float64) - pixels[0]) / pixels[1]
