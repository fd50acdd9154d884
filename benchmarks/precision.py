#!/usr/bin/env python
"""Scorecard of the photometry: scatter over the bound and over three noise floors, bias, errors.

    python benchmarks/precision.py [--method aperture linpsf psf halo automatic]
        [--scene isolated crowded sparse typical bright] [--variant nominal wide narrow asymmetric ...]
        [--frames 1300] [--seeds 5] [--more 4] [--most N] [--prf epsf|prf] [--processes 2]
        [--keep DIR] [--memory] [--output FILE] [--picture FILE]
    python benchmarks/precision.py --real DIR

Files are simulated, then go through make_catalog, prepare and the photometry by
every method; with --memory the photometry alone is measured, given the true
background and motion. One more seed is drawn at run time and printed. Every star
more than 5 px from the edge counts (of methods that take long, MOST of a bin and a
field, drawn at random). Fields with --more bright stars fill the bins that hold
fewer than 100 stars; of those only these bins are measured. --keep leaves cubes
and catalogues in a folder, and takes them from there (after a change of prepare:
another folder). --real reads the light-curve files below a folder, which have no bounds.

Scatter is 1.4826 MAD per cadence in good cadences; bounds.py says what the bounds
are, docs/methods/precision.md how all of it is measured. Goals stand in RULES.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

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

import bounds
import fields
import figures
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
MOST = {'psf': 40, 'halo': 12}
"""Stars of a bin and a field that methods which take long measure, drawn at random."""

SCENES = ('isolated', 'crowded', 'sparse', 'typical', 'bright')
VARIANTS = {
    'nominal': {}, 'wide': {'prf_width': 1.05}, 'narrow': {'prf_width': 0.95},
    'asymmetric': {'prf_asymmetry': 0.3}, 'positions': {'catalog_error': 0.05},
    'scatter': {'pointing_scatter': 0.1}, 'ccd': {'strip': True}, 'glow': {'background': 'glow60'},
    'incomplete': {'faint': 16.0, 'catalog_limit': 15.0}, 'tess': {'background': 'tess'},
}
"""Changes of the plan; ``strip`` spans half of the CCD's columns along its first rows."""

SHAPES = 'nominal wide narrow asymmetric'
JUDGED = f'{SHAPES} positions scatter ccd'
RULES = (
    # figure, least, most, methods, scenes, variants, range of Tmag
    ('ratio', 0, 1.03, 'linpsf automatic', 'isolated', SHAPES, (6, 15)),
    ('ratio', 0, 1.05, 'linpsf', 'crowded', SHAPES, (6, 15)),
    ('ratio', 0, 1.06, 'automatic', 'crowded', SHAPES, (6, 15)),
    ('ratio', 0, 1.10, 'aperture', 'isolated', JUDGED, (6, 15)),
    ('ratio', 0, 1.15, 'aperture', 'crowded', JUDGED, (6, 15)),
    ('ratio', 0, 1.08, 'linpsf automatic', 'isolated crowded', 'scatter ccd', (6, 15)),
    ('ratio', 0, 1.04, 'linpsf automatic', 'isolated', 'positions', (6, 15)),
    ('neighbours', 0, 1.03, 'linpsf', 'crowded', SHAPES, (6, 15)),
    ('neighbours', 0, 1.04, 'linpsf automatic', 'crowded', 'positions', (6, 15)),
    ('ratio', 0, 1.10, 'halo automatic', 'bright', 'nominal', SATURATED),
    ('bias', -0.05, 0.05, 'halo automatic', 'bright', 'nominal', SATURATED),
    ('flux_err', 0.95, 1.05, '*', '*', JUDGED, (1.7, 15)),
    ('bias', -0.003, 0.003, 'aperture linpsf psf automatic', '*', JUDGED, (6, 13.5)),
    ('bias', -0.005, 0.005, 'aperture linpsf psf automatic', '*', JUDGED, (13.5, 15)),
    ('bias', -0.01, 0.01, 'aperture linpsf psf automatic', '*', 'glow', (6, 15)),
    ('completeness', 0.98, 1, '*', '*', '*', (1.7, 15)),
)
"""Goals of the medians of a bin. Figures are those of `figures.of_bin`."""


def arguments(words=None):
    parser = record.parser(__doc__, 'precision')
    known = fields.methods()
    parser.add_argument('--method', nargs='+', default=known, choices=known, metavar='METHOD')
    parser.add_argument('--scene', nargs='+', default=['isolated', 'crowded'], choices=SCENES)
    parser.add_argument('--variant', nargs='+', default=['nominal'], choices=list(VARIANTS))
    parser.add_argument('--frames', type=int, default=1300)
    parser.add_argument('--size', type=int, default=256)
    parser.add_argument('--seeds', type=int, default=5, help='fixed seeds, besides the drawn one')
    parser.add_argument('--drawn', type=int, help='use this seed instead of drawing one; -1 leaves it out')
    parser.add_argument('--more', type=int, default=4, help='most fields added to fill the bins')
    parser.add_argument('--most', type=int, help='stars of a bin and a field that any method measures')
    parser.add_argument('--prf', choices=('epsf', 'prf'), help='model of a star, instead of the setting')
    parser.add_argument('--processes', type=int, default=2, choices=(1, 2))
    parser.add_argument('--keep', type=Path, help='folder for cubes and catalogues')
    parser.add_argument('--memory', action='store_true', help='photometry alone, background and motion known')
    parser.add_argument('--real', type=Path, help='folder with light-curve files to score instead')
    parser.add_argument('--stars', action='store_true', help='figures of every star in the JSON file, too')
    parser.add_argument('--picture', type=Path, help='PNG file; beside the JSON file by default')
    return parser.parse_args(words)


@dataclasses.dataclass(frozen=True)
class Job:
    """One field and what is measured of it."""

    scene: str
    variant: str
    plan: SectorPlan
    methods: tuple
    bins: tuple = BINS
    most: int | None = None
    prf: str | None = None
    memory: bool = False
    keep: Path | None = None

    @property
    def settings(self):
        """Settings of the photometry."""
        chosen = settings.load()
        if self.prf is None or chosen.photometry.prf == self.prf:
            return chosen
        return dataclasses.replace(chosen, photometry=dataclasses.replace(chosen.photometry, prf=self.prf))


def plan_of(scene, variant, seed, frames, size, added=()):
    """The plan of a field."""
    changes = dict(VARIANTS[variant])
    strip = changes.pop('strip', False)
    stamp = stamp_of_size(size // 4, min(4 * size, 2048), 0, 44) if strip else stamp_of_size(size, size)
    return SectorPlan(**{'seed': seed, 'frames': frames, 'preset': scene, 'background': 'quiet',
                         'stamp': stamp, 'added': added} | changes)


def jobs_of(chosen, seeds):
    """All fields: of every scene and variant the seeds given, then those that fill the bins."""
    made = []
    for scene in chosen.scene:
        for variant in chosen.variant:
            common = {'methods': tuple(chosen.method), 'most': chosen.most, 'prf': chosen.prf,
                      'memory': chosen.memory, 'keep': chosen.keep}
            plans = [plan_of(scene, variant, seed, chosen.frames, chosen.size) for seed in seeds]
            made += [Job(scene, variant, plan, **common) for plan in plans]
            counts = sum(count_stars(plan) for plan in plans)
            for seed in range(FIRST_FILL, FIRST_FILL + chosen.more):
                short = tuple(edges for edges, count in zip(BINS, counts, strict=True)
                              if count < LEAST_STARS and (edges != SATURATED or scene == 'bright'))
                if not short:
                    break
                added = () if scene == 'bright' else (ADDED, short[0][0], short[-1][1])
                plan = plan_of(scene, variant, seed, chosen.frames, chosen.size, added)
                made.append(Job(scene, variant, plan, **common | {'bins': short}))
                counts = counts + count_stars(plan)
    return made


def count_stars(plan):
    """Stars of a plan that count, a bin."""
    stars = Simulation(dataclasses.replace(plan, frames=1)).stars
    tmag = stars['tmag'][counting(stars, plan)]
    return np.array([np.sum((tmag >= low) & (tmag < high)) for low, high in BINS])


def counting(stars, plan):
    """Which stars count: in the catalogue, more than EDGE px from the edge."""
    inner = plan.stamp.grown(-EDGE, -EDGE, -EDGE, -EDGE)
    inside = [inner.contains(row, column) for row, column in zip(stars['row'], stars['column'], strict=True)]
    return stars['listed'] & np.array(inside, dtype=bool)


def measure(job):
    """Rows of all stars and methods of a field, and the CPU seconds of each step."""
    steps = {}
    if job.memory:
        started = time.process_time()
        field = simulate_field(frames=job.plan.frames, rows=job.plan.stamp.height,
                               columns=job.plan.stamp.width, row=job.plan.stamp.row_min,
                               column=job.plan.stamp.col_min, density=job.plan.preset, **_rest(job.plan))
        steps['simulate'] = time.process_time() - started
        return _rows(job, fields.in_memory(field, job.settings), steps), steps
    with _folder(job) as folder:
        simulation = _files(job, Path(folder), steps)
        return _rows(job, fields.from_files(simulation, folder, job.settings), steps), steps


def _rest(plan):
    """Fields of a plan that `simulate_field` takes as they are."""
    named = ('frames', 'stamp', 'preset')
    return {name: value for name, value in vars(plan).items() if name not in named} | {
        'gap': False, 'faults': False}


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


def _rows(job, prepared, steps):
    """Figures of every star by every method."""
    stars = prepared.simulation.stars
    limits = bounds.Bounds(prepared.simulation)
    count = counting(stars, job.plan)
    rows = []
    for method in job.methods:
        chosen = _drawn(job, method, stars['tmag'], count)
        started = time.process_time()
        for star, result, curve, cpu in prepared.light_curves(method, chosen):
            rows.append(_row(job, method, stars[star], result, cpu))
            found = None if curve is None else figures.of_star(curve, limits, star)
            rows[-1] |= found or {}
            rows[-1]['done'] = found is not None
        steps[method] = time.process_time() - started
        steps[f'{method} stars'] = len(chosen)
    return rows


def _drawn(job, method, tmag, count):
    """Stars that a method measures: all that count, or so many of each bin."""
    rng = np.random.default_rng(job.plan.seed)
    most = job.most or MOST.get(method)
    chosen = []
    for low, high in job.bins:
        some = rng.permutation(np.flatnonzero(count & (tmag >= low) & (tmag < high)))
        chosen += some[:most].tolist()
    return chosen


def _row(job, method, star, result, cpu):
    return {'scene': job.scene, 'variant': job.variant, 'seed': job.plan.seed, 'method': method,
            'starid': int(star['starid']), 'tmag': float(star['tmag']), 'cpu_ms': 1000 * cpu,
            'method_used': result.method_used, 'status': result.status.name, 'reason': result.reason,
            'errors': list(result.errors)}


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
    if processes == 1 or len(jobs) == 1:
        yield from ((job, measure(job)) for job in jobs)
        return
    spawn = multiprocessing.get_context('spawn')
    with concurrent.futures.ProcessPoolExecutor(processes, mp_context=spawn) as pool:
        waiting = {pool.submit(measure, job): job for job in jobs}
        for future in concurrent.futures.as_completed(waiting):
            yield waiting[future], future.result()


def table(rows):
    """Figures of each scene, variant, method and bin."""
    made = []
    for key in dict.fromkeys((row['scene'], row['variant'], row['method']) for row in rows):
        some = [row for row in rows if (row['scene'], row['variant'], row['method']) == key]
        for edges in BINS:
            line = figures.of_bin(figures.within(some, edges), edges)
            if line is not None:
                line = dict(zip(('scene', 'variant', 'method'), key, strict=True)) | line
                made.append(line | {'missed': missed(line)})
    return made


def missed(line):
    """Names of the goals that a bin misses."""
    found = []
    for figure, least, most, methods, scenes, variants, (low, high) in RULES:
        asked = (_names(line['method'], methods) and _names(line['scene'], scenes)
                 and _names(line['variant'], variants)
                 and low <= line['tmag'][0] and line['tmag'][1] <= high)
        # NaN is a miss.
        if asked and not least <= line.get(figure, np.nan) <= most:
            found.append(f'{figure} {least:g}..{most:g}')
    return found


def _names(word, words):
    return words == '*' or word in words.split()


def show(lines):
    """Print the table."""
    print('scene     variant    method         Tmag stars   done  ratio    +-   90 % neigh.  bias %    +- '
          'err/sc cont. Stass.  TASOC    own     ms')
    for line in lines:
        def number(name, width=6, digits=3, factor=1.0, line=line):
            value = line.get(name)
            return ' ' * width if value is None else f'{factor * value:{width}.{digits}f}'

        print(f'{line["scene"]:9} {line["variant"]:10} {line["method"]:9} '
              f'{line["tmag"][0]:4g}-{line["tmag"][1]:4g} {line["stars"]:5} '
              f'{100 * line["completeness"]:5.1f}% {number("ratio")} {number("ratio_error", 5)} '
              f'{number("ratio_90")} {number("neighbours")} {number("bias", 7, 2, 100)} '
              f'{number("bias_error", 5, 2, 100)} {number("flux_err")} {number("contamination", 5, 2)} '
              f'{number("stassun")} {number("tasoc")} {number("own")} {number("cpu_ms", 6, 1)} '
              f'{"MISSED " * bool(line["missed"])}{", ".join(line["missed"])}'.rstrip())


def show_failures(rows):
    """Say how many stars have no light curve, with the first reasons."""
    for method in dict.fromkeys(row['method'] for row in rows):
        some = [row for row in rows if row['method'] == method]
        failed = [row for row in some if not row['done']]
        print(f'{method}: {len(some)} light curves asked for, {len(failed)} not made')
        for row in failed[:6]:
            print(f'  {row["scene"]} {row["variant"]} Tmag {row["tmag"]:.2f} {row["reason"]}: '
                  f'{(row["errors"] or ["no flux in half of the cadences"])[0]}')


def show_choices(rows):
    """Say what the automatic choice chose, bin by bin."""
    some = [row for row in rows if row['method'] == fields.AUTOMATIC]
    for edges in BINS if some else ():
        chosen = [row['method_used'] or 'none' for row in figures.within(some, edges)]
        if chosen:
            counts = sorted(((chosen.count(name), name) for name in set(chosen)), reverse=True)
            print(f'automatic, Tmag {edges[0]:g}-{edges[1]:g}: '
                  + ', '.join(f'{name} {count}' for count, name in counts))


def real_rows(folder):
    """Rows of the light-curve files below a folder."""
    from photometry.core.errors import TessphotError
    from photometry.files.lightcurve import read_lightcurve
    rows = []
    for path in sorted([*folder.rglob('*.fits'), *folder.rglob('*.fits.gz')]):
        try:
            curve = read_lightcurve(path)
        except TessphotError as error:
            print(error)
            continue
        tmag = curve.primary.get('TESSMAG')
        if tmag is None or curve.layout != 'tessphot':
            print(f'{path} is passed over: it has no magnitude or another layout.')
            continue
        found = figures.of_curve(curve, float(tmag))
        rows.append({'scene': 'real', 'variant': f'{curve.table["TIMEDEL"] * 86400:.0f} s',
                     'method': curve.primary['PHOTMET'], 'starid': curve.primary['TICID'],
                     'tmag': float(tmag), 'done': found is not None, 'reason': None, 'errors': [],
                     'method_used': curve.primary['PHOTMET'], **(found or {})})
    return rows


def ideal(chosen, scenes):
    """Scatter of ideal estimators over each bound, by Monte-Carlo."""
    found = {}
    for scene in scenes:
        size = min(chosen.size, 128)
        limits = bounds.Bounds(Simulation(plan_of(scene, 'nominal', FIRST_SEED, 1, size)))
        count = len(limits.simulation.stars)
        inside = np.flatnonzero(counting(limits.simulation.stars, limits.simulation.plan))
        found[scene] = {
            'bound': [bounds.check_alone(limits, star) for star in (count // 4, count // 2, count - 1)],
            'bound_of_kept': bounds.check_of_kept(limits, inside[0]),
            'bound_with_neighbours': bounds.check_with_neighbours(limits)}
    return found


def draw(rows, chosen):
    """One picture: noise against magnitude, a panel for each method."""
    from photometry.report import scorecard
    path = chosen.picture or chosen.output.with_suffix('.png')
    path.parent.mkdir(parents=True, exist_ok=True)
    scorecard.draw(path, [row for row in rows if row['done']])
    print(f'Picture: {path}')


def main(words=None):
    """Print the table, write it as JSON and as a picture; 1 when a goal is missed."""
    chosen = arguments(words)
    if chosen.real is not None:
        rows, result = real_rows(chosen.real), {'real': str(chosen.real)}
    else:
        drawn = secrets.randbelow(2 ** 31) if chosen.drawn is None else chosen.drawn
        print(f'Drawn seed: {drawn}')
        seeds = [*range(FIRST_SEED, FIRST_SEED + chosen.seeds), *([drawn] if drawn >= 0 else [])]
        rows = run(jobs_of(chosen, seeds), chosen.processes)
        result = {'seeds': seeds, 'frames': chosen.frames, 'ideal': ideal(chosen, chosen.scene)}
        print('Ideal estimators over the bounds:', json.dumps(result['ideal']))
    lines = table(rows)
    show(lines)
    show_failures(rows)
    show_choices(rows)
    if any(row['done'] for row in rows):
        draw(rows, chosen)
    record.save(chosen.output, result | {'bins': lines} | ({'stars': rows} if chosen.stars else {}))
    return int(any(line['missed'] for line in lines))


if __name__ == '__main__':
    raise SystemExit(main())
