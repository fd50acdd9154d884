#!/usr/bin/env python
"""The list of all stars of sixteen CCDs: seconds and memory.

    python benchmarks/todo_list.py [--stars 200000] [--output FILE]

Catalogues with stars over a whole CCD and a rim, their magnitudes growing in number by 10^0.35 a magnitude to
16, and cubes of two frames whose sum image is dark; all stars are listed. The floor is writing the
rows of todolist by sqlite3 and nothing else.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import contextlib
import itertools
import sqlite3
import tempfile
import time
from pathlib import Path

import numpy as np

from photometry.core.coordinates import SCIENCE
from photometry.files import catalog, cube_schema, cube_writer, paths, sector_wcs, wcs
from photometry.files.identity import Identity
from photometry.stages import make_todo

SECTOR = 5
GOALS = {'s': 60.0, 'memory, MB': 2000.0}


def write_catalog(folder, key, number, first, rng):
    """Stars over a CCD and 20 px around it."""
    where = sector_wcs.sector_wcs(*key)
    stars = np.zeros(number, catalog.STAR_DTYPE)
    stars['starid'] = first + np.arange(number)
    stars['tmag'] = 16 + np.log10(rng.uniform(1e-4, 1, number)) / 0.35
    stars['ra'], stars['decl'] = wcs.pixel_to_sky(where, rng.uniform(-20, 2068, number),
                                                  rng.uniform(24, 2112, number))
    for name in ('ra', 'decl'):
        stars[f'{name}_J2000'] = stars[name]
    footprint = catalog.footprint_text((wcs.footprint(where, SCIENCE),))
    centre = sector_wcs.camera_centre(*key[:2])
    info = catalog.CatalogInfo(*key, '8.2', 2458440.0, 2018.9, 0.2, *centre, footprint)
    catalog.write_catalog(folder / paths.catalog_name(*key), info, stars)
    return wcs.wcs_to_text(where)


def write_cube(folder, key, wcs_text):
    """A cube of two frames without light."""
    info = cube_schema.CubeInfo(
        *key, 1800, rows=SCIENCE.height, columns=SCIENCE.width, times=2, row_offset=SCIENCE.row_min,
        column_offset=SCIENCE.col_min, is_cutout=False, ref_frame=0, block=2)
    middle = 1440 + np.arange(2) / 48
    tables = cube_writer.CubeTables(middle - 1 / 96, middle, middle + 1 / 96, np.zeros(2), np.arange(2),
                                    np.zeros(2, int), [wcs_text] * 2, ['dark'] * 2, np.zeros((2, 4), 'f4'))
    identity = Identity('0', {}, ())
    with cube_writer.CubeWriter.create(folder / paths.cube_name(*key), info, tables, identity) as writer:
        shape = info.times, info.rows, info.columns
        writer.write_block(0, {layer.name: np.zeros(shape, layer.dtype) for layer in cube_schema.LAYERS})
        writer.finish(writer.sumimage(), np.zeros((info.times, 6)), 'unchanged')


def floor(path, rows):
    """Seconds that sqlite3 takes for as many rows of this kind."""
    began = time.perf_counter()
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute('CREATE TABLE todolist (priority INTEGER PRIMARY KEY, starid, sector, datasource, '
                         'camera, ccd, cadence, tmag, tile, cbv_area, cube)')
        database.executemany('INSERT INTO todolist VALUES (?, ?, 5, "ffi", 1, 1, 1800, ?, 7, 111, "a.hdf5")',
                             ((row, row, row / 1e6) for row in range(rows)))
    return time.perf_counter() - began


def measure(number, folder):
    """Seconds of wall and CPU, MB, rows."""
    rng = np.random.default_rng(1)
    for first, ccd in enumerate(itertools.product((SECTOR,), (1, 2, 3, 4), (1, 2, 3, 4))):
        write_cube(folder, ccd, write_catalog(folder, ccd, number, 1 + first * number, rng))
    before = record.peak_mb()
    began, cpu = time.perf_counter(), time.process_time()
    report = make_todo.make_todo(folder, folder / 'todo.sqlite', make_todo.Choice(faint_limit=16.0))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    listed = int(report.counts['listed'])
    least = floor(folder / 'floor.sqlite', listed)
    return {'CCDs': 16, 'stars a CCD': number, 'listed': listed, 's': wall, 'CPU s': cpu,
            'sqlite3 alone, s': least, 'over that': wall / least, 'memory, MB': record.peak_mb(),
            'of that before, MB': before}


def main():
    """Print the table and write it as JSON."""
    parser = record.parser(__doc__, 'todo_list')
    parser.add_argument('--stars', type=int, default=200_000, help='of a CCD')
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(chosen.stars, Path(folder))
    return record.finish(chosen.output, 'the list of all stars of sixteen CCDs', result, GOALS)


if __name__ == '__main__':
    raise SystemExit(main())
