#!/usr/bin/env python
"""Cost of making a cube of full-frame images: CPU and memory a frame, size, reading of stamps.

    python benchmarks/prepare.py --frames 33

Frames are simulated in a temporary directory (35 MB each) and prepared in one process with default
settings. The fixed part (imports, headers, the survey of the field) is told apart from the part that
grows with the number of frames, and the movement is compared with the truth.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import resource
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from photometry import settings
from photometry.core.stamp import Stamp
from photometry.files import catalog, cube, paths
from photometry.simulation.plan import SectorPlan
from photometry.simulation.pointing import Sky
from photometry.simulation.sector import Simulation
from photometry.stages import simulate
from photometry.stages.prepare import field, job
from photometry.stages.prepare_photometry import prepare_photometry

GOALS = {'CPU s a frame': 2.0, 'peak GB': 4.0, 'MB a frame': 40.0}


def make_sector(folder, options):
    """Frames and their catalogue in a directory."""
    plan = SectorPlan(seed=options.seed, frames=options.frames, preset=options.density, number=options.stars,
                      faint=16.0, gap=False, faults=False)
    simulate.simulate(folder, plan)
    made = Simulation(plan, Sky(plan.sector, plan.camera, plan.ccd))
    stars = simulate.catalogue(made)
    rows = np.zeros(len(stars), catalog.STAR_DTYPE)
    for name in set(rows.dtype.names) & set(stars.dtype.names):
        rows[name] = stars[name]
    info = catalog.CatalogInfo(plan.sector, plan.camera, plan.ccd)
    catalog.write_catalog(folder / paths.catalog_name(*info.ccd_key), info, rows)
    return made


def clocked(module, name, spent):
    """Add the CPU time of a function of a module to ``spent[name]``."""
    work = getattr(module, name)

    def wrapped(*arguments):
        start = time.process_time()
        answer = work(*arguments)
        spent[name] = spent.get(name, 0) + time.process_time() - start
        return answer
    setattr(module, name, wrapped)


def read_stamps(path, number=200, side=15):
    """Median ms of reading a stamp of one layer for all times, from the page cache."""
    rng = np.random.default_rng(0)
    spent = []
    with cube.CubeFile(path) as made:
        limits = made.limits
        for row, column in zip(rng.integers(limits.row_min, limits.row_max - side, number),
                               rng.integers(limits.col_min, limits.col_max - side, number), strict=True):
            start = time.perf_counter()
            made.read('images', Stamp(row, row + side, column, column + side))
            spent.append(time.perf_counter() - start)
    return 1e3 * float(np.median(spent))


def movement_error(path, simulation):
    """Rms of the measured movement of the middle of the CCD, mpx."""
    with cube.CubeFile(path) as made:
        kernel, centre = made.movement_kernel[:, :2], np.array(made.centre)
    true = np.array([simulation.motion.offsets(frame, centre[:1], centre[1:])[:2]
                     for frame in range(len(kernel))]).reshape(-1, 2)
    difference = kernel - true
    return 1e3 * float(np.sqrt(np.mean((difference - difference.mean(axis=0)) ** 2)))


def main():
    parser = record.parser(__doc__, 'prepare')
    parser.add_argument('--frames', type=int, default=12)
    parser.add_argument('--density', default='typical')
    parser.add_argument('--stars', type=int)
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--folder', help='where to make the files (default: a temporary directory)')
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix='tessphot-', dir=options.folder))
    try:
        numbers = measure(folder, options)
    finally:
        shutil.rmtree(folder)
    passed = record.show(f'{options.frames} simulated full FFIs, one process', numbers, GOALS)
    record.save(options.output, {'seed': options.seed, 'numbers': numbers, 'passed': passed})
    return 0 if passed else 1


def measure(folder, options):
    """All numbers, by name."""
    simulation = make_sector(folder, options)
    spent = {}
    clocked(field, 'look', spent)
    clocked(job, '_fit_all', spent)
    clocked(job, '_subtract_all', spent)
    start = time.process_time()
    report = prepare_photometry(folder, settings.load())
    total = time.process_time() - start
    if report.failures:
        raise SystemExit(str(report.failures[0]))
    path, = report.cubes
    frames = options.frames
    return {
        'CPU s a frame': total / frames,
        'of it: survey, once for all frames': spent['look'],
        'of it: background, s a frame': spent['_fit_all'] / frames,
        'of it: pixels, s a frame': spent['_subtract_all'] / frames,
        'peak GB': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        'MB a frame': path.stat().st_size / frames / 1e6,
        'ms to read 15 x 15 px': read_stamps(path),
        'movement, mpx rms': movement_error(path, simulation),
    }


if __name__ == '__main__':
    sys.exit(main())
