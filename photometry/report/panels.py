"""Single panels: a light curve, a stamp with its mask, noise against magnitude."""

import numpy as np

from photometry.algorithms import noise
from photometry.core import quality, units
from photometry.report.style import ACCENT, INK, LIGHT, MODEL, PALE


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
    relative, good = relative_flux(curve, good, column)
    dots(axes, curve.columns['TIME'], relative, good)
    axes.set_title(title, loc='left')
    axes.set_ylabel('flux (ppt)')


def dots(axes, time, values, shown, scaled=None, **options):
    """Some values as dots, in a range that does not follow the few most distant of them (or of others)."""
    axes.plot(time[shown], values[shown], '.', ms=2, color=INK, rasterized=True, **options)
    scaled = shown if scaled is None else scaled
    if scaled.sum() > 20:
        low, high = np.percentile(values[scaled], [0.5, 99.5])
        room = 0.3 * (high - low) or 1.0
        axes.set_ylim(low - room, high + room)


def relative_flux(curve, good, column):
    """A flux in parts per thousand of its median, and the good cadences that have one, both (times,)."""
    flux = np.asarray(curve.columns[column], dtype='float64')
    good = good & np.isfinite(flux)
    if column == 'FLUX_CORR':
        return 1e-3 * flux, good
    level = float(np.median(flux[good])) if good.any() else 0.0
    return 1e3 * (flux - level) / (abs(level) or 1.0), good


def pair(axes, time, columns, rows, title, label):
    """A quantity along columns and along rows against time, told apart by marker and lightness.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
    time, columns, rows : ndarray (times,)
    title, label : str
    """
    axes.plot(time, columns, '.', ms=2.5, color=INK, label='columns', rasterized=True)
    axes.plot(time, rows, '+', ms=3, mew=0.6, color=MODEL, label='rows', rasterized=True)
    axes.set_title(title, loc='left')
    axes.set_ylabel(label)
    axes.legend(loc='lower right', bbox_to_anchor=(1, 0.98), ncols=2, markerscale=2)


def stamp(axes, curve, title=''):
    """Mean image on a logarithmic scale with the photometry mask outlined."""
    axes.imshow(curve.sumimage, norm=light_norm(curve.sumimage), cmap=LIGHT)
    outline(axes, curve.mask)
    axes.set(title=title, xticks=[], yticks=[])


def light_norm(image):
    """A logarithmic scale of three decades below the brightest pixel; what is less has the last colour."""
    from matplotlib.colors import LogNorm
    known = image[np.isfinite(image)]
    top = max(float(known.max(initial=1.0)), 1.0)
    return LogNorm(top * 1e-3, top, clip=True)


def outline(axes, mask, corner=(0, 0), **changes):
    """Draw the border of a boolean mask; ``corner`` is the row and column of its first pixel.

    Returns
    -------
    matplotlib.collections.LineCollection
    """
    from matplotlib.collections import LineCollection
    options = {'colors': MODEL, 'linewidths': 1.2} | changes
    lines = LineCollection(border(mask) + np.array(corner)[::-1], **options)
    return axes.add_collection(lines, autolim=False)


def border(mask):
    """Segments (n, 2, 2) around the pixels of a mask: two points with column and row."""
    padded = np.pad(mask, 1)
    lying = np.argwhere(padded[1:, :] != padded[:-1, :])[:, ::-1]
    standing = np.argwhere(padded[:, 1:] != padded[:, :-1])[:, ::-1]
    return np.concatenate([lying[:, None] + [[-1.5, -0.5], [-0.5, -0.5]],
                           standing[:, None] + [[-0.5, -1.5], [-0.5, -0.5]]])


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
