"""The automatic choice of a method: measure with those that may be best, keep the best light curve.

The rule is written down in docs/methods/choice.md.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np

from photometry.algorithms import masks
from photometry.core.errors import FluxOnEdgeError, NoFluxError, PhotometryError, Reason
from photometry.core.status import STATUS
from photometry.methods import neighbours, remarks, sap
from photometry.methods.evidence import Evidence, best

logger = logging.getLogger(__name__)

FIRST = 'aperture'
"""Method that is tried first; its stamp tells whether the star is saturated."""

ALWAYS = (FIRST, 'linpsf')
"""Methods tried for every star."""

DISPLACED = 0.3
"""Distance from the place of the catalogue beyond which positions are fitted frame by frame, px."""

MOVING = 0.02
"""Proper motion over the observation beyond which they are, px."""

PIXEL = 21.0
"""Width of a pixel, arcsec."""

TELLING = (Reason.BUG, Reason.FLUX_ON_EDGE, Reason.NO_FLUX, Reason.NO_GOOD_CADENCES)
"""Reasons of failure, the most informative first."""


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
    star = star_of(first)
    more = list(further(star, [trial.error for trial in trials if trial.error]))
    if more:
        first.cutout.release()  # what saturates has a large stamp, and the next method one of its own
    try_all(more)
    return _chosen(trials, star)


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


def _chosen(trials, star):
    tried = ' '.join(trial.method if trial.error is None else f'{trial.method}({_reason(trial.error)})'
                     for trial in trials)
    found = {trial.method: evidence_of(trial.photometry) for trial in trials if trial.error is None}
    if not found:
        error = min((trial.error for trial in trials), key=lambda error: TELLING.index(_reason(error))
                    if _reason(error) in TELLING else len(TELLING))
        return Choice(None, error, tried)
    held, why = best(list(found.values()), saturated=star.saturated > 0)
    kept = next(trial.photometry for trial in trials if trial.method == held.method)
    reason = '; '.join([f'{why}: {_figures(held)}', *(
        f'{method} {_figures(item)}' for method, item in found.items() if method != held.method)])
    kept.automatic = True
    kept.details |= {'methods_tried': tried, 'choice_reason': reason}
    fitted = [trial.photometry.details.get('chi2') for trial in trials if trial.photometry]
    kept.details.setdefault('chi2', next((chi2 for chi2 in fitted if chi2 is not None), None))
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
    return f'spread {item.spread:.3g} e-/s, scatter {item.scatter:.3g}, noise {item.noise:.3g}'


def evidence_of(photometry) -> Evidence:
    """What a finished photometry says for itself."""
    table, good = photometry.columns, photometry.source.pixels.good
    flux = np.where(good, table['flux'], np.nan)
    error = float(np.nanmedian(table['flux_err'][good]))
    overfit = max(float(photometry.details.get('overfit') or 1.0), 1.0)
    return Evidence(photometry.method, error, flux, _leak(photometry, float(np.nanmedian(flux))), overfit,
                    bool(remarks.company(photometry, photometry.details.get('merged_with') or ())))


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
    return int(masks.bleed_mask(masks.saturated(photometry.sumimage), (row, column)).sum())


def _displacement(photometry):
    """Distance of the star's image from its catalogued place, beside what all stars share, px."""
    tile, index = photometry.tile, np.array([photometry.catalog_index])
    row, column = tile.mean_positions(index)
    expected = photometry.source.mean_positions
    return float(np.hypot(row[0] - expected[0][index[0]] - tile.shift[0],
                          column[0] - expected[1][index[0]] - tile.shift[1]))
