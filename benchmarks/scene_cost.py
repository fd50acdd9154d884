#!/usr/bin/env python
"""CPU time of the scenes behind linpsf, by part, a star.

    python benchmarks/scene_cost.py [--frames 1300] [--size 192] [--scene crowded isolated] [--seed 1]
                                    [--repeats 3] [--scatter 0] [--output FILE]

A simulated field is measured in memory, its background and motion known. CPU time is that
of the process (user and system, one thread); of --repeats the least counts, since what
else the machine does makes any of them longer. Pixels are read before and files are not
written: neither is counted. Parts are those of one cell, divided by the stars that stand
in it: the fit of its mean image, the search for stars that the catalogue lacks (with the
second fit where there are any), the fit of all frames, and what a star adds by itself,
its aperture and plain sums included.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import tempfile

import fields
import numpy as np

from photometry.algorithms import scene_series
from photometry.core import tiles
from photometry.core.errors import PhotometryError
from photometry.simulation.field import simulate_field

GOALS = {'crowded': 1.5, 'isolated': 4.0}
"""ms a star."""

PARTS = ('mean image', 'missing stars', 'every frame', 'star itself')


def arguments():
    parser = record.parser(__doc__, 'scene_cost')
    parser.add_argument('--frames', type=int, default=1300)
    parser.add_argument('--size', type=int, default=192)
    parser.add_argument('--scene', nargs='+', default=['crowded', 'isolated'], choices=list(GOALS))
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--scatter', type=float, default=0.0, help='px rms of the pointing in a frame')
    return parser.parse_args()


def of_tile(tile, repeats):
    """CPU time of the parts of a tile, s."""
    for layer in ('images', 'images_err', 'backgrounds', 'pixel_flags'):
        tile.pixels.load(layer)
    start = tile.__dict__.copy()

    def anew(attribute):
        tile.__dict__.clear()
        tile.__dict__.update(start)
        return getattr(tile, attribute)
    stars = tile._catalogued()
    single = record.least(lambda: tile._fit_mean(*stars), repeats)
    whole = record.least(lambda: anew('mean'), repeats)
    start = tile.__dict__.copy()
    return {'mean image': single, 'missing stars': whole - single,
            'every frame': record.least(lambda: anew('series'), repeats)}


def of_star(kind, task, worker):
    """The photometry of one star without its file."""
    try:
        kind.from_task(task, worker).photometry()
    except PhotometryError:
        return False
    return True


def measure(chosen, scene):
    """CPU ms a star of every part, and how many stars and groups of frames there were."""
    field = simulate_field(chosen.seed, chosen.size, chosen.size, chosen.frames, density=scene,
                           pointing_scatter=chosen.scatter)
    prepared, limits, stars = fields.in_memory(field), field.stamp, field.stars
    inside = np.flatnonzero([limits.contains(star['row'], star['column']) for star in stars])
    number = tiles.tile_number(stars['row'][inside], stars['column'][inside], limits)
    parts, count, done, groups = dict.fromkeys(PARTS, 0.0), 0, 0, 0
    with tempfile.TemporaryDirectory() as output, prepared.open_worker(output) as worker:
        kind = worker.method('linpsf')
        for cell in np.unique(number):
            tasks = [fields.task_of(star, field.simulation.plan, prepared.name, 'linpsf')
                     for star in stars[inside[number == cell]]]
            source = worker.source(tasks[0])
            tile = worker.tile(source, *tiles.tile_stamp(cell, limits)[::2])
            if not count:
                of_tile(tile, 1)  # what is done once for a CCD
                of_star(kind, tasks[0], worker)
            for name, spent in of_tile(tile, chosen.repeats).items():
                parts[name] += spent
            groups = max(groups, len(scene_series.frame_groups(tile.motion)))
            parts['star itself'] += record.least(
                lambda tasks=tasks: [of_star(kind, task, worker) for task in tasks], chosen.repeats)
            done += sum(of_star(kind, task, worker) for task in tasks)
            count += len(tasks)
    return {name: 1000 * spent / count for name, spent in parts.items()}, count, done, groups


def main():
    """Print the table and write it as JSON; 1 when a goal is missed."""
    chosen, results, passed = arguments(), {}, True
    for scene in chosen.scene:
        parts, count, done, groups = measure(chosen, scene)
        total = sum(parts.values())
        numbers = parts | {'CPU ms a star': total, 'stars': count, 'light curves': done,
                           'groups of frames': groups, 'cadences': chosen.frames}
        goals = {} if chosen.scatter else {'CPU ms a star': GOALS[scene]}
        passed &= record.show(f'linpsf, {scene} field, one thread, ms a star', numbers, goals)
        results[scene] = numbers
    record.save(chosen.output, {'numbers': results, 'goals_ms': GOALS, 'passed': passed})
    return 0 if passed else 1


if __name__ == '__main__':
    raise SystemExit(main())
