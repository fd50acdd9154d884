"""The flux of a star from its halo, by the estimator that is best out of sample."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from photometry.algorithms import halo_drift, halo_weights, metrics, self_template

BLOCKS = 16
"""Parts of the data that are fitted and judged in turn."""

LEAST_FRAMES = 80
"""Good frames below which nothing is held out."""

LAGS = (1, 24)
"""Frames between which changes are judged."""

GAIN = 0.02
CERTAINTY = 3.0
"""Part by which the scatter out of sample must be smaller, and standard errors, to change the estimator."""

KEPT = 0.98
"""Part of a slow signal that must be left of it."""

SIGNAL = 0.01
LEAST_SIGNAL = 3.0
"""Amplitude of the signal that is injected to find out, over the flux and at least over the noise."""

PERIODS = (1.5, 3.0, 8.0)
"""How often it goes round in the data; all at once."""

ESTIMATORS = ('template', 'prf', 'tv')
"""The star's own mean image; the model of a star's image; least total variation."""


@dataclass(frozen=True)
class Estimate:
    """One estimator, fitted: a `self_template.Template` for every segment."""

    name: str
    parts: tuple

    def of_segments(self, pixels, values):
        """Values in every frame from a function of the template of its segment, (times,)."""
        made = values(self.parts[0])
        for number, part in enumerate(self.parts[1:], start=1):
            inside = pixels.segment == number
            made[inside] = values(part)[inside]
        return made

    def flux(self, pixels):
        """e-/s, (times,)."""
        return self.of_segments(pixels, lambda part: part.flux(pixels))

    def error(self, pixels, square):
        """e-/s, (times,)."""
        return self.of_segments(pixels, lambda part: part.error(pixels, square))


@dataclass(frozen=True)
class HaloSeries:
    """What `measure` returns.

    Attributes
    ----------
    flux, flux_err : ndarray (times,)
        e-/s.
    weights : ndarray (segments, pixels)
        What the flux weighs the pixels with; one row where all segments share them.
    estimator : str
        One of `ESTIMATORS`.
    scatter : dict
        Scatter out of sample of each estimator that was tried, e-/s; empty when nothing was held out.
    overfit : float
        Scatter out of sample over that in the sample, at least 1.
    kept : float
        Part of an injected slow signal that is left.
    drift : bool
        Whether motion that was left in the light curve was taken away.
    spread : ndarray (3,)
        Errors of sky (e-/s a pixel) and of motion (px, row and column) from frame to frame.
    """

    flux: np.ndarray
    flux_err: np.ndarray
    weights: np.ndarray
    estimator: str
    scatter: dict
    overfit: float
    kept: float
    drift: bool
    spread: np.ndarray


def measure(pixels, time, square, methods=ESTIMATORS):
    """Flux of a star from the pixels of its halo.

    Parameters
    ----------
    pixels : photometry.algorithms.halo_pixels.HaloPixels
    time : ndarray (times,)
        Days.
    square : ndarray (pixels, times)
        Variances of the numbers, (e-/s)^2; 0 where one is missing.
    methods : sequence of str
        Estimators that may be used.

    Returns
    -------
    HaloSeries
    """
    name, scatter, overfit = choose(pixels, methods)
    estimate = fit(pixels, name, pixels.good)
    error = estimate.error(pixels, square)
    noise = float(np.median(error[pixels.good]))
    kept, drift = signal_kept(pixels, name, time, noise)
    return HaloSeries(corrected(pixels, estimate, time, noise, drift), error,
                      np.stack([part.weights for part in estimate.parts]), name, scatter, overfit, kept,
                      drift, estimate.parts[0].spread)


def fit(pixels, name, frames):
    """An `Estimate` by its name, learned from some frames."""
    if name == 'prf':
        plain = self_template.fit(replace(pixels, basis=pixels.basis[:, :0]), frames)
        weights = self_template.optimal(pixels.model, plain.variance, pixels.nuisances, plain.spread)
        return Estimate(name, (replace(plain, weights=weights),))
    template = self_template.fit(pixels, frames)
    if name == 'template':
        return Estimate(name, (template,))
    return Estimate(name, _smoothest(pixels, template, frames))


def _smoothest(pixels, template, frames):
    """Templates of least total variation, one for each segment."""
    start = template.weights * template.profile
    chosen = np.argsort(start)[::-1][:halo_weights.MOST_PIXELS]
    chosen = chosen[start[chosen] > 0]
    if chosen.size < 2 or not pixels.level > 0:
        return (template,)
    change = template.flux(pixels) - pixels.level
    light = (pixels.rest[chosen] - change.astype('float32') * pixels.response[chosen]
             - template.pattern[chosen].astype('float32') @ template.basis.T.astype('float32'))
    light = 1 + light / (pixels.level * template.profile[chosen].astype('float32'))[:, None]
    parts = []
    for weights in halo_weights.fit_segments(light, start[chosen], frames, pixels.segment):
        every = np.zeros_like(start)
        every[chosen] = weights / template.profile[chosen]
        parts.append(replace(template, weights=every))
    return tuple(parts)


def corrected(pixels, estimate, time, noise, drift=True):
    """Flux of an estimate, less the motion that is left in it where that is wanted: (times,)."""
    flux = estimate.flux(pixels)
    part = estimate.parts[0]
    if drift and estimate.name != 'prf':
        flux = flux - part.basis @ halo_drift.leftover(flux, time, part.basis, part.doubt,
                                                       pixels.good, noise)
    return flux


def choose(pixels, methods):
    """Name of the best estimator, scatter out of sample of all, and the over-fitting of the best.

    Estimators learn from every other block of frames and are judged by changes
    between the frames of the blocks in between.
    """
    if pixels.good.sum() < LEAST_FRAMES or not pixels.basis.shape[1]:
        return ('prf' if 'prf' in methods else methods[0]), {}, 1.0
    block = np.cumsum(pixels.good) * BLOCKS // (pixels.good.sum() + 1)
    learned, judged = (pixels.good & (block % 2 == part) for part in (0, 1))
    changes = {}
    for name in methods:
        flux = fit(pixels, name, learned).flux(pixels)
        changes[name] = [_changes(flux, frames, block) for frames in (judged, learned)]
    held = methods[0]
    for name in methods[1:]:
        if _better(changes[name][0], changes[held][0]):
            held = name
    scatter = {name: _scatter(found[0]) for name, found in changes.items()}
    return held, scatter, max(scatter[held] / max(_scatter(changes[held][1]), 1e-30), 1.0)


def _changes(flux, frames, block):
    """Changes over each of `LAGS` inside the blocks."""
    made = []
    for lag in LAGS:
        first, second = halo_weights.pairs_of(frames, block, (lag,))
        made.append(flux[second] - flux[first])
    return made


def _scatter(changes):
    return float(np.sqrt(np.mean([metrics.mad(change) ** 2 / 2 for change in changes if change.size])))


def _better(rival, held):
    """Whether changes are smaller, by `GAIN` and beyond doubt; the star's own are in both."""
    if _scatter(rival) > (1 - GAIN) * _scatter(held):
        return False
    a, b = np.concatenate(rival) ** 2, np.concatenate(held) ** 2
    balance = (b - a) / np.maximum(a + b, 1e-30)
    # Changes share frames, and both lags have them: every frame enters four times.
    return balance.mean() > CERTAINTY * balance.std() * np.sqrt(2 / balance.size)


def signal_kept(pixels, name, time, noise):
    """Part of a slow signal that an estimator leaves, when drift is taken away and when it is not.

    Returns
    -------
    kept : float
        The smaller part over `PERIODS`, with drift taken away if that keeps `KEPT` of it.
    drift : bool
    """
    if name == 'prf':
        return 1.0, False
    phase = 2 * np.pi * (time - time[0]) / max(time[-1] - time[0], 1e-9)
    waves = np.stack([np.sin(number * phase) for number in PERIODS])
    size = max(SIGNAL * pixels.level, LEAST_SIGNAL * noise)
    change = size * waves.sum(axis=0)
    injected = replace(pixels, rest=pixels.rest + change.astype('float32') * (
        pixels.profile.astype('float32')[:, None] + pixels.response))
    pair = fit(pixels, name, pixels.good), fit(injected, name, pixels.good)
    for drift in (True, False):
        before, after = (corrected(case, estimate, time, noise, drift) for case, estimate
                         in zip((pixels, injected), pair, strict=True))
        found = np.linalg.lstsq(waves[:, pixels.good].T, (after - before)[pixels.good], rcond=None)[0] / size
        if found.min() >= KEPT:
            break
    return float(found.min()), drift
