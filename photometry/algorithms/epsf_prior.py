"""What is believed of the correction to the official PRF before a star is seen."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from photometry.algorithms import epsf_basis as basis
from photometry.algorithms import epsf_forms
from photometry.algorithms.prf import Wing

RIDGE, FLOOR = 0.1, 1e-5
"""Standard deviation of each spline: so much of the official PRF there, and a little more."""

LENGTH, ROUGH = 0.5, 0.1
"""Over how many px neighbouring splines are alike; the part of their variance that is not."""

SMEAR, SKEW, STRETCH = 0.05, 0.05, 0.1
"""Standard deviations of what is likelier than a free form, the `epsf_forms`: px^2, px^3, parts."""

CHANGE, FAINT = 0.3, 1e-3
"""How much the PRF may change for 1 px of motion, as a part of it; least part of its peak that counts."""

RIPPLE, WANDER = 3e-5, 2e-3
"""How far the sum over the pixels, wing and all, and the place that a fit finds (px), may change
with the phase of the star: fluxes and places of the stars themselves can hardly tell."""

HARD = 1e-6
"""Standard deviation of what is held: sum and centre."""

PER_PHASE = 20
"""Phases of which one counts: what smooth splines can do changes slowly from phase to phase."""


def precision(official):
    """Inverse covariance of the splines' coefficients.

    The sum of the correction over the pixels is held at zero, and so is the shift
    that a fit of the official PRF would find in it: an effective PRF is centred as
    the official one, for the mean place of all stars cannot tell the two apart.

    Parameters
    ----------
    official : array (117, 117)
        Mean of the official samples over the field, summing to 81.

    Returns
    -------
    array (SIZE, SIZE)
    """
    free = _free(official)
    ways, spread = _likely(official)
    scaled = ways @ free
    inner = np.diag(spread ** -2.0) + scaled @ ways.T
    made = free - scaled.T @ np.linalg.solve(inner, scaled)
    sums, shifts = basis.phase_sums(), _phase_shifts(official)
    for values in shifts:
        change = values - values.mean(axis=0)
        made += change.T @ change / (WANDER ** 2 * PER_PHASE)
    held = np.stack([values.mean(axis=0) for values in (sums, *shifts)])
    made += held.T @ held / HARD ** 2
    return (made + made.T) / 2


def _free(official):
    """Inverse covariance of a correction of any form, smooth over some distance."""
    size = RIDGE * np.abs(basis.from_samples(official)) + FLOOR
    away = (np.arange(basis.COUNT)[:, None] - np.arange(basis.COUNT)) * basis.KNOT / LENGTH
    inverse = np.linalg.inv((1 - ROUGH) * np.exp(-away ** 2 / 2) + ROUGH * np.eye(basis.COUNT))
    return np.kron(inverse, inverse) / size / size[:, None]


def conservation(official, exponent):
    """What is known because pixels conserve light: a star shines the same at every phase.

    A star off the middle of its box of 13 x 13 px has more of its wing in it, so that the light
    of the box alone changes by some 1e-4 for 0.1 px.

    Parameters
    ----------
    official : array (117, 117)
        As for `precision`.
    exponent : float
        Of the wing's power law.

    Returns
    -------
    matrix : array (SIZE + 1, SIZE + 1)
        Inverse covariance of the splines' coefficients and the wing's amount.
    right : array (SIZE + 1,)
        The matrix times what is expected.
    """
    step = basis.OVERSAMPLE
    core = official.reshape(basis.CORE, step, basis.CORE, step).sum(axis=(0, 2)).ravel()
    light = np.column_stack([basis.phase_sums(), _outside(exponent), core])
    change = light - light.mean(axis=0)
    change, core = change[:, :-1], change[:, -1]
    weight = 1 / (RIPPLE ** 2 * PER_PHASE)
    return weight * change.T @ change, -weight * change.T @ core


@lru_cache(maxsize=32)
def _outside(exponent):
    """Light of a wing of one beyond the core's pixels, at the phases of `epsf_basis.phase_sums`."""
    wing = Wing(1.0, exponent)
    reach = int(np.ceil(wing.radius)) + 1
    pixel = np.arange(-reach, reach + 1)[None]
    phase = (np.arange(basis.PHASES) - basis.PHASES // 2) / basis.PHASES
    return np.array([wing.render(np.array([-down]), np.array([-right]), pixel, pixel).sum()
                     for down in phase for right in phase])


def _likely(official):
    """Coefficients (ways, SIZE) of likely corrections with their standard deviations."""
    return (basis.from_samples(epsf_forms.of(official[None])[:, 0]),
            epsf_forms.spreads(SMEAR, SKEW, STRETCH))


def steady_changes(official):
    """Smooth changes of a PRF that leave a star its light: what focus and temperature may do in time.

    Parameters
    ----------
    official : array (117, 117)

    Returns
    -------
    forms : array (n, SIZE)
        Splines 1 px apart where the PRF is not faint, by the fine ones, each less so much of the PRF.
    spread : array (n,)
        Standard deviations for 1 px of motion.
    """
    axis, image = basis.coarse_axis(basis.CORE), basis.from_samples(official)
    forms = np.kron(axis, axis).T
    back = np.linalg.pinv(axis)
    size = np.abs(back @ image.reshape(basis.COUNT, basis.COUNT) @ back.T).ravel()
    shining = size > FAINT * size.max()
    forms, size = forms[shining], size[shining]
    sums = forms @ basis.phase_sums().mean(axis=0)
    light = official.sum() / basis.OVERSAMPLE ** 2
    return forms - np.outer(sums, image / light), CHANGE * size


def _phase_shifts(official):
    """Shift in px that a fit of the official PRF finds in every spline, at each phase: (2, phases, SIZE)."""
    gradients = -np.stack(np.gradient(official, 1 / basis.OVERSAMPLE))
    weighted = gradients / (np.maximum(official, 0) + epsf_forms.CENTRE_SKY)
    step, matrix = basis.OVERSAMPLE, basis.sample_matrix()
    made = np.empty((2, step, step, basis.SIZE))
    for i in range(step):
        for j in range(step):
            some, there = weighted[:, i::step, j::step], gradients[:, i::step, j::step]
            normal = np.einsum('aij,bij->ab', some, there)
            sums = [(matrix[i::step].T @ image @ matrix[j::step]).ravel() for image in some]
            made[:, i, j] = np.linalg.solve(normal, np.stack(sums))
    return made.reshape(2, step ** 2, basis.SIZE)
