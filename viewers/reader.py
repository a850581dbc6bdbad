"""napari's reader: data set folders, and OME-Zarr images of any lab with a synapse table beside them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from synimg.errors import SynimgError

NOTHING = (None,)
"""What a reader returns that has opened no layer, by npe2's convention; an empty list would be an error of its own."""


def get_reader(path: str | list[str]) -> Callable[[Any], list[Any]] | None:
    """A function that reads `path` into layers, or None if it is no folder.

    napari asks the user which reader is meant before it asks one about a folder. So a folder that is none of ours is
    read too, and its reader tells what would be; what fails shows one sentence and opens nothing.
    """
    where = Path(path[0] if isinstance(path, list) else path)
    if not where.is_dir():
        return None
    if (where / "dataset.json").is_file() or not where.name.endswith(".zarr"):
        return _told_in_a_sentence(read)
    if (where.parent / "dataset.json").is_file() and where.name == "image.ome.zarr":
        return _told_in_a_sentence(read_parent)
    return _told_in_a_sentence(read_image)


def _told_in_a_sentence(reader: Callable[[Any], list[Any]]) -> Callable[[Any], list[Any]]:
    """A reader that shows the sentence of an error and opens nothing, instead of raising it."""
    from synimg.viewers.widgets.say import says_errors

    def read_or_tell(path: str | list[str]) -> list[Any]:
        return says_errors(reader)(path) or [NOTHING]

    return read_or_tell


def read(path: str | list[str]) -> list[Any]:
    """Layers of the data set at `path`, as napari takes them."""
    from synimg.viewers.layers import layers_of
    from synimg.viewers.view import with_colormaps

    return _told(with_colormaps(layers_of(path[0] if isinstance(path, list) else path)))


def read_parent(path: str | list[str]) -> list[Any]:
    """Layers of the data set that an image belongs to."""
    return read(str(Path(path[0] if isinstance(path, list) else path).parent))


def read_image(path: str | list[str]) -> list[Any]:
    """Layers of an image of any lab and of the table beside it."""
    from synimg.viewers.foreign import layers_of_image, table_beside, tables_for
    from synimg.viewers.view import with_colormaps

    image = Path(path[0] if isinstance(path, list) else path)
    table = table_beside(image)
    if table is None:
        raise SynimgError(
            f"{image}: no synapse table beside it; synimg reads an image with one, such as {tables_for(image)[0].name}"
        )
    layers = layers_of_image(image, table)
    n_outside = layers[-1][1]["metadata"]["synimg"]["n_outside"]
    if n_outside:
        from napari.utils.notifications import show_warning

        show_warning(f"{table.name}: {n_outside} synapses lie outside the image; they are shown where the table says")
    return _told(with_colormaps(layers))


def _told(layers: list[Any]) -> list[Any]:
    """The layers, after a word on what makes many synapses fast."""
    from synimg.viewers.layers import MOST_DRAWN

    most = max((len(data) for data, _, kind in layers if kind == "points"), default=0)
    if most > MOST_DRAWN:
        from napari.utils.notifications import show_info

        show_info(f"{most} synapses are slow to draw one by one; Layers > Visualize > Synapse browser makes them fast")
    return layers
