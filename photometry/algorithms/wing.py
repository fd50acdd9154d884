"""The wing of the PRF, learned from the bright stars of a mean image."""

from __future__ import annotations

import itertools

import numpy as np

from photometry.algorithms import masks
from photometry.algorithms import prf as prf_model
from photometry.core import units
from photometry.core.stamp import Stamp

EXPONENTS = np.arange(1.5, 4.01, 0.125)
"""Power laws that are tried."""

TYPICAL, EXPONENT_SPREAD, INDEPENDENT = 3.0, 0.5, 2
"""What is expected of the power law, and how many independent values a neighbourhood gives."""

REACH = 25
"""Half width in px of the neighbourhood in which a star's wing is looked at."""

SATURATED = 7.0
"""Stars brighter than this magnitude lose light to bleeding and give no core flux."""

SIGNIFICANT = 5
"""Standard errors by which a wing must stand out to be believed."""

MAX_STARS = 40
MIN_STARS = 3
MIN_SIDE = 32


def fit_wing(sumimage, row, column, tmag, prf, origin=(0, 0), readnoise_variance=0.05):
    """Fraction of starlight beyond the 13 x 13 px core, with the power law it follows.

    The bright unsaturated stars are fitted with the core of the PRF; what
    is left around them is compared with the wings of all bright stars, each
    neighbourhood having a constant of its own, so that neither the level of
    the sky nor what the background model took away matters.

    Parameters
    ----------
    sumimage : array (rows, columns)
        Mean of the good frames, background subtracted, e-/s; NaN where unknown.
    row, column, tmag : array (n,)
        All catalogue stars on the image; positions on the CCD.
    prf : photometry.algorithms.prf.PRF
        Without a wing.
    origin : tuple
        Row and column on the CCD of the first pixel.
    readnoise_variance : float
        Variance of a pixel of the mean image that does not come from its
        light, (e-/s)^2; sets the weights only.

    Returns
    -------
    photometry.algorithms.prf.Wing or None
        None where the image is too small or holds too few stars to tell.
    """
    image = np.asarray(sumimage, dtype='float64')
    if min(image.shape) < MIN_SIDE:
        return None
    limits = Stamp(origin[0], origin[0] + image.shape[0], origin[1], origin[1] + image.shape[1])
    row, column, tmag = (np.asarray(values, dtype='float64') for values in (row, column, tmag))
    chosen = _bright_stars(row, column, tmag, limits)
    if chosen.size < MIN_STARS:
        return None
    zero_point = _zero_point(image, row, column, tmag, chosen, prf, limits)
    if zero_point is None:
        return None
    flux = units.magnitude_to_flux(tmag, zero_point)
    hoods = [_Neighbourhood(image, row, column, flux, star, prf, limits, readnoise_variance)
             for star in chosen]
    return _best_wing([hood for hood in hoods if hood.weight.sum() > 100])


def _bright_stars(row, column, tmag, limits):
    """Indices of the brightest stars that are neither saturated nor cut by the edge."""
    edge = prf_model.CORE
    usable = np.flatnonzero((row > limits.row_min + edge) & (row < limits.row_max - edge)
                            & (column > limits.col_min + edge) & (column < limits.col_max - edge)
                            & (tmag > SATURATED))
    usable = usable[np.argsort(tmag[usable], kind='stable')]
    alone = (star for star in usable if not _has_rival(star, row, column, tmag))
    return np.fromiter(itertools.islice(alone, MAX_STARS), dtype=int)


def _has_rival(star, row, column, tmag):
    """Whether another star's core, known to some per cent only, stands in the way."""
    rivals = _within(9, star, row, column)
    return bool((10 ** (-0.4 * (tmag[rivals] - tmag[star]))).sum() > 0.5)


def _zero_point(image, row, column, tmag, chosen, prf, limits):
    """Magnitude of 1 e-/s in the core, the median over the chosen stars."""
    found = []
    for star in chosen:
        stamp = Stamp.around(row[star], column[star], 9, 9)
        near = _within(12, star, row, column)
        data = (image[stamp.slices(limits[::2])]
                - np.tensordot(units.magnitude_to_flux(tmag[near]),
                               prf.render(row[near], column[near], stamp), 1)).ravel()
        model = prf.render(row[star], column[star], stamp).ravel()
        good = np.isfinite(data)
        if good.sum() > 20:
            design = np.stack([model, np.ones_like(model)], axis=1)[good]
            flux = np.linalg.lstsq(design, data[good], rcond=None)[0][0]
            if flux > 0:
                found.append(tmag[star] + 2.5 * np.log10(flux))
    return np.median(found) if len(found) >= MIN_STARS else None


def _within(distance, star, row, column):
    """Indices of the other stars within a distance in px."""
    near = np.hypot(row - row[star], column - column[star]) < distance
    near[star] = False
    return np.flatnonzero(near)


class _Neighbourhood:
    """What is left around one star when the cores are taken away, with its weights."""

    def __init__(self, image, row, column, flux, star, prf, limits, floor):
        stamp = Stamp.around(row[star], column[star], 2 * REACH + 1, 2 * REACH + 1).clipped(limits)
        near = np.append(_within(2 * REACH, star, row, column), star)
        cores = np.tensordot(flux[near], prf.render(row[near], column[near], stamp), 1)
        data = image[stamp.slices(limits[::2])]
        self.rest = data - cores
        # A core known to 2 % may leave as much behind; there the wing is not looked for.
        variance = floor + 1e-3 * abs(cores) + (0.02 * cores) ** 2
        rows, columns = np.arange(stamp.row_min, stamp.row_max), np.arange(stamp.col_min, stamp.col_max)
        outside = ((abs(rows - row[star]) > prf_model.HALF + 1)[:, None]
                   | (abs(columns - column[star]) > prf_model.HALF + 1)[None, :])
        # A saturated star's charge runs along its column and far out of its core.
        spilt = masks.bleeding(masks.saturated(data))
        self.weight = np.where(np.isfinite(data) & outside & ~spilt, 1 / variance, 0.0)
        self.rest[self.weight == 0] = 0.0
        # Every wing that reaches in counts, also those of stars too bright for their cores.
        reach = _within(60 + REACH, star, row, column)
        wide = np.append(reach[flux[reach] > 1e-2 * flux[star]], star)
        self.flux = flux[wide]
        self.places = (row[wide], column[wide], np.broadcast_to(rows, (wide.size, rows.size)),
                       np.broadcast_to(columns, (wide.size, columns.size)))

    def wings(self):
        """Light of all wings for each of `EXPONENTS`, were each star to put all its core flux there."""
        first = prf_model.Wing(1.0, EXPONENTS[0])
        shape = first.render(*self.places)[0] / first.amplitude
        # From one power law to the next is the same factor, so that one power serves for all.
        factor = np.where(shape > 0, shape, 1.0) ** (np.diff(EXPONENTS[:2]) / EXPONENTS[0])
        for exponent in EXPONENTS:
            yield prf_model.Wing(1.0, exponent).amplitude * np.tensordot(self.flux, shape, 1)
            shape *= factor

    def sums(self):
        """Weighted (wing wing, wing rest, rest rest) for each power law, the constant projected out."""
        weight = self.weight
        total = weight.sum()
        rest = self.rest - (weight * self.rest).sum() / total
        made = []
        for wings in self.wings():
            wings = wings - (weight * wings).sum() / total
            made.append(((weight * wings * wings).sum(), (weight * wings * rest).sum(),
                         (weight * rest * rest).sum()))
        return made


def _best_wing(hoods):
    """The power law that leaves the least, its fraction from linear least squares."""
    if len(hoods) < MIN_STARS:
        return None
    best = None
    every = np.array([hood.sums() for hood in hoods]).swapaxes(0, 1)
    for exponent, sums in zip(EXPONENTS, every, strict=True):
        # Neighbourhoods vote with a robust weight: one unknown neighbour must not decide.
        ratio = np.median(sums[:, 1] / sums[:, 0])
        spread = 1.4826 * np.median(abs(sums[:, 1] / sums[:, 0] - ratio)) + 1e-12
        kept = abs(sums[:, 1] / sums[:, 0] - ratio) < 5 * spread
        square, product, rest = sums[kept].sum(axis=0)
        amount = product / square
        # What is left is correlated over many pixels, so that a neighbourhood counts as few.
        loss = (INDEPENDENT * len(hoods) * np.log((rest - amount * product) / kept.sum())
                + ((exponent - TYPICAL) / EXPONENT_SPREAD) ** 2)
        if best is None or loss < best[0]:
            best = loss, amount, exponent, spread / np.sqrt(kept.sum())
    _, amount, exponent, error = best
    if amount <= SIGNIFICANT * error:
        return None
    # `amount` is wing over core, the fraction is wing over all.
    return prf_model.Wing(float(amount / (1 + amount)), float(exponent))
