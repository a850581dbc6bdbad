"""The section `receptors` of a configuration."""

from typing import Literal, Self

import pydantic
from pydantic import Field

from synimg.model import Model


class Receptors(Model):
    """Spines and their AMPA receptors at the start of the window, and their turnover."""

    contacts_per_edge: tuple[float, ...] = Field(
        (0.891, 0.0922, 0.0138, 0.0030),
        description="probability of 1, 2, ... contacts of a connection (Dorkenwald 2022, Table 1)",
    )
    head_volume_small_log10_um3: tuple[float, float] = Field(
        (-1.42, 0.24), description="mean and sd of the small spine heads' log10 volume (Dorkenwald 2022, Table 2)"
    )
    head_volume_large_log10_um3: tuple[float, float] = Field(
        (-0.77, 0.22), description="mean and sd of the large ones (same table)"
    )
    share_large: tuple[float, ...] = Field(
        (0.19, 0.42, 0.64),
        description="share of large heads in connections of 1, 2, ... contacts, the last for more (same paper, Tables 2, 3)",
    )
    state_correlation: float = Field(
        0.64, ge=0, le=1, description="phi of small or large between contacts of a connection (same paper, Fig. 4)"
    )
    psd_exponent: float = Field(0.74, gt=0, description="slope of ln PSD area on ln head volume (Scholl, ferret V1)")
    psd_sd_ln: float = Field(0.3, ge=0, description="scatter of ln PSD area around that line")
    receptors_mean: float = Field(60.0, gt=0, description="mean AMPA receptors per synapse; 20 to 100 (Harris 2012)")
    exchange_per_day: float = Field(
        0.4, ge=0, description="receptor exchange rate k; 1/k = 2.5 days (a free parameter)"
    )
    depression: Literal["reduced_insertion", "label_blind_removal"] = Field(
        "reduced_insertion", description="how a synapse shrinks; label-blind removal hides it from the ratio"
    )

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if not self.contacts_per_edge or abs(sum(self.contacts_per_edge) - 1) > 1e-6 or min(self.contacts_per_edge) < 0:
            raise ValueError(f"contacts_per_edge sums to {sum(self.contacts_per_edge):g}; probabilities sum to 1")
        if not self.share_large or not all(0 <= share <= 1 for share in self.share_large):
            raise ValueError(
                f"share_large = {list(self.share_large)}: give at least one share, each from 0 to 1, "
                "for connections of 1, 2, ... contacts"
            )
        return self

    @property
    def share_large_overall(self) -> float:
        """Expected share of large heads among all contacts."""
        numbers = range(1, len(self.contacts_per_edge) + 1)
        contacts = [n * p for n, p in zip(numbers, self.contacts_per_edge, strict=True)]
        large = [
            c * self.share_large[min(n, len(self.share_large)) - 1] for n, c in zip(numbers, contacts, strict=True)
        ]
        return sum(large) / sum(contacts)
