"""Learning that multiplies all inputs of some cells alike, and so looks like homeostasis."""

from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from synimg.model import Model
from synimg.phantoms.rules.protocol import Floats, Floats32, Ints, Shape, Trials


class WholeCell(Model):
    """All excitatory inputs of a quarter of the pyramidal cells double while a rule is learned (piriform cortex, PMC3708920).

    Notes
    -----
    The logarithm grows by the same step in every update, so that the factor is reached at the end of the window. Which
    cells these are is drawn, as no cause is known; the task itself is left to the read-out. Without contingency, in a
    yoked animal, nothing grows. In the source inhibition doubles too; here it stays.
    """

    kind: Literal["whole_cell"] = "whole_cell"
    share_cells: float = Field(0.25, ge=0, le=1, description="share of the excitatory cells whose inputs all grow")
    factor: float = Field(2.0, gt=0, le=5, description="growth of each of their inputs by the end of the window")

    objectives: ClassVar[tuple[str, ...]] = ("task",)
    trains_readout: ClassVar[bool] = True
    draws_action: ClassVar[bool] = False

    def start(self, n_edges: int, shape: Shape, rng: np.random.Generator) -> Any:
        """The lot of every cell, and the step per update."""
        step = np.log(self.factor) / shape.n_updates if shape.is_contingent else 0.0
        return rng.random(shape.n_units), step

    def perturbation(self, shape: tuple[int, int, int], rng: np.random.Generator) -> Floats32 | None:
        """None."""
        return None

    def step(self, trials: Trials, pre: Ints, post: Ints, memory: Any) -> tuple[Floats, Any]:
        """The same change for all inputs of the cells drawn."""
        lot, step = memory
        cells = np.flatnonzero(trials.is_excitatory)
        drawn = cells[np.argsort(lot[cells])[: round(self.share_cells * cells.size)]]
        grows = np.zeros(lot.size, bool)
        grows[drawn] = True
        return step * grows[post][None].astype(float), memory

    def slope(self, memory: Any) -> Floats | None:
        """None."""
        return None


part = WholeCell
