#!/usr/bin/env python
"""How many workers one rank 0 or one database feeds, simulated from measured costs a star.

    python benchmarks/scaling.py [--rank 98] [--file 85] [--server 115] [--star 0.012 0.1 1 10]

Workers ask for a batch, measure it star by star, and hand their results in with the next
question. Whoever answers does one thing at a time and takes so many microseconds a star for
claim and result together (`benchmarks/queue_speed.py`, `benchmarks/mpi_idle.py`). The table
gives the share of their time that workers measure; what they do once, to start and to open
cubes, is left out, and so is the file system.
"""

import record  # isort: skip

import heapq

import numpy as np

WORKERS = 10, 30, 100, 300, 1000, 3000, 10000
ROUNDS = 12
"""Batches a worker, of which the first third only fills the queue."""


def arguments():
    parser = record.parser(__doc__, 'scaling')
    parser.add_argument('--rank', type=float, default=98.0, help='us a star of rank 0 over MPI')
    parser.add_argument('--file', type=float, default=85.0, help='us a star of a scheduler with children')
    parser.add_argument('--server', type=float, default=115.0, help='us a star of a PostgreSQL server')
    parser.add_argument('--batch', type=int, default=64)
    parser.add_argument('--star', type=float, nargs='+', default=[0.012, 0.1, 1.0, 10.0], help='s a star')
    parser.add_argument('--seed', type=int, default=1)
    return parser.parse_args()


def busy(workers, star, answer, batch, random):
    """Share of their time that workers measure.

    Parameters
    ----------
    workers : int
    star : float
        Seconds that a star takes; single ones scatter by a third.
    answer : float
        Seconds that a star takes of the one who answers.
    batch : int
        Stars a batch.
    random : numpy.random.Generator
    """
    begun = np.sort(random.uniform(0, batch * star, workers))
    asking = [(moment, worker) for worker, moment in enumerate(begun)]
    spread = star / 3 / np.sqrt(batch)
    free, worked, waited, left = 0.0, 0.0, 0.0, [ROUNDS] * workers
    while asking:
        moment, worker = heapq.heappop(asking)
        free = max(free, moment) + batch * answer
        took = batch * max(random.normal(star, spread), 0.0)
        if left[worker] <= 2 * ROUNDS // 3:
            worked, waited = worked + took, waited + free - moment
        left[worker] -= 1
        if left[worker]:
            heapq.heappush(asking, (free + took, worker))
    return worked / (worked + waited)


def main():
    """Print the tables and write them as JSON."""
    chosen = arguments()
    random = np.random.default_rng(chosen.seed)
    found = {}
    for name, cost in (('rank 0 over MPI', chosen.rank), ('one scheduler, its children', chosen.file),
                       ('one PostgreSQL server', chosen.server)):
        print(f'{name}: {cost:g} us a star, at most {1e6 / cost:.0f} stars/s; batches of {chosen.batch}')
        print('  s a star' + ''.join(f'{number:>8d}' for number in WORKERS) + '   saturated by')
        for star in chosen.star:
            shares = [busy(number, star, cost / 1e6, chosen.batch, random) for number in WORKERS]
            most = 1e6 * star / cost
            found[f'{name}, {star:g} s'] = shares
            print(f'  {star:8g}' + ''.join(f'{share:8.2f}' for share in shares) + f'   {most:>12.0f}')
    record.save(chosen.output, {'workers': WORKERS, 'busy': found, 'batch': chosen.batch,
                                'us': [chosen.rank, chosen.file, chosen.server]})


if __name__ == '__main__':
    main()
