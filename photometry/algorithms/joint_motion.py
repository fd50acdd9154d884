"""One movement of the field a frame from the shifts of its single stars."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SCALE = 1000.0
"""Length in px by which places are divided, for equations of even size."""

ROUNDS = 3

LEAST_STARS, LEAST_FRAMES = 8, 40
"""Stars and frames from which stars' own ways are told from the common one."""

LAGS = 24
"""Frames over which the memory of a term is looked for."""

MEMORIES = np.geomspace(2, 3000, 16)
"""Memories in frames that are tried."""


@dataclass(frozen=True)
class Joint:
    """Movement of the field.

    Parameters
    ----------
    kernel, deviation : float64 arrays (times, 6)
        drow, dcolumn, a_rr, a_rc, a_cr, a_cc and their errors; NaN where no star tells.
    halves : float
        Error of the translation from the disagreement of two halves of the stars, px; 0 where unknown.
    """

    kernel: np.ndarray
    deviation: np.ndarray
    halves: float


def join(value, error, off, good) -> Joint:
    """Robust common movement.

    Every frame has a translation of its own. What the field does besides - it
    grows, turns, stretches and shears - changes slowly; each of these terms is
    smoothed through time by what its own covariance through time says beyond the noise, so
    that a term the stars do not show vanishes.

    Parameters
    ----------
    value, error : arrays (n, 2, times)
        Shifts of the stars against their means and errors, px.
    off : array (n, 2)
        Places of the stars against the centre of the field.
    good : bool array (times,)
        Frames that count for what is learned over all frames.
    """
    finite = np.isfinite(value).all(axis=1) & np.isfinite(error).all(axis=1)
    own = np.where(finite[:, None], error, 1.0)
    value = np.where(finite[:, None], value, 0.0)
    fit = _Fit(value, own, finite, off, good)
    terms, spread = fit.steady_terms() if _spans(off) else np.zeros((2, value.shape[2], 4))
    for _ in range(ROUNDS):
        solution, deviation = fit.translation(terms, slice(None))
        fit.judge(np.column_stack([solution, terms]))
    solution, deviation = fit.translation(terms, slice(None))
    enough = finite.any(axis=0)
    kernel, deviation = (np.where(enough[:, None], np.column_stack(parts), np.nan) for parts in (
        (solution, _matrix(terms)), (deviation, np.abs(_matrix(spread)))))
    return Joint(kernel, deviation, fit.halves(terms))


def _spans(off):
    """Whether stars stand so that their field may grow, turn, stretch and shear."""
    return len(off) >= 4 and np.linalg.matrix_rank(off - off.mean(axis=0), tol=20.0) == 2


class _Fit:
    """Shifts of stars with their robust weights."""

    def __init__(self, value, own, finite, off, good):
        self.value, self.own, self.finite, self.good = value, own, finite, good
        self.basis = basis_of(off / SCALE)
        self.excess, self.robust = np.zeros((len(off), 2, 1)), np.ones(value.shape)

    @property
    def weight(self):
        """(n, 2, times)"""
        return self.robust * self.finite[:, None] / (self.own**2 + self.excess)

    def affine(self):
        """All six terms of every frame freely, (times, 6), and their covariances."""
        basis = self.basis.reshape(-1, 6)
        weight = self.weight.reshape(len(basis), -1)
        products = (basis[:, :, None] * basis[:, None]).reshape(-1, 36)
        normal = (weight.T @ products).reshape(-1, 6, 6)
        right = (weight * self.value.reshape(len(basis), -1)).T @ basis
        # a frame without stars is singular and comes out as zero; the caller drops it
        inverse = np.linalg.pinv(normal, hermitian=True)
        return np.einsum('tpq,tq->tp', inverse, right), inverse

    def steady_terms(self):
        """The four terms beside the translation, (times, 4), smoothed, and their errors."""
        for _ in range(ROUNDS):
            solution, covariance = self.affine()
            self.judge(solution)
        terms, covariance = solution[:, 2:], covariance[:, 2:, 2:]
        if len(terms) == 1:
            spread = np.sqrt(np.einsum('tpp->tp', covariance))
            return np.where(np.abs(terms) > 3 * spread, terms, 0.0), spread
        return steady(terms, covariance, self.good & self.finite.any(axis=0))

    def translation(self, terms, some):
        """Translation (times, 2) from some of the stars, the other terms given, and errors."""
        rest = self.value[some] - np.einsum('nap,tp->nat', self.basis[some, :, 2:], terms)
        weight = self.weight[some]
        total = np.maximum(weight.sum(axis=0), 1e-30)
        return ((weight * rest).sum(axis=0) / total).T, total.T**-0.5

    def judge(self, solution):
        """Weights anew: stars that scatter beyond their noise, single shifts that are out of the way."""
        residual = self.value - np.einsum('nap,tp->nat', self.basis, solution)
        if len(self.value) > 3:
            self.excess = self._excess(residual)
        sigma = np.sqrt(self.own**2 + self.excess)
        self.robust = 1 / np.maximum(1, (np.abs(residual) / (2.5 * sigma)) ** 2)

    def _excess(self, residual):
        """Variance of each star beyond its noise: a variable blend, a wrong model."""
        used = np.where((self.finite & self.good)[:, None], residual, np.nan)
        used[~np.isfinite(used).any(axis=2)] = 0.0
        scatter = 1.4826 * np.nanmedian(np.abs(used), axis=2)
        return np.maximum(scatter**2 - np.median(self.own**2, axis=2), 0.0)[:, :, None]

    def halves(self, terms):
        """Error of the translation from how far two halves of the stars disagree."""
        if len(self.value) < 4 or self.good.sum() < 4:
            return 0.0
        first, second = (self.translation(terms, slice(i, None, 2))[0][self.good] for i in (0, 1))
        difference = first - second
        return float(1.4826 * np.median(np.abs(difference - np.median(difference, axis=0))) / 2)


def basis_of(place):
    """What translation, growth, turn, stretch and shear do to places (n, 2): (n, 2, 6)."""
    row, column = place.T
    none, all_ = np.zeros_like(row), np.ones_like(row)
    return np.stack([np.stack([all_, none, row, -column, row, column], axis=1),
                     np.stack([none, all_, column, row, -column, row], axis=1)], axis=1)


def _matrix(terms):
    """Elements a_rr, a_rc, a_cr, a_cc (times, 4) from growth, turn, stretch and shear."""
    growth, turn, stretch, shear = terms.T / SCALE
    made = np.stack([growth + stretch, shear - turn, turn + shear, growth - stretch], axis=1)
    return np.where(np.abs(made) > 1e-12, made, 0.0)


def steady(series, covariance, good):
    """Series smoothed by their own memory.

    Each series is taken for a first-order autoregressive process (Ornstein
    and Uhlenbeck) plus a white one, seen through noise of known covariance. Variances and
    memory come from the autocovariance; the smoother is that of Kalman, Rauch, Tung and Striebel.

    Parameters
    ----------
    series : array (times, p)
    covariance : array (times, p, p)
        Of their noise.
    good : bool array (times,)
        Frames that were measured; the others are predicted.

    Returns
    -------
    smoothed, deviation : arrays (times, p)
        Constant for a series that shows nothing beyond the noise.
    """
    if not good.any():
        return np.zeros_like(series), np.zeros_like(series)
    middle = np.median(series[good], axis=0)
    # a mean that differs from zero is of no account, but whoever subtracts the series must meet it
    limit = 5 * 1.4826 * np.median(np.abs(series[good] - middle), axis=0)
    clipped = np.clip(series - middle, -limit, limit)
    noise = np.median(np.einsum('tpp->tp', covariance)[good], axis=0)
    models = [_memory(values, good, level) for values, level in zip(clipped.T, noise, strict=True)]
    variance, memory, white = np.array(models).T
    if not (variance + white).any():
        return np.zeros_like(series) + middle, np.zeros_like(series)
    smoothed, deviation = _smoothed(clipped, covariance, good, variance, memory, white)
    return smoothed + middle, deviation


def _memory(series, good, noise):
    """Variance and memory (frames) of the slow part of a series, variance of a white part."""
    number = good.sum()
    lags = np.arange(1, min(LAGS, good.size // 3) + 1)
    whole = np.mean(series[good] ** 2) if number else 0.0
    if number < 8 or whole == 0:
        return 0.0, 1.0, 0.0
    pairs = [good[k:] & good[:-k] for k in lags]
    lagged = np.array([np.mean(series[k:][pair] * series[:-k][pair]) if pair.any() else 0.0
                       for k, pair in zip(lags, pairs, strict=True)])
    shape = np.exp(-lags / MEMORIES[:, None])
    power = (shape**2).sum(axis=1)
    amount = shape @ lagged / power
    best = np.argmin(((lagged - amount[:, None] * shape) ** 2).sum(axis=1))
    slow = amount[best] if amount[best] * np.sqrt(power[best]) > 3 * whole / np.sqrt(number) else 0.0
    white = whole - noise - slow
    # variance that stands out of the noise only by its own uncertainty is none
    white = white if white > 3 * whole * np.sqrt(2 / number) else 0.0
    return max(slow, 0.0), MEMORIES[best], white


def _smoothed(series, covariance, good, variance, memory, white):
    keep = np.exp(-1 / memory)
    kick, size = np.diag(variance * (1 - keep**2)), len(variance)
    times = len(series)
    state, doubt = np.zeros((times, size)), np.zeros((times, size, size))
    mean, spread = np.zeros(size), np.diag(variance)
    noise = covariance + np.diag(white)
    for t in range(times):
        if t:
            mean, spread = keep * mean, keep[:, None] * spread * keep + kick
        if good[t]:
            gain = np.linalg.solve(spread + noise[t], spread).T
            mean, spread = mean + gain @ (series[t] - mean), spread - gain @ spread
        state[t], doubt[t] = mean, spread
    for t in range(times - 2, -1, -1):
        ahead = keep[:, None] * doubt[t] * keep + kick
        gain = np.linalg.pinv(ahead, hermitian=True) @ (keep[:, None] * doubt[t])
        state[t] += gain.T @ (state[t + 1] - keep * state[t])
        doubt[t] += gain.T @ (doubt[t + 1] - ahead) @ gain
    fast = np.zeros_like(state)
    if white.any():
        rest = np.linalg.solve(noise[good], (series[good] - state[good])[..., None])[..., 0]
        fast[good] = white * rest
    return state + fast, np.sqrt(np.maximum(np.einsum('tpp->tp', doubt), 0))


def without_own_ways(value, error, common, good):
    """Shifts of stars without what each does beside the field as a function of where the field is.

    With a wrong PRF a star's measured place errs by a periodic function of its
    true place within the pixel, so that its shifts are too long or too short by per cents. Stars
    stand everywhere in their pixels: over all of them that function and its slopes average to zero,
    each star as good as the next, whereas the joint movement follows the few brightest.
    Therefore what each star does as a polynomial of the common movement is fitted, with a
    Gaussian prior whose width the stars themselves tell, and taken away but for the stars' mean.

    Parameters
    ----------
    value, error, common : arrays (n, 2, times)
        Shifts of the stars, their errors and the joint movement at their places, px.
    good : bool array (times,)

    Returns
    -------
    array (n, 2, times)
        The arguments' values where stars or frames are too few to tell.
    """
    used = good & np.isfinite(common).all(axis=(0, 1))
    if len(value) < LEAST_STARS or used.sum() < LEAST_FRAMES:
        return value
    basis = _polynomials(np.median(common, axis=0), used)
    made = value.copy()
    for axis in (0, 1):
        residual = value[:, axis] - common[:, axis]
        known = np.isfinite(residual[:, used])
        sigma = np.sqrt(np.nanmedian(np.where(known, error[:, axis][:, used], np.nan) ** 2, axis=1))
        limit = 5 * 1.4826 * np.nanmedian(np.abs(residual[:, used]), axis=1, keepdims=True)
        clipped = np.where(known, np.clip(residual[:, used], -limit, limit), 0.0)
        ways, share = _ways(clipped @ basis[:, used].T, sigma)
        made[:, axis] -= (ways - (share * ways).sum(axis=0) / share.sum(axis=0)) @ basis
    return made


def _polynomials(shift, used):
    """Powers of a movement (2, times) up to the third, orthonormal over the used frames, (9, times)."""
    size = np.maximum(np.abs(shift[:, used]).max(axis=1, keepdims=True), 1e-9)
    row, column = np.where(used, shift / size, 0.0)
    found, made = [used / np.sqrt(used.sum())], []
    for degree in (1, 2, 3):
        for i in range(degree + 1):
            power = np.where(used, row**i * column ** (degree - i), 0.0)
            before = np.sqrt(power @ power)
            for _ in range(2):
                power = power - np.array(found).T @ (np.array(found) @ power)
            norm = np.sqrt(power @ power)
            if norm > 1e-6 * before:
                found.append(power / norm)
                made.append(power / norm)
    return np.array(made).reshape(-1, used.size)


def _ways(amount, sigma):
    """Coefficients (n, k) with a prior of their own width, from raw ones of errors (n,), and their weights.

    The prior is as wide as the quarter of stars with the least noise shows, for
    a wrong PRF is the same for all; stars with more noise, fainter, may besides
    have ways that grow with it, from neighbours that are little known.
    """
    noise = np.broadcast_to(sigma[:, None] ** 2, amount.shape)
    best = np.argsort(sigma, kind='stable')[:max(LEAST_STARS, len(sigma) // 4)]
    shared = _width(amount[best], noise[best])
    rest = np.maximum(_robust_mean((amount**2 - shared) / noise) - 1, 0.0)
    width = shared + rest * noise
    # a blend that goes far out of the way has no say in what is common
    wild = np.maximum(1, amount**2 / (9 * (width + noise)))
    return amount * width / (width + noise), 1 / (width + noise) / wild


def _width(amount, noise, rounds=10):
    """Variance (k,) of coefficients beyond their noise."""
    width = np.mean(amount**2, axis=0)
    for _ in range(rounds):
        share = 1 / (width + noise) ** 2
        # one wild star does not widen the prior of all
        square = np.minimum(amount**2, 9 * (width + noise))
        width = np.maximum((share * (square - noise)).sum(axis=0) / share.sum(axis=0), 0.0)
    return width


def _robust_mean(square):
    """Mean of squares of normal numbers, from their median."""
    return np.median(square, axis=0) / 0.455
