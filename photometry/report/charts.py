"""Pictures of a run that can be zoomed and whose points lead to the pages of the stars."""

from __future__ import annotations

import numpy as np

from photometry.algorithms import noise
from photometry.core import starids, units
from photometry.core.coordinates import SCIENCE
from photometry.report import thinning
from photometry.report.style import ACCENT, INK, MODEL, PALE

TOOLS = 'pan,wheel_zoom,box_zoom,reset,save'

STATUS_COLORS = {'ok': PALE, 'warning': '#e09f3e', 'error': MODEL, 'skipped': ACCENT, 'waiting': '#8d99ae'}
"""Those of other statuses are drawn as `INK`."""

FEW = 500
"""Points that are drawn large."""

READNOISE = 10.0
"""Electrons a pixel and read, of the curve of photons alone, which does not depend on it."""


def canvas(title, x, y, height=380, tools=TOOLS, **options):
    """An empty picture with named axes."""
    from bokeh.plotting import figure
    made = figure(title=title, x_axis_label=x, y_axis_label=y, height=height, tools=tools,
                  sizing_mode='stretch_width', active_scroll=None, **options)
    made.toolbar.logo = None
    return made


def noise_against_magnitude(stars, floors):
    """Scatter of one hour against magnitude with the three floors.

    Parameters
    ----------
    stars : photometry.report.stars.Stars
    floors : dict of int to float
        Priority of a star -> noise of its own aperture, ppm; of those whose light curves were read.
    """
    made = canvas('Noise against magnitude', 'TESS magnitude', 'scatter in one hour (ppm)', height=520,
                  y_axis_type='log')
    tmag, hour = stars['tmag'], stars['rms_hour']
    measured = np.where(hour > 0, hour, np.nan)
    _dots(made, stars, tmag, measured, np.log10(measured), color=INK, legend_label='measured')
    own = np.array([floors.get(priority, np.nan) for priority in stars['priority'].tolist()])
    _dots(made, stars, tmag, np.where(own > 0, own, np.nan), np.log10(own), color=ACCENT,
          legend_label='photons, sky and read noise of its own aperture')
    grid = _grid(tmag)
    made.line(grid, noise.stassun_floor(grid), color=MODEL, line_width=2, legend_label='Stassun et al. 2018')
    flux = units.magnitude_to_flux(grid)
    made.line(grid, noise.star_floor(flux, flux, 0, 0, READNOISE), color='#6c7a89', line_width=2,
              line_dash='dashed', legend_label='photons alone')
    _legend_above(made)
    return made


def over_floor(stars):
    """Scatter over Stassun's floor against magnitude, with its median in steps of half a magnitude."""
    made = canvas('Scatter over the floor of Stassun et al. 2018', 'TESS magnitude', 'ratio',
                  y_axis_type='log')
    tmag, ratio = stars['tmag'], np.where(stars.over_floor > 0, stars.over_floor, np.nan)
    _dots(made, stars, tmag, ratio, np.log10(ratio), color=INK)
    made.line(*medians(tmag, ratio), color=MODEL, line_width=2, legend_label='median')
    _legend_above(made)
    return made


def medians(tmag, values, step=0.5, least=5):
    """Middles of steps in magnitude with enough stars, and the median of each."""
    known = np.isfinite(tmag) & np.isfinite(values)
    number = np.floor(tmag[known] / step).astype(int)
    there = [one for one in np.unique(number) if (number == one).sum() >= least]
    return ([(one + 0.5) * step for one in there],
            [float(np.median(values[known][number == one])) for one in there])


def contamination(stars):
    """Light of the neighbours against magnitude."""
    made = canvas("Neighbours' part of the light in the aperture", 'TESS magnitude', 'contamination')
    _dots(made, stars, stars['tmag'], stars['contamination'], color=INK)
    return made


def seconds(stars):
    """How many stars took how long."""
    made = canvas('Time of a star', 'seconds', 'stars', x_axis_type='log')
    took = stars['elaptime'][stars['elaptime'] > 0]
    if took.size:
        edges = np.geomspace(took.min() / 1.01, took.max() * 1.01, 41)
        number, _ = np.histogram(took, edges)
        made.quad(left=edges[:-1], right=edges[1:], bottom=0, top=number, color=ACCENT, line_color='white')
    return made


def places(stars, row, column):
    """Where on the chip the stars lie, by status.

    Parameters
    ----------
    row, column : ndarray (stars,)
        One-based; NaN where unknown.
    """
    made = _chip('Stars by status')
    for status in sorted(set(stars['status'])):
        chosen = np.flatnonzero((stars['status'] == status) & np.isfinite(row))
        if chosen.size:
            _dots(made, stars.where(chosen), column[chosen], row[chosen], legend_label=status,
                  color=STATUS_COLORS.get(status, INK))
    if made.legend:
        _legend_above(made)
    return made


def over_the_chip(title, stars, row, column, values):
    """Values of the stars as colours where they lie; the 2 % on either side share the last colour."""
    from bokeh.models import LinearColorMapper
    made = _chip(title)
    known = np.isfinite(values)
    low, high = np.percentile(values[known], [2, 98]) if known.any() else (0, 1)
    room = 0 if high > low else 0.01 * (abs(high) or 1)
    mapper = LinearColorMapper('Viridis256', low=low - room, high=high + room)
    chosen = np.flatnonzero(known)
    drawn = _dots(made, stars.where(chosen), column[chosen], row[chosen], value=values[chosen],
                  color={'field': 'value', 'transform': mapper})
    made.x_range.renderers = made.y_range.renderers = [drawn]
    made.add_layout(drawn.construct_color_bar(width=12), 'right')
    return made


def _legend_above(made):
    """Names that hide what they stand for, and no point."""
    made.legend.click_policy = 'hide'
    made.legend.orientation = 'horizontal'
    made.add_layout(made.legend[0], 'above')


def _chip(title):
    made = canvas(title, 'column (px, one-based)', 'row (px, one-based)', height=560, match_aspect=True)
    made.rect(x=(SCIENCE.col_min + SCIENCE.col_max + 1) / 2, y=(SCIENCE.row_min + SCIENCE.row_max + 1) / 2,
              width=SCIENCE.width, height=SCIENCE.height, fill_alpha=0, line_color=PALE)
    return made


def _dots(made, stars, x, y, height=None, value=None, **look):
    """Points that tell their star and lead to its page; where they crowd only some are drawn.

    ``height`` is y as it is drawn, where that is not y itself.
    """
    from bokeh.models import ColumnDataSource, HoverTool, OpenURL, TapTool
    drawn = thinning.spread_out(x, y if height is None else height)
    look.setdefault('size', 3 if drawn.size > FEW else 6)
    data = {'x': x[drawn].astype('f4'), 'y': y[drawn].astype('f4'),
            'priority': stars['priority'][drawn].astype('f8'),
            'star': [starids.name(star) for star in stars['starid'][drawn].tolist()]}
    if value is not None:
        data['value'] = value[drawn].astype('f4')
    points = made.scatter('x', 'y', source=ColumnDataSource(data), line_color=None, **look)
    told = [('', '@star'), (made.xaxis[0].axis_label, '@x'), (made.yaxis[0].axis_label, '@y')]
    if value is not None:
        told.append((made.title.text, '@value'))
    made.add_tools(HoverTool(renderers=[points], tooltips=told, point_policy='snap_to_data',
                             visible=False),
                   TapTool(renderers=[points], visible=False,
                           callback=OpenURL(url='star.html#@priority{0}', same_tab=True)))
    return points


def _grid(tmag):
    known = tmag[np.isfinite(tmag)]
    low, high = (known.min(), known.max()) if known.size else (6, 15)
    return np.linspace(low - 0.3, high + 0.3, 100)
