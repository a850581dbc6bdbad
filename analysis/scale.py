"""Errors that all counts of a recording share: factors that no number of synapses averages out."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from synimg.analysis.recording import Recording
from synimg.model import Model


class Scale(Model):
    """Standard errors of the factors on all of `r_old` and all of `r_new`, which are not in the rows' errors."""

    old_se: float = Field(0.0, ge=0, description="relative, of r_old")
    new_se: float = Field(0.0, ge=0, description="relative, of r_new")
    ratio_se: float = Field(0.0, ge=0, description="relative, of r_new over r_old")
    mixing_se: float = Field(
        0.0,
        ge=0,
        description="receptors in r_new for each in r_old, by bleed-through and labelling; in r_new_se of every row, too",
    )

    @property
    def is_stated(self) -> bool:
        """Whether any of them is."""
        return max(self.old_se, self.new_se, self.mixing_se) > 0

    @classmethod
    def largest(cls, scales: Sequence["Scale"]) -> "Scale":
        """Of recordings that were calibrated together: the largest of each error."""
        return cls(**{name: max((getattr(one, name) for one in scales), default=0.0) for name in cls.model_fields})

    def headlines(self) -> dict[str, str]:
        """The numbers as text, where there are any."""
        if not self.is_stated:
            return {}
        return {
            "common factor of old, new": f"+- {self.old_se:.1%}, {self.new_se:.1%}; of new over old {self.ratio_se:.1%}",
            "common share of old in new": f"+- {self.mixing_se:.2%}",
        }


def scale_of(recording: Recording) -> Scale:
    """The common errors of a recording's counts, from the standard errors that it states.

    Notes
    -----
    Light of a dye, camera gain and labelling efficiency are factors. One light for both dyes, and the gain, move both counts
    alike and leave their ratio; the gain drops out of both where the light was measured with the same camera. An error of the
    camera's offset is in no count: the fit is above a local background. To first order: what two dyes' lights and the chase do
    to the few old receptors that count as new is left out.
    """
    camera, tag = recording.camera, recording.tag
    gain = float(getattr(camera, "gain_adu_per_electron_se", 0.0)) / camera.gain_adu_per_electron
    own, gains, is_own = [], [], []
    for index, name in zip(recording.receptor_index, ("pulse", "chase"), strict=True):
        channel = recording.channels[index]
        dye = recording if channel.photons_per_receptor is None else channel
        efficiency = float(tag.get(f"{name}_efficiency_se", 0.0)) / float(tag.get(f"{name}_efficiency", 1.0))
        own.append((dye.photons_per_receptor_se / (dye.photons_per_receptor or 1.0), efficiency))
        gains.append(0.0 if dye.photons_by_camera else gain)
        is_own.append(channel.photons_per_receptor is not None)
    old, new = (float(np.hypot(np.hypot(*errors), g)) for errors, g in zip(own, gains, strict=True))
    photons = 0.0 if any(is_own) else own[0][0] ** 2
    shared = photons + gains[0] * gains[1]
    return Scale(
        old_se=old,
        new_se=new,
        ratio_se=float(np.sqrt(max(old**2 + new**2 - 2.0 * shared, 0.0))),
        mixing_se=_mixing(recording),
    )


def _mixing(recording: Recording) -> float:
    """Error of the share of old receptors that counts as new: of bleed-through and of the tag's leak."""
    tag, (old, new) = recording.tag, recording.receptor_index
    p, b, q = (float(tag.get(f"{name}_efficiency", 1.0)) for name in ("pulse", "blocking", "chase"))
    p_se, b_se = (float(tag.get(f"{name}_efficiency_se", 0.0)) for name in ("pulse", "blocking"))
    bleed_se = recording.bleed()[1][1, 0]
    # a receptor has p dyes of the old kind; their electrons in the new channel count there as receptors
    of_light = bleed_se * p * recording.electrons_per_dye(old) / (q * recording.electrons_per_dye(new))
    return float(np.sqrt(of_light**2 + (p_se * (1.0 - b) / p) ** 2 + (b_se * (1.0 - p)) ** 2))
