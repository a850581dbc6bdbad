"""What a lab says of its recording of old and new receptors: a short TOML file, of which most may be left out."""

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat

from synimg import schema
from synimg.analysis.recording import STEADY, TYPICAL_PHOTONS, Attenuation, RecordedChannel, Recording
from synimg.cameras.protocol import Camera
from synimg.config import camera_beside, read_toml
from synimg.errors import SynimgError
from synimg.family import member
from synimg.model import Model
from synimg.optics.bleed_through import separable
from synimg.psf.gaussian import Gaussian

OF_NAME = {"old": "pulse", "new": "chase"}
"""The channels' names in `Recording`, by those that a lab gives them."""
Name = Literal["old", "new"]
Widths = tuple[PositiveFloat, PositiveFloat, PositiveFloat]
Leak = tuple[Name, Name, float] | tuple[Name, Name, float, NonNegativeFloat]


class LabChannel(Model):
    """The old or the new receptors' channel."""

    emission_nm: float = Field(600.0, gt=300, lt=1100, description="emission wavelength")
    psf_sigma_um: Widths | None = Field(
        None, description="sd of the point spread function along z, y, x, of beads; by [psf] if not given"
    )
    shift_um: tuple[float, float, float] | None = Field(
        None, description="where it shows what lies at 0 (z, y, x); found from the synapses if not given"
    )
    photons_per_receptor: float | None = Field(
        None, gt=0, description="of this channel's dye; that of both if not given"
    )
    photons_per_receptor_se: float = Field(0.0, ge=0, description="its standard error")
    photons_shape: float | None = Field(None, gt=0, description="of this channel's dye; that of both if not given")
    photons_by_camera: bool = Field(
        False, description="whether its photons were measured with the camera of the images"
    )


class Labelling(Model):
    """Efficiencies of the tag, as a labelling control gives them."""

    pulse_efficiency: float = Field(1.0, gt=0, le=1, description="share of the old receptors with the dye for old ones")
    pulse_efficiency_se: float = Field(0.0, ge=0, description="its standard error")
    blocking_efficiency: float = Field(
        1.0, ge=0, le=1, description="share of the unlabelled ones that are then blocked"
    )
    blocking_efficiency_se: float = Field(0.0, ge=0, description="its standard error")
    chase_efficiency: float = Field(1.0, gt=0, le=1, description="share of the free ones with the dye for new ones")
    chase_efficiency_se: float = Field(0.0, ge=0, description="its standard error")


class LabRecording(Model):
    """A recording of old and new receptors in two channels, as far as it is known."""

    animal_id: str = Field("animal", description="the animal")
    group: str | None = Field(None, description="its group: trained, yoked, naive, ...")
    window_days: float | None = Field(None, gt=0, description="time from the first dye to the second")
    old: LabChannel = Field(LabChannel(), description="channel of the receptors that were there before the window")
    new: LabChannel = Field(LabChannel(), description="channel of those inserted in the window")
    psf: member("synimg.psf") | None = Field(None, description="the microscope's point spread function")  # type: ignore[valid-type]
    camera: member("synimg.cameras") | None = Field(None, description="the camera")  # type: ignore[valid-type]
    photons_per_receptor: float | None = Field(
        None, gt=0, description="mean photons of a labelled receptor; counts are photons if not given"
    )
    photons_per_receptor_se: float = Field(0.0, ge=0, description="its standard error")
    photons_shape: float = Field(4.0, gt=0, description="shape of the Gamma law of one dye's photons (1 / CV^2)")
    photons_by_camera: bool = Field(
        False, description="whether photons were measured with the camera of the images, as 'synimg dyes' does"
    )
    tag: Labelling = Field(Labelling(), description="the tag")
    bleed_through: Annotated[tuple[Leak, ...], AfterValidator(separable)] = Field(
        (),
        description='light of one channel in the other: ["old", "new", 0.02] puts 2 % of old into new; a fourth number is its '
        "standard error",
    )
    attenuation: Attenuation = Field(Attenuation(), description="how the light fades with depth and over the scan")

    @property
    def unit(self) -> str:
        """What `r_old` and `r_new` count."""
        return "receptors" if self.is_light_known else "photons"

    @property
    def is_light_known(self) -> bool:
        """Whether the photons of a receptor are stated, for both channels or for each."""
        return self.photons_per_receptor is not None or None not in (
            self.old.photons_per_receptor,
            self.new.photons_per_receptor,
        )

    def with_(self, camera: Camera | None, psf_sigma_um: Widths | None) -> "LabRecording":
        """The same with what the command line says."""
        update: dict[str, Any] = {} if camera is None else {"camera": camera}
        if psf_sigma_um is not None:
            for name in OF_NAME:
                update[name] = getattr(self, name).model_copy(update={"psf_sigma_um": psf_sigma_um})
        return self.model_copy(update=update)

    def recording(self, voxel_um: Widths, is_psf_shown: bool, n_planes: int = 0) -> Recording:
        """As `measure` reads it; `is_psf_shown` says that bright synapses will show the point spread function.

        Raises
        ------
        SynimgError
            If the camera or the point spread function is not known, or the photons of one channel's dye alone.
        """
        for name, other in (("old", "new"), ("new", "old")):
            if getattr(self, name).photons_per_receptor is not None and not self.is_light_known:
                raise SynimgError(
                    f"photons_per_receptor is stated for the {name} channel alone: state it under [{other}], too, or once for both"
                )
        if self.camera is None:
            raise SynimgError(
                "the camera is not known, and without it no receptor can be counted: 'synimg camera' finds it from dark and "
                "flat frames or from the image, and --camera takes its file"
            )
        return Recording(
            synimg_schema=schema.SCHEMA_VERSION,
            animal_id=self.animal_id,
            group=self.group,
            window_days=self.window_days,
            voxel_um=voxel_um,
            channels=tuple(self._channel(name, is_psf_shown) for name in OF_NAME),
            psf={} if self.psf is None else self.psf.model_dump(),
            camera=self.camera,
            photons_per_receptor=self.photons_per_receptor or TYPICAL_PHOTONS,
            photons_per_receptor_se=self.photons_per_receptor_se,
            photons_shape=self.photons_shape if self.is_light_known else STEADY,
            photons_by_camera=self.photons_by_camera,
            tag=self.tag.model_dump(),
            bleed_through=tuple((OF_NAME[leak[0]], OF_NAME[leak[1]], *leak[2:]) for leak in self.bleed_through),
            attenuation=self.attenuation,
            n_planes=n_planes,
            identity={"kind": "traces"},
            by_pixel=True,
        )

    def _channel(self, name: str, is_psf_shown: bool) -> RecordedChannel:
        stated: LabChannel = getattr(self, name)
        sigma, share = stated.psf_sigma_um, 1.0
        if sigma is None and self.psf is not None:
            sigma, share = self.psf.sigma_um(stated.emission_nm), self.psf.gaussian_share(stated.emission_nm)
        if sigma is None and is_psf_shown:
            sigma = Gaussian().sigma_um(stated.emission_nm)
        if sigma is None:
            raise SynimgError(
                f"the point spread function of the {name} channel is not known: give --psf Z,Y,X (its sd in um, as beads show "
                "it), --psf puncta (what bright synapses show), or psf_sigma_um or [psf] in the file of --recording"
            )
        return RecordedChannel(
            name=OF_NAME[name],
            label=name,
            emission_nm=stated.emission_nm,
            psf_sigma_um=sigma,
            psf_gaussian_share=share,
            shift_um=stated.shift_um,
            photons_per_receptor=stated.photons_per_receptor,
            photons_per_receptor_se=stated.photons_per_receptor_se,
            photons_shape=stated.photons_shape,
            photons_by_camera=stated.photons_by_camera,
        )


def read_recording(path: Path) -> LabRecording:
    """The recording that a TOML file describes.

    Raises
    ------
    SynimgError
        If there is no such file, or it has unknown or wrong entries.
    """
    if not path.is_file():
        raise SynimgError(f"{path}: no such file; --recording takes a TOML file that describes the image")
    found = LabRecording.parse(read_toml(path.read_bytes(), str(path)), str(path))
    return found if found.camera is None else found.model_copy(update={"camera": camera_beside(found.camera, path)})
