#!/usr/bin/env python
"""Scorecard of the photometry: scatter over the bound and over three noise floors, bias, errors.

    python benchmarks/precision.py [--method aperture linpsf psf halo automatic]
        [--scene isolated crowded sparse typical bright pairs] [--variant nominal wide narrow asymmetric ...]
        [--frames 1300] [--seeds 5] [--more 4] [--most N] [--prf epsf|prf] [--processes 2]
        [--keep DIR] [--memory] [--output FILE] [--picture FILE]
    python benchmarks/precision.py --real DIR

Files are simulated, then go through make_catalog, prepare and the photometry by
every method; with --memory the photometry alone is measured, given the true
background and motion. One more seed is drawn at run time and printed. Every star
more than 5 px from the edge counts; of a bin and a field at most 100 (psf 40, halo 12)
are measured, drawn at random. Fields with --more bright stars fill the bins that hold
fewer than 100 stars; of those only these bins are measured. --keep leaves cubes
and catalogues in a folder, and takes them from there (after a change of prepare:
another folder). --real reads the light-curve files below a folder, which have no bounds.

Scatter is 1.4826 MAD per cadence in good cadences; bounds.py says what the bounds
are, docs/methods/precision.md how all of it is measured. Goals stand in RULES.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import json
from pathlib import Path

import bounds
import field_jobs
import fields
import figures
import numpy as np
from field_jobs import BINS, SATURATED, SCENES, VARIANTS

from photometry.simulation.sector import Simulation

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
    ('merged', 0.98, 1, 'linpsf automatic', 'pairs', 'nominal', (7, 15)),
    ('ratio', 0, 1.05, 'linpsf automatic', 'pairs', 'nominal', (7, 15)),
    ('completeness', 0.98, 1, '*', '*', '*', (1.7, 15)),
)
"""Goals of the medians of a bin. Figures are those of `figures.of_bin`."""


def arguments(words=None):
    parser = record.parser(__doc__, 'precision')
    field_jobs.options(parser)
    parser.add_argument('--scene', nargs='+', default=['isolated', 'crowded'], choices=SCENES)
    parser.add_argument('--variant', nargs='+', default=['nominal'], choices=list(VARIANTS))
    parser.add_argument('--more', type=int, default=4, help='most fields added to fill the bins')
    parser.add_argument('--real', type=Path, help='folder with light-curve files to score instead')
    parser.add_argument('--stars', action='store_true', help='figures of every star in the JSON file, too')
    parser.add_argument('--picture', type=Path, help='PNG file; beside the JSON file by default')
    return parser.parse_args(words)


def jobs_of(chosen, seeds):
    """All fields: of every scene and variant the seeds given, then those that fill the bins."""
    common = field_jobs.of_options(chosen) | {'score': rows_of}
    for scene in chosen.scene:
        for variant in chosen.variant:
            plans = [field_jobs.plan_of(scene, variant, seed, chosen.frames, chosen.size) for seed in seeds]
            yield from (field_jobs.Job(scene, variant, plan, **common) for plan in plans)
            for plan, bins in field_jobs.filling(scene, variant, plans, chosen.size, chosen.more):
                yield field_jobs.Job(scene, variant, plan, bins=bins, **common)


def rows_of(job, prepared, steps):
    """Figures of every star by every method."""
    limits, rows = bounds.Bounds(prepared.simulation), []
    for method, star, result, curve, cpu in job.light_curves(prepared, steps):
        known = prepared.simulation.stars[star]
        merged = [int(word) for word in str(result.details.get('merged_with') or '').split()]
        found = None if curve is None else figures.of_star(curve, limits, star, merged)
        rows.append({'scene': job.scene, 'variant': job.variant, 'seed': job.plan.seed, 'method': method,
                     'starid': int(known['starid']), 'tmag': float(known['tmag']), 'cpu_ms': 1000 * cpu,
                     'method_used': result.method_used, 'status': result.status.name, 'merged': merged,
                     'reason': result.reason, 'errors': list(result.errors), 'done': found is not None,
                     **(found or {})})
    return rows


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
          'err/sc cont. Stass.  TASOC    own')
    for line in lines:
        def number(name, width=6, digits=3, factor=1.0, line=line):
            value = line.get(name)
            return ' ' * width if value is None else f'{factor * value:{width}.{digits}f}'

        print(f'{line["scene"]:9} {line["variant"]:10} {line["method"]:9} '
              f'{line["tmag"][0]:4g}-{line["tmag"][1]:4g} {line["stars"]:5} '
              f'{100 * line["completeness"]:5.1f}% {number("ratio")} {number("ratio_error", 5)} '
              f'{number("ratio_90")} {number("neighbours")} {number("bias", 7, 2, 100)} '
              f'{number("bias_error", 5, 2, 100)} {number("flux_err")} {number("contamination", 5, 2)} '
              f'{number("stassun")} {number("tasoc")} {number("own")} '
              f'{"MISSED " * bool(line["missed"])}{", ".join(line["missed"])}'.rstrip())


def show_failures(rows):
    """Say how many stars have no light curve, with the first reasons."""
    for method in dict.fromkeys(row['method'] for row in rows):
        some = [row for row in rows if row['method'] == method]
        failed = [row for row in some if not row['done']]
        cpu = [row['cpu_ms'] for row in some if 'cpu_ms' in row]
        words = f', {np.mean(cpu):.1f} ms of CPU each with file' if cpu else ''
        print(f'{method}: {len(some)} light curves asked for, {len(failed)} not made{words}')
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
        plan = field_jobs.plan_of(scene, 'nominal', field_jobs.FIRST_SEED, 1, min(chosen.size, 128))
        limits = bounds.Bounds(Simulation(plan))
        count = len(limits.simulation.stars)
        inside = np.flatnonzero(field_jobs.counting(limits.simulation.stars, plan))
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
        seeds = field_jobs.seeds_of(chosen)
        rows = field_jobs.run(list(jobs_of(chosen, seeds)), chosen.processes)
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
