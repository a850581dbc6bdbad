"""Puncta and pairs in images from any lab, of which nothing need be known but the voxel size."""

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from synimg.analysis.damage import is_near, share_lost
from synimg.analysis.pair import chance_pairs, pair
from synimg.analysis.puncta import Grey, contrast, find_puncta, noise_of, reach_vox
from synimg.analysis.quality import Missing
from synimg.errors import SynimgError
from synimg.model import Model
from synimg.store.image import Box
from synimg.streams import stream

Floats = NDArray[np.float64]
NOISY, SURE = 4.0, 5.0
"""Times the noise of contrasts: a threshold below the first finds noise, one at the second next to none."""


class ForeignSettings(Model):
    """How puncta are found in foreign images: one setting for all of them, so that counts can be compared."""

    threshold: float = Field(0.2, gt=0, lt=1, description="least contrast of a punctum, as a share of full scale")
    punctum_sigma_um: float = Field(
        0.17, gt=0, description="sd of a typical punctum; FWHM 0.34 to 0.48 um in stained tissue"
    )
    max_distance_um: float = Field(0.3, gt=0, description="farthest that the two puncta of a pair lie apart")
    n_shifts: int = Field(20, ge=3, description="shifted copies for the chance level")


@dataclass(frozen=True)
class Measured:
    """One image: its puncta, its pairs, a row of the summary, what a user must know, and what could not be read."""

    puncta: pd.DataFrame
    pairs: pd.DataFrame
    summary: dict[str, Any]
    warnings: list[str]
    missing: Missing = field(default_factory=Missing)


def measure_channels(
    name: str,
    channels: dict[str, Floats],
    voxel_um: Floats,
    settings: ForeignSettings,
    seed: int,
    grey: dict[str, Grey] | None = None,
    tops: dict[str, float] | None = None,
    lost: Sequence[Box] = (),
) -> Measured:
    """Puncta of every channel of an image, and pairs of the first two channels with their chance level.

    Parameters
    ----------
    name : str
        Of the image; its chance shifts have a stream of their own.
    channels : dict of (y, x) or (z, y, x) ndarray
        Grey levels as a share of full scale, by the channel's name.
    voxel_um : (axes,) ndarray
        Voxel size.
    settings : ForeignSettings
        The same for all images.
    seed : int
        Of the shifts.
    grey : dict of Grey, optional
        Each channel's camera, where it is known.
    tops : dict of float, optional
        From which share of full scale on a channel is saturated, if it is not 1.
    lost : sequence of Box
        What of the image (z, y, x) could not be read: there, and within a punctum's reach, nothing is measured.
    """
    tables, warnings, tops = [], list[str](), tops or dict.fromkeys(channels, 1.0)
    sigma_vox = settings.punctum_sigma_um / voxel_um
    for channel, image in channels.items():
        known, response = None if grey is None else grey[channel], contrast(image, sigma_vox)
        with _said_of(f"{name} ('{channel}')" if len(channels) > 1 else name):
            table = find_puncta(
                image, response, voxel_um, settings.punctum_sigma_um, settings.threshold, known, tops[channel]
            )
        table.insert(0, "channel", channel)
        tables.append(table)
        warnings += [f"{name}: {said}" for said in _of_threshold(channel, settings.threshold, response, len(table))]
    puncta = pd.concat(tables, ignore_index=True)
    missing = Missing()
    if lost:
        missing, near = _near_lost(puncta, lost, next(iter(channels.values())).shape, voxel_um, sigma_vox)
        puncta = puncta[~near].reset_index(drop=True)
    puncta.insert(0, "image", name)
    puncta.insert(1, "punctum_id", np.arange(1, len(puncta) + 1))
    size_um = np.array(next(iter(channels.values())).shape) * voxel_um
    area = float(size_um[-1] * size_um[-2]) * (1.0 - missing.share)
    summary: dict[str, Any] = {"image": name, "area_um2": area}
    for channel, image in channels.items():
        summary[f"n_{channel}"] = int((puncta["channel"] == channel).sum())
        summary[f"share_black_{channel}"] = float((image <= 0).mean())
        summary[f"share_saturated_{channel}"] = float((image >= tops[channel]).mean())
        summary[f"share_negative_{channel}"] = float((image < 0).mean())
    summary["share_missing"] = missing.share
    pairs = pd.DataFrame({"image": pd.Series(dtype="str")})
    if len(channels) >= 2:
        pairs, numbers = _pairs(name, puncta, list(channels)[:2], size_um, settings, seed, missing.share)
        summary |= numbers | {"excess_per_100um2": 100 * numbers["n_excess"] / area}
    warnings = [f"{name}: {sentence}" for sentence in missing.sentences()] + warnings
    return Measured(puncta, pairs, summary, warnings, missing)


def _of_threshold(channel: str, threshold: float, response: Floats, n_found: int) -> list[str]:
    """What to say of a threshold that finds nothing, or noise."""
    noise, highest, for_all = (
        SURE * noise_of(response),
        float(response.max()),
        "one number for all images to be compared",
    )
    if not n_found:
        return [
            f"no punctum of '{channel}' has a contrast of {threshold:g} of full scale; the highest is {highest:.2g} (noise makes "
            f"up to {noise:.2g}: try --threshold {max(noise, 0.1 * highest):.2g}, {for_all})"
        ]
    if threshold * SURE < NOISY * noise:
        return [
            f"noise makes contrasts up to {noise:.2g} of full scale in '{channel}', so that many of its puncta may be noise: raise "
            f"--threshold to {noise:.2g}, {for_all}"
        ]
    return []


def _near_lost(
    puncta: pd.DataFrame, lost: Sequence[Box], shape: tuple[int, ...], voxel_um: Floats, sigma_vox: Floats
) -> tuple[Missing, NDArray[np.bool_]]:
    """What is missing where boxes (z, y, x) are lost, and which puncta lie in them or so near that a part of them may be."""
    flat = 3 - voxel_um.size
    margin: Any = (*[0] * flat, *reach_vox(sigma_vox).tolist())
    boxes: Any = [tuple(numbers[flat:] for numbers in box) for box in lost]
    missing = Missing.of(boxes, voxel_um.tolist(), share_lost(lost, margin, (*[1] * flat, *shape)))
    at = puncta[["z_um", "y_um", "x_um"][flat:]].to_numpy(float) / voxel_um
    return missing, is_near(np.column_stack([np.zeros((len(at), flat)), at]), lost, margin)


def _pairs(
    name: str,
    puncta: pd.DataFrame,
    channels: list[str],
    size_um: Floats,
    settings: ForeignSettings,
    seed: int,
    share_lost: float,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Pairs of two channels, and their numbers."""
    axes = [axis for axis in ("z_um", "y_um", "x_um") if axis in puncta]
    first, second = (puncta[puncta["channel"] == channel] for channel in channels)
    pre, post = first[axes].to_numpy(float), second[axes].to_numpy(float)
    i, j = pair(pre, post, settings.max_distance_um)
    rng = stream(seed, "measure", "chance", name)
    chance = chance_pairs(pre, post, size_um, settings.max_distance_um, settings.n_shifts, rng, share_lost)
    pairs = pd.DataFrame(
        {
            "image": name,
            "pair_id": np.arange(1, i.size + 1),
            f"{channels[0]}_id": first["punctum_id"].to_numpy()[i],
            f"{channels[1]}_id": second["punctum_id"].to_numpy()[j],
            **{axis: 0.5 * (pre[i, k] + post[j, k]) for k, axis in enumerate(axes)},
            "distance_um": np.linalg.norm(pre[i] - post[j], axis=1),
        }
    )
    numbers = {
        "n_pairs": int(i.size),
        "n_chance": chance.mean,
        "n_chance_sd": chance.sd,
        "n_excess": float(i.size - chance.mean),
        "p_value": chance.p_value,
    }
    return pairs, numbers


@contextlib.contextmanager
def _said_of(where: str) -> Iterator[None]:
    """Name the image in what is said of it."""
    try:
        yield
    except SynimgError as error:
        raise SynimgError(f"{where}: {error}") from None
