"""What a user chose in napari's Preferences > Plugins > synimg; it persists."""

from dataclasses import dataclass
from typing import Any

from synimg.viewers.synapse_map import CALLED_FDR


@dataclass(frozen=True)
class Settings:
    """Values of the settings page.

    fdr : false discovery rate at which synapses are called
    point_scale : factor on the diameter of all points
    author : name that edits are kept under; the account's if empty
    """

    fdr: float = CALLED_FDR
    point_scale: float = 1.0
    author: str = ""


def read_settings() -> Settings:
    """The settings as they are now; the defaults where napari does not know the plugin."""
    view = _page()
    return Settings() if view is None else Settings(float(view.fdr), float(view.point_scale), str(view.author))


def keep_setting(name: str, value: Any) -> None:
    """Keep a setting for the next time."""
    view = _page()
    if view is not None:
        setattr(view, name, value)


def _page() -> Any:
    from napari.settings import get_plugin_settings

    try:
        return get_plugin_settings("synimg").view
    except (KeyError, AttributeError):  # installed without its manifest
        return None
