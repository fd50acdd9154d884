#!/usr/bin/env python
"""CPU time of aperture photometry, a star with its file, against the goal.

    python benchmarks/aperture_cost.py [--frames 1300] [--stars 60] [--output FILE]

A cube is made of a simulated field; the stars are then measured as a worker does,
reading included, files on disk. CPU time of the whole process (user and system,
one thread) is divided by the stars. Making the cube and opening it is not counted;
the tiles (scene fits) are.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import tempfile
import time
from pathlib import Path

import fields

from photometry import settings
from photometry.files import paths
from photometry.methods.context import JobOptions, WorkerContext
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import stamp_of_size
from photometry.stages import tessphot

GOAL = 25.0
"""ms."""


def arguments():
    parser = record.parser(__doc__, 'aperture_cost')
    parser.add_argument('--frames', type=int, default=1300)
    parser.add_argument('--size', type=int, default=128)
    parser.add_argument('--density', default='typical')
    parser.add_argument('--stars', type=int, default=60)
    parser.add_argument('--seed', type=int, default=1)
    return parser.parse_args()


def measure(chosen, folder):
    """CPU ms a star, and how many had a light curve."""
    plan = SectorPlan(seed=chosen.seed, frames=chosen.frames, preset=chosen.density, background='quiet',
                      stamp=stamp_of_size(chosen.size, chosen.size))
    simulation = fields.prepare_files(plan, folder, settings.load())
    name = paths.find_cubes(folder)[0].path.name
    inside = [star for star in simulation.stars if plan.stamp.contains(star['row'], star['column'])]
    # In the order of the queue: bright and faint stars of one tile follow each other.
    tasks = [fields.task_of(star, plan, name) for star in inside[:chosen.stars + 1]]
    with WorkerContext(JobOptions(str(folder), str(folder / 'out'))) as worker:
        tessphot.process(tasks[0], worker)
        worker.clear_cache()
        start = time.process_time()
        results = [tessphot.process(task, worker) for task in tasks[1:]]
        spent = time.process_time() - start
    return 1000 * spent / len(results), sum(result.lightcurve is not None for result in results), len(results)


def main():
    """Print the table and write it as JSON."""
    chosen = arguments()
    with tempfile.TemporaryDirectory() as folder:
        cost, done, count = measure(chosen, Path(folder))
    numbers = {'CPU ms a star, with its file': cost, 'stars': count, 'light curves': done,
               'cadences': chosen.frames}
    passed = record.show(f'aperture photometry, {chosen.density} field, one thread', numbers,
                         {'CPU ms a star, with its file': GOAL})
    record.save(chosen.output, {'numbers': numbers, 'goal_ms': GOAL, 'passed': passed})
    return 0 if passed else 1


if __name__ == '__main__':
    raise SystemExit(main())
