#!/usr/bin/env python
"""What MPI costs: rank 0 while it waits, and empty tasks through it.

    python benchmarks/mpi_idle.py [--ranks 3] [--seconds 20] [--tasks 20000]

Starts mpiexec itself. Rank 0 is idle when every child measures a long star: the CPU that it and its
threads take is that of listening, looking for the stop file and writing the summary.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import queue_speed

from photometry.core import ranks
from photometry.core.status import STATUS
from photometry.core.task import Result
from photometry.todo import filling
from photometry.todo.dispatch import dispatch
from photometry.todo.manager import TaskManager
from photometry.todo.workers import mpi

GOAL = 5.0
"""Per cent of a core that rank 0 may take while it is idle."""

RUNNING_AS_ROOT = {'OMPI_ALLOW_RUN_AS_ROOT': '1', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM': '1',
                   'PRTE_MCA_rmaps_default_mapping_policy': ':oversubscribe'}


@contextlib.contextmanager
def open_sleeper():
    """A worker whose stars are as long as the environment says."""
    def work(task):
        time.sleep(float(os.environ['SLEEP']))
        return Result(task, STATUS.OK, method_used='none', elaptime=1.0)
    yield work


def cpu_per_cent(path, pool, seconds):
    """Per cent of a core that this process takes while the children sleep."""
    with TaskManager(path) as manager, pool as workers:
        began = []

        def stop():
            now = time.perf_counter(), time.process_time()
            if not workers.free and manager.progress.counts.get(None, 0) == 0 or began:
                began.append(now)
            return began and now[0] - began[0][0] > seconds
        dispatch(manager, workers, stop=stop)
        ended = next(one for one in began if one[0] - began[0][0] > seconds)
        return 100 * (ended[1] - began[0][1]) / (ended[0] - began[0][0])


def rate(path, pool, number, workers):
    """(tasks a second, CPU of rank 0 a task in us)."""
    with TaskManager(path) as manager, pool as opened:
        while opened.free < workers:
            list(opened.events(0.1))
        began, cpu = time.perf_counter(), time.process_time()
        dispatch(manager, opened)
        took, used = time.perf_counter() - began, time.process_time() - cpu
        assert manager.counts() == {STATUS.OK: number}
    return number / took, 1e6 * used / number


def lead(world, folder, seconds, tasks):
    """Measure as rank 0 and write what was found."""
    idle, busy = Path(folder) / 'idle.sqlite', Path(folder) / 'busy.sqlite'
    workers = world.size - 1
    for path, number, tile in ((idle, workers, 1), (busy, tasks, 70)):
        with filling.opened(path) as connection:
            filling.merge(connection, queue_speed.rows(number, tile), {})
    a_second, cpu = rate(busy, mpi.MpiWorkers(world, queue_speed.open_worker), tasks, workers)
    waiting = cpu_per_cent(idle, mpi.MpiWorkers(world, open_sleeper), seconds)
    (Path(folder) / 'figures.json').write_text(json.dumps({
        'rank 0 idle, % of a core': waiting, 'tasks/s': a_second, 'rank 0 CPU us/task': cpu}))
    return 0


def as_rank(folder, seconds, tasks):
    """Body of a rank."""
    world = mpi.join(ranks.rank(os.environ))
    return world.run(lambda: lead(world, folder, float(seconds), int(tasks)))


def main():
    """Print the table and write it as JSON; 1 when the goal is missed."""
    parser = record.parser(__doc__, 'mpi_idle')
    parser.add_argument('--ranks', type=int, default=3)
    parser.add_argument('--seconds', type=float, default=20.0)
    parser.add_argument('--tasks', type=int, default=20000)
    chosen = parser.parse_args()
    beside = Path(sys.executable).parent
    environment = {**os.environ, **RUNNING_AS_ROOT, 'SLEEP': str(chosen.seconds + 3), 'TMPDIR': '/tmp',
                   'PATH': f'{beside}{os.pathsep}{os.environ["PATH"]}'}
    with tempfile.TemporaryDirectory() as folder:
        words = beside / 'mpiexec', '-n', chosen.ranks, sys.executable, __file__, '--rank', folder
        subprocess.run([str(word) for word in (*words, chosen.seconds, chosen.tasks)], check=True,
                       env=environment)
        figures = json.loads((Path(folder) / 'figures.json').read_text())
    figures |= {'ranks': chosen.ranks, 'load': os.getloadavg()[0]}
    passed = record.show('work through MPI', figures, {'rank 0 idle, % of a core': GOAL})
    record.save(chosen.output, figures | {'goal': GOAL, 'passed': passed})
    return 0 if passed else 1


if __name__ == '__main__':
    sys.exit(as_rank(*sys.argv[2:]) if sys.argv[1:2] == ['--rank'] else main())
