#!/usr/bin/env python
"""CPU time of aperture photometry, a star, split by what it is spent on.

    python benchmarks/aperture_cost.py [--frames 1300] [--density typical crowded] [--output FILE]

A cube is made of a simulated field; the stars are then measured as a worker does. Three
passes, each with tiles made anew: two with all pixels in memory before the clock starts, of
which one is split by what takes the time, and a last one with reading and files.

CPU time of the whole process (user and system, one thread) is divided by the stars.
Making the cube and opening it is not counted; what a tile shares among its stars is.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import contextlib
import functools
import tempfile
import time
from pathlib import Path

import fields

from photometry import settings
from photometry.files import paths
from photometry.methods import sap, starlight, tile, tile_sky
from photometry.methods.aperture import AperturePhotometry
from photometry.methods.base import BasePhotometry
from photometry.pixels.base import LAYERS
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import stamp_of_size
from photometry.stages import tessphot

GOAL, GOAL_FILE = 1.5, 25.0
"""ms without reading and file, and with them."""

PARTS = {
    'scene of the tile': (tile.TileContext, 'mean'), 'light of the tile': (starlight.Starlight, 'scene'),
    'dark pixels of the tile': (tile_sky, '_measured'), 'from_task': (BasePhotometry, '_begin'),
    'mask': (sap, 'choose_mask'), 'sums': (sap, 'fill_sums'), 'flux': (AperturePhotometry, '_fill_flux'),
    'verdict': (AperturePhotometry, '_verdict')}
"""What the time is split by; the parts of a tile fall into the first star that asks."""


def arguments():
    parser = record.parser(__doc__, 'aperture_cost')
    parser.add_argument('--frames', type=int, default=1300)
    parser.add_argument('--size', type=int, default=128)
    parser.add_argument('--density', nargs='+', default=['typical', 'crowded'])
    parser.add_argument('--seed', type=int, default=1)
    return parser.parse_args()


class Clock:
    """CPU seconds by name, those of inner parts taken off the outer ones."""

    def __init__(self):
        self.spent, self._inner = {}, [0.0]

    @contextlib.contextmanager
    def of(self, name):
        """Count what happens inside under a name."""
        start = time.process_time()
        self._inner.append(0.0)
        try:
            yield
        finally:
            took = time.process_time() - start
            self.spent[name] = self.spent.get(name, 0.0) + took - self._inner.pop()
            self._inner[-1] += took

    @contextlib.contextmanager
    def listening(self):
        """Count the calls of `PARTS`."""
        kept = []
        for name, (owner, attribute) in PARTS.items():
            found = owner.__dict__[attribute]
            kept.append((owner, attribute, found))
            setattr(owner, attribute, self._wrapped(name, attribute, found))
        try:
            yield
        finally:
            for owner, attribute, found in kept:
                setattr(owner, attribute, found)

    def _wrapped(self, name, attribute, found):
        if isinstance(found, functools.cached_property):
            made = functools.cached_property(self._wrapped(name, attribute, found.func))
            made.__set_name__(None, attribute)
            return made
        if isinstance(found, property):
            return property(self._wrapped(name, attribute, found.fget))

        @functools.wraps(found)
        def timed(*args, **kwargs):
            with self.of(name):
                return found(*args, **kwargs)
        return timed


def in_memory(worker, tasks, clock=None):
    """Measure stars whose pixels are in memory; CPU seconds, and how many were measured."""
    worker.clear_cache()
    spent, done, held = 0.0, 0, None
    for task in tasks:
        source = worker.source(task)
        index = source.index_of(task.starid)
        cell = worker.tile(source, *(float(axis[index]) for axis in source.positions))
        if cell is not held:
            for layer in LAYERS:
                cell.pixels.load(layer)
            held = cell
        start = time.process_time()
        with clock.listening() if clock else contextlib.nullcontext():
            with clock.of('metrics and the rest') if clock else contextlib.nullcontext():
                with contextlib.suppress(tessphot.PhotometryError):
                    AperturePhotometry.from_task(task, worker).photometry()
                    done += 1
        spent += time.process_time() - start
    return spent, done


def by_tiles(stars, plan):
    """Stars in the order of the queue: tile by tile."""
    from photometry.core import tiles
    inside = [star for star in stars if plan.stamp.contains(star['row'], star['column'])]
    return sorted(inside, key=lambda star: tiles.tile_number(star['row'], star['column'], plan.stamp))


def measure(chosen, density, folder):
    """CPU ms a star by what it is spent on."""
    plan = SectorPlan(seed=chosen.seed, frames=chosen.frames, preset=density, background='quiet',
                      stamp=stamp_of_size(chosen.size, chosen.size))
    simulation = fields.prepare_files(plan, folder, settings.load())
    name = paths.find_cubes(folder)[0].path.name
    tasks = [fields.task_of(star, plan, name, 'aperture') for star in by_tiles(simulation.stars, plan)]
    with fields.WorkerContext(fields.options(folder, folder / 'out')) as worker:
        tessphot.process(tasks[0], worker)
        spent, done = in_memory(worker, tasks)
        numbers = {'total': 1000 * spent / len(tasks)}
        clock = Clock()
        in_memory(worker, tasks, clock)
        numbers |= {name: 1000 * seconds / len(tasks) for name, seconds in clock.spent.items()}
        worker.clear_cache()
        start = time.process_time()
        results = [tessphot.process(task, worker) for task in tasks]
        whole = 1000 * (time.process_time() - start) / len(tasks)
    numbers |= {'with reading and file': whole, 'reading and file': whole - numbers['total'],
                'stars': len(tasks), 'measured': done,
                'light curves': sum(result.lightcurve is not None for result in results)}
    return numbers


def main():
    """Print the tables and write them as JSON."""
    chosen = arguments()
    found, passed = {}, True
    for density in chosen.density:
        with tempfile.TemporaryDirectory() as folder:
            found[density] = measure(chosen, density, Path(folder))
        title = f'aperture photometry, {density} field, {chosen.frames} cadences, CPU ms a star'
        passed &= record.show(title,
                              found[density], {'total': GOAL, 'with reading and file': GOAL_FILE})
    record.save(chosen.output, {'numbers': found, 'goal_ms': GOAL, 'goal_with_file_ms': GOAL_FILE,
                                'frames': chosen.frames, 'passed': passed})
    return 0 if passed else 1


if __name__ == '__main__':
    raise SystemExit(main())
