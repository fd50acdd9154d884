"""Flux of a star from its own mean image: least squares in which pixels agree how motion shows."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from photometry.algorithms import metrics

PASSES = 3
"""Rounds in which flux and motion terms are found in turn."""

FREEDOM = 4.0
ROUNDS, SETTLED = 10, 0.05
"""Degrees of freedom of the t distribution by which pixels with a wrong model lose their vote,
rounds in which that is settled at most, and the change of a vote that ends them."""

UNTRUSTED = 1e4
"""What the noise of pixels is multiplied by at first where the model is not believed or charge may run."""

RIDGE = 1e-6
DOUBT = 10.0
"""Standard errors of the vote that its doubt is: pixels err together more than by themselves."""

CERTAIN = 3.0
"""Standard errors by which the scatter of a pixel must exceed its noise to count."""

SAMPLES = 250
"""Frames that tell the noise of a pixel."""

VARIABLE = 1e-3
"""Change of the flux from which on the motion of the changed light counts."""


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
        What motion does to the pixels beyond the model, e-/s in units of `motion`.
    turn : ndarray (powers, terms)
        Makes the powers of the motion orthonormal over the frames of the fit.
    doubt : ndarray (terms, terms)
        Covariance of what all pixels may have in common with the pattern, (e-/s)^2 of flux.
    variance : ndarray (pixels,)
        Noise of the pixels as found, (e-/s)^2.
    nuisances : ndarray (nuisances, pixels)
        Those of the pixels with what the pattern adds to them.
    spread : ndarray (nuisances,)
        Their standard deviation from frame to frame.
    """

    weights: np.ndarray
    profile: np.ndarray
    pattern: np.ndarray
    turn: np.ndarray
    doubt: np.ndarray
    variance: np.ndarray
    nuisances: np.ndarray
    spread: np.ndarray

    def motion(self, pixels):
        """Terms of the motion in every frame, (times, terms)."""
        return pixels.basis @ self.turn

    def flux(self, pixels):
        """Flux in every frame, e-/s, (times,)."""
        change = _dot(self.weights, pixels.rest) - self.motion(pixels) @ (self.weights @ self.pattern)
        if pixels.missing is None:
            return pixels.level + change / self.held(pixels)
        # A missing pixel is left out: neither its pattern nor its part of the light counts.
        pixel, frame = pixels.missing
        count, weights = change.size, self.weights[pixel]
        change += np.bincount(frame, weights * (self.pattern[pixel] * self.motion(pixels)[frame]).sum(axis=1),
                              count)
        lost = np.bincount(frame, weights * (self.profile[pixel] + pixels.response[pixel, frame]), count)
        left = self.held(pixels) - lost
        return pixels.level + change / np.where(left > LEAST_HELD * self.held(pixels), left, np.nan)

    def held(self, pixels):
        """Fraction of the star's light in the weighted sum, (times,)."""
        return self.weights @ self.profile + _dot(self.weights, pixels.response)

    def error(self, pixels, square):
        """Standard error in every frame, e-/s.

        Parameters
        ----------
        pixels : HaloPixels
        square : ndarray (pixels, times)
            Variances of the numbers, (e-/s)^2; 0 where one is missing.
        """
        more = np.maximum(self.variance - pixels.variance, 0)
        total = _dot(self.weights ** 2, square) + self.weights ** 2 @ more + self._common
        held = self.held(pixels)
        if pixels.missing is not None:
            pixel, frame = pixels.missing
            held = held - np.bincount(frame, self.weights[pixel] * self.profile[pixel], held.size)
        return np.sqrt(total) / np.abs(held)

    @property
    def noise(self):
        """Typical standard error, e-/s."""
        return float(np.sqrt(self.weights ** 2 @ self.variance + self._common)
                     / abs(self.weights @ self.profile))

    @property
    def _common(self):
        return (self.spread ** 2 * (self.nuisances @ self.weights) ** 2).sum()


LEAST_HELD = 0.3
"""Part of the weights that must be left in a frame with missing pixels."""


def _dot(weights, cube):
    """Weighted sum over pixels in single precision: what is summed are small departures."""
    return (weights.astype('float32') @ cube).astype('float64')


def fit(pixels):
    """The estimator of least variance.

    Every pixel is ``flux_t (profile + response_t) + pattern . motion_t`` and noise. A change
    of the flux along with the motion could hide in the patterns of all pixels;
    it is found as that part of ``pattern / profile`` on which the pixels agree, and left to
    the flux. Pixels with a wrong model disagree and lose their vote (a multivariate
    t distribution), so that one fraction of good ones suffices.

    Parameters
    ----------
    pixels : photometry.algorithms.halo_pixels.HaloPixels
        Of the frames to learn from.

    Returns
    -------
    Template
    """
    basis, turn = pixels.orthonormal()
    terms, profile = turn.shape[1], pixels.profile
    variance = np.where(pixels.trusted & pixels.clear, 1.0, UNTRUSTED) * pixels.variance
    made = Template(profile / variance, profile, np.zeros((profile.size, terms)), turn,
                    np.zeros((terms, terms)), variance, pixels.nuisances, np.zeros(len(pixels.nuisances)))
    product = pixels.rest @ basis.astype('float32')
    for number in range(PASSES):
        change = np.nan_to_num(made.flux(pixels) - pixels.level)
        if pixels.missing is not None:
            pixels = _imputed(pixels, made, change)
            product = pixels.rest @ basis.astype('float32')
        pattern = _pattern(product, pixels, basis, change)
        if number < PASSES - 1:
            variance = _found_variance(pixels, basis, change, pattern, variance)
        common, doubt = _consensus(pattern, pixels, variance)
        pattern = pattern - np.outer(profile, common)
        made = replace(made, weights=profile / variance, pattern=pattern, doubt=doubt, variance=variance)
    return _with_nuisances(made, pixels, basis)


def _pattern(product, pixels, basis, change):
    """Motion terms of every pixel by least squares, (pixels, terms)."""
    pattern = product.astype('float64') - np.outer(pixels.profile, basis.T @ change)
    if np.percentile(np.abs(change), 95) > VARIABLE * abs(pixels.level):
        pattern -= pixels.response @ (basis * change[:, None]).astype('float32')
    return pattern


def _imputed(pixels, made, change):
    """The same pixels with what the model expects where there is no number."""
    pixel, frame = pixels.missing
    rest = pixels.rest.copy()
    rest[pixel, frame] = (change[frame] * (pixels.profile[pixel] + pixels.response[pixel, frame])
                          + (made.pattern[pixel] * made.motion(pixels)[frame]).sum(axis=1))
    return replace(pixels, rest=rest)


def _found_variance(pixels, basis, change, pattern, variance):
    """Noise of the pixels, larger than expected where they scatter more.

    What sky and motion do to all pixels from frame to frame is no noise of a pixel; it is fitted.
    """
    every = slice(None, None, max(change.size // SAMPLES, 1))
    basis, change = basis[every], change[every].astype('float32')
    # The light of the mean image joins the terms of the motion: one product for both.
    shapes, terms = np.column_stack([pattern, pixels.profile]), np.column_stack([basis, change])
    left = pixels.response[:, every] * -change
    left += pixels.rest[:, every]
    left -= shapes.astype('float32') @ terms.T.astype('float32')
    columns, operator, _ = _nuisance_fit(pixels, variance, pixels.nuisances)
    left -= columns.T.astype('float32') @ (operator.astype('float32') @ left)
    count = change.size * max(1 - (pattern.shape[1] + 1) / pixels.good.size, 0.1)
    found = np.einsum('pt,pt->p', left, left).astype('float64') / count
    beyond = found > pixels.variance * (1 + CERTAIN * np.sqrt(2 / count))
    return np.where(beyond, found, pixels.variance)


def displacements(pixels):
    """Place of the star in every frame against the model, from its own pixels.

    Returns
    -------
    shift : ndarray (times, 2)
        Row and column, px; what is noise is shrunk (a Wiener filter).
    spread : ndarray (2,)
        Standard deviation that is no noise, px.
    """
    variance = np.where(pixels.trusted & pixels.clear, 1.0, UNTRUSTED) * pixels.variance
    _, operator, noise = _nuisance_fit(pixels, variance, pixels.nuisances)
    found = (operator[1:3].astype('float32') @ pixels.rest).astype('float64')
    power = np.array([metrics.mad(axis[pixels.good]) ** 2 for axis in found])
    trust = np.clip(1 - noise[1:3] / np.maximum(power, 1e-30), 0, 1)
    return (trust[:, None] * found).T, np.sqrt(trust * power)


def _nuisances(pixels, pattern, basis):
    """The nuisances with the slopes that the pattern of the motion shows, (nuisances, pixels)."""
    if not pattern.shape[1]:
        return pixels.nuisances
    shift = pixels.shift - pixels.shift.mean(axis=0)
    square = shift.T @ shift
    slopes = np.linalg.solve(square + RIDGE * np.trace(square) * np.eye(2), (pattern @ (basis.T @ shift)).T)
    return np.concatenate([pixels.nuisances[:2] + slopes, pixels.nuisances[2:]])


def _nuisance_fit(pixels, variance, nuisances):
    """Columns flux, motion and sky, the operator that fits them to a frame, and their variances."""
    columns = np.concatenate([pixels.profile[None], nuisances])
    scale = np.sqrt((columns ** 2 / variance).sum(axis=1)) + 1e-30
    scaled = columns / scale[:, None]
    normal = (scaled / variance) @ scaled.T + RIDGE * np.eye(len(columns))
    inverse = np.linalg.inv(normal) / scale[:, None] / scale
    return columns, inverse @ (columns / variance), np.diag(inverse)


def _consensus(pattern, pixels, variance):
    """What the pixels agree on in the pattern, as a change of flux: (terms,), with its covariance.

    Beside the flux they may have in common what errors of the motion and of the place of the
    star make: its image differentiated once and twice.
    """
    terms = pattern.shape[1]
    voters = pixels.trusted & (pixels.profile > 0)
    if not terms or voters.sum() < 2 * len(pixels.shapes):
        return np.zeros(terms), np.zeros((terms, terms))
    design = np.concatenate([pixels.profile[None], pixels.shapes])[:, voters]
    scale = np.sqrt((design ** 2 / variance[voters]).sum(axis=1))
    design = design / scale[:, None]
    pattern, variance = pattern[voters], variance[voters]
    vote = np.ones(len(pattern))
    for _ in range(ROUNDS):
        power = design * (vote / variance)
        normal = power @ design.T + RIDGE * np.eye(len(design))
        common = np.linalg.solve(normal, power @ pattern)
        away = pattern - design.T @ common
        before, vote = vote, (FREEDOM + terms) / (FREEDOM + np.einsum('pk,pk->p', away, away) / variance)
        if np.abs(vote / before - 1).max() < SETTLED:
            break
    influence = (np.linalg.solve(normal, power)[0] / scale[0])[:, None] * away
    return common[0] / scale[0], DOUBT ** 2 * influence.T @ influence


def _with_nuisances(made, pixels, basis):
    """The same with weights that allow for errors of sky and motion from frame to frame."""
    nuisances = _nuisances(pixels, made.pattern, basis)
    _, operator, noise = _nuisance_fit(pixels, made.variance, nuisances)
    change = np.nan_to_num(made.flux(pixels) - pixels.level)
    single = operator.astype('float32')
    series = (single @ pixels.rest - (operator @ pixels.profile)[:, None] * change
              - (single @ pixels.response) * change - (operator @ made.pattern) @ basis.T)
    excess = np.array([metrics.mad(values) ** 2 for values in series[1:]]) - noise[1:]
    certain = excess > CERTAIN * np.sqrt(2 / change.size) * noise[1:]
    spread = np.sqrt(np.where(certain, excess, 0.0))
    weights = optimal(pixels.profile, made.variance, nuisances, spread)
    return replace(made, weights=weights, nuisances=nuisances, spread=spread)


def optimal(profile, variance, nuisances, spread):
    """Weights of least variance when noise is white but for some columns of known spread."""
    columns = nuisances * spread[:, None]
    inner = (columns / variance) @ columns.T + np.eye(len(columns))
    plain = profile / variance
    return plain - np.linalg.solve(inner, columns @ plain) @ columns / variance
