"""The picture of one star: its light curve, its pixels, how it moved."""

import numpy as np

from photometry.core import quality
from photometry.report import panels, style


def draw(path, curve):
    """Light curve, plain sum and motion of a star beside its stamp with the mask.

    Parameters
    ----------
    path : path-like
        PNG file to write.
    curve : photometry.files.lightcurve.LightcurveFile
    """
    good = quality.good(curve.columns['PIXEL_QUALITY' if curve.layout == 'tasoc' else 'QUALITY'])
    total, plain = ('FLUX_CORR', 'FLUX_RAW') if curve.layout == 'tasoc' else ('FLUX', 'SAP_FLUX')
    with style.figure(path, 11, 6) as figure:
        grid = figure.add_gridspec(3, 2, width_ratios=[3.4, 1], height_ratios=[2, 1, 1])
        upper = figure.add_subplot(grid[0, 0])
        middle, lower = (figure.add_subplot(grid[row, 0], sharex=upper) for row in (1, 2))
        panels.series(upper, curve, good, total, _title(curve.primary))
        panels.series(middle, curve, good, plain, 'Plain sum over the mask')
        panels.motion(lower, curve, good)
        for axes in (upper, middle):
            axes.tick_params(labelbottom=False)
        lower.ticklabel_format(axis='x', useOffset=False)
        lower.set_xlabel('BJD - 2457000 (d)')
        panels.stamp(figure.add_subplot(grid[:2, 1]), curve, _pixels(curve))
        _words(figure.add_subplot(grid[2, 1]), curve.primary, good)


def _title(primary):
    tmag = primary.get('TESSMAG')
    words = [primary['OBJECT'],
             f"sector {primary['SECTOR']}, camera {primary['CAMERA']}, CCD {primary['CCD']}"]
    if tmag is not None:
        words.append(f'Tmag {tmag:.2f}')
    return '   '.join(words)


def _pixels(curve):
    mask = (curve.aperture & quality.ApertureFlag.PHOTOMETRY) != 0
    return f'Mean image, {int(mask.sum())} px in the mask'


def _words(axes, primary, good):
    """A few figures of the header, as text."""
    lines = [f"{primary.get('PHOTMET')}, {primary.get('STATUS', '')}",
             f'{int(good.sum())} of {good.size} cadences good']
    for name, words in (('AP_CONT', 'light of neighbours'), ('FLFRCSAP', 'light in the mask')):
        value = primary.get(name)
        if value is not None and np.isfinite(value):
            lines.append(f'{words}: {100 * value:.1f} %')
    axes.axis('off')
    axes.text(0, 0.95, '\n'.join(lines), va='top')
