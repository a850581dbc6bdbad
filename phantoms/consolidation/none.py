"""No consolidation: each task may overwrite those before."""

from typing import Literal

from synimg.phantoms.consolidation.base import Quiet


class Nothing(Quiet):
    """Nothing holds a synapse where it is."""

    kind: Literal["none"] = "none"


part = Nothing
