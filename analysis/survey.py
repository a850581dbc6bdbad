"""What bright puncta that stand alone say of the optics: the point spread function's width and the channels' shift."""

from dataclasses import dataclass

import numba as nb
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field

from synimg.analysis.blob import fit_blob
from synimg.analysis.fit import Fit, Scene, model_of
from synimg.analysis.spread import isolated
from synimg.model import Model

Floats = NDArray[np.float64]
ALONE = 6.0  # PSF widths to the next punctum
WINDOW = 3.2  # PSF widths around the middle that are fitted
MOST = 120  # puncta per block
LEAST_CERTAIN = 8.0  # a count over its standard error
ORIENTATION_CV = {"z": 0.45, "lateral": 0.22}  # a disc in any direction: sd over mean of its variance along an axis
SIZE_CV = 0.3  # of a synapse's area at given receptors
SIZE_ERROR = (
    0.1  # of the synapses' mean variance: they are discs, not Gaussians, and grow with receptors only on average
)
OWN_SIZE_UM2 = (
    0.005  # sd beforehand of the synapses' mean variance: where all are as bright, none can tell it from the optics
)
KNOWN = 0.2  # largest standard error of a width that is known, as a share of it
LEAST_PUNCTA = 12
LEAST_NOISE = 2000
DARK = 0.02  # light of puncta over background, below which there is no punctum
WORTH_SAYING = 0.05
WORTH_SAYING_UM = 0.02
WORTH_SAYING_NOISE = 0.1
WIDTH_TOLERANCE = 0.03  # of a stated width
SURE_CHI2 = 16.0


@dataclass(frozen=True)
class Survey:
    """What a block says.

    puncta : DataFrame, a row for each punctum and channel: `channel`, `punctum`, `depth_um`, `total` and `electrons`, places
        ``z``, ``y``, ``x`` beside the one of the joint fit [um], variances ``var_z``, ``var_lateral`` [um^2] with ``_se``
    profile : DataFrame, mean light around them: `channel`, `axis`, `bin`, sums of `light` (over a punctum's electrons), of its
        `variance`, and the number `n` of voxels
    noise : (channel, 3) ndarray, where no punctum is: variance that was seen, that is expected, each summed, and their number
    """

    puncta: pd.DataFrame
    profile: pd.DataFrame
    noise: Floats


N_BINS, BINS_PER_WIDTH = 11, 2.5


def survey(scene: Scene, fit: Fit) -> Survey:
    """The bright puncta of a block that stand alone, each channel fitted by itself with free widths."""
    total = fit.electrons.sum(axis=1)
    alone = np.flatnonzero(isolated(fit.points_vox, scene.psf_vox, ALONE))
    used = alone[np.argsort(-total[alone], kind="stable")][:MOST]
    rows, profile = [], np.zeros((len(scene.data), 2, N_BINS, 3))
    for c, data in enumerate(scene.data):
        for i in used:
            at = fit.points_vox[i] + scene.shift_vox[c]
            window = _window(at, scene.psf_vox[c], data.shape)
            if window is None:
                continue
            blob = fit_blob(
                data[window], window, at, fit.electrons[i, c], scene.psf_vox[c] * scene.voxel_um, scene.voxel_um
            )
            if blob is None:
                continue
            value, se = blob
            away = (value[:3] - at) * scene.voxel_um
            if value[3] < LEAST_CERTAIN * se[3] or np.abs(away[1:]).max() > 0.15:
                continue
            rows.append((c, i, at[0] * scene.voxel_um[0], total[i], value[3], *away, *value[5:], *se[5:]))
            _add_profile(profile[c], data[window], window, value, scene.psf_vox[c], scene.voxel_um)
    names = ["channel", "punctum", "depth_um", "total", "electrons", "z", "y", "x", "var_z", "var_lateral"]
    table = pd.DataFrame(rows, columns=[*names, "var_z_se", "var_lateral_se"])
    index = pd.MultiIndex.from_product(
        [range(len(scene.data)), ("z", "lateral"), range(N_BINS)], names=["channel", "axis", "bin"]
    )
    light = pd.DataFrame(profile.reshape(-1, 3), columns=["light", "variance", "n"], index=index).reset_index()
    return Survey(table, light, noise_of(scene, fit))


def noise_of(scene: Scene, fit: Fit) -> Floats:
    """Sums over places without puncta of the squared noise, of its expected variance, and their number (channel, 3).

    Notes
    -----
    Differences between neighbours along z, y and x in turn: what is left of 2 x 2 x 2 voxels is noise, whatever smooth
    background lies below.
    """
    model = model_of(scene, fit)
    return np.array([_noise(*channel) for channel in zip(scene.data, scene.background, model, strict=True)])


@nb.njit(cache=True, nogil=True)
def _noise(data: Floats, background: Floats, model: Floats) -> Floats:
    n_z, n_y, n_x = data.shape
    sums = np.zeros(3)
    for z in range(n_z - 1):
        for y in range(n_y - 1):
            for x in range(n_x - 1):
                difference, variance, bright = 0.0, 0.0, -np.inf
                for i in range(2):
                    for j in range(2):
                        for k in range(2):
                            at = z + i, y + j, x + k
                            sign = 1.0 - 2.0 * ((i + j + k) % 2)
                            difference += sign * data[at]
                            variance += background[at]
                            bright = max(bright, model[at] - background[at])
                if bright < DARK * variance / 8.0:
                    sums[0] += difference**2
                    sums[1] += variance
                    sums[2] += 1.0
    return sums


def _window(at: Floats, psf: Floats, shape: tuple[int, ...]) -> tuple[slice, ...] | None:
    """The voxels around a place; None where they are cut by a face."""
    reach, middle = np.ceil(WINDOW * psf).astype(int), np.rint(at).astype(int)
    low, high = middle - reach, middle + reach + 1
    if (low < 0).any() or (high > shape).any():
        return None
    return tuple(slice(int(a), int(b)) for a, b in zip(low, high, strict=True))


def _add_profile(
    sums: Floats, data: Floats, window: tuple[slice, ...], blob: Floats, psf_vox: Floats, voxel_um: Floats
) -> None:
    """Add a punctum's light, over its electrons, to the profiles along z (near its axis) and across (near its plane)."""
    grid = np.meshgrid(*(np.arange(s.start, s.stop) for s in window), indexing="ij")
    z, y, x = ((g - m) / s for g, m, s in zip(grid, blob[:3], psf_vox, strict=True))
    across, along = np.hypot(y, x), np.abs(z)
    for axis, (far, near) in enumerate(((along, across), (across, along))):
        at = np.rint(far[near < 1.0] * BINS_PER_WIDTH).astype(int)
        ok = at < N_BINS
        values = data[near < 1.0][ok]
        sums[axis, :, 0] += np.bincount(at[ok], (values - blob[4]) / blob[3], N_BINS)
        sums[axis, :, 1] += np.bincount(at[ok], values / blob[3] ** 2, N_BINS)
        sums[axis, :, 2] += np.bincount(at[ok], minlength=N_BINS)


class Width(Model):
    """The point spread function's width along an axis, as puncta show it and as it is stated."""

    measured_um: float = Field(description="sd of the best Gaussian")
    se_um: float = Field(description="its standard error")
    stated_um: float = Field(description="sd that was stated")

    @property
    def excess(self) -> float:
        """Measured over stated, less one."""
        return self.measured_um / self.stated_um - 1.0

    @property
    def is_off(self) -> bool:
        """Whether the difference is beyond chance and matters."""
        return abs(self.excess) > max(WORTH_SAYING, 3.0 * self.se_um / self.stated_um)

    @property
    def is_known(self) -> bool:
        """Whether it can take the stated one's place."""
        return self.se_um < KNOWN * self.measured_um


class ChannelOptics(Model):
    """What puncta say of a channel."""

    channel: str = Field(description="its name")
    n_puncta: int = Field(description="puncta that were used")
    noise_ratio: float | None = Field(
        None, description="variance of the noise between puncta over what camera and background say; null if unknown"
    )
    noise_ratio_se: float | None = Field(None, description="its standard error")
    axial: Width | None = Field(None, description="along z; null if there were too few puncta")
    lateral: Width | None = Field(None, description="along y and x")
    by_depth: list[tuple[float, float, float]] = Field(
        default_factory=list,
        description="depth [um], axial and lateral width over the stated one, in thirds of the depth",
    )
    profiles: dict[str, list[tuple[float, float, float, float]]] = Field(
        default_factory=dict,
        description="along z and lateral: distance [um], light, its standard error, and light by the stated width; the middle is 1",
    )


class OpticsCheck(Model):
    """What puncta say of the optics."""

    channels: list[ChannelOptics] = Field(description="the receptor channels")
    spread_um2_per_electron: float = Field(description="variance of a synapse per electron, beside the widths")
    shift_um: list[float] | None = Field(
        None, description="the second channel beside the first: z, y, x, what is stated included; null if unknown"
    )
    shift_se_um: list[float] | None = Field(None, description="its standard error")
    stated_shift_um: list[float] = Field(description="the shift that was stated")

    def warnings(self) -> list[str]:
        """What a user must know, a sentence each."""
        said = self._exchanged()
        for c in self.channels:
            if c.noise_ratio is not None and c.noise_ratio_se is not None:
                if abs(c.noise_ratio - 1.0) > max(WORTH_SAYING_NOISE, 3.0 * c.noise_ratio_se):
                    said.append(
                        f"the noise of '{c.channel}' has {c.noise_ratio:.2f} times the variance that the camera's offset, gain "
                        "and read noise say: one of them is wrong, and so are counts and their errors"
                    )
            for along, width in (("axially", c.axial), ("laterally", c.lateral)):
                if width is not None and width.is_off:
                    wider = "wider" if width.excess > 0 else "narrower"
                    said.append(
                        f"the point spread function of '{c.channel}' is {abs(width.excess):.0%} (+- "
                        f"{width.se_um / width.stated_um:.0%}) {wider} {along} than stated, {width.measured_um:.3f} um "
                        f"instead of {width.stated_um:.3f} um: counts and their errors are off; see the figure 'optics', and "
                        "measure with --psf puncta to take the widths from the puncta"
                    )
        if self.shift_um is not None and self.shift_se_um is not None:
            off = np.array(self.shift_um) - self.stated_shift_um
            if (np.abs(off) > np.maximum(WORTH_SAYING_UM, 3.0 * np.array(self.shift_se_um))).any():
                found, stated = (", ".join(f"{v:.3f}" for v in s) for s in (self.shift_um, self.stated_shift_um))
                said.append(
                    f"'{self.channels[1].channel}' lies {found} um (z, y, x) beside '{self.channels[0].channel}', stated are "
                    f"{stated} um"
                )
        return said

    def _exchanged(self) -> list[str]:
        """That two channels show each other's point spread function, if they do."""
        if len(self.channels) != 2:
            return []
        own = other = 0.0
        for here, there in (self.channels, self.channels[::-1]):
            for seen, elsewhere in ((here.axial, there.axial), (here.lateral, there.lateral)):
                if seen is None or elsewhere is None:
                    return []
                error = np.hypot(seen.se_um, WIDTH_TOLERANCE * seen.stated_um)
                own += ((seen.measured_um - seen.stated_um) / error) ** 2
                other += ((seen.measured_um - elsewhere.stated_um) / error) ** 2
        if own - other < SURE_CHI2:
            return []
        first, second = (c.channel for c in self.channels)
        return [
            f"the puncta of '{first}' have the widths that are stated for '{second}', and the other way round: the two channels "
            "seem to be exchanged"
        ]


def check_optics(
    surveys: list[Survey], replicas: list[Survey], names: list[str], psf_um: Floats, shift_um: Floats
) -> OpticsCheck:
    """Pool the surveys of some blocks.

    Parameters
    ----------
    surveys, replicas : list of Survey
        Of the blocks, and of their replicas, which have the stated widths.
    names : list of str
        Channels.
    psf_um, shift_um : (channel, 3) ndarray
        Widths and shifts that are stated.

    Notes
    -----
    The variance of a punctum is that of the point spread function plus the synapse's own, which grows with its receptors
    (as its area does): a line in the counts, whose slope all channels and axes share, and whose intercepts are the optics.
    Weights by iteration; Huber's, since a pair that was taken for one is wide. In a crowd that is not enough: what the same
    estimate makes of replicas whose width is known is what it makes wrong, and is divided out. Standard errors hold a tenth
    of the synapses' own variance, too: laterally, where they are as wide as the optics, less is known than axially.
    """
    rows, copies = (
        pd.concat([s.puncta.assign(block=k) for k, s in enumerate(group)], ignore_index=True)
        for group in (surveys, replicas)
    )
    profile = (
        pd.concat([s.profile for s in surveys]).groupby(["channel", "axis", "bin"])[["light", "variance", "n"]].sum()
    )
    noise: Floats = np.asarray(np.sum([s.noise for s in surveys], axis=0))
    line, copied = _line(rows, len(names)), _line(copies, len(names))
    channels = []
    for c, name in enumerate(names):
        own = rows[rows["channel"] == c]
        ratio = {}
        if noise[c, 2] > LEAST_NOISE:
            # a square of 8 normal numbers' sum scatters by the root of 2, and each voxel is in 8 of them
            ratio = {"noise_ratio": noise[c, 0] / noise[c, 1], "noise_ratio_se": 4.0 / float(np.sqrt(noise[c, 2]))}
        if line is None or copied is None or min(len(own), (copies["channel"] == c).sum()) < LEAST_PUNCTA:
            channels.append(ChannelOptics(channel=name, n_puncta=len(own), **ratio))
            continue
        stated = np.array([psf_um[c, 0], np.sqrt(psf_um[c, 1] * psf_um[c, 2])])
        (width, se), (copy, copy_se) = (_widths(found, c) for found in (line, copied))
        corrected = width * stated / copy
        own_size = SIZE_ERROR * line[2] * float(own["total"].mean()) / (2.0 * stated**2)
        error = corrected * np.sqrt((se / width) ** 2 + (copy_se / copy) ** 2 + own_size**2)
        axial, lateral = (
            Width(measured_um=float(corrected[a]), se_um=float(error[a]), stated_um=float(stated[a])) for a in range(2)
        )
        channels.append(
            ChannelOptics(
                channel=name,
                n_puncta=len(own),
                **ratio,
                axial=axial,
                lateral=lateral,
                by_depth=_by_depth(own, line[2], copy),
                profiles=_profiles(own, profile, c, line[2], stated),
            )
        )
    shift, shift_se = _shift(rows)
    apart = shift_um[1] - shift_um[0] if len(names) > 1 else np.zeros(3)
    return OpticsCheck(
        channels=channels,
        spread_um2_per_electron=0.0 if line is None else line[2],
        shift_um=None if shift is None else [float(v) for v in shift + apart],
        shift_se_um=None if shift_se is None else [float(v) for v in shift_se],
        stated_shift_um=[float(v) for v in apart],
    )


def _line(rows: pd.DataFrame, n_channels: int) -> tuple[Floats, Floats, float] | None:
    """Variances (2 per channel) of the optics [um^2], their standard errors, and the synapses' variance per electron."""
    counts = rows["channel"].value_counts()
    if len(rows) < LEAST_PUNCTA or counts.max() < LEAST_PUNCTA:
        return None
    n = len(rows)
    design = np.zeros((2 * n, 2 * n_channels + 1))
    channel = rows["channel"].to_numpy(int)
    design[np.arange(n), 2 * channel] = 1.0
    design[n + np.arange(n), 2 * channel + 1] = 1.0
    total = np.tile(rows["total"].to_numpy(float), 2)
    design[:, -1] = total
    value = rows[["var_z", "var_lateral"]].to_numpy(float).T.ravel()
    se = rows[["var_z_se", "var_lateral_se"]].to_numpy(float).T.ravel()
    cv = np.repeat([np.hypot(ORIENTATION_CV["z"], SIZE_CV), np.hypot(ORIENTATION_CV["lateral"], SIZE_CV)], n)
    used = design.any(axis=0)
    p = np.zeros(design.shape[1])
    relative = se / value  # a width that comes out small has a small error: in proportion to what is expected instead
    weight = 1.0 / (relative * np.repeat([np.median(v) for v in np.split(value, 2)], n)) ** 2
    for _ in range(30):
        left = design[:, used] * weight[:, None]
        normal = left.T @ design[:, used]
        normal[-1, -1] += (total.mean() / OWN_SIZE_UM2) ** 2
        p[used] = np.linalg.solve(normal, left.T @ value)
        p[-1] = max(p[-1], 0.0)
        if p[-1] == 0.0:  # no synapse is smaller than a point: the intercepts alone
            for k in range(2 * n_channels):
                mine = design[:, k] > 0
                p[k] = np.average(value[mine], weights=weight[mine]) if mine.any() else 0.0
        expected = np.maximum(design @ p, 0.3 * value)
        sd = np.hypot(relative * expected, cv * p[-1] * total)
        off = np.abs(value - design @ p) / sd
        weight = np.minimum(1.0, 1.5 / np.maximum(off, 1e-9)) / sd**2
    error = np.zeros(design.shape[1])
    error[used] = np.sqrt(np.diag(np.linalg.inv(normal)))
    return p[:-1], error[:-1], float(p[-1])


def _widths(line: tuple[Floats, Floats, float], c: int) -> tuple[Floats, Floats]:
    """Axial and lateral width [um] of a channel, and their standard errors."""
    variance, se = (v[2 * c : 2 * c + 2] for v in line[:2])
    width = np.sqrt(np.maximum(variance, 1e-6))
    return width, 0.5 * se / width


def _by_depth(own: pd.DataFrame, spread: float, stated: Floats) -> list[tuple[float, float, float]]:
    """Widths over the stated ones in thirds of the depth, medians."""
    if len(own) < 3 * LEAST_PUNCTA:
        return []
    out = []
    for _, part in own.groupby(pd.qcut(own["depth_um"], 3, duplicates="drop"), observed=True):
        axes = [np.median(part[name] - spread * part["total"]) for name in ("var_z", "var_lateral")]
        z, lateral = np.sqrt(np.maximum(axes, 0.0)) / stated
        out.append((float(part["depth_um"].mean()), float(z), float(lateral)))
    return out


def _profiles(
    own: pd.DataFrame, light: pd.DataFrame, channel: int, spread: float, stated: Floats
) -> dict[str, list[tuple[float, float, float, float]]]:
    """Mean profiles and what the stated widths would give, the middle of the measured one being 1."""
    out = {}
    extra = spread * own["total"].to_numpy(float)
    for axis, width in zip(("z", "lateral"), stated, strict=True):
        rows = light.xs((channel, axis))
        distance = np.arange(N_BINS) / BINS_PER_WIDTH * width
        value = (rows["light"] / rows["n"].clip(lower=1)).to_numpy(float)
        se = (np.sqrt(rows["variance"]) / rows["n"].clip(lower=1)).to_numpy(float)
        variance = width**2 + extra[:, None]
        expected = (np.exp(-0.5 * distance**2 / variance) / variance).mean(axis=0)
        top = max(value[0], 1e-12)
        columns = (distance, value / top, se / top, expected / expected[0])
        out[axis] = [tuple(float(v) for v in row) for row in zip(*columns, strict=True)]
    return out  # type: ignore[return-value]


def _shift(rows: pd.DataFrame) -> tuple[Floats | None, Floats | None]:
    """Place of the second channel beside the first, where both show a punctum: medians, and their standard errors."""
    key = ["block", "punctum"]
    both = rows[rows["channel"] == 0].merge(rows[rows["channel"] == 1], on=key, suffixes=("", "_1"))
    if len(both) < LEAST_PUNCTA:
        return None, None
    apart = np.column_stack([both[f"{axis}_1"] - both[axis] for axis in "zyx"])
    middle = np.median(apart, axis=0)
    sd = 1.4826 * np.median(np.abs(apart - middle), axis=0)
    return middle, 1.2533 * sd / np.sqrt(len(both))
