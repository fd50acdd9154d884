"""The picture of the demonstration: real light curves, stamps with masks, noise."""

from photometry.core import starids
from photometry.report import panels, style


def draw(path, real, field):
    """Real light curves beside their stamps, above the noise of a simulated field.

    Parameters
    ----------
    path : path-like
        PNG file to write.
    real, field : list of photometry.stages.demo.Row
        Stars with ``starid``, ``tmag``, ``curve``, ``rms_hour``, ``floor``.
    """
    shown = real[:6]
    with style.figure(path, 11, 10.5) as figure:
        above, below = figure.subfigures(2, 1, height_ratios=[3.2, 1.6])
        grid = above.add_gridspec(len(shown), 2, width_ratios=[7, 1])
        for number, row in enumerate(shown):
            primary = row.curve.primary
            axes = above.add_subplot(grid[number, 0])
            panels.light_curve(axes, row.curve, f"{starids.name(row.starid)}, sector {primary['SECTOR']}, "
                               f'Tmag {row.tmag:.1f}: {row.rms_hour:.0f} ppm in one hour')
            panels.stamp(above.add_subplot(grid[number, 1]), row.curve)
        axes.set_xlabel('BJD - 2457000 (d)')
        left, right = below.subplots(1, 2)
        panels.noise_against_magnitude(left, *zip(*[(row.tmag, row.rms_hour, row.floor) for row in field],
                                                  strict=True))
        left.set_title('Simulated field: measured scatter and its floors', loc='left')
        panels.zero_points(right, field)
