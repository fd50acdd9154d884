#!/usr/bin/env python
"""How fast the queue is: empty tasks through SQLite and PostgreSQL, the making of a list.

    python benchmarks/queue_speed.py [--tasks 20000] [--stars 400000] [--workers 2] [--jobs 8]

Wall-clock rates depend on what else the machine does; CPU a task does not.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import contextlib
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import shared_queue
from shared_queue import work

from photometry.algorithms.skipping import who_skips_whom
from photometry.core.coordinates import SCIENCE
from photometry.core.status import STATUS
from photometry.stages import make_todo
from photometry.todo import building, filling
from photometry.todo.dispatch import dispatch
from photometry.todo.manager import TaskManager
from photometry.todo.workers.inline import InlineWorkers
from photometry.todo.workers.local import LocalWorkers

GOAL = 3000.0
"""Empty tasks a second through the local pool, or by independent jobs that share a server."""


@contextlib.contextmanager
def open_worker():
    """What a worker is made of."""
    yield work


def rows(number, tile=70):
    """Rows of a list with so many stars a tile."""
    return [{'starid': star, 'datasource': 'ffi', 'sector': 1, 'camera': 1, 'ccd': 1, 'cadence': 1800,
             'method': None, 'tmag': 5 + 10 * star / number, 'cbv_area': 111, 'tile': star % (number // tile),
             'cube': 'sector001_camera1_ccd1.hdf5'} for star in range(1, number + 1)]


def rate(folder, number, workers):
    """(tasks a second, CPU of the scheduler a task in us) of a run that commits everything."""
    path = Path(folder) / f'todo{workers}.sqlite'
    with filling.opened(path) as connection:
        filling.merge(connection, rows(number), {})
    made = LocalWorkers(open_worker, workers) if workers else InlineWorkers(open_worker)
    with TaskManager(path) as manager, made as pool:
        while workers and pool.free < workers:
            list(pool.events(0.1))
        began, cpu = time.perf_counter(), time.process_time()
        dispatch(manager, pool)
        took, used = time.perf_counter() - began, time.process_time() - cpu
        assert manager.counts() == {STATUS.OK: number}
    return number / took, 1e6 * used / number


def listing(folder, number):
    """CPU seconds to choose, to decide who is skipped and to write so many stars of one CCD."""
    random = np.random.default_rng(1)
    stars = np.zeros(number, dtype=[('starid', 'i8'), ('tmag', 'f8'), ('ra', 'f8'), ('decl', 'f8')])
    stars['starid'], stars['tmag'] = random.permutation(number) + 1, random.uniform(5, 15, number)
    stars['ra'], stars['decl'] = random.uniform(80, 90, number), random.uniform(-40, -30, number)
    row, column = random.uniform(0, 2047, number), random.uniform(44, 2091, number)
    cube = building.PixelFacts(0, SCIENCE, 1800, True, np.full(SCIENCE.shape, 10.0))
    began = time.process_time()
    found, _ = building.stars_on(cube, stars, row, column, (5, 2, 3), (85.0, -35.0))
    found = building.in_order(building.choose_cubes(found))
    chosen = time.process_time()
    by = who_skips_whom(found['starid'], found['tmag'], found['row'], found['column'])
    decided = time.process_time()
    with filling.opened(Path(folder) / 'big.sqlite') as connection:
        filling.fill(connection, make_todo.rows_of(found, ['a.hdf5'], make_todo.Choice()),
                     make_todo.skips_of(found))
    return {'choose': chosen - began, 'who skips whom': decided - chosen,
            'write': time.process_time() - decided, 'skipped share': float(np.mean(by >= 0))}


def main():
    """Print the table and write it as JSON; 1 when the goal is missed."""
    parser = record.parser(__doc__, 'queue_speed')
    parser.add_argument('--tasks', type=int, default=20000)
    parser.add_argument('--stars', type=int, default=400000)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--jobs', type=int, default=8, help='independent workers that share a server')
    chosen = parser.parse_args()
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for name, workers in (('inline', 0), ('local pool', chosen.workers)):
            a_second, cpu = rate(folder, chosen.tasks, workers)
            figures |= {f'{name}, tasks/s': a_second, f'{name}, scheduler CPU us/task': cpu}
        figures |= {f'list of {chosen.stars}, {name}': value
                    for name, value in listing(folder, chosen.stars).items()}
    shared = f'PostgreSQL, {chosen.jobs} jobs'
    figures |= {f'{shared}, {name}': value
                for name, value in shared_queue.rate(chosen.tasks, chosen.jobs, rows).items()}
    figures['peak MB'] = record.peak_mb()
    figures['load'] = os.getloadavg()[0]
    record.show('the queue (s of CPU where nothing else is said)', figures)
    passed = (min(figures['local pool, tasks/s'], figures[f'{shared}, tasks/s']) >= GOAL
              and not figures[f'{shared}, duplicates'])
    print(f'  goal of local pool and server: {GOAL:.0f} tasks/s, 0 duplicates {"" if passed else "MISSED"}')
    record.save(chosen.output, figures | {'goal': GOAL, 'passed': passed})
    return 0 if passed else 1


if __name__ == '__main__':
    sys.exit(main())
