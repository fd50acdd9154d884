"""Single panels: a light curve, a stamp with its mask, noise against magnitude."""

import numpy as np

from photometry.algorithms import noise
from photometry.core import quality, units
from photometry.report.style import ACCENT, INK, MODEL, PALE


def light_curve(axes, curve, title=''):
    """Relative flux of the good cadences against time, in parts per thousand.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    curve : photometry.files.lightcurve.LightcurveFile
    title : str
    """
    series(axes, curve, quality.good(curve.columns['QUALITY']), 'FLUX', title)


def series(axes, curve, good, column, title=''):
    """A flux of some cadences against time, in parts per thousand of its median.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    curve : photometry.files.lightcurve.LightcurveFile
    good : ndarray (times,) of bool
    column : str
        Name of the column; ``FLUX_CORR`` is relative already, ppm.
    title : str
    """
    flux = np.asarray(curve.columns[column], dtype='float64')
    good = good & np.isfinite(flux)
    if column == 'FLUX_CORR':
        relative = 1e-3 * flux
    else:
        level = np.median(flux[good]) if good.any() else 1.0
        relative = 1e3 * (flux / level - 1)
    axes.plot(curve.columns['TIME'][good], relative[good], '.', ms=2, color=INK, rasterized=True)
    if good.sum() > 20:
        low, high = np.percentile(relative[good], [0.5, 99.5])
        room = 0.3 * (high - low) or 1.0
        axes.set_ylim(low - room, high + room)
    axes.set_title(title, loc='left')
    axes.set_ylabel('flux (ppt)')


def motion(axes, curve, good):
    """Motion of the star along rows and columns in some cadences, px."""
    for name, words, color in (('POS_CORR1', 'columns', ACCENT), ('POS_CORR2', 'rows', MODEL)):
        axes.plot(curve.columns['TIME'][good], curve.columns[name][good], '.', ms=2, color=color, label=words,
                  rasterized=True)
    axes.set_title('Motion along', loc='left')
    axes.set_ylabel('motion (px)')
    axes.legend(loc='lower right', bbox_to_anchor=(1, 0.98), ncols=2, markerscale=4)


def stamp(axes, curve, title=''):
    """Mean image on a logarithmic scale with the photometry mask outlined."""
    from matplotlib.colors import LogNorm
    image = np.ma.masked_invalid(curve.sumimage)
    mask = (curve.aperture & quality.ApertureFlag.PHOTOMETRY) != 0
    top = max(float(image.max()), 1.0)
    axes.imshow(np.ma.maximum(image, top * 1e-3), norm=LogNorm(top * 1e-3, top), cmap='bone_r')
    outline(axes, mask)
    axes.set(title=title, xticks=[], yticks=[])


def outline(axes, mask):
    """Draw the border of a boolean mask."""
    padded = np.pad(mask, 1)
    for row, column in np.argwhere(padded[1:, :] != padded[:-1, :]):
        axes.plot([column - 1.5, column - 0.5], [row - 0.5] * 2, color=MODEL, lw=1.2)
    for row, column in np.argwhere(padded[:, 1:] != padded[:, :-1]):
        axes.plot([column - 0.5] * 2, [row - 1.5, row - 0.5], color=MODEL, lw=1.2)


def noise_against_magnitude(axes, tmag, rms_hour, floor, sky=100.0, readnoise=10.0):
    """Scatter of one hour against TESS magnitude, beside the floors.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    tmag, rms_hour, floor : array_like
        Magnitude, measured scatter and floor of each star's own aperture, ppm.
    """
    axes.semilogy(tmag, rms_hour, '.', ms=4, color=INK, label='measured')
    axes.semilogy(tmag, floor, '.', ms=2, color=ACCENT, label="floor of the star's own aperture")
    grid = np.linspace(min(tmag, default=6) - 0.3, max(tmag, default=15) + 0.3, 100)
    axes.semilogy(grid, noise.stassun_floor(grid), color=MODEL, lw=1, label='Stassun et al. 2018')
    flux = units.magnitude_to_flux(grid)
    axes.semilogy(grid, noise.star_floor(flux, flux, 0, 0, readnoise), color=PALE, lw=1,
                  label='photons alone')
    axes.set(xlabel='TESS magnitude', ylabel='scatter in one hour (ppm)')
    axes.legend(loc='upper left')


def zero_points(axes, rows):
    """Magnitude of 1 e-/s from the plain sum and from the corrected flux of each star."""
    tmag = [row.tmag for row in rows]
    axes.plot(tmag, [row.zero_point_raw for row in rows], '.', ms=3, color=PALE, label='plain sum')
    axes.plot(tmag, [row.zero_point for row in rows], '.', ms=3, color=INK, label='FLUX')
    axes.axhline(units.ZERO_POINT, color=MODEL, lw=1, label='nominal')
    axes.set(xlabel='TESS magnitude', ylabel='zero point (mag)',
             ylim=(units.ZERO_POINT - 0.5, units.ZERO_POINT + 0.5))
    axes.set_title('Neighbours and lost light are corrected', loc='left')
    axes.legend(loc='upper left')
