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

UNEXPLAINED = 1.15
"""Scatter out of sample over the expected noise from which on least total variation is tried."""

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
    """One estimator, fitted.

    Attributes
    ----------
    name : str
    parts : tuple of photometry.algorithms.self_template.Template
        One for all segments, or one for each.
    drift : ndarray (terms,)
        Motion that was left in the light curve, e-/s in the terms of the templates.
    """

    name: str
    parts: tuple
    drift: np.ndarray

    def flux(self, pixels):
        """e-/s, (times,)."""
        flux = self._of_segments(pixels, lambda part: part.flux(pixels))
        return flux - self.parts[0].motion(pixels) @ self.drift if self.drift.any() else flux

    def error(self, pixels, square):
        """e-/s, (times,)."""
        return self._of_segments(pixels, lambda part: part.error(pixels, square))

    def _of_segments(self, pixels, values):
        made = values(self.parts[0])
        for number, part in enumerate(self.parts[1:], start=1):
            inside = pixels.segment == number
            made[inside] = values(part)[inside]
        return made


@dataclass(frozen=True)
class Judgement:
    """What the hold-out says.

    Attributes
    ----------
    name : str
        The best estimator.
    scatter : dict
        Scatter out of sample of each that was tried, e-/s; empty when nothing was held out.
    overfit : float
        Scatter out of sample over that in the sample when all frames are fitted, at least 1.
    kept : float
        Part of an injected slow signal that is left.
    drift : bool
        Whether motion that is left in the light curve may be taken away.
    """

    name: str
    scatter: dict
    overfit: float = 1.0
    kept: float = 1.0
    drift: bool = False


@dataclass(frozen=True)
class HaloSeries:
    """What `measure` returns.

    Attributes
    ----------
    flux, flux_err : ndarray (times,)
        e-/s.
    weights : ndarray (segments, pixels)
        What the flux weighs the pixels with; one row where all segments share them.
    judgement : Judgement
    spread : ndarray (nuisances,)
        Errors of motion (px, row and column) and sky (e-/s a pixel) from frame to frame.
    """

    flux: np.ndarray
    flux_err: np.ndarray
    weights: np.ndarray
    judgement: Judgement
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
    judged = judge(pixels, time, methods)
    estimate = fit(pixels.of(pixels.good), time[pixels.good], judged.name, judged.drift)
    weights = np.stack([part.weights for part in estimate.parts])
    return HaloSeries(estimate.flux(pixels), estimate.error(pixels, square), weights, judged,
                      estimate.parts[0].spread)


def fit(pixels, time, name, drift=True):
    """An `Estimate` by its name.

    Parameters
    ----------
    pixels : photometry.algorithms.halo_pixels.HaloPixels
        Of the frames to learn from.
    time : ndarray (times,)
        Days.
    name : str
        One of `ESTIMATORS`.
    drift : bool
        Whether motion that is left in the light curve is sought.
    """
    if name == 'prf':
        plain = self_template.fit(replace(pixels, basis=pixels.basis[:, :0]))
        weights = self_template.optimal(pixels.model, plain.variance, plain.nuisances, plain.spread)
        motionless = np.zeros((pixels.basis.shape[1], 0))
        return Estimate(name, (replace(plain, weights=weights, turn=motionless),), np.zeros(0))
    template = self_template.fit(pixels)
    parts = (template,) if name == 'template' else _smoothest(pixels, template)
    made = Estimate(name, parts, np.zeros(template.turn.shape[1]))
    if drift:
        made = replace(made, drift=halo_drift.leftover(
            made.flux(pixels), time, template.motion(pixels), template.doubt, template.noise))
    return made


def _smoothest(pixels, template):
    """Templates of least total variation, one for each segment."""
    start = template.weights * template.profile
    chosen = np.argsort(start)[::-1][:halo_weights.MOST_PIXELS]
    chosen = chosen[start[chosen] > 0]
    if chosen.size < 2 or not pixels.level > 0:
        return (template,)
    change = np.nan_to_num(template.flux(pixels) - pixels.level)
    motion = template.motion(pixels)
    light = (pixels.rest[chosen] - change.astype('float32') * pixels.response[chosen]
             - template.pattern[chosen].astype('float32') @ motion.T.astype('float32'))
    light = 1 + light / (pixels.level * template.profile[chosen].astype('float32'))[:, None]
    parts = []
    for weights in halo_weights.fit_segments(light, start[chosen], pixels.segment):
        every = np.zeros_like(start)
        every[chosen] = weights / template.profile[chosen]
        parts.append(replace(template, weights=every))
    return tuple(parts)


def judge(pixels, time, methods):
    """The best estimator by hold-out.

    Estimators learn from every other block of frames and are judged by changes
    between the frames of the blocks in between.

    Returns
    -------
    Judgement
    """
    good = pixels.good
    if good.sum() < LEAST_FRAMES or not pixels.basis.shape[1]:
        return Judgement('prf' if 'prf' in methods else methods[0], {})
    block = np.cumsum(good) * BLOCKS // (good.sum() + 1)
    learned, judged = (good & (block % 2 == part) for part in (0, 1))
    some, changes, tried = pixels.of(learned), {}, {}
    for name in methods:
        if name == 'tv' and tried and not _unexplained(changes, tried):
            continue
        tried[name] = fit(some, time[learned], name)
        flux = tried[name].flux(pixels)
        changes[name] = [_changes(flux, frames, block) for frames in (judged, learned)]
    held = methods[0]
    for name in tried:
        if _better(changes[name][0], changes[held][0]):
            held = name
    scatter = {name: _scatter(found[0]) for name, found in changes.items()}
    # Twice as many frames are fitted in the end: the excess in variance is half as large then.
    overfit = np.sqrt(max(scatter[held] / max(_scatter(changes[held][1]), 1e-30), 1.0))
    kept, drift = (1.0, False) if held == 'prf' else signal_kept(some, time[learned], tried[held])
    return Judgement(held, scatter, float(overfit), kept, drift)


def _unexplained(changes, tried):
    """Whether the estimators so far scatter more than they should."""
    return all(_scatter(changes[name][0]) > UNEXPLAINED * estimate.parts[0].noise
               for name, estimate in tried.items())


def _changes(flux, frames, block):
    """Changes over each of `LAGS` inside the blocks."""
    made = []
    for lag in LAGS:
        first, second = halo_weights.pairs_of(frames & np.isfinite(flux), block, (lag,))
        made.append(flux[second] - flux[first])
    return made


def _scatter(changes):
    return float(np.sqrt(np.mean([metrics.mad(change) ** 2 / 2 for change in changes if change.size])))


def _better(rival, held):
    """Whether changes are smaller, by `GAIN` and beyond doubt; the star's own are in both."""
    if _scatter(rival) > (1 - GAIN) * _scatter(held) or any(a.size != b.size for a, b in
                                                            zip(rival, held, strict=True)):
        return False
    a, b = np.concatenate(rival) ** 2, np.concatenate(held) ** 2
    balance = (b - a) / np.maximum(a + b, 1e-30)
    # Changes share frames, and both lags have them: every frame enters four times.
    return balance.mean() > CERTAINTY * balance.std() * np.sqrt(2 / balance.size)


def signal_kept(pixels, time, before):
    """Part of a slow signal that an estimator leaves, when drift is taken away and when it is not.

    The signal is put into the pixels and everything is fitted anew.

    Parameters
    ----------
    pixels : photometry.algorithms.halo_pixels.HaloPixels
        Of the frames to learn from.
    time : ndarray (times,)
        Days.
    before : Estimate
        Fitted without the signal.

    Returns
    -------
    kept : float
        The smallest part over `PERIODS`, with drift taken away if that keeps `KEPT` of it.
    drift : bool
    """
    phase = 2 * np.pi * (time - time[0]) / max(time[-1] - time[0], 1e-9)
    waves = np.stack([np.sin(number * phase) for number in PERIODS])
    size = max(SIGNAL * pixels.level, LEAST_SIGNAL * before.parts[0].noise)
    change = (size * waves.sum(axis=0)).astype('float32')
    injected = replace(pixels, rest=pixels.rest + change * (
        pixels.response + pixels.profile.astype('float32')[:, None]))
    after = fit(injected, time, before.name)
    for drift in (True, False):
        pair = [estimate if drift else replace(estimate, drift=0 * estimate.drift)
                for estimate in (before, after)]
        difference = np.nan_to_num(pair[1].flux(injected) - pair[0].flux(pixels))
        found = np.linalg.lstsq(waves.T, difference, rcond=None)[0] / size
        if found.min() >= KEPT:
            break
    return float(found.min()), drift
