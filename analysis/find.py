"""The puncta of a block: what is searched for, what is believed, and what is a part of another."""

from collections.abc import Iterable
from functools import reduce

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from synimg.analysis.detect import candidates, log_significance
from synimg.analysis.fit import Fit, Scene, fitted, gains, model_without, split, start
from synimg.analysis.measure_settings import MeasureSettings
from synimg.analysis.one_or_two import two_over_one
from synimg.analysis.replica import RESOLVED, nearby
from synimg.analysis.scene import background_again, moved_back

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]
AROUND = (4.0, 12.0)  # widths between which neighbours tell how crowded it is: farther than a disc's own parts
ROUGHLY = 0.03  # widths; a punctum that moves less between two searches stands still
N_SWEEPS = 4, 3, 16  # at most, of what a search added, of what was kept of it, and at the end
NEAR = 3.0  # widths within which a neighbour may hide beside a punctum
LEAST_ODDS = 0.01  # of a neighbour, where none are in sight
PER_LN_ODDS = 4.0  # 2 ln likelihood ratio asked for per ln of the odds against a neighbour; noise alone would ask for 2
TYPICAL_ELECTRONS = 20.0  # of a receptor, where they are not known
TYPICAL_SPREAD_UM2 = 0.005  # variance of a synapse of 0.28 um across, for the search alone


def find_puncta(scene: Scene, settings: MeasureSettings) -> tuple[Scene, Fit]:
    """Puncta of a block, and the block with the background beside them.

    Notes
    -----
    Search the residual, fit all puncta together, drop what the likelihood does not want; again, until the rounds
    are over. Before every other search the background is estimated once more, without the puncta. The search runs on the
    sum of the channels, each moved back by its shift to the nearest voxel: a threshold per channel would bias the ratio.
    Beside a punctum it takes up fainter candidates, since its fit has taken some of a neighbour's light in.
    """
    fit, model = Fit.none(scene), scene.background.copy()
    psf = scene.psf_vox.mean(axis=0)
    volume = (2.0 * np.pi) ** 1.5 * np.prod(psf)
    for k in range(settings.n_rounds):
        new = _searched(model, scene, settings, fit)[1]
        known = split(scene, fit, settings.split_excess) if k else fit
        if not len(new) and len(known.theta) == len(fit.theta):
            break
        electrons = np.maximum(_at(scene.data, new, scene) - _at(model, new, scene), 0.5) * volume
        known = known.joined(start(new, electrons, scene)).stirred(new, psf)
        fit, model = _prune(scene, *fitted(scene, known.in_rows(scene), N_SWEEPS[0], ROUGHLY), settings)
        fit, model = fitted(scene, fit, N_SWEEPS[1], ROUGHLY, model)
        if k + 1 < settings.n_rounds:
            model -= scene.background
            scene = background_again(scene, fit, settings, model)
            model += scene.background
            fit = Fit(fit.theta)  # none of them stands still on another background
    fit, model = _prune(scene, *fitted(scene, fit, N_SWEEPS[2], model=model), settings)
    return scene, fitted(scene, fit, N_SWEEPS[2], model=model)[0]


def first_search(scene: Scene, settings: MeasureSettings) -> tuple[Singles, Floats]:
    """Response of the search filter to a block without any punctum, in its sds, and the candidates (n, 3) that it takes up."""
    return _searched(scene.background, scene, settings, Fit.none(scene))


def _searched(model: Singles, scene: Scene, settings: MeasureSettings, known: Fit) -> tuple[Singles, Floats]:
    """The same of what is there beyond a model (channel, z, y, x) of puncta."""
    psf = scene.psf_vox.mean(axis=0)
    typical = np.sqrt(psf**2 + TYPICAL_SPREAD_UM2 / scene.voxel_um**2)
    light = _together(map(np.subtract, scene.data, model), scene)
    significance = log_significance(light, _together(model, scene), typical)
    if not len(known.theta):
        return significance, candidates(significance, settings.candidate_significance, 0.7 * psf)[0]
    least = min(settings.candidate_significance, settings.near_significance)
    points, heights = candidates(significance, least, 0.7 * psf)
    is_near = cKDTree(known.points_vox / psf).query(points / psf)[0] < NEAR
    return significance, points[heights > np.where(is_near, least, settings.candidate_significance)]


def _together(channels: Iterable[Singles], scene: Scene) -> Singles:
    """The sum of channels, each moved back by its shift."""
    moved = (moved_back(v[None], s[None])[0] for v, s in zip(channels, scene.shift_vox, strict=True))
    return reduce(np.add, moved).astype(np.float32, copy=False)


def _at(channels: Singles, points_vox: Floats, scene: Scene) -> Floats:
    """Values (n, channel) of the voxels in which the channels show points."""
    last = np.array(channels.shape[1:]) - 1
    nearest = np.clip(np.rint(points_vox), 0, last).astype(int)
    at = (np.clip(nearest + step, 0, last) for step in np.rint(scene.shift_vox).astype(int))
    return np.column_stack([v[tuple(a.T)] for v, a in zip(channels, at, strict=True)])


def _prune(scene: Scene, fit: Fit, model: Singles, settings: MeasureSettings) -> tuple[Fit, Singles]:
    """Without puncta that left the block, that the likelihood does not want, or that are a part of a brighter one.

    The expected image, too, which is used up.

    A synapse is a disc and not quite Gaussian. Two puncta that lie within the disc that their counts together would
    fill are one; and near a bright one a weak one is believed only if it explains more than a share `split_share_per_electron` of
    what the bright one does, and both more than one in their place by what the brightness of its receptors and the odds of a
    neighbour ask for.
    """
    gain = gains(scene, fit, model)
    keep = np.all((fit.points_vox > -1.0) & (fit.points_vox < scene.data.shape[1:]), axis=1)
    keep &= gain >= settings.least_gain
    is_part = np.zeros(len(keep), bool)
    is_part[keep] = _parts(scene, fit.keep(keep), model, gain[keep], settings)
    keep &= ~is_part
    kept = fit.keep(keep).stirred(fit.points_vox[~keep], scene.psf_vox.mean(axis=0))
    return kept, model_without(scene, fit.keep(~keep), model)


def _parts(scene: Scene, fit: Fit, model: Singles, gain: Floats, settings: MeasureSettings) -> NDArray[np.bool_]:
    """Which puncta (n,) of an expected image are a part of a brighter one."""
    is_part = np.zeros(len(gain), bool)
    if len(gain) < 2:
        return is_part
    points_um, psf_um = fit.points_vox * scene.voxel_um, scene.psf_um
    pairs = cKDTree(points_um).query_pairs(settings.split_um, output_type="ndarray")
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    is_first_weak = gain[pairs[:, 0]] < gain[pairs[:, 1]]
    weak, strong = np.where(is_first_weak, pairs.T, pairs.T[::-1])
    away_um = points_um[weak] - points_um[strong]
    away = np.linalg.norm(away_um / psf_um, axis=1)
    disc_um = _disc_um(scene, fit, weak, strong, settings)
    is_one = (away < settings.merge_sigma) | (np.linalg.norm(away_um, axis=1) < settings.same_disc * disc_um)
    # where its receptors happen to lie, a synapse differs from a Gaussian the more, the brighter each of them is
    electrons = scene.receptor_electrons or TYPICAL_ELECTRONS
    # and how far a disc is from the Gaussian that fits it best grows with its size beside that of the PSF
    wide = scene.prior_um2 * fit.electrons[strong].sum(axis=1)
    share = settings.split_share_per_electron * electrons * (wide / (wide + psf_um[1:].prod())) ** 2
    is_one |= gain[weak] < settings.least_gain + share * gain[strong]
    is_asked = ~is_one & (away < NEAR)
    asked = np.column_stack([weak, strong])[is_asked]
    odds = np.maximum(_crowd(scene, fit, strong[is_asked]), LEAST_ODDS)
    least = settings.split_gain_per_electron * electrons - PER_LN_ODDS * np.log(odds)
    is_one[is_asked] = two_over_one(scene, fit, model, asked) < least
    for i, j in zip(weak[is_one], strong[is_one], strict=True):
        is_part[i] |= not is_part[j]
    return is_part


def _disc_um(scene: Scene, fit: Fit, weak: Ints, strong: Ints, settings: MeasureSettings) -> Floats:
    """Radius (n,) [um] of the disc that each of the pairs of puncta together would fill."""
    light = (fit.electrons[weak] + fit.electrons[strong]).sum(axis=1)
    filled_um, seen_um = np.sqrt(scene.disc_um2 * light), np.sqrt(6.0 * scene.spread_um2 * light)
    # by its light it holds what the point spread function is no Gaussian, too: where others are near it would take them in
    is_seen = seen_um > filled_um
    is_seen[is_seen] = _crowd(scene, fit, strong[is_seen]) < settings.least_crowd
    return np.where(is_seen, seen_um, filled_um)


def _crowd(scene: Scene, fit: Fit, which: Ints) -> Floats:
    """Other puncta (n,) that are expected within 2.5 PSF widths of some, by those farther away."""
    size_um = np.array(scene.data.shape[1:]) * scene.voxel_um
    points_um, (one, row) = fit.points_vox * scene.voxel_um, np.unique(which, return_inverse=True)
    beyond: Floats = nearby(points_um[one], scene.psf_um, size_um, points_um, AROUND)[row]
    return beyond * RESOLVED**3 / (AROUND[1] ** 3 - AROUND[0] ** 3)
