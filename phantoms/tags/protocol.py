"""What a tag does: dyes on old and on new receptors."""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Labelled:
    """Dyes per contact: (n_contacts,) integer counts in the pulse and in the chase channel."""

    old: Ints
    new: Ints


class Tag(Protocol):
    """A labelling scheme."""

    kind: str

    def label(self, r_old: Ints, r_new: Ints, rng: np.random.Generator) -> Labelled:
        """Dyes on each contact with `r_old` and `r_new` receptors."""
        ...

    def chemistry(self) -> dict[str, Any]:
        """What the experimenter knows of the labelling, for calibration."""
        ...
