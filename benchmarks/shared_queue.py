"""Empty tasks through a PostgreSQL server that waits for its disk; a part of queue_speed.py."""

import multiprocessing
import sys
import time
from pathlib import Path

from photometry.core.status import STATUS
from photometry.core.task import Result
from photometry.todo import filling
from photometry.todo.manager import TaskManager

sys.path.insert(0, str(Path(__file__).parents[1] / 'tests'))
from postgres_server import PostgresServer

BATCH = 20
"""Stars of a tile that are claimed at once."""


def work(task):
    """An empty task with a full row of diagnostics."""
    measured = ('mean_flux', 'variance', 'rms_hour', 'ptp', 'pos_row', 'pos_column', 'edge_flux')
    return Result(task, STATUS.OK, method_used='aperture', lightcurve=f'c1800/{task.starid}.fits',
                  elaptime=1e-3, details=dict.fromkeys(measured, 1.5))


def drain(url, ready, told):
    """Body of an independent worker: claim and finish until the list is empty; tell what it finished."""
    with TaskManager(url) as manager:
        finished, claiming, began = [], 0.0, None
        ready.wait()
        began = time.perf_counter()
        while True:
            before = time.perf_counter()
            batch = manager.claim(BATCH)
            claiming += time.perf_counter() - before
            for task in batch:
                manager.finish(work(task))
                finished.append(task.priority)
            if not batch and not manager.others_at_work():
                break
        manager.flush()
        told.put((finished, claiming, time.perf_counter() - began))


def rate(number, workers, rows):
    """Figures of a run of independent workers over one list.

    Parameters
    ----------
    number : int
        Tasks.
    workers : int
        Processes.
    rows : callable
        Makes the rows of a list of so many stars.
    """
    context = multiprocessing.get_context('spawn')
    with PostgresServer(durable=True) as server:
        url = server.url()
        with filling.opened(url) as connection:
            filling.merge(connection, rows(number), {})
        ready, told = context.Barrier(workers + 1), context.Queue()
        processes = [context.Process(target=drain, args=(url, ready, told)) for _ in range(workers)]
        for process in processes:
            process.start()
        ready.wait()
        began = time.perf_counter()
        answers = [told.get() for _ in processes]
        took = time.perf_counter() - began
        for process in processes:
            process.join()
        ended = dict(server.run('SELECT status, COUNT(*) FROM todolist GROUP BY status'))
        assert ended == {int(STATUS.OK): number}, ended
    finished = [priority for part, *_ in answers for priority in part]
    return {'tasks/s': number / took, 'duplicates': len(finished) - len(set(finished)),
            'ms to claim and commit a batch': 1e3 * sum(part[1] for part in answers) * BATCH / number}
