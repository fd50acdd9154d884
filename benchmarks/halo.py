#!/usr/bin/env python
"""Halo photometry of saturated stars: scatter over bounds, level, errors, kept signals, CPU.

    python benchmarks/halo.py [--frames 1300] [--seeds 5] [--density sparse typical] [--stars 4]
        [--memory] [--output FILE]

Fields of 256 x 256 px with a few stars of Tmag 1.7 to 5.6 go through files, make_catalog,
prepare and the photometry; with --memory the photometry alone is measured, given the true
background and motion. `kept` is the scatter (1.4826 MAD a cadence) over the bound of all
pixels that are neither full nor bled into in one frame, out to 60 px (bounds.of_kept);
`own` that over the bound of the pixels which the method uses. CPU is that of the photometry
when its pixels have been read and the scene of its tile is known, without the file.
`signal` is the part of a slow signal of 1 % that the method itself injects and finds again.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import tempfile
import time
from pathlib import Path

import bounds
import fields
import numpy as np

from photometry import settings
from photometry.algorithms import metrics
from photometry.methods.halo import HaloPhotometry
from photometry.simulation.field import simulate_field
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import stamp_of_size

BINS = (1.7, 2.7, 3.7, 4.7, 5.6)
GOALS = {'kept': (0, 1.10), 'own': (0, 1.10), 'level': (-0.05, 0.05), 'error': (0.95, 1.05),
         'signal': (0.98, 1.02), 'cpu_ms': (0, 100)}
FIRST_SEED = 50
SIZE = 256
FAINTER = 7.0
EDGE = 12
LAYERS = ('images_cube', 'images_err_cube', 'backgrounds_cube', 'pixelflags_cube', 'sumimage')


def arguments():
    parser = record.parser(__doc__, 'halo')
    parser.add_argument('--frames', type=int, default=1300)
    parser.add_argument('--seeds', type=int, default=5)
    parser.add_argument('--stars', type=int, default=4, help='saturated stars a field')
    parser.add_argument('--density', nargs='+', default=['sparse', 'typical'])
    parser.add_argument('--memory', action='store_true', help='photometry alone, background and motion known')
    return parser.parse_args()


def rows_of(chosen, density, seed):
    """Figures of the saturated stars of one field."""
    special = {'bright': FAINTER, 'added': (chosen.stars, BINS[0], BINS[-1]), 'catalog_error': 0.05}
    if chosen.memory:
        field = simulate_field(seed, SIZE, SIZE, chosen.frames, density=density, **special)
        return measured(fields.in_memory(field), density, seed)
    with tempfile.TemporaryDirectory() as folder:
        plan = SectorPlan(seed=seed, frames=chosen.frames, preset=density, background='quiet',
                          stamp=stamp_of_size(SIZE, SIZE), **special)
        simulation = fields.prepare_files(plan, Path(folder), settings.load())
        return measured(fields.from_files(simulation, folder), density, seed)


def measured(prepared, density, seed):
    """Rows of a field that is ready."""
    simulation, limits = prepared.simulation, bounds.Bounds(prepared.simulation)
    inner = simulation.plan.stamp.grown(-EDGE, -EDGE, -EDGE, -EDGE)
    rows = []
    with tempfile.TemporaryDirectory() as output, prepared.open_worker(output) as worker:
        for number, star in enumerate(simulation.stars):
            if star['tmag'] < FAINTER - 1 and inner.contains(star['row'], star['column']):
                task = fields.task_of(star, simulation.plan, prepared.name)
                with HaloPhotometry.from_task(task, worker) as photometry:
                    cpu = run(photometry)
                    rows.append({'density': density, 'seed': seed, 'cpu_ms': cpu}
                                | figures(photometry, limits, number))
    return rows


def run(photometry):
    """Measure; CPU in ms without reading."""
    for layer in LAYERS:
        getattr(photometry, layer)
    _ = photometry.tile.mean
    started = time.process_time()
    photometry.photometry()
    return 1e3 * (time.process_time() - started)


def figures(photometry, limits, number):
    """Figures of one star."""
    star, good = limits.simulation.stars[number], photometry.source.pixels.good
    flux, error = (np.asarray(photometry.columns[name])[good] for name in ('flux', 'flux_err'))
    scatter, judged = metrics.mad(flux), photometry.series.judgement
    return {'tmag': float(star['tmag']), 'kept': scatter / limits.of_kept(number),
            'own': scatter / own_bound(photometry, limits, number),
            'steps': metrics.mad(np.diff(flux)) / np.sqrt(2) / scatter,
            'level': float(np.median(flux) / star['flux'] - 1),
            'level_error': photometry.details['halo_level_error'] / float(star['flux']),
            'error': float(np.median(error)) / scatter, 'signal': judged.kept, 'estimator': judged.name,
            'overfit': judged.overfit, 'pixels': photometry.details['mask_size'],
            'status': photometry.status.name, 'remarks': photometry.errors}


def own_bound(photometry, limits, number):
    """Bound of the pixels that the photometry weighs."""
    stamp, part = limits.image(number, bounds.FAR)
    inner = photometry.stamp
    spot = inner.slices(limits.simulation.plan.stamp[::2])
    part = np.pad(part, 60)[inner.slices((stamp.row_min - 60, stamp.col_min - 60))]
    information = part ** 2 / limits.variance(limits.light[spot], inner)
    return float(information[photometry.weightmap != 0].sum() ** -0.5)


def table(rows):
    """Medians of each density and bin of magnitude."""
    made = []
    for density in dict.fromkeys(row['density'] for row in rows):
        for low, high in zip(BINS[:-1], BINS[1:], strict=True):
            some = [row for row in rows if row['density'] == density and low <= row['tmag'] < high]
            if some:
                line = {'density': density, 'tmag': [low, high], 'stars': len(some)}
                for name in ('kept', 'own', 'steps', 'level', 'level_error', 'error', 'signal', 'cpu_ms'):
                    line[name] = float(np.median([row[name] for row in some]))
                line['kept_90'] = float(np.percentile([row['kept'] for row in some], 90))
                line['level_worst'] = float(max(abs(row['level']) for row in some))
                line['missed'] = [name for name, (least, most) in GOALS.items()
                                  if not least <= line[name] <= most]
                made.append(line)
    return made


def show(made):
    print(f'{"density":8} {"Tmag":>8} {"stars":>5} {"kept":>6} {"90 %":>6} {"own":>6} {"level %":>8} '
          f'{"worst":>6} {"stated":>6} {"err/sc":>6} {"signal":>6} {"ms":>5}')
    for line in made:
        print(f'{line["density"]:8} {line["tmag"][0]:4}-{line["tmag"][1]:3} {line["stars"]:5} '
              f'{line["kept"]:6.3f} {line["kept_90"]:6.3f} {line["own"]:6.3f} {100 * line["level"]:8.2f} '
              f'{100 * line["level_worst"]:6.2f} {100 * line["level_error"]:6.2f} {line["error"]:6.3f} '
              f'{line["signal"]:6.3f} {line["cpu_ms"]:5.0f} '
              f'{"MISSED " * bool(line["missed"])}{" ".join(line["missed"])}')


def main():
    """Print the table and write it as JSON; 1 when a goal is missed."""
    chosen = arguments()
    rows = []
    for density in chosen.density:
        for seed in range(FIRST_SEED, FIRST_SEED + chosen.seeds):
            rows += rows_of(chosen, density, seed)
    made = table(rows)
    show(made)
    record.save(chosen.output, {'frames': chosen.frames, 'memory': chosen.memory, 'bins': made,
                                'stars': rows})
    return int(any(line['missed'] for line in made))


if __name__ == '__main__':
    raise SystemExit(main())
