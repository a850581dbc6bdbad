"""The section `imported` of a configuration."""

from pydantic import Field

from synimg.model import Model


class Imported(Model):
    """A network from another simulator in place of ours; empty: the network is built and trained here."""

    edges: str = Field(
        "", description="table (.parquet, .csv) of pre, post, weight_before, weight_after, or SONATA edges (.h5)"
    )
    edges_after: str = Field("", description="SONATA edges after the window, where each file has syn_weight alone")
    cells: str = Field("", description="table of cell_id, cell_type (E or I), and x, y, rate_start, rate_end if known")
    population: str = Field("", description="edge population of a SONATA file with several")
