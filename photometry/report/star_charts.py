"""The empty pictures of a star's page, which the page fills from a light-curve file."""

from __future__ import annotations

from photometry.report import charts
from photometry.report.style import ACCENT, INK, MODEL, PALE

TIME = 'BJD - 2457000 (d)'


def layout():
    """All pictures of the page; sources and ranges have names by which the page finds them."""
    from bokeh.layouts import column, row
    return row(column(*_series(), sizing_mode='stretch_width'), _stamp(), sizing_mode='stretch_width')


def _series():
    """Flux, the same against phase, motion and background."""
    from bokeh.models import Range1d
    time = Range1d(0, 1, name='time')
    good, flagged = (_source(name, _COLUMNS) for name in ('good', 'flagged'))
    flux = _panel('flux', TIME, 'flux', time, 360)
    fold = _panel('fold', 'phase', 'flux', Range1d(-0.02, 1.02, name='phases'), 300)
    motion = _panel('motion', TIME, 'motion (px)', time, 220)
    sky = _panel('background', TIME, 'background (e-/s)', time, 220)
    for source, color in ((flagged, MODEL), (good, INK)):
        for made, x, y in ((flux, 'time', 'flux'), (fold, 'phase', 'flux'), (sky, 'time', 'background')):
            _dots(made, x, y, source, color)
    _dots(motion, 'time', 'columns', good, ACCENT, legend_label='along columns')
    _dots(motion, 'time', 'rows', good, MODEL, legend_label='along rows')
    motion.legend.orientation = 'horizontal'
    motion.add_layout(motion.legend[0], 'above')
    return flux, fold, motion, sky


_COLUMNS = 'time', 'phase', 'flux', 'columns', 'rows', 'background', 'cadence', 'quality'


def _panel(name, x, y, across, height):
    from bokeh.models import Range1d
    return charts.canvas('', x, y, height, name=name, x_range=across,
                         y_range=Range1d(0, 1, name=f'{name} range'))


def _source(name, columns):
    from bokeh.models import ColumnDataSource
    return ColumnDataSource({column: [] for column in columns}, name=name)


def _dots(made, x, y, source, color, **look):
    from bokeh.models import HoverTool
    points = made.scatter(x, y, source=source, size=3, color=color, line_color=None, **look)
    made.add_tools(HoverTool(renderers=[points], visible=False, tooltips=[
        ('time', '@time{0.00000}'), ('flux', '@flux{0.000}'), ('cadence', '@cadence{0}'),
        ('quality', '@quality')]))


def _stamp():
    """The mean image on a logarithmic scale with the photometry mask and the neighbours."""
    from bokeh.models import HoverTool, LogColorMapper, Range1d
    made = charts.canvas('Mean image with the mask and the neighbours', 'column (px, one-based)',
                         'row (px, one-based)', 480, x_range=Range1d(0, 1, name='stamp columns'),
                         y_range=Range1d(0, 1, name='stamp rows'), width=520)
    made.sizing_mode = 'fixed'
    mapper = LogColorMapper('Greys256', low=1, high=2, name='light')
    mapper.palette = mapper.palette[::-1]
    made.rect('x', 'y', 1, 1, source=_source('pixels', ('x', 'y', 'value')), line_color=None,
              fill_color={'field': 'value', 'transform': mapper})
    made.segment('x0', 'y0', 'x1', 'y1', source=_source('mask', ('x0', 'y0', 'x1', 'y1')), color=MODEL,
                 line_width=2)
    points = made.scatter('x', 'y', size='size', fill_alpha=0, line_color=ACCENT,
                          source=_source('neighbours', ('x', 'y', 'size', 'star', 'tmag', 'light')))
    made.add_tools(HoverTool(renderers=[points], visible=False, tooltips=[
        ('', '@star'), ('Tmag', '@tmag{0.00}'), ('part of the light in the mask', '@light{0.0000}')]))
    made.background_fill_color = PALE
    return made
