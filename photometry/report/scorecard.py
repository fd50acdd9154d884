"""The picture of a scorecard: noise against magnitude, a panel for each method."""

import numpy as np

from photometry.algorithms import noise
from photometry.report import style
from photometry.report.style import ACCENT, INK, MODEL, PALE


def draw(path, rows):
    """Noise of one hour against magnitude with the floors, above its ratio to the bound.

    Parameters
    ----------
    path : path-like
        PNG file to write.
    rows : list of dict
        One a light curve: ``method``, ``tmag``, ``rms_hour`` (ppm), and where they are known
        ``own_floor`` (ppm, of the star's own mask) and ``ratio`` (scatter over its bound).
    """
    methods = list(dict.fromkeys(row['method'] for row in rows))
    known = any('ratio' in row for row in rows)
    with style.figure(path, max(3.2 * len(methods), 4), 5.2 if known else 3.6) as figure:
        grid = figure.subplots(2 if known else 1, len(methods), squeeze=False, sharex=True, sharey='row',
                               height_ratios=[2, 1] if known else None)
        for column, method in enumerate(methods):
            some = [row for row in rows if row['method'] == method]
            noise_panel(grid[0, column], some, method)
            if known:
                ratio_panel(grid[1, column], some)
            grid[-1, column].set_xlabel('Tmag')
        grid[0, 0].set_ylabel('noise of one hour (ppm)')
        grid[0, 0].legend(loc='upper left')
        if known:
            grid[1, 0].set_ylabel('scatter over the bound')


def noise_panel(axes, rows, title):
    """Measured noise of one hour with Stassun's polynomial, TASOC's model and the stars' own floors."""
    tmag, hour, own = (_column(rows, name) for name in ('tmag', 'rms_hour', 'own_floor'))
    axes.plot(tmag, own, '.', ms=2, color=PALE, label='own mask', rasterized=True)
    axes.plot(tmag, hour, '.', ms=2.5, color=INK, label='measured', rasterized=True)
    grid = np.linspace(tmag.min() - 0.2, tmag.max() + 0.2, 100)
    axes.plot(grid, noise.stassun_floor(grid), color=MODEL, lw=1, label='Stassun et al. 2018')
    axes.plot(grid, noise.tasoc_floor(grid), color=ACCENT, lw=1, label='TASOC')
    axes.set_yscale('log')
    axes.set_title(f'{title}: {len(rows)} light curves', loc='left')


def ratio_panel(axes, rows):
    """Scatter over the bound of every star, with running medians."""
    tmag, ratio = _column(rows, 'tmag'), _column(rows, 'ratio')
    axes.plot(tmag, ratio, '.', ms=2.5, color=PALE, rasterized=True)
    order = np.argsort(tmag)
    parts = [part for part in np.array_split(order, max(len(order) // 40, 1)) if part.size]
    axes.plot([np.median(tmag[part]) for part in parts], [np.nanmedian(ratio[part]) for part in parts],
              color=MODEL, lw=1.2)
    axes.axhline(1, color=INK, lw=0.6)
    axes.set_ylim(0.8, 1.6)


def _column(rows, name):
    return np.array([row.get(name, np.nan) for row in rows], dtype='f8')
