#!/usr/bin/env python
"""Depths of injected transits as the light curves show them, of isolated and of blended stars.

    python benchmarks/transits.py [--method aperture linpsf psf halo automatic]
        [--frames 1300] [--seeds 5] [--prf epsf|prf] [--processes 2] [--keep DIR]
        [--memory] [--output FILE]

Stars of Tmag 7 to 13 have transits of 0.1 to 3 % (uniform in the logarithm), every
3 days for 6 hours. Every second star is blended: it has a constant neighbour 2 px away
and 1 mag brighter. The files go through the whole pipeline; with --memory the photometry
alone is measured. A depth is that of the known shape, fitted to FLUX by least squares
with a level and a slope around every transit, over the level of the light curve; points
beyond 5 standard deviations are left out once.

Bias is the mean of measured over true depth, less 1, weighted by the squares of depth
over noise; scatter is 1.4826 MAD of (measured - true) over the error of the fit. A goal is
missed where the bias is beyond it by more than two of its own errors.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import dataclasses

import field_jobs
import numpy as np

from photometry.algorithms import metrics
from photometry.core import quality
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import Simulation, stamp_of_size

MAGNITUDES, DEPTHS = (7.0, 13.0), (0.001, 0.03)
PERIOD, DURATION = 3.0, 0.25
"""Days."""

AROUND = 2.0
"""Durations before and after mid-transit that the fit takes in."""

DISTANCE, BRIGHTER = 2.0, 1.0
"""Of the neighbour of a blended star, px and magnitudes."""

BINS = ((7, 9), (9, 11), (11, 13))
DEPTH_BINS = ((0.001, 0.003), (0.003, 0.01), (0.01, 0.03))
GOALS = {'isolated': 0.005, 'blended': 0.02}
"""Most that the bias of a bin of magnitude may be."""


def arguments(words=None):
    parser = record.parser(__doc__, 'transits')
    field_jobs.options(parser)
    return parser.parse_args(words)


def plan_of(seed, frames, size):
    """A field of stars that all have transits, every second one of them blended."""
    plan = SectorPlan(seed=seed, frames=frames, stamp=stamp_of_size(size, size), preset='isolated',
                      background='quiet', bright=MAGNITUDES[0], faint=MAGNITUDES[1])
    count = len(Simulation(dataclasses.replace(plan, frames=1)).stars)
    depth = np.exp(np.random.default_rng(seed).uniform(*np.log(DEPTHS), count))
    return dataclasses.replace(
        plan, companions=tuple((star, DISTANCE, -BRIGHTER) for star in range(1, count, 2)),
        transits=tuple((star, float(one), PERIOD, DURATION) for star, one in enumerate(depth)))


def rows_of(job, prepared, steps):
    """True and measured depth of every star with transits, by every method."""
    simulation, rows = prepared.simulation, []
    variables = {variable.star: (variable, light) for variable, light
                 in zip(simulation.variables, simulation.relative, strict=True)}
    blended = {entry[0] for entry in job.plan.companions}
    number = {int(cadence): frame for frame, cadence in enumerate(simulation.schedule.cadenceno)}
    for method, star, result, curve, _ in job.light_curves(prepared, steps):
        variable, light = variables[star]
        row = {'scene': 'blended' if star in blended else 'isolated', 'method': method,
               'tmag': float(simulation.stars['tmag'][star]), 'seed': job.plan.seed,
               'starid': int(simulation.stars['starid'][star]), 'depth': variable.depth, 'done': False,
               'reason': result.reason, 'errors': list(result.errors), 'method_used': result.method_used}
        if curve is not None:
            frames = _frames(curve, number)
            good = quality.good(curve.columns['QUALITY'])
            level = np.nanmedian(curve.columns['FLUX'][good] / light[frames][good])
            row['level'] = float(level / simulation.stars['flux'][star] - 1)
            row['found'], row['error'] = depth_of(
                curve.columns['TIME'][good], curve.columns['FLUX'][good].astype('f8'),
                (1 - light[frames][good]) / variable.depth, variable)
            row['done'] = bool(np.isfinite(row['found']) and row['error'] > 0)
        rows.append(row)
    return rows


def _frames(curve, number):
    """Frame of the simulation of every cadence of a light curve; in memory cadences count from 0."""
    cadences = curve.columns['CADENCENO'].astype(int)
    if cadences[0] in number:
        return np.array([number[cadence] for cadence in cadences])
    return cadences


def depth_of(time, flux, shape, variable):
    """Depth of transits of a known shape and its error, relative to the level of the light curve.

    Parameters
    ----------
    time, flux : ndarray (times,)
        Days; any unit.
    shape : ndarray (times,)
        0 outside transits, 1 at their bottom.
    variable : photometry.simulation.variability.Variable
        Period, epoch and duration.
    """
    number = np.round((time - variable.epoch) / variable.period)
    away = (time - variable.epoch - number * variable.period) / variable.duration
    near = np.isfinite(flux) & (np.abs(away) <= AROUND)
    time, flux, shape, number, away = (values[near] for values in (time, flux, shape, number, away))
    events = [one for one in np.unique(number) if (shape[number == one] > 0).any()]
    design = np.stack([-shape] + [term * (number == one) for one in events for term in (1.0, away)], axis=1)
    keep = np.isin(number, events)
    for _ in range(2):
        if keep.sum() < design.shape[1] + 3:
            return np.nan, np.nan
        solution, *_ = np.linalg.lstsq(design[keep], flux[keep], rcond=None)
        residual = flux - design @ solution
        scatter = metrics.mad(residual[keep])
        keep &= np.abs(residual) <= 5 * scatter
    covariance = np.linalg.pinv(design[keep].T @ design[keep])
    level = np.mean(solution[1::2])
    return float(solution[0] / level), float(scatter * np.sqrt(covariance[0, 0]) / abs(level))


def figures_of(rows):
    """Bias with its error and scatter of some stars."""
    done = [row for row in rows if row['done']]
    made = {'stars': len(rows), 'completeness': len(done) / len(rows) if rows else 0.0}
    if not done:
        return made
    depth, found, error, level = (np.array([row[name] for row in done])
                                  for name in ('depth', 'found', 'error', 'level'))
    weight = (depth / error) ** 2
    ratio = found / depth - 1
    # One wild star must not decide: it weighs no more than a tenth of all.
    weight = np.minimum(weight, 0.1 * weight.sum())
    made |= {'bias': float(np.average(ratio, weights=weight)),
             'bias_error': float(np.sqrt((weight ** 2 * (error / depth) ** 2).sum()) / weight.sum()),
             'median': float(np.median(ratio)), 'scatter': metrics.mad((found - depth) / error),
             'error_ppm': float(1e6 * np.median(error)), 'level': float(np.median(level))}
    return made


def table(rows):
    """Figures of each scene, method, bin of magnitude and bin of depth."""
    made = []
    for key in sorted({(row['scene'], row['method']) for row in rows}, reverse=True):
        some = [row for row in rows if (row['scene'], row['method']) == key]
        for name, bins in (('tmag', BINS), ('depth', DEPTH_BINS)):
            for low, high in bins:
                line = figures_of([row for row in some if low <= row[name] < high])
                line = {'scene': key[0], 'method': key[1], 'of': name, 'range': [low, high]} | line
                made.append(line | {'missed': missed(line)})
    return made


def missed(line):
    """Whether a bin of magnitude misses its goal."""
    if line['of'] != 'tmag':
        return False
    if 'bias' not in line:
        return line['stars'] > 0
    return bool(abs(line['bias']) - 2 * line['bias_error'] > GOALS[line['scene']])


def show(lines):
    """Print the table."""
    print(f'{"scene":9} {"method":9} {"bin":>14} {"stars":>5} {"done":>6} {"bias %":>7} {"+-":>5} '
          f'{"median":>7} {"scatter":>7} {"ppm":>6} {"level %":>7}')
    for line in lines:
        low, high = line['range']
        words = f'Tmag {low:g}-{high:g}' if line['of'] == 'tmag' else f'{100 * low:g}-{100 * high:g} %'
        numbers = ''
        if 'bias' in line:
            numbers = (f'{100 * line["bias"]:7.2f} {100 * line["bias_error"]:5.2f} '
                       f'{100 * line["median"]:7.2f} {line["scatter"]:7.2f} {line["error_ppm"]:6.0f} '
                       f'{100 * line["level"]:7.2f}')
        print(f'{line["scene"]:9} {line["method"]:9} {words:>14} {line["stars"]:5} '
              f'{100 * line["completeness"]:5.1f}% {numbers} {"MISSED" * line["missed"]}'.rstrip())


def main(words=None):
    """Print the table and write it as JSON; 1 when a goal is missed."""
    chosen = arguments(words)
    seeds = field_jobs.seeds_of(chosen)
    common = field_jobs.of_options(chosen) | {'score': rows_of, 'bins': (MAGNITUDES,), 'variables': True}
    jobs = [field_jobs.Job('isolated', 'transits', plan_of(seed, chosen.frames, chosen.size), **common)
            for seed in seeds]
    rows = field_jobs.run(jobs, chosen.processes)
    lines = table(rows)
    show(lines)
    for row in [row for row in rows if not row['done']][:8]:
        print(f'  {row["scene"]} {row["method"]} Tmag {row["tmag"]:.2f} {row["reason"]}: {row["errors"][:1]}')
    record.save(chosen.output, {'seeds': seeds, 'frames': chosen.frames, 'goals': GOALS, 'bins': lines,
                                'stars': rows})
    return int(any(line['missed'] for line in lines))


if __name__ == '__main__':
    raise SystemExit(main())
