"""The table of all stars: sorted and filtered where it is looked at."""

from __future__ import annotations

import numpy as np

from photometry.core import starids

WORDS = 'status', 'method_used', 'datasource', 'reason'
"""Columns of few different texts, kept as numbers in the order of the alphabet."""

SHOWN = (
    ('starid', 'star', 125, None), ('tmag', 'Tmag', 55, '0.00'), ('sector', 'sector', 50, '0'),
    ('camera', 'cam.', 40, '0'), ('ccd', 'CCD', 40, '0'), ('cadence', 's', 45, '0'),
    ('status', 'status', 65, None), ('method_used', 'method', 70, None), ('datasource', 'pixels', 50, None),
    ('rms_hour', 'ppm in 1 h', 75, '0.0'), ('over_floor', 'over floor', 70, '0.00'),
    ('ptp', 'ppm p. to p.', 80, '0.0'), ('variability', 'variability', 70, '0.00'),
    ('mean_flux', 'e-/s', 80, '0.0'), ('zero_point', 'zero point', 70, '0.000'),
    ('contamination', 'contam.', 60, '0.0000'), ('mask_size', 'px', 35, '0'), ('pos_row', 'row', 60, '0.0'),
    ('pos_column', 'column', 60, '0.0'), ('elaptime', 's a star', 60, '0.000'),
    ('star_flags', 'flags', 45, '0'), ('attempts', 'tries', 40, '0'), ('reason', 'reason', 100, None))
"""Column, heading, width in px, format of a number."""


def words(stars) -> dict:
    """The different texts of each of `WORDS`, sorted."""
    return {name: sorted(set(stars[name])) for name in WORDS}


def table(stars, texts):
    """A table that draws only the rows in view, and the filter that the page sets.

    Parameters
    ----------
    stars : photometry.report.stars.Stars
    texts : dict
        What `words` gives; the page has it, too, as ``WORDS``.
    """
    from bokeh.models import BooleanFilter, CDSView, ColumnDataSource, DataTable
    data = {name: _numbers(stars, name, texts) for name, *_ in SHOWN}
    data['priority'] = stars['priority'].astype('f8')
    data['star'] = [starids.name(star) for star in stars['starid'].tolist()]
    chosen = BooleanFilter(name='chosen')
    return DataTable(source=ColumnDataSource(data, name='stars'), view=CDSView(filter=chosen, name='view'),
                     columns=[_column(*one) for one in SHOWN], sizing_mode='stretch_width', height=640,
                     index_position=None, name='table', autosize_mode='none', reorderable=False)


def _numbers(stars, name, texts):
    if name in texts:
        number = {text: index for index, text in enumerate(texts[name])}
        return np.array([number[text] for text in stars[name]], 'i2' if len(number) < 2 ** 15 else 'i4')
    values = getattr(stars, name) if name in ('over_floor', 'zero_point') else stars[name]
    return values.astype('f8' if name == 'starid' else 'f4')


def _column(name, heading, width, pattern):
    from bokeh.models import HTMLTemplateFormatter, NumberFormatter, TableColumn
    if name == 'starid':
        formatter = HTMLTemplateFormatter(template='<a href="star.html#<%- priority %>"><%- star %></a>')
    elif name in WORDS:
        formatter = HTMLTemplateFormatter(template=f'<%- WORDS.{name}[value] %>')
    else:
        formatter = NumberFormatter(format=pattern, nan_format='', text_align='right')
    return TableColumn(field=name, title=heading, width=width, formatter=formatter, default_sort='ascending')
