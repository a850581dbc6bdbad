"""The section `optics` of a configuration."""

from typing import Annotated, Any, Self

import numpy as np
import pydantic
from pydantic import Field

from synimg.model import Model
from synimg.optics.bleed_through import separable

FIRST_CHANNEL = "pulse"
"""The channel that is recorded first: the sample moves between channels, so that places are those of this one."""
MOST_SHIFT_UM = 5.0
"""Farthest that channels lie apart; chromatic shifts are below 0.3 um, a stage that drifts moves some um."""


class Optics(Model):
    """What a microscope does to the light besides its point spread function; as given, nothing."""

    exposure: float = Field(
        1.0, gt=0, le=1000, description="light of all kinds, relative to the photons stated elsewhere"
    )
    bleed_through: Annotated[tuple[tuple[str, str, float], ...], pydantic.AfterValidator(separable)] = Field(
        (), description='light of one channel in another: ["pulse", "chase", 0.02] puts 2 % of pulse into chase'
    )
    illumination_falloff: float = Field(
        0.0, ge=0, le=0.95, description="loss of light in the corners of the field, growing with the distance squared"
    )
    attenuation_length_um: float = Field(
        0.0,
        ge=0,
        description="depth at which light has fallen to 1/e: 200 two-photon, 50 to 100 visible (Helmchen and Denk 2005); 0: none",
    )
    bleached_share: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="share of the dye bleached by the end of the scan, which goes from the first plane on",
    )
    chromatic_shift_um: dict[str, tuple[float, float, float]] = Field(
        {}, description="by channel, z, y, x: { pulse = [0.15, 0.04, 0.04] }; lateral 0.02 to 0.1, axial 0.1 to 0.3"
    )
    motion_sd_um: tuple[float, float, float] = Field(
        (0.0, 0.0, 0.0),
        description="sd along z, y, x of what the sample moves after the first channel, pulse, by each other",
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        for name, shift in {**self.chromatic_shift_um, "motion_sd_um": self.motion_sd_um}.items():
            if max(map(abs, shift)) > MOST_SHIFT_UM:
                where = name if name == "motion_sd_um" else f"chromatic_shift_um of '{name}'"
                raise ValueError(
                    f"{where} = {list(shift)}: {MOST_SHIFT_UM:g} um is the most; it is in micrometres, 0.1 for 100 nm"
                )
        if min(self.motion_sd_um) < 0:
            raise ValueError(f"motion_sd_um = {list(self.motion_sd_um)}: a standard deviation is 0 or more")
        return self

    @property
    def is_uneven(self) -> bool:
        """Whether brightness is not 1 everywhere."""
        return self.exposure != 1 or max(self.illumination_falloff, self.attenuation_length_um, self.bleached_share) > 0

    def at_depth(self, depth_um: Any) -> Any:
        """Share of the light that is left on the way from a depth in the tissue [um]."""
        return np.exp(-depth_um / self.attenuation_length_um) if self.attenuation_length_um else 1.0

    def brightness(
        self, place_vox: Any, shape_vox: tuple[int, int, int], voxel_z_um: float, first_depth_um: float = 0.0
    ) -> Any:
        """Light from places (..., 3) [voxels] of an image: the exposure, on the axis at the surface of the tissue."""
        z = place_vox[..., 0]
        light = self.exposure * (1.0 - self.bleached_share) ** (z / max(shape_vox[0] - 1, 1))
        light = light * self.at_depth(first_depth_um + z * voxel_z_um)
        middle = [0.5 * (n - 1) for n in shape_vox[1:]]
        corner = max(middle[0] ** 2 + middle[1] ** 2, 1.0)
        squared = (place_vox[..., 1] - middle[0]) ** 2 + (place_vox[..., 2] - middle[1]) ** 2
        return light * np.maximum(1.0 - self.illumination_falloff * squared / corner, 0.0)

    def shift_um(self, channel: str, rng: np.random.Generator) -> Any:
        """Where a channel shows what lies at 0, (3,) [um]: its chromatic shift, and but for the first a motion from `rng`."""
        moved = rng.standard_normal(3) * self.motion_sd_um
        return np.array(self._chromatic(channel)) + (0.0 if channel == FIRST_CHANNEL else moved)

    def known_shift_um(self, channel: str) -> tuple[float, float, float] | None:
        """What an experimenter knows of that: the chromatic shift, by beads; None where the sample has moved besides."""
        return None if max(self.motion_sd_um) > 0 and channel != FIRST_CHANNEL else self._chromatic(channel)

    def _chromatic(self, channel: str) -> tuple[float, float, float]:
        return self.chromatic_shift_um.get(channel, (0.0, 0.0, 0.0))

    def leaks(self, channels: list[str]) -> list[tuple[int, int, float]]:
        """Bleed-through as (from, to, share) by the channels' indices; pairs with a channel that is not there left out."""
        known = {name: i for i, name in enumerate(channels)}
        pairs = ((known.get(a), known.get(b), share) for a, b, share in self.bleed_through)
        return [(a, b, share) for a, b, share in pairs if a is not None and b is not None and share > 0]
