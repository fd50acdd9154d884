"""Flux of a star from its own mean image: least squares in which pixels agree how motion shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.algorithms import metrics

PASSES = 3
"""Rounds in which flux and motion terms are found in turn."""

FREEDOM = 4.0
"""Degrees of freedom of the t distribution by which pixels with a wrong model lose their vote."""

RIDGE = 1e-6
DOUBT = 3.0
"""Standard errors of the vote that its doubt is: pixels err together more than by themselves."""

CERTAIN = 3.0
"""Standard errors by which the scatter of a pixel must exceed its noise to count."""


@dataclass(frozen=True)
class Template:
    """A linear estimator of the flux, fitted to some frames.

    Attributes
    ----------
    weights : ndarray (pixels,)
        FLUX is their sum over the pixels, over that of weights times profile.
    profile : ndarray (pixels,)
        Fraction of the star's light in each pixel.
    pattern : ndarray (pixels, terms)
        What motion does to the pixels beyond the model, e-/s in units of ``basis``.
    basis : ndarray (times, terms)
        Orthonormal over the frames of the fit.
    doubt : ndarray (terms, terms)
        Covariance of what all pixels may have in common with the pattern, (e-/s)^2 of flux.
    variance : ndarray (pixels,)
        Noise of the pixels as found, (e-/s)^2.
    spread : ndarray (3,)
        Standard deviation from frame to frame of the nuisances: sky (e-/s a pixel), row and column (px).
    """

    weights: np.ndarray
    profile: np.ndarray
    pattern: np.ndarray
    basis: np.ndarray
    doubt: np.ndarray
    variance: np.ndarray
    spread: np.ndarray

    def flux(self, pixels, rest=None):
        """Flux in every frame, e-/s, (times,)."""
        rest = pixels.rest if rest is None else rest
        gain = held(pixels, self.weights, self.profile)
        return pixels.level + (_dot(self.weights, rest)
                               - self.basis @ (self.weights @ self.pattern)) / gain

    def error(self, pixels, square):
        """Standard error in every frame, e-/s.

        Parameters
        ----------
        pixels : HaloPixels
        square : ndarray (pixels, times)
            Variances of the numbers, (e-/s)^2.
        """
        more = np.maximum(self.variance - pixels.variance, 0)
        total = _dot(self.weights ** 2, square) + self.weights ** 2 @ more
        total = total + (self.spread ** 2 * (pixels.nuisances @ self.weights) ** 2).sum()
        return np.sqrt(total) / np.abs(held(pixels, self.weights, self.profile))


def _dot(weights, cube):
    """Weighted sum over pixels in single precision: what is summed are small departures."""
    return (weights.astype('float32') @ cube).astype('float64')


def held(pixels, weights, profile):
    """Fraction of the star's light in the weighted sum, (times,)."""
    return weights @ profile + _dot(weights, pixels.response)


def fit(pixels, frames):
    """The estimator of least variance, learned from some frames.

    Every pixel is ``flux_t (profile + response_t) + pattern . basis_t`` and noise. A change
    of the flux along with the motion could hide in the patterns of all pixels;
    it is found as that part of ``pattern / profile`` on which the pixels agree, and left to
    the flux. Pixels with a wrong model disagree and lose their vote (a multivariate
    t distribution), so that one fraction of good ones suffices.

    Parameters
    ----------
    pixels : photometry.algorithms.halo_pixels.HaloPixels
    frames : ndarray (times,) of bool

    Returns
    -------
    Template
    """
    inside, basis = pixels.orthonormal(frames)
    profile, variance = pixels.profile, pixels.variance
    rest = pixels.rest if pixels.missing is None else pixels.rest.copy()
    weights = np.where(pixels.trusted, profile / variance, 0.0)
    made = Template(weights, profile, np.zeros((profile.size, basis.shape[1])), basis,
                    np.zeros((basis.shape[1],) * 2), variance, np.zeros(3))
    for number in range(PASSES):
        change = made.flux(pixels, rest) - pixels.level
        if pixels.missing is not None:
            _impute(rest, pixels, made, change)
        pattern = _pattern(rest, pixels, inside, change)
        if number < PASSES - 1:
            variance = _found_variance(rest, pixels, frames, change, pattern)
        common, doubt = _consensus(pattern, pixels, variance)
        pattern = pattern - np.outer(profile, common)
        made = Template(profile / variance, profile, pattern, basis, doubt, variance, np.zeros(3))
    return _with_nuisances(made, pixels, rest, frames)


def _pattern(rest, pixels, inside, change):
    """Motion terms of every pixel by least squares, (pixels, terms)."""
    single = inside.astype('float32')
    moved = (inside * change[:, None]).astype('float32')
    return (rest @ single - pixels.response @ moved).astype('float64') - np.outer(
        pixels.profile, inside.T @ change)


def _impute(rest, pixels, made, change):
    """Put what the model expects where there is no number."""
    pixel, frame = pixels.missing
    rest[pixel, frame] = (change[frame] * (pixels.profile[pixel] + pixels.response[pixel, frame])
                          + (made.pattern[pixel] * made.basis[frame]).sum(axis=1))


def _found_variance(rest, pixels, frames, change, pattern):
    """Noise of the pixels, larger than expected where they scatter more."""
    single = np.where(frames, change, 0).astype('float32')
    left = pixels.response * single
    left += pixels.profile.astype('float32')[:, None] * single
    np.subtract(rest, left, out=left)
    left *= frames.astype('float32')
    count = max(int(frames.sum()) - pattern.shape[1] - 1, 1)
    found = (np.einsum('pt,pt->p', left, left).astype('float64') - (pattern ** 2).sum(axis=1)) / count
    beyond = found > pixels.variance * (1 + CERTAIN * np.sqrt(2 / count))
    return np.where(beyond, found, pixels.variance)


def _consensus(pattern, pixels, variance):
    """What the pixels agree on in the pattern, as a change of flux: (terms,), with its covariance.

    Beside the flux they may have in common what errors of the motion and of the place of the
    star make: its image differentiated once and twice.
    """
    terms = pattern.shape[1]
    if not terms:
        return np.zeros(0), np.zeros((0, 0))
    voters = pixels.trusted & (pixels.profile > 0)
    design = np.concatenate([pixels.profile[None], pixels.shapes])[:, voters]
    scale = np.sqrt((design ** 2 / variance[voters]).sum(axis=1))
    design = design / scale[:, None]
    pattern, variance = pattern[voters], variance[voters]
    vote = np.ones(len(pattern))
    for _ in range(20):
        power = design * (vote / variance)
        normal = power @ design.T + RIDGE * np.eye(len(design))
        common = np.linalg.solve(normal, power @ pattern)
        away = pattern - design.T @ common
        vote = (FREEDOM + terms) / (FREEDOM + (away ** 2).sum(axis=1) / variance)
    influence = (np.linalg.solve(normal, power)[0] / scale[0])[:, None] * away
    return common[0] / scale[0], DOUBT ** 2 * influence.T @ influence


def _with_nuisances(made, pixels, rest, frames):
    """The same with weights that allow for errors of sky and motion from frame to frame."""
    columns = np.concatenate([pixels.profile[None], pixels.nuisances])
    scale = np.sqrt((columns ** 2 / made.variance).sum(axis=1))
    columns = columns / np.maximum(scale, 1e-30)[:, None]
    normal = (columns / made.variance) @ columns.T + 1e-9 * np.eye(4)
    operator = np.linalg.solve(normal, columns / made.variance)
    change = made.flux(pixels, rest) - pixels.level
    series = (operator.astype('float32') @ rest - (operator @ pixels.profile)[:, None] * change
              - (operator.astype('float32') @ pixels.response) * change
              - (operator @ made.pattern) @ made.basis.T)
    noise = np.diag(np.linalg.inv(normal))
    excess = [metrics.mad(values[frames]) ** 2 - part for values, part
              in zip(series[1:], noise[1:], strict=True)]
    count = max(int(frames.sum()), 1)
    certain = np.array(excess) > CERTAIN * np.sqrt(2 / count) * noise[1:]
    spread = np.sqrt(np.where(certain, excess, 0.0)) / np.maximum(scale[1:], 1e-30)
    weights = optimal(pixels.profile, made.variance, pixels.nuisances, spread)
    return Template(weights, made.profile, made.pattern, made.basis, made.doubt, made.variance, spread)


def optimal(profile, variance, nuisances, spread):
    """Weights of least variance when noise is white but for some columns of known spread."""
    columns = nuisances * spread[:, None]
    inner = (columns / variance) @ columns.T + np.eye(len(columns))
    plain = profile / variance
    return plain - np.linalg.solve(inner, columns @ plain) @ columns / variance
