#!/usr/bin/env python
"""Growth of the photometry: ten times the stars, ten times the cadences; CPU a star and memory.

    python benchmarks/growth.py [--stars 20] [--frames 1100] [--method aperture linpsf automatic]
                                [--size 192] [--output FILE]

A cutout of 200-s cadence is simulated and prepared with so many stars a tile and so many cadences, another
with ten times the stars. The one of ten times the cadences is the first one ten times in a row:
pixels and work are those of 25 days. Each method then measures all stars of whole tiles in a
process of its own, whose most memory is noted after every tile. CPU a star may grow as the
cadences do and not at all with the stars, within 15 %; less is welcome. Memory may not grow from
tile to tile, and a worker stays below 2 GB also where a CCD has both, 200,000 stars and 11,000 cadences.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

TIMES = 10
LINEAR, MEMORY, FLAT = 1.15, 2000.0, 1.15
"""CPU a star over what it should be; MB of a worker; those after the last tile over those after the first."""

CADENCE = 200
NAMES = ('as it is', 'more cadences', 'more stars', 'more of both')
METHODS = ('aperture', 'linpsf', 'automatic')
TILES = 3


def arguments():
    parser = record.parser(__doc__, 'growth')
    parser.add_argument('--stars', type=int, default=20, help='stars a tile')
    parser.add_argument('--frames', type=int, default=1100)
    parser.add_argument('--size', type=int, default=192, help='px along a side')
    parser.add_argument('--method', nargs='+', default=METHODS)
    parser.add_argument('--tiles', type=int, default=TILES, help='how many, the middle one first')
    parser.add_argument('--folder', help='where to make the files (default: the system\'s for such)')
    parser.add_argument('--child', nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


def cutout(folder, chosen, stars):
    """A field with so many stars a tile, simulated and prepared in a folder."""
    import throughput_stars
    made = throughput_stars.Field.made(folder, 'typical', chosen.frames, chosen.size, cadence=CADENCE,
                                       number=round(stars * (chosen.size / 64) ** 2), gap=False)
    return dataclasses.replace(made, least=made.stars.size)


def prolong(field, folder, times):
    """Put a cube of as many times the cadences into another folder: the frames of a field over and over."""
    from photometry.files import cube_schema, paths
    from photometry.files.cube import CubeFile
    from photometry.files.cube_writer import CubeTables, CubeWriter
    from photometry.files.identity import Identity
    catalog, = paths.find_catalogs(field.folder)
    (folder / catalog.path.name).write_bytes(catalog.path.read_bytes())
    with CubeFile(field.cube) as made:
        info = made.info
        more = dataclasses.replace(info, times=info.times * times, block=info.times)
        later = np.repeat(np.arange(times), info.times) * info.times
        tables = {}
        for column in dataclasses.fields(CubeTables):
            values = (made.background.parameters if column.name == 'background_parameters' else
                      {'wcs': made.wcs_texts}.get(column.name, getattr(made, column.name, None)))
            repeated = list(values) * times if isinstance(values, list) else np.concatenate([values] * times)
            tables[column.name] = repeated
        for name in ('time_start', 'time', 'time_stop'):
            tables[name] = tables[name] + later * CADENCE / 86400
        tables['cadenceno'] = tables['cadenceno'] + later
        learned = made.psf
        places = None if learned is None else (learned.row, learned.column)
        with CubeWriter.create(folder / field.cube.name, more, CubeTables(**tables), Identity('', {}, ()),
                               places) as writer:
            layers = {column.name: made.read(column.name).transpose(2, 0, 1) for column in cube_schema.LAYERS}
            for block in writer.pending:
                writer.write_block(block, layers)
            writer.finish(made.sumimage(), np.concatenate([made.movement_kernel] * times), made.warpmode,
                          made.star_wing or (), learned)


def measured(folder, method, stars_of):
    """CPU ms a star, and the most memory after each tile, of a worker in this process."""
    import fields
    from throughput_stars import tessphot

    from photometry.core.task import Task
    from photometry.files import paths
    cube, = paths.find_cubes(folder)
    method = '' if method == fields.AUTOMATIC else method
    with fields.WorkerContext(fields.options(folder, folder / 'out')) as worker:
        def process(star):
            task = Task(star, *cube.ccd_key, CADENCE, cube=cube.path.name, method=method)
            return tessphot.process(task, worker).lightcurve is not None
        process(stars_of[0][0])
        worker.clear_cache()
        before, peaks, done, started = record.peak_of_memory(), [], 0, time.process_time()
        for stars in stars_of:
            done += sum(map(process, stars))
            peaks.append(record.peak_of_memory())
        spent = time.process_time() - started
    count = sum(map(len, stars_of))
    return {'ms a star': 1e3 * spent / count, 'MB after the first star': before, 'MB after each tile': peaks,
            'stars': count, 'light curves': done}


def case(field, folder, method, tiles):
    """What `measured` finds in a child."""
    stars_of = [[int(star['starid']) for star in stars] for stars in field.by_tile.values()][:tiles]
    listing = folder / 'stars.json'
    listing.write_text(json.dumps([method, stars_of]))
    words = [sys.executable, __file__, '--child', folder, listing]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True).stdout)


def cases(chosen, place):
    """By name: what each method takes of the field, of more stars, of more cadences."""
    found = {}

    def all_methods(name, field, folder, tiles):
        for method in chosen.method:
            found[f'{method}, {name}'] = case(field, folder, method, tiles)
            print(f'{method}, {name}: {found[f"{method}, {name}"]}', flush=True)
    for stars, usual, prolonged_, tiles in ((chosen.stars, *NAMES[:2], None),
                                            (TIMES * chosen.stars, *NAMES[2:], chosen.tiles)):
        short, long = place / usual, place / prolonged_
        short.mkdir(), long.mkdir()
        field = cutout(short, chosen, stars)
        all_methods(usual, field, short, tiles)
        prolong(field, long, TIMES)
        all_methods(prolonged_, field, long, chosen.tiles)
        for path in (*short.glob('*'), *long.glob('*.hdf5')):
            path.unlink() if path.is_file() else None
    return found


def verdict(found, methods):
    """Ratios with their goals, by name."""
    numbers, goals = {}, {}
    for method in methods:
        base, long, dense, both = (found[f'{method}, {name}'] for name in NAMES)
        cost, memory = base['ms a star'], base['MB after each tile']
        for name, value, goal in (
                ('CPU, more cadences, over linear', long['ms a star'] / TIMES / cost, LINEAR),
                ('CPU, more stars, over linear', dense['ms a star'] / cost, LINEAR),
                ('MB, more cadences', long['MB after each tile'][-1], MEMORY),
                ('MB, more of both', both['MB after each tile'][-1], MEMORY),
                ('MB after the last tile, over the first', memory[-1] / memory[0], FLAT)):
            numbers[f'{method}: {name}'], goals[f'{method}: {name}'] = float(value), goal
    return numbers, goals


def main():
    """Print the table and write it as JSON; 1 when a goal is missed."""
    chosen = arguments()
    if chosen.child:
        method, stars_of = json.loads(Path(chosen.child[1]).read_text())
        json.dump(measured(Path(chosen.child[0]), method, stars_of), sys.stdout)
        return 0
    with tempfile.TemporaryDirectory(prefix='tessphot-', dir=chosen.folder) as place:
        found = cases(chosen, Path(place))
    numbers, goals = verdict(found, chosen.method)
    passed = record.show('growth of the photometry', numbers, goals)
    record.save(chosen.output, {'numbers': numbers, 'goals': goals, 'cases': found, 'passed': passed})
    return 0 if passed else 1


if __name__ == '__main__':
    raise SystemExit(main())
