"""The automatic choice of a method: measure with those that may be best, keep the best light curve.

The rule is written down in docs/methods/choice.md.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from photometry.algorithms import masks, metrics
from photometry.core.errors import FluxOnEdgeError, NoFluxError, PhotometryError, Reason
from photometry.core.status import STATUS
from photometry.methods import neighbours, sap

logger = logging.getLogger(__name__)

FIRST = 'aperture'
"""Method that is tried first; its stamp tells whether the star is saturated."""

ALWAYS = (FIRST, 'linpsf')
"""Methods tried for every star."""

PREFERENCE = ('linpsf', 'aperture', 'psf', 'halo')
"""Order in which methods are held for the best while nothing speaks against it."""

MARGIN = 0.03
"""Part by which the noise or the scatter must be smaller to change the choice."""

CERTAINTY = 3.0
"""Standard errors by which the scatter of two light curves must differ before it counts."""

VARIABILITY = 1e-3
"""Part of their light by which neighbours are taken to vary: what goes into a sum of pixels unseen."""

LEAST_STEPS = 20
"""Pairs of cadences below which scatter says nothing."""

DISPLACED = 0.3
"""Distance from the place of the catalogue beyond which positions are fitted frame by frame, px."""

MOVING = 0.02
"""Proper motion over the observation beyond which they are, px."""

PIXEL = 21.0
"""Width of a pixel, arcsec."""

TELLING = (Reason.BUG, Reason.FLUX_ON_EDGE, Reason.NO_FLUX, Reason.NO_GOOD_CADENCES)
"""Reasons of failure, the most informative first."""


@dataclass(frozen=True)
class Evidence:
    """What speaks for or against the light curve of one method.

    Attributes
    ----------
    method : str
    error : float
        Median FLUX_ERR: what the method itself expects, e-/s.
    steps : ndarray (times,)
        Changes of FLUX from each cadence to the next, NaN where one of them is not good, e-/s.
    leak : float
        Light of neighbours whose changes cannot be told from the star's, e-/s.
    overfit : float
        Scatter out of sample over that in the sample, for methods that fit the series itself.
    """

    method: str
    error: float
    steps: np.ndarray = field(compare=False, repr=False)
    leak: float = 0.0
    overfit: float = 1.0

    @property
    def noise(self) -> float:
        """Standard deviation that is expected, variability of neighbours included, e-/s."""
        return float(np.hypot(self.error, VARIABILITY * self.leak))

    @cached_property
    def scatter(self) -> float:
        """Standard deviation of a cadence that the ones beside it do not foretell, with the same, e-/s."""
        seen = self.overfit * metrics.mad(self.steps) / np.sqrt(2)
        return float(np.hypot(seen, VARIABILITY * self.leak))


@dataclass(frozen=True)
class Star:
    """What is known of a star before methods are compared.

    Attributes
    ----------
    saturated : int
        Pixels at full well that are its own.
    displaced : float
        Distance of its image from the place of the catalogue, px.
    moving : float
        Proper motion over the observation, px.
    """

    saturated: int = 0
    displaced: float = 0.0
    moving: float = 0.0


@dataclass(frozen=True)
class Trial:
    """One method's attempt: a photometry with its light curve, or an error."""

    method: str
    photometry: object = None
    error: Exception | None = None


@dataclass(frozen=True)
class Choice:
    """What came of it.

    Attributes
    ----------
    kept : BasePhotometry or None
        None when every method failed.
    error : Exception or None
        The most informative failure, when every method failed.
    tried : str
        Names of the methods, with the reason in parentheses where one failed.
    reason : str
        Why the kept one was chosen.
    """

    kept: object
    error: Exception | None
    tried: str
    reason: str = ''


def further(star, errors):
    """Methods worth trying beside those of `ALWAYS`.

    Parameters
    ----------
    star : Star
    errors : sequence of Exception
        Of the methods that failed; all of `ALWAYS` did when they are as many.
    """
    lost = len(errors) == len(ALWAYS) and any(
        isinstance(error, FluxOnEdgeError | NoFluxError) for error in errors)
    if star.saturated or lost:
        yield 'halo'
    if star.displaced > DISPLACED or star.moving > MOVING:
        yield 'psf'


def best(found):
    """The evidence to keep, and why.

    The preferred method is held until another one shows less scatter from
    cadence to cadence, by `MARGIN` and beyond doubt; where scatter cannot tell,
    until another one expects less noise by `MARGIN`.

    Parameters
    ----------
    found : sequence of Evidence
        At least one; their order does not matter.

    Returns
    -------
    Evidence, str
    """
    held, *rivals = sorted(found, key=lambda item: (_preference(item.method), item.method))
    why = 'preferred' if rivals else 'the only light curve'
    for rival in rivals:
        word = _advantage(rival, held)
        if word:
            held, why = rival, word
    return held, why


def _preference(method):
    return PREFERENCE.index(method) if method in PREFERENCE else len(PREFERENCE)


def _advantage(rival, held):
    """Why a rival is better, or nothing."""
    if abs(certainty(rival, held)) > CERTAINTY:
        if rival.scatter < (1 - MARGIN) * held.scatter:
            return 'less scatter'
        if rival.scatter > held.scatter / (1 - MARGIN):
            return ''
    return 'less expected noise' if rival.noise < (1 - MARGIN) * held.noise else ''


def certainty(one, other):
    """Standard errors by which the steps of one light curve are larger than those of another.

    Both hold the same star in the same cadences, so that its own variability
    is in both steps of a pair. (a^2 - b^2) / (a^2 + b^2) is near zero where that rules
    and bounded where one of them has an outlier; its mean is zero for light
    curves of the same scatter (after Morgan 1939 and Pitman 1939, Biometrika 31).
    """
    a, b = one.overfit * one.steps, other.overfit * other.steps
    power = a ** 2 + b ** 2
    known = np.isfinite(power) & (power > 0)
    if known.sum() < LEAST_STEPS:
        return 0.0
    balance = (a[known] ** 2 - b[known] ** 2) / power[known]
    # Steps that share a cadence are correlated: their squares by 1/4, a factor of sqrt(3/2).
    error = np.sqrt(1.5 / known.sum()) * balance.std()
    return float(balance.mean() / error) if error > 0 else 0.0


def measure(first, attempt):
    """Measure a star with the methods that may be best, and choose.

    Parameters
    ----------
    first : BasePhotometry
        Of the method `FIRST`, not run yet.
    attempt : callable
        ``attempt(call) -> (value, error)``; lets those errors pass that must end the task.

    Returns
    -------
    Choice
    """
    trials = [_run(first, attempt)]
    broken = trials[0].error is not None and _reason(trials[0].error) is Reason.BUG

    def try_all(names):
        trials.extend(_try(name, first, broken, attempt) for name in names
                      if name in first.context.method_names)
    try_all(ALWAYS[1:])
    try_all(further(star_of(first), [trial.error for trial in trials if trial.error]))
    return _chosen(trials)


def _try(name, first, broken, attempt):
    """A trial of another method, which takes over what the first one did unless that broke down."""
    made, error = attempt(lambda: first.context.method(name).from_task(first.task, first.context))
    if error:
        return Trial(name, error=error)
    if not broken:
        sap.share(made, first)
    return _run(made, attempt)


def _run(photometry, attempt):
    _, error = attempt(photometry.photometry)
    return Trial(photometry.method, None if error else photometry, error)


def _chosen(trials):
    tried = ' '.join(trial.method if trial.error is None else f'{trial.method}({_reason(trial.error)})'
                     for trial in trials)
    found = {trial.method: evidence_of(trial.photometry) for trial in trials if trial.error is None}
    if not found:
        error = min((trial.error for trial in trials), key=lambda error: TELLING.index(_reason(error))
                    if _reason(error) in TELLING else len(TELLING))
        return Choice(None, error, tried)
    held, why = best(found.values())
    kept = next(trial.photometry for trial in trials if trial.method == held.method)
    reason = '; '.join([f'{why}: {_figures(held)}', *(
        f'{method} {_figures(item)}' for method, item in found.items() if method != held.method)])
    kept.automatic = True
    kept.details |= {'methods_tried': tried, 'choice_reason': reason}
    kept.all_fluxes = {trial.method: trial.photometry.columns for trial in trials if trial.photometry}
    _tell_bugs(kept, trials)
    return Choice(kept, None, tried, reason)


def _tell_bugs(kept, trials):
    """Leave a remark about methods that failed for no reason that we know."""
    for trial in trials:
        if trial.error is not None and _reason(trial.error) is Reason.BUG:
            kept.report_details(error=f'The method {trial.method} broke down ({type(trial.error).__name__}: '
                                      f'{trial.error}).')
            kept._status = STATUS.WARNING


def _reason(error):
    return error.reason if isinstance(error, PhotometryError) else Reason.BUG


def _figures(item):
    return f'scatter {item.scatter:.3g} e-/s, noise {item.noise:.3g}'


def evidence_of(photometry) -> Evidence:
    """What a finished photometry says for itself."""
    table, good = photometry.columns, photometry.source.pixels.good
    flux = np.where(good, table['flux'], np.nan)
    error = float(np.nanmedian(table['flux_err'][good]))
    overfit = photometry.details.get('overfit')
    return Evidence(photometry.method, error, np.diff(flux), _leak(photometry, float(np.nanmedian(flux))),
                    max(float(overfit or 1.0), 1.0))


def _leak(photometry, level):
    """Light of neighbours in the sum of an aperture, e-/s; a fit of all stars tells them apart."""
    part = photometry.details.get('contamination')
    if photometry.method != 'aperture' or not part or not level > 0:
        return 0.0
    return level * part / max(1 - part, 1e-3)


def star_of(photometry) -> Star:
    """What a photometry that was begun tells about its star."""
    target, time = photometry.target, photometry.source.pixels.time
    motion = np.hypot(_number(target['pm_ra']), _number(target['pm_decl'])) / 1000 / PIXEL
    return Star(_saturated(photometry), _displacement(photometry),
                float(motion * (time[-1] - time[0]) / 365.25))


def _number(value):
    return value if np.isfinite(value) else 0.0


def _saturated(photometry):
    """Pixels at full well that a star may have filled itself."""
    tile = photometry.tile
    flux = float(tile.flux_of(np.array([photometry.catalog_index]))[0])
    if not flux > neighbours.SATURATING:
        return 0
    row, column = (int(np.floor(axis + 0.5)) for axis in (photometry.target_pos_row_stamp,
                                                          photometry.target_pos_column_stamp))
    return int(masks.bleed_mask(photometry.sumimage, (row, column)).sum())


def _displacement(photometry):
    """Distance of the star's image from its catalogued place, beside what all stars share, px."""
    tile, index = photometry.tile, np.array([photometry.catalog_index])
    row, column = tile.mean_positions(index)
    expected = photometry.source.mean_positions
    return float(np.hypot(row[0] - expected[0][index[0]] - tile.shift[0],
                          column[0] - expected[1][index[0]] - tile.shift[1]))
