"""Motion of a CCD and its background in time."""

from __future__ import annotations

from photometry.report import charts
from photometry.report.style import ACCENT, INK, MODEL, PALE

_COLORS = INK, MODEL, ACCENT, '#e09f3e', '#6c7a89', '#7a9e7e'


def motion(cube):
    """Motion of the stars along columns and rows in the good cadences.

    Parameters
    ----------
    cube : photometry.report.run.CubeSeries
    """
    return _series(f'Motion, {cube.name}', 'motion (px)', cube,
                   {'along columns': cube.columns, 'along rows': cube.rows})


def background(cube):
    """Background of the good cadences at some places, that of the flagged ones pale."""
    made = _series(f'Background, {cube.name}', 'background (e-/s)', cube, cube.background)
    for values in list(cube.background.values())[:1]:
        made.scatter(cube.time[~cube.good], values[~cube.good], color=PALE, size=3, line_color=None,
                     legend_label='flagged cadences')
    return made


def _series(title, words, cube, series):
    made = charts.canvas(title, 'BJD - 2457000 (d)', words, 280)
    for color, (name, values) in zip(_COLORS, series.items(), strict=False):
        made.scatter(cube.time[cube.good], values[cube.good].astype('f4'), color=color, size=3,
                     line_color=None, legend_label=name)
    made.legend.click_policy = 'hide'
    made.add_layout(made.legend[0], 'right')
    return made
