#!/usr/bin/env python
"""CPU time of aperture photometry, a star with its file, against the goal.

    python benchmarks/aperture_cost.py [--frames 1300] [--stars 60] [--output FILE]

A cube is made of a simulated field; the stars are then measured as a worker does,
reading included, files on disk. CPU time of the whole process (user and system,
one thread) is divided by the stars. Making the cube and opening it is not counted;
the tiles (scene fits) are.
"""

import argparse
import json
import os
import tempfile
import time
from pathlib import Path

for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):
    os.environ.setdefault(name, '1')

import fields  # noqa: E402

from photometry import settings  # noqa: E402
from photometry.files import paths  # noqa: E402
from photometry.methods.context import JobOptions, WorkerContext  # noqa: E402
from photometry.simulation.plan import SectorPlan  # noqa: E402
from photometry.simulation.sector import stamp_of_size  # noqa: E402
from photometry.stages import tessphot  # noqa: E402

GOAL = 25.0
"""ms."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--frames', type=int, default=1300)
    parser.add_argument('--size', type=int, default=128)
    parser.add_argument('--density', default='typical')
    parser.add_argument('--stars', type=int, default=60)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--output', type=Path)
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
    chosen = arguments()
    with tempfile.TemporaryDirectory() as folder:
        cost, done, count = measure(chosen, Path(folder))
    print(f'{count} stars ({chosen.density}), {chosen.frames} cadences, {done} light curves: '
          f'{cost:.1f} ms CPU a star, {cost / GOAL:.2f} of the goal of {GOAL:.0f} ms')
    if chosen.output:
        chosen.output.parent.mkdir(parents=True, exist_ok=True)
        chosen.output.write_text(json.dumps({'cpu_ms': cost, 'goal_ms': GOAL, 'stars': count, 'done': done,
                                             'frames': chosen.frames}))


if __name__ == '__main__':
    main()
