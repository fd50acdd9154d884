"""What the start of a process costs: its modules, its first star, the help of every program.

    python benchmarks/throughput_start.py FOLDER OUTPUT STAR OTHER

measures a star in a fresh process and prints seconds as JSON; `rows` calls it some times.
"""

import importlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import record
from throughput_rows import Row

ROOT = Path(__file__).parents[1]
TIMES = 5
CATALOGUES = 3_000, 20_000, 100_000
"""Stars of the catalogue: of a part of a CCD, of a CCD, of one in the Milky Way."""

AROUND = 0.8, 6.0
"""How far from the field on each axis the others stand, deg: not on its pixels, but mostly on the CCD."""


def first_star_rows(field, times=TIMES, catalogues=CATALOGUES):
    """Time to the first light curve with the automatic choice, the catalogue being short or long."""
    star, other = (stars[0] for stars in list(field.by_tile.values())[:2])
    made = []
    for number in catalogues:
        with tempfile.TemporaryDirectory(prefix='tessphot-') as folder:
            _linked(field, Path(folder), number)
            found = [_child(Path(folder), *(int(item['starid']) for item in (star, other)))
                     for _ in range(times + 1)][1:]
        best = {name: 1e3 * min(item[name] for item in found) for name in found[0]}
        what = f'first star, {number} in the catalogue'
        made += [Row(what, best['first'], 'ms', 150.0, 50.0),
                 Row(f'{what}: CPU', best['first_cpu'], 'ms'),
                 Row(f'{what}: again, its tile made anew', best['again'], 'ms'),
                 Row(f'{what}: paid once a process',
                     float(np.median([1e3 * (item['first'] - item['again']) for item in found])), 'ms')]
    return [Row('importing what a worker needs', best['import'], 'ms'), *made]


def _linked(field, folder, number):
    """The cube of a field, in a folder with a catalogue of more stars of its CCD."""
    from photometry.files import catalog, paths
    path, = (item.path for item in paths.find_catalogs(field.folder))
    (folder / field.cube.name).symlink_to(field.cube)
    found = catalog.read_catalog(path)
    more = np.zeros(max(number - len(found.stars), 0), found.stars.dtype)
    rng = np.random.default_rng(1)
    middle = [float(np.median(found.stars[name])) for name in ('ra', 'decl')]
    more['starid'] = found.stars['starid'].max() + 1 + np.arange(more.size)
    for axis, names in enumerate((('ra', 'ra_J2000'), ('decl', 'decl_J2000'))):
        away = rng.uniform(*AROUND, more.size) * rng.choice((-1, 1), more.size)
        for name in names:
            more[name] = middle[axis] + away
    more['tmag'], more['teff'] = rng.uniform(10, 16, more.size), 5000.0
    catalog.write_catalog(folder / path.name, found.info, np.concatenate([found.stars, more]))


def _child(folder, star, other):
    """Seconds of a fresh process."""
    words = [sys.executable, __file__, folder, folder / 'out', str(star), str(other)]
    return json.loads(subprocess.run(words, check=True, stdout=subprocess.PIPE, text=True, cwd=ROOT,
                                     env=record.compiled()).stdout)


def measure(folder, output, star, other):
    """Seconds that the modules, the first star, the same star again, and another tile's star take here."""
    begun = time.perf_counter()
    from photometry.stages import workforce
    for name in workforce.PRELOAD:
        importlib.import_module(name)
    from photometry import settings
    from photometry.core.task import Task
    from photometry.files import paths
    from photometry.methods.context import JobOptions, WorkerContext
    from photometry.stages import tessphot
    loaded = settings.load()
    imported = time.perf_counter()
    cube, = paths.find_cubes(folder)

    def process(worker, starid):
        wall, cpu = time.perf_counter(), time.process_time()
        done = tessphot.process(Task(starid, *cube.ccd_key, 1800, cube=cube.path.name, method=''), worker)
        if not done.lightcurve:
            raise SystemExit(f'{done.reason}: {done.errors}')
        return time.perf_counter() - wall, time.process_time() - cpu
    with WorkerContext(JobOptions(str(folder), str(output), loaded)) as worker:
        first = process(worker, star)
        worker.clear_cache()
        again = process(worker, star)
        return {'import': imported - begun, 'first': first[0], 'first_cpu': first[1], 'again': again[0],
                'another tile': process(worker, other)[0]}


def help_rows(times=TIMES):
    """Time to the help of every program; the row with the goal is the slowest one's."""
    made = []
    for program in sorted(ROOT.glob('run_*.py')):
        spent = [_help(program) for _ in range(times + 1)][1:]
        made.append(Row(f'{program.name} --help', float(np.median(spent)), 's'))
    worst = max(made, key=lambda row: row.measured)
    return [Row(f'--help, the slowest: {worst.what.split()[0]}', worst.measured, 's', 0.3), *made]


def _help(program):
    """Wall-clock seconds to the help of a program."""
    start = time.perf_counter()
    subprocess.run([sys.executable, program, '--help'], check=True, stdout=subprocess.DEVNULL,
                   env=record.compiled())
    return time.perf_counter() - start


if __name__ == '__main__':
    json.dump(measure(Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])), sys.stdout)
