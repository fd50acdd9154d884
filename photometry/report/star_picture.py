"""The picture of one star: its pixels, its light curve, where it stood and how it moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.core import quality
from photometry.core.coordinates import to_zero_based
from photometry.report import panels, star_panels, style


@dataclass(frozen=True)
class Surroundings:
    """What a picture shows of a star that its light-curve file does not hold.

    Attributes
    ----------
    row, column, tmag : ndarray (stars,)
        Of the catalogue's other stars on the stamp, zero-based on the CCD, in the mean image.
    target : tuple of float, optional
        Row and column of the star by the catalogue.
    model : ndarray (rows, columns), optional
        The mean image as the method explains it, e-/s.
    """

    row: np.ndarray
    column: np.ndarray
    tmag: np.ndarray
    target: tuple[float, float] | None = None
    model: np.ndarray | None = None


def draw(path, curve, around=None):
    """Stamp, light curve, plain sum, centroid and motion of a star.

    Parameters
    ----------
    path : path-like
        PNG file to write.
    curve : photometry.files.lightcurve.LightcurveFile
    around : Surroundings, optional
        Without it the neighbours are shown that the file names, and no model.
    """
    with style.figure(path, 11, 10) as figure:
        compose(figure, curve, around or _named(curve))


def compose(figure, curve, around):
    """Draw the same on a figure that stands."""
    above, below = figure.subfigures(2, 1, height_ratios=[1, 1.7])
    figure.suptitle(_title(curve.primary), x=0.01, ha='left', parse_math=False)
    _images(above, curve, around)
    _series(below, curve)


def _named(curve):
    """The neighbours that the file names."""
    table = curve.neighbours or {name: np.zeros(0) for name in ('ROW', 'COLUMN', 'TMAG')}
    return Surroundings(to_zero_based(table['ROW']), to_zero_based(table['COLUMN']), table['TMAG'])


def _images(figure, curve, around):
    """Mean image with stars and mask; what the method made of it; some figures."""
    shown = [lambda axes: star_panels.mean_image(axes, curve, around)]
    if around.model is not None:
        shown += [lambda axes: star_panels.model_image(axes, curve, around.model),
                  lambda axes: star_panels.residual(axes, curve, around.model)]
    if curve.weightmap is not None:
        shown.append(lambda axes: star_panels.weights(axes, curve))
    *grid, last = figure.subplots(1, len(shown) + 1, width_ratios=[*[1.0] * len(shown), 0.6])
    for axes, panel in zip(grid, shown, strict=True):
        panel(axes)
    _words(last, curve)


def _series(figure, curve):
    tasoc = curve.layout == 'tasoc'
    flags = curve.quality
    good, time = quality.good(flags), curve.columns['TIME']
    total, plain = ('FLUX_CORR', 'FLUX_RAW') if tasoc else ('FLUX', 'SAP_FLUX')
    upper, second, third, lower = figure.subplots(4, 1, sharex=True, height_ratios=[2, 1, 1, 1])
    star_panels.light_curve(upper, curve, flags, total, f'Light curve, {total}')
    star_panels.light_curve(second, curve, flags, plain, f'Plain sum over the mask, {plain}')
    column, row = (_beside_median(curve.columns[f'MOM_CENTR{axis}'], good) for axis in (1, 2))
    panels.pair(third, time[good], column[good], row[good], 'Centroid less its median', 'centroid (px)')
    moved = (curve.columns[f'POS_CORR{axis}'][good] for axis in (1, 2))
    panels.pair(lower, time[good], *moved, 'Motion of the pointing', 'motion (px)')
    lower.ticklabel_format(axis='x', useOffset=False)
    lower.set_xlabel('BJD - 2457000 (d)')
    handles, labels = upper.get_legend_handles_labels()
    figure.legend(handles, labels, loc='outside lower left', ncols=4, alignment='left', markerscale=1.5,
                  title='QUALITY, first flag of each cadence')


def _beside_median(values, good):
    values = np.asarray(values, dtype='float64')
    known = values[good & np.isfinite(values)]
    return values - (np.median(known) if known.size else 0.0)


def _title(primary):
    tmag = primary.get('TESSMAG')
    words = [primary.get('OBJECT'), f"sector {primary.get('SECTOR')}, camera {primary.get('CAMERA')}, "
             f"CCD {primary.get('CCD')}"]
    if isinstance(tmag, float):
        words.append(f'Tmag {tmag:.2f}')
    return '   '.join(map(style.plain, words))


def _words(axes, curve):
    """A few figures of the header, as text."""
    primary = curve.primary
    lines = [f"method {primary.get('PHOTMET')}, {primary.get('STATUS', '')}",
             f'{curve.mask.sum()} px in the mask']
    for name, words in (('AP_CONT', 'light of neighbours'), ('FLFRCSAP', 'light in the mask')):
        value = primary.get(name)
        if isinstance(value, float) and np.isfinite(value):
            lines.append(f'{words}: {100 * value:.1f} %')
    axes.axis('off')
    axes.text(0, 1, '\n'.join(map(style.plain, lines)), va='top', parse_math=False)
    handles, labels = axes.figure.axes[0].get_legend_handles_labels()
    axes.legend(handles, labels, loc='lower left', bbox_to_anchor=(-0.05, 0), borderaxespad=0)
