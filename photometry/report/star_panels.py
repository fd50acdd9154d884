"""Panels of the picture of a star: its pixels and what was made of them, fluxes with flagged cadences."""

import numpy as np

from photometry.core import quality
from photometry.core.coordinates import to_one_based
from photometry.report import panels
from photometry.report.style import ACCENT, INK, LIGHT, MODEL, SIGNED, halo

MARKERS = '^svDPX<>'
"""Of flags, by turns: markers tell them apart where colours do not."""

FAINTEST = 18.0
"""Magnitude from which stars are drawn as the smallest circle."""


def mean_image(axes, curve, around):
    """Mean image with the mask, the stars of the catalogue by magnitude, and the star itself.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    curve : photometry.files.lightcurve.LightcurveFile
    around : photometry.report.star_picture.Surroundings
    """
    _image(axes, curve, curve.sumimage, 'Mean image', 'e-/s', norm=panels.light_norm(curve.sumimage),
           cmap=LIGHT)
    panels.outline(axes, curve.mask, to_one_based(np.array(curve.corner)), path_effects=halo(),
                   label='photometry mask')
    limits = axes.axis()
    axes.scatter(to_one_based(around.column), to_one_based(around.row), circle(around.tmag),
                 facecolors='none', edgecolors=ACCENT, path_effects=halo(), label='stars by magnitude')
    if around.target is not None:
        row, column = around.target
        axes.plot(to_one_based(column), to_one_based(row), '+', ms=11, mew=1.6, color=INK,
                  path_effects=halo(3.5), label='the star')
    axes.axis(limits)


def circle(tmag):
    """Area of the circles of stars, points squared: twice as wide for each five magnitudes or so."""
    tmag = np.nan_to_num(np.asarray(tmag, dtype='float64'), nan=FAINTEST)
    return 8.0 + 4.0 * np.clip(FAINTEST - tmag, 0, 16) ** 1.6


def model_image(axes, curve, model):
    """The mean image as the method explains it, on the scale of the image itself."""
    _image(axes, curve, model, 'Model', 'e-/s', norm=panels.light_norm(curve.sumimage), cmap=LIGHT)


def residual(axes, curve, model):
    """Mean image less model."""
    rest = curve.sumimage - model
    limit = _limit(rest)
    _image(axes, curve, rest, 'Image less model', 'e-/s', vmin=-limit, vmax=limit, cmap=SIGNED)


def weights(axes, curve):
    """Weights of the pixels in the flux."""
    _image(axes, curve, curve.weightmap, 'Weights of the flux', 'weight', cmap=SIGNED, vmin=0,
           vmax=_limit(curve.weightmap))


def _limit(image):
    known = np.abs(image[np.isfinite(image)])
    return (float(np.percentile(known, 99)) if known.size else 0.0) or 1.0


def _image(axes, curve, image, title, unit, **options):
    """An image with the one-based columns and rows of the CCD at its edges and its scale beside it."""
    row, column = (to_one_based(first) - 0.5 for first in curve.corner)
    height, width = np.shape(image)
    drawn = axes.imshow(image, extent=(column, column + width, row, row + height), **options)
    axes.figure.colorbar(drawn, ax=axes, location='bottom', shrink=0.9, aspect=30, label=unit)
    axes.set(ylabel='row')
    axes.set_xlabel('column', labelpad=0)
    axes.set_title(title, loc='left')
    axes.ticklabel_format(useOffset=False)
    axes.locator_params(integer=True, nbins=4, steps=[1, 2, 5, 10])
    return drawn


def light_curve(axes, curve, flags, column, title):
    """A flux against time; flagged cadences have markers of their own, with a label for the legend.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    curve : photometry.files.lightcurve.LightcurveFile
    flags : ndarray (times,) of int
        Quality of the cadences.
    column, title : str
    """
    relative, good = panels.relative_flux(curve, quality.good(flags), column)
    panels.dots(axes, curve.columns['TIME'], relative, good & (flags == 0), good, label='no flag')
    low, high = axes.get_ylim()
    for number, (bit, flagged) in enumerate(first_flags(flags)):
        shown = flagged & np.isfinite(relative)
        bad = bit & quality.BAD_BITS
        outside = int((shown & ((relative < low) | (relative > high))).sum())
        without = int((flagged & ~shown).sum())
        label = (f'{quality.words(bit)[0]}{"" if bad else ", used"}: {flagged.sum()}'
                 + (f', {outside} beyond the panel' if outside else '')
                 + (f', {without} without a flux' if without else ''))
        axes.plot(curve.columns['TIME'][shown], relative[shown], MARKERS[number % len(MARKERS)], ms=4,
                  mew=0.8, color=MODEL if bad else ACCENT, mfc='none', label=label)
    axes.set_ylim(low, high)
    axes.set_title(title, loc='left')
    axes.set_ylabel('flux (ppt)')


def first_flags(flags):
    """Cadences by the first of their flags, those that are left out by a bad one before others.

    Returns
    -------
    list of (int, ndarray (times,) of bool)
        A bit and the cadences that stand for it; every flagged cadence is in one of them.
    """
    flags = np.asarray(flags).astype('int64') & 0xffffffff
    deciding = np.where(flags & quality.BAD_BITS, flags & quality.BAD_BITS, flags)
    first = deciding & -deciding
    return [(int(bit), first == bit) for bit in np.unique(first) if bit]
