"""Motion that is left in a light curve, told apart from the star's own variability."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import metrics

MOST_WAVES = 40
FRAMES_A_WAVE = 8
"""Cosines that describe slow variability at most, and frames that each needs."""

TURNS, ROUNDS = 3, 4
FREEDOM = 4.0
"""Turns in which frames are weighed, rounds of the fit in each, and degrees of freedom of its noise."""

STARTS = (0.1, 1e-3)
"""Sizes of the waves at first, over the noise, of the models that are compared."""

CONSPIRACY = 8.0
"""By how much greater the logarithm of the evidence must be that a star does the opposite of motion."""

PERIODS = (1.5, 3.0, 8.0)
LEAST_SIGNAL = 3.0
"""How often the waves of a signal go round in the data that tells what is kept of real
changes, and their amplitude at least, over the noise."""

KEPT = 0.98
HARM = 0.5
"""Part that must be left of them, else the most that may be lost, over noise or what is taken away."""

LITTLE = 0.1
"""What motion leaves over the noise below which the light curve stays as it is."""

NARROWER = (1.0, 0.1)
"""Parts of the expected slopes that are tried in turn until signals outlive it."""

LENGTH = 0.3
"""Motion over which the slopes of a star's image change, px: sizes higher powers of it."""


def cleaned(flux, time, shift, frames, error, slope):
    """A light curve less what motion leaves in it where the star's image is badly known.

    Of a sum over bleeding charge a few parts in a million are photon noise, less than models of
    images are good to: the errors of their slopes and curvatures are fitted to the light curve
    beside the star's own variability.

    Parameters
    ----------
    flux : ndarray (times,)
        e-/s.
    time : ndarray (times,)
        Days.
    shift : ndarray (times, 2)
        Motion, px.
    frames : ndarray (times,) of bool
        Good ones.
    error : float
        Expected noise, e-/s.
    slope : float
        Expected change of the flux by motion of a pixel, as a part of it.

    Returns
    -------
    flux : ndarray (times,)
        As it was where slow signals would suffer more from that than they gain.
    error : ndarray (times,)
        Of what was taken away, e-/s.
    kept : float
        Part of such a signal that is left; 1 where nothing was taken away.
    """
    used = frames & np.isfinite(flux) & np.isfinite(shift).all(axis=1)
    if used.sum() < 2 * FRAMES_A_WAVE:
        return flux, np.zeros(flux.size), 1.0
    level, powers = abs(np.median(flux[used])), _powers(shift, used)
    for part in NARROWER:
        basis = part * slope * level * powers
        taken, doubt = _told(flux[used], time[used], basis[used], error)
        size = float(np.std(basis[used] @ taken))
        if size < LITTLE * error:
            break
        lost, kept = _harm(flux[used], time[used], basis[used], error, taken)
        if kept >= KEPT or lost < HARM * max(error, size):
            return flux - basis @ taken, np.sqrt(np.einsum('ti,ti->t', basis @ doubt, basis)), kept
    return flux, np.zeros(flux.size), 1.0


def _told(flux, time, basis, error):
    """Motion terms, and their covariance."""
    return _leftover(flux, time, basis, np.eye(basis.shape[1]), error)


def _harm(flux, time, basis, error, taken):
    """Most that is lost of the waves of a signal when motion terms are told, and the part that is kept."""
    phase = 2 * np.pi * (time - time[0]) / max(np.ptp(time), 1e-9)
    waves = np.stack([np.sin(number * phase) for number in PERIODS], axis=1)
    # Signals of the size of what motion may leave are the hardest to tell from it.
    amplitude = max(LEAST_SIGNAL * error, float(np.std(basis[:, :2])))
    changed, _ = _told(flux + amplitude * waves.sum(axis=1), time, basis, error)
    lost = float(np.abs(np.linalg.lstsq(waves, basis @ (changed - taken), rcond=None)[0]).max())
    return lost, 1 - lost / amplitude


def _powers(shift, used):
    """Powers of the motion, their means over some frames zero, held at their range: (times, 9), px."""
    powers = []
    for axis in shift.T:
        some = axis[used]
        axis = (np.clip(axis, some.min(), some.max()) - some.mean()) / LENGTH
        powers.append([np.ones_like(axis), axis, axis * axis, axis * axis * axis])
    rows, columns = powers
    made = LENGTH * np.stack([rows[order - power] * columns[power]
                              for order in (1, 2, 3) for power in range(order + 1)])
    made -= made[:, used].mean(axis=1, keepdims=True)
    return np.ascontiguousarray(np.where(np.isfinite(made), made, 0.0).T)


def leftover(flux, time, basis, doubt, error):
    """Coefficients of the motion terms that a light curve still holds.

    The light curve is the star's slow variability (cosines, whose power in each octave of
    frequency is learned), the motion terms within their prior, and noise; what
    both could explain is shared by their expected sizes. Frames that fit neither,
    such as transits, weigh little (t distribution).

    Parameters
    ----------
    flux : ndarray (times,)
        e-/s; what is not finite is left out.
    time : ndarray (times,)
        Days.
    basis : ndarray (times, terms)
    doubt : ndarray (terms, terms)
        Prior covariance of the coefficients.
    error : float
        Expected noise, e-/s.

    Returns
    -------
    ndarray (terms,)
    """
    return _leftover(flux, time, basis, doubt, error)[0]


def _leftover(flux, time, basis, doubt, error):
    """`leftover` and the covariance of what it returns."""
    frames = np.isfinite(flux)
    terms = basis.shape[1]
    if not terms or not doubt.any() or frames.sum() < 2 * FRAMES_A_WAVE:
        return np.zeros(terms), np.zeros((terms, terms))
    values = flux[frames] - np.median(flux[frames])
    waves, octave = _waves(time[frames])
    design = np.concatenate([basis[frames], waves, np.ones((values.size, 1))], axis=1)
    noise = max(error, metrics.mad(np.diff(values)) / np.sqrt(2))
    return _likeliest(values, design, doubt, octave, noise, error)


def _waves(time):
    """Cosines over the time, (times, waves) of mean square 1, and the octave of each."""
    number = int(np.clip(time.size // FRAMES_A_WAVE, 2, MOST_WAVES))
    phase = np.pi * (time - time[0]) / max(time[-1] - time[0], 1e-9)
    made = np.ones((number + 1, time.size))
    made[1] = np.cos(phase)
    for count in range(2, number + 1):  # cosines of multiples by their recurrence
        made[count] = 2 * made[1] * made[count - 1] - made[count - 2]
    return np.sqrt(2) * made[1:].T, np.floor(np.log2(np.arange(1, number + 1))).astype(int)


def _likeliest(values, design, doubt, octave, noise, error):
    """Motion terms of the model of the greatest evidence, and their covariance.

    A star hardly does the opposite of what motion does: its waves have no more power than the
    light curve shows as it is, unless frames beside each other tell so clearly.
    """
    terms = len(doubt)
    inverse = np.linalg.inv(doubt + 1e-6 * np.trace(doubt) / terms * np.eye(terms)
                            + 1e-12 * noise ** 2 * np.eye(terms))
    still, free, *models = (_Model(matrix, octave, noise, size * noise) for matrix, size in (
        (inverse[:0, :0], STARTS[0]), (inverse, STARTS[0]), *((inverse, size) for size in STARTS)))
    vote = np.ones(values.size)
    for _ in range(TURNS):
        root = np.sqrt(vote) / noise
        weighted = design * root[:, None]
        normal, right = weighted.T @ weighted, weighted.T @ (root * values)
        still.fit(normal, right)
        for model in models:
            model.fit(normal, right, still.power)
        free.fit(normal, right)
        free.evidence -= CONSPIRACY
        best = max(free, *models, key=lambda model: model.evidence)
        left = values - design @ best.solution
        # What motion did from frame to frame is noise no more.
        noise = min(noise, max(error, metrics.mad(left)))
        vote = (FREEDOM + 1) / (FREEDOM + (left / noise) ** 2)
    upper = np.triu(best.covariance[:terms, :terms])
    return best.solution[:terms], upper + np.triu(upper, 1).T


class _Model:
    """Motion terms, or none, beside waves whose power in each octave is learned."""

    def __init__(self, inverse, octave, noise, size):
        self.inverse, self.octave, self.floor = inverse, octave, (1e-3 * noise) ** 2
        self.count = np.bincount(octave)
        self.power = np.full(self.count.size, size ** 2)
        self.scale = np.linalg.slogdet(inverse)[1]

    def fit(self, normal, right, most=np.inf):
        """Find powers, ``solution`` and ``evidence`` (its logarithm but for a constant)."""
        from scipy.linalg import lapack
        moves, first = len(self.inverse), len(right) - 1 - self.octave.size - len(self.inverse)
        normal, right = normal[first:, first:], right[first:]
        prior = np.zeros(normal.shape)
        prior[:moves, :moves] = self.inverse
        waves = np.arange(moves, len(right) - 1)
        for number in range(ROUNDS):
            power = self.power[self.octave]
            prior[waves, waves] = 1 / power
            # The transpose is the same matrix, in the order that LAPACK works on in place.
            factor, failed = lapack.dpotrf((normal + prior).T, overwrite_a=True)
            if failed:
                raise np.linalg.LinAlgError('The motion left in a light curve cannot be told.')
            solution, _ = lapack.dpotrs(factor, right)
            if number < ROUNDS - 1:
                inverse, _ = lapack.dpotri(factor)
                self._learn(solution[waves], np.diag(inverse)[waves], most)
        self.evidence = 0.5 * (right @ solution - 2 * np.log(np.diag(factor)).sum() + self.scale
                               - np.log(power).sum())
        self.solution, self._factor = np.concatenate([np.zeros(first), solution]), factor

    @property
    def covariance(self):
        """Of the solution: its upper half."""
        from scipy.linalg import lapack
        return lapack.dpotri(self._factor)[0]

    def _learn(self, wave, doubtful, most):
        told = np.maximum(self.count - np.bincount(self.octave, doubtful) / self.power, 1e-3 * self.count)
        # MacKay's fixed point; the floor keeps an empty octave from being lost for good.
        self.power = np.minimum(np.maximum(np.bincount(self.octave, wave * wave) / told, self.floor), most)
