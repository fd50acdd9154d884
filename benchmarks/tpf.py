#!/usr/bin/env python
"""CPU time of the photometry of a target pixel file of a whole sector, read and written.

    python benchmarks/tpf.py [--frames 19332] [--methods aperture linpsf psf ''] [--output FILE]

A star with 11 x 11 px around it is simulated at 120 s; with the pause in the middle its file has
20,076 rows. Copies of the file are then measured as a worker does, each read anew: catalogue, PRF
and ephemeris are in memory, as they are after the first star of a CCD. CPU time of the whole
process (user and system, one thread), the least of the copies, the automatic choice as '', and
the same split by what it is spent on.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import shutil
import tempfile
import time
from pathlib import Path

from photometry import settings
from photometry.catalogs.table import TableCatalog
from photometry.core.task import Task
from photometry.files import paths
from photometry.methods.context import JobOptions, WorkerContext
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import stamp_of_size
from photometry.stages import make_catalog, simulate, tessphot

GOAL = 0.5
"""CPU seconds of aperture photometry, file read and written."""

COPIES = 5


def arguments():
    parser = record.parser(__doc__, 'tpf')
    parser.add_argument('--frames', type=int, default=19332)
    parser.add_argument('--methods', nargs='+', default=['aperture', 'linpsf', 'psf', ''])
    return parser.parse_args()


def prepared(folder, frames):
    """Folder with catalogue and copies of a target pixel file; the plan, the star and the copies."""
    plan = SectorPlan(seed=9, frames=frames, cadence=120, stamp=stamp_of_size(21, 21), number=4, bright=10.0,
                      faint=12.0, background='quiet', wing=0.001)
    simulate.simulate(folder, plan, tpf=1)
    make_catalog.make_catalog(folder, plan.sector, TableCatalog(folder / 'stars.ecsv'),
                              settings.load().catalog)
    found = paths.find_targets(folder)[0]
    copies = []
    for number in range(COPIES + 1):
        copies.append(folder / str(number) / found.path.name)
        copies[-1].parent.mkdir()
        shutil.copy(found.path, copies[-1])
    return plan, found.starid, [path.relative_to(folder).as_posix() for path in copies]


def measure(folder, plan, starid, copies, method):
    """CPU seconds of a star, whole and in parts, and its result."""
    spent, parts = [], []
    with WorkerContext(JobOptions(str(folder), str(folder / 'out'))) as worker:
        for number, copy in enumerate(copies):
            task = Task(starid, plan.sector, plan.camera, plan.ccd, plan.cadence, 'tpf', cube=copy,
                        method=method or None)
            start = time.process_time()
            source = worker.source(task)
            opened = time.process_time()
            result = tessphot.process(task, worker)
            if number:
                spent.append(time.process_time() - start)
                parts.append(opened - start)
            assert result.lightcurve, result.errors
    return {'CPU s': min(spent), 'of these reading': min(parts), 'cadences': int(source.pixels.time.size),
            'px': source.pixels.aperture.size, 'ptp, ppm': result.details['ptp']}


def main():
    """Print the tables and write them as JSON."""
    chosen = arguments()
    found, passed = {}, True
    with tempfile.TemporaryDirectory() as folder:
        made = prepared(Path(folder), chosen.frames)
        for method in chosen.methods:
            name = method or 'automatic'
            found[name] = measure(Path(folder), *made, method)
            goals = {'CPU s': GOAL} if method == 'aperture' else {}
            passed &= record.show(f'{name}, a target pixel file of a sector at 120 s', found[name], goals)
    record.save(chosen.output, {'numbers': found, 'goal_s': GOAL, 'passed': passed})
    return 0 if passed else 1


if __name__ == '__main__':
    raise SystemExit(main())
