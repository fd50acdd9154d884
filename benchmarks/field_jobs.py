"""Fields of the scorecards: their plans and variants, made and measured in one or two processes."""

import concurrent.futures
import dataclasses
import hashlib
import json
import multiprocessing
import secrets
import shutil
import tempfile
import time
from pathlib import Path

import fields
import numpy as np

from photometry import settings
from photometry.simulation.field import simulate_field
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import Simulation, stamp_of_size

SATURATED = (1.7, 6)
BINS = (SATURATED, (6, 7.5), (7.5, 9), (9, 10.5), (10.5, 12), (12, 13.5), (13.5, 15))
EDGE = 5
LEAST_STARS = 100
ADDED = 40
"""Stars put into a field that fills bins."""

FIRST_SEED, FIRST_FILL = 20, 1020
MOST, MOST_SLOW = 100, {'psf': 40, 'halo': 12}
"""Stars of a bin and a field that are measured, drawn at random; of methods that take long."""

SCENES = ('isolated', 'crowded', 'sparse', 'typical', 'bright', 'pairs')
PAIRS, FAINTER, EVERY = (0.05, 0.45), (0.0, 1.5), 3
"""Distance in px and difference in magnitudes of the stars of a pair; which part of the stars is one: others
tell what a star looks like."""

TOGETHER = 0.46
"""Distance of stars that count as a pair, px."""

VARIANTS = {
    'nominal': {}, 'wide': {'prf_width': 1.05}, 'narrow': {'prf_width': 0.95},
    'asymmetric': {'prf_asymmetry': 0.3}, 'positions': {'catalog_error': 0.05},
    'scatter': {'pointing_scatter': 0.1}, 'ccd': {'strip': True}, 'glow': {'background': 'glow60'},
    'incomplete': {'faint': 16.0, 'catalog_limit': 15.0}, 'tess': {'background': 'tess'},
}
"""Changes of the plan; ``strip`` spans half of the CCD's columns along its first rows."""


@dataclasses.dataclass(frozen=True)
class Job:
    """One field and what is measured of it."""

    scene: str
    variant: str
    plan: SectorPlan
    methods: tuple
    score: object
    """``score(job, prepared, steps)`` gives rows, dictionaries, of a `fields.Prepared`."""
    bins: tuple = BINS
    most: int | None = None
    prf: str | None = None
    memory: bool = False
    keep: Path | None = None
    variables: bool = False
    """Whether only stars that vary are measured."""

    @property
    def settings(self):
        """Settings of the photometry."""
        chosen = settings.load()
        if self.prf is None or chosen.photometry.prf == self.prf:
            return chosen
        return dataclasses.replace(chosen, photometry=dataclasses.replace(chosen.photometry, prf=self.prf))

    def light_curves(self, prepared, steps):
        """Yield (method, star, Result, light curve or None, CPU seconds) of all stars that are wanted."""
        stars = prepared.simulation.stars
        count = counting(stars, self.plan)
        if self.scene == 'pairs':
            count &= _has_companion(stars, self.settings.catalog.faint_limit)
        if self.variables:
            count &= np.isin(np.arange(len(stars)), [one.star for one in prepared.simulation.variables])
        wanted = {method: _drawn(self, method, stars['tmag'], count) for method in self.methods}
        for name, chosen in wanted.items():
            steps[name], steps[f'{name} stars'] = 0.0, len(chosen)
        for found in prepared.light_curves(wanted):
            steps[found[0]] += found[-1]
            yield found


def options(parser):
    """Add what the scorecards ask for alike."""
    known = fields.methods()
    parser.add_argument('--method', nargs='+', default=known, choices=known, metavar='METHOD')
    parser.add_argument('--frames', type=int, default=1300)
    parser.add_argument('--size', type=int, default=256)
    parser.add_argument('--seeds', type=int, default=5, help='fixed seeds, besides the drawn one')
    parser.add_argument('--drawn', type=int, help='use this seed instead of drawing one; -1 leaves it out')
    parser.add_argument('--most', type=int, help='stars of a bin and a field that any method measures')
    parser.add_argument('--prf', choices=('epsf', 'prf'), help='model of a star, instead of the setting')
    parser.add_argument('--processes', type=int, default=2, choices=(1, 2))
    parser.add_argument('--keep', type=Path, help='folder for cubes and catalogues')
    parser.add_argument('--memory', action='store_true', help='photometry alone, background and motion known')


def of_options(chosen):
    """Arguments of `Job` that follow from the options."""
    return {'methods': tuple(chosen.method), 'most': chosen.most, 'prf': chosen.prf, 'memory': chosen.memory,
            'keep': chosen.keep}


def seeds_of(chosen):
    """The fixed seeds and the one drawn at run time, which is printed."""
    drawn = secrets.randbelow(2 ** 31) if chosen.drawn is None else chosen.drawn
    print(f'Drawn seed: {drawn}')
    return [*range(FIRST_SEED, FIRST_SEED + chosen.seeds), *([drawn] if drawn >= 0 else [])]


def plan_of(scene, variant, seed, frames, size=256):
    """The plan of a field."""
    changes = dict(VARIANTS[variant])
    strip = changes.pop('strip', False)
    stamp = stamp_of_size(size // 4, min(4 * size, 2048), 0, 44) if strip else stamp_of_size(size, size)
    preset = 'isolated' if scene == 'pairs' else scene
    plan = SectorPlan(**{'seed': seed, 'frames': frames, 'preset': preset, 'background': 'quiet',
                         'stamp': stamp} | changes)
    return _paired(plan) if scene == 'pairs' else plan


def _paired(plan):
    """The same plan with a companion close to every third star, unsaturated."""
    plan = dataclasses.replace(plan, bright=7.0)
    rng = np.random.default_rng(plan.seed)
    count = len(Simulation(dataclasses.replace(plan, frames=1)).stars)
    return dataclasses.replace(plan, companions=tuple(
        (star, float(rng.uniform(*PAIRS)), float(rng.uniform(*FAINTER))) for star in range(0, count, EVERY)))


def filling(scene, variant, plans, size, most):
    """Further plans, at most so many, that fill the bins with fewer stars than LEAST_STARS: (plan, bins)."""
    counts = sum(count_stars(plan) for plan in plans)
    for seed in range(FIRST_FILL, FIRST_FILL + most):
        short = tuple(edges for edges, count in zip(BINS, counts, strict=True)
                      if count < LEAST_STARS and (edges != SATURATED or scene == 'bright'))
        if not short or scene == 'pairs':
            break
        added = () if scene == 'bright' else (ADDED, short[0][0], short[-1][1])
        plan = dataclasses.replace(plan_of(scene, variant, seed, plans[0].frames, size), added=added)
        yield plan, short
        counts = counts + count_stars(plan)


def count_stars(plan):
    """Stars of a plan that count, a bin."""
    stars = Simulation(dataclasses.replace(plan, frames=1)).stars
    tmag = stars['tmag'][counting(stars, plan)]
    return np.array([np.sum((tmag >= low) & (tmag < high)) for low, high in BINS])


def _has_companion(stars, faintest):
    """Which stars have another one closer than TOGETHER px that the catalogue may hold, too."""
    from scipy.spatial import cKDTree
    place = np.column_stack([stars['row'], stars['column']])
    known = cKDTree(place[stars['tmag'] <= faintest])
    return known.query(place, k=2)[0][:, 1] < TOGETHER


def counting(stars, plan):
    """Which stars count: in the catalogue, more than EDGE px from the edge."""
    inner = plan.stamp.grown(-EDGE, -EDGE, -EDGE, -EDGE)
    inside = [inner.contains(row, column) for row, column in zip(stars['row'], stars['column'], strict=True)]
    return stars['listed'] & np.array(inside, dtype=bool)


def measure(job):
    """Rows of a field by the job's own score, and the CPU seconds of each step."""
    steps = {}
    if job.memory:
        started = time.process_time()
        field = _in_memory(job.plan)
        steps['simulate'] = time.process_time() - started
        return job.score(job, fields.in_memory(field, job.settings), steps), steps
    with _folder(job) as folder:
        simulation = _files(job, Path(folder), steps)
        return job.score(job, fields.from_files(simulation, folder, job.settings), steps), steps


def _in_memory(plan):
    named = ('frames', 'stamp', 'preset')
    rest = {name: value for name, value in vars(plan).items() if name not in named}
    return simulate_field(frames=plan.frames, rows=plan.stamp.height, columns=plan.stamp.width,
                          row=plan.stamp.row_min, column=plan.stamp.col_min, density=plan.preset,
                          **rest | {'gap': False, 'faults': False})


def _folder(job):
    """A folder for the files of a field: temporary, or one that stays."""
    if job.keep is None:
        return tempfile.TemporaryDirectory()
    digest = hashlib.sha256(repr(job.plan).encode()).hexdigest()[:10]
    return _Kept(job.keep / f'{job.scene}-{job.variant}-{job.plan.seed}-{digest}')


class _Kept:
    """A folder that is not removed."""

    def __init__(self, path):
        self._path = path

    def __enter__(self):
        return self._path

    def __exit__(self, *exception):
        pass


def _files(job, folder, steps):
    """Cube and catalogue of a field in a folder, made unless they are there; its simulation."""
    done = folder / 'done.json'
    if done.exists():
        steps['kept'] = 0.0
        return fields.simulation_of(job.plan)
    if folder.exists() and any(folder.iterdir()):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    simulation = fields.prepare_files(job.plan, folder, job.settings, steps)
    for image in folder.glob('tess-s*.fits'):
        image.unlink()
    done.write_text(json.dumps(steps))
    return simulation


def _drawn(job, method, tmag, count):
    """Stars that a method measures: all that count, or so many of each bin."""
    rng = np.random.default_rng(job.plan.seed)
    most = job.most or MOST_SLOW.get(method, MOST)
    chosen = []
    for low, high in job.bins:
        some = rng.permutation(np.flatnonzero(count & (tmag >= low) & (tmag < high)))
        chosen += some[:most].tolist()
    return chosen


def run(jobs, processes):
    """Rows of all fields; a line of progress for each."""
    rows, started = [], time.monotonic()
    for number, (job, (found, steps)) in enumerate(_finished(jobs, processes), start=1):
        rows += found
        words = ', '.join(f'{name} {value:.1f} s' if isinstance(value, float) else f'({value} stars)'
                          for name, value in steps.items()).replace(', (', ' (')
        minutes = (time.monotonic() - started) / 60
        print(f'[{number}/{len(jobs)}, {minutes:.1f} min] {job.scene} {job.variant} {job.plan.seed}: {words}',
              flush=True)
    return rows


def _finished(jobs, processes):
    if processes == 1 or len(jobs) < 2:
        yield from ((job, measure(job)) for job in jobs)
        return
    spawn = multiprocessing.get_context('spawn')
    with concurrent.futures.ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        waiting = {pool.submit(measure, job): job for job in jobs}
        for future in concurrent.futures.as_completed(waiting):
            yield waiting[future], future.result()
