"""What a reader should know about a light curve, whatever method made it."""

from __future__ import annotations

import numpy as np

from photometry.core import starids, units
from photometry.core.status import STATUS

LEAST_MOTION = 0.9
"""Part of the good cadences whose motion must have been measured for a light curve without a remark."""

CATALOG_ERROR = 1.0
"""Magnitudes by which a flux may differ from the catalogue's without a remark."""

COMPANY = 7.5
"""Magnitudes by which others of a sum may be fainter for them to matter: beyond, images err by more."""


def verdict(photometry, remarks):
    """Leave remarks with a photometry: OK without any, else WARNING.

    Parameters
    ----------
    photometry : photometry.methods.base.BasePhotometry
    remarks : iterable of str

    Returns
    -------
    STATUS
    """
    remarks = list(dict.fromkeys(remarks))
    for remark in remarks:
        photometry.report_details(error=remark)
    return STATUS.WARNING if remarks else STATUS.OK


def common(photometry, level, others=()):
    """Sentences about motion, flux and company.

    Parameters
    ----------
    photometry : photometry.methods.base.BasePhotometry
    level : float
        Median of its flux in good cadences, e-/s.
    others : sequence of int
        Catalogue stars whose light is in the flux as well.

    Yields
    ------
    str
    """
    yield from motion(photometry)
    yield from sum_with(photometry, others)
    expected = float(units.magnitude_to_flux(photometry.target['tmag'], photometry.tile.zero_point))
    brighter = 2.5 * np.log10(level / expected) if level > 0 else np.nan
    if not level > 0:
        yield 'The median flux is not positive.'
    elif abs(brighter) > CATALOG_ERROR and not others:
        yield (f'The flux is {brighter:+.1f} mag off that of the catalogue: '
               'a wrong magnitude or a neighbour without an entry.')
    if photometry.task.skipped_by is not None:
        yield f'{starids.name(photometry.task.skipped_by)}, brighter, delivers this star as well.'


def sum_with(photometry, others):
    """A sentence where other stars give a part of the flux that matters."""
    names = ', '.join(starids.name(number) for number in company(photometry, others))
    if names:
        yield f'The flux is the sum with {names}, too close to be told apart.'


def company(photometry, others):
    """Those of some catalogue stars whose light matters beside the star's."""
    tmag, faintest = photometry.source.tmag, photometry.target['tmag'] + COMPANY
    return [number for number in others if not tmag[photometry.source.index_of(number)] > faintest]


def motion(photometry):
    """A sentence where motion was not measured, or in too few cadences."""
    measured = photometry.source.measured
    if photometry.MovementKernel.warpmode == 'unchanged' or not measured:
        yield 'No motion of the stars was measured; the flux is not corrected for it.'
    elif measured < LEAST_MOTION:
        yield (f'The motion of the stars was measured in only {100 * measured:.0f} % of '
               'the good cadences and is interpolated in the others.')
