"""Diffraction at an aperture: intensity about the focus for a scalar or a vector field, with an emitter at depth."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import jv

Floats = NDArray[np.float64]
N_NODES = 192


@dataclass(frozen=True)
class Objective:
    """What light passes: numerical aperture, refractive indices of the immersion and of the sample."""

    numerical_aperture: float
    immersion_index: float
    sample_index: float

    @property
    def aperture(self) -> float:
        """Aperture through which a deep emitter sends light: no more than the lowest refractive index."""
        return min(self.numerical_aperture, 0.999 * self.immersion_index, 0.999 * self.sample_index)

    def widths_um(self, wavelength_nm: float) -> tuple[float, float]:
        """Axial and lateral full width at half maximum of one passage of light, to set up grids.

        Notes
        -----
        ``0.88 lambda / (n - sqrt(n^2 - NA^2))`` and ``0.51 lambda / NA`` (Wilhelm et al., Confocal Laser Scanning
        Microscopy, Zeiss, eq. 5 and 6).
        """
        n, a = self.immersion_index, self.aperture
        return 0.88e-3 * wavelength_nm / (n - float(np.sqrt(n**2 - a**2))), 0.51e-3 * wavelength_nm / a


def refuse_beyond(numerical_aperture: float, refractive_index: float) -> None:
    """Refuse an aperture that no light can pass.

    Raises
    ------
    ValueError
        If it reaches the refractive index of the immersion: it is that index times a sine.
    """
    if numerical_aperture >= refractive_index:
        raise ValueError(
            f"numerical_aperture = {numerical_aperture:g} is not below refractive_index = {refractive_index:g}; an aperture "
            "is the immersion's index times a sine: correct one of them"
        )


def scalar_intensity(lens: Objective, wavelength_nm: float, depth_um: float, z_um: Floats, r_um: Floats) -> Floats:
    """Intensity (z, r) by the scalar model of Gibson and Lanni (1992, J. Opt. Soc. Am. A 9:154).

    Parameters
    ----------
    lens : Objective
        Aperture and refractive indices; the cover slip is the one that the objective is made for.
    wavelength_nm : float
        In vacuum.
    depth_um : float
        Of the emitter below the cover slip; matters where the two indices differ.
    z_um, r_um : ndarray
        Distances from the brightest point along the axis and from the axis. `z_um` is the travel of the focus, so that a
        depth of the emitter shows as aberration and not as a shift.

    Notes
    -----
    ``|integral J0(k s r) exp(i k W) s ds|^2`` over the pupil's ``s < NA`` with the optical path difference
    ``W = d sqrt(n_s^2 - s^2) - z sqrt(n_i^2 - s^2)``. Its integral over a plane does not depend on z: a wide-field
    microscope has no sectioning.
    """
    s, weight, phase = _pupil(lens, wavelength_nm, depth_um, z_um)
    field = (phase * (weight * s)) @ jv(0, _argument(s, wavelength_nm, r_um))
    return np.abs(field) ** 2


def vector_intensity(lens: Objective, wavelength_nm: float, depth_um: float, z_um: Floats, r_um: Floats) -> Floats:
    """Intensity (z, r) of freely turning dipoles, or of circularly polarised illumination; arguments as above.

    Notes
    -----
    ``|I0|^2 + 2 |I1|^2 + |I2|^2`` with the amplitude ``sqrt(cos)`` of an aplanatic lens and Fresnel's transmission from the
    sample into the immersion (Richards and Wolf 1959; Aguet et al. 2009, Opt. Express 17:6829).
    """
    s, weight, phase = _pupil(lens, wavelength_nm, depth_um, z_um)
    cos_i = np.sqrt(1.0 - (s / lens.immersion_index) ** 2)
    cos_s = np.sqrt(1.0 - (s / lens.sample_index) ** 2)
    t_s = 2.0 * lens.sample_index * cos_s / (lens.sample_index * cos_s + lens.immersion_index * cos_i)
    t_p = 2.0 * lens.sample_index * cos_s / (lens.immersion_index * cos_s + lens.sample_index * cos_i)
    amplitude = phase * (weight * s / np.sqrt(cos_i))
    x = _argument(s, wavelength_nm, r_um)
    zero = (amplitude * (t_s + t_p * cos_s)) @ jv(0, x)
    one = (amplitude * (t_p * s / lens.sample_index)) @ jv(1, x)
    two = (amplitude * (t_s - t_p * cos_s)) @ jv(2, x)
    return np.abs(zero) ** 2 + 2.0 * np.abs(one) ** 2 + np.abs(two) ** 2


def _pupil(
    lens: Objective, wavelength_nm: float, depth_um: float, z_um: Floats
) -> tuple[Floats, Floats, NDArray[np.complex128]]:
    """Nodes in the pupil, their weights, and the phase (z, node)."""
    node, weight = np.polynomial.legendre.leggauss(N_NODES)
    s = 0.5 * lens.aperture * (node + 1.0)
    k = 2e3 * np.pi / wavelength_nm
    immersion = np.sqrt(lens.immersion_index**2 - s**2)
    from_depth = k * depth_um * np.sqrt(lens.sample_index**2 - s**2)
    focus = z_um + _brightest_um(s, weight, k, immersion, from_depth, depth_um, lens)
    return s, weight, np.exp(1j * (from_depth - k * focus[:, None] * immersion))


def _brightest_um(
    s: Floats, weight: Floats, k: float, immersion: Floats, from_depth: Floats, depth_um: float, lens: Objective
) -> float:
    """Travel of the focus at which an emitter at `depth_um` is brightest on the axis."""
    if lens.immersion_index == lens.sample_index:
        return depth_um
    paraxial = depth_um * lens.immersion_index / lens.sample_index
    rays = depth_um * (np.sqrt(lens.immersion_index**2 - s[-1] ** 2) / np.sqrt(lens.sample_index**2 - s[-1] ** 2))
    low, high = sorted((paraxial, rays))
    for step in (0.05, 0.002):
        z = np.arange(low - 20 * step, high + 20 * step, step)
        on_axis = np.abs(np.exp(1j * (from_depth - k * z[:, None] * immersion)) @ (weight * s)) ** 2
        low = high = float(z[np.argmax(on_axis)])
    return low


def _argument(s: Floats, wavelength_nm: float, r_um: Floats) -> Floats:
    argument: Floats = 2e3 * np.pi / wavelength_nm * s[:, None] * r_um
    return argument
