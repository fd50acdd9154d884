"""The pages of a report: templates filled with tables and pictures, in one folder that opens from disk."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import numpy as np

from photometry.files import atomic, results_table
from photometry.report import charts, cube_charts, star_charts, star_data, star_table, tallies

MARKER = 'report.json'
"""Tells that a folder is a report, and of what."""

SCHEMA = '1.0'

COMPONENTS = 'bokeh', 'bokeh-widgets', 'bokeh-tables'
"""Scripts of the library that draws; a page loads the first, the table all."""


def write(folder, run):
    """Write all pages of a report into an empty folder.

    Parameters
    ----------
    folder : path-like
    run : photometry.report.run.Run
    """
    folder = Path(folder)
    _copy_assets(folder / 'assets')
    for priority, path in run.curves.items():
        star_data.write_curve(folder, priority, path)
    star_data.write_index(folder)
    starts = star_data.write_rows(folder, run.stars)
    templates = _templates(run)
    _write(folder / 'index.html', templates, 'index.html', **_overview(run))
    for key, index in run.stars.groups.items():
        _write(folder / ccd_page(key), templates, 'ccd.html', **_one_ccd(run, key, index))
    texts = star_table.words(run.stars)
    _write(folder / 'stars.html', templates, 'stars.html', words=texts,
           table=star_table.table(run.stars, texts))
    _write(folder / 'star.html', templates, 'star.html', starts=starts, chunk=star_data.CHUNK,
           facts=[(one.name, one.unit, one.description) for one in results_table.COLUMNS],
           series=star_charts.layout())
    facts = {'schema': SCHEMA, 'version': run.version, 'made': run.made, 'input': run.input,
             'output': run.output, 'todo': run.todo, 'filters': run.filters, 'stars': len(run.stars),
             'problems': list(run.problems)}
    atomic.write_bytes(folder / MARKER, json.dumps(facts, indent=1).encode('ascii') + b'\n')


def ccd_page(key) -> str:
    """Name of the page of (sector, camera, ccd, cadence)."""
    return 'ccd-s{:04d}-{}-{}-c{:04d}.html'.format(*key)


def _overview(run):
    stars = run.stars
    return {'statuses': tallies.statuses(stars), 'groups': tallies.by_group(stars),
            'methods': tallies.by_method(stars), 'failures': tallies.failures(stars),
            'times': tallies.times(stars), 'speed': tallies.throughput(stars),
            'noise': charts.noise_against_magnitude(stars, run.floors), 'ratio': charts.over_floor(stars),
            'contamination': charts.contamination(stars), 'seconds': charts.seconds(stars)}


def _one_ccd(run, key, index):
    stars, row, column = run.stars.where(index), run.row[index], run.column[index]

    def chart(title, values):
        return charts.over_the_chip(title, stars, row, column, values)

    return {'key': key, 'number': len(stars), 'found': tallies.by_group(stars)[0][2],
            'statuses': tallies.statuses(stars), 'places': charts.places(stars, row, column),
            'without_place': int(np.isnan(row).sum()),
            'zero_point': chart('Zero point (mag)', stars.zero_point),
            'over_floor': chart('Scatter over the floor', stars.over_floor),
            'contamination': chart('Contamination', stars['contamination']),
            'cubes': [(cube_charts.motion(cube), cube_charts.background(cube))
                      for cube in run.cubes.get(key, [])]}


def _templates(run):
    """Templates that escape every value and refuse a name that nobody gave."""
    import jinja2
    from jinja2.utils import htmlsafe_json_dumps

    def item(model):
        from bokeh.embed import json_item
        return htmlsafe_json_dumps(json_item(model), separators=(',', ':'))

    made = jinja2.Environment(loader=jinja2.PackageLoader('photometry.report'), autoescape=True,
                              undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.globals.update(run=run, ccd_page=ccd_page)
    made.filters.update(item=item, duration=tallies.duration)
    return made


def _write(path, templates, name, **values):
    atomic.write_bytes(path, templates.get_template(name).render(**values).encode('utf-8', 'replace'))


def _copy_assets(folder):
    """What the pages load: our style and scripts, and those of the library that draws."""
    from bokeh.resources import Resources
    atomic.make_directory(folder)
    for entry in resources.files('photometry.report').joinpath('assets').iterdir():
        atomic.write_bytes(folder / entry.name, entry.read_bytes())
    for path in Resources(mode='absolute', components=list(COMPONENTS)).js_files:
        atomic.write_bytes(folder / Path(path).name, Path(path).read_bytes())
