#!/usr/bin/env python
"""Background model against the simulator's truth: error in e-/s and CPU seconds a frame.

    python benchmarks/background.py

For every kind of sky a field is simulated from several seeds, one of them drawn at run time. A mean
image is surveyed, every frame fitted, the numbers smoothed in time, and the model compared with the
truth on all pixels with less than 0.2 e-/s of starlight in good frames.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import secrets
import sys
import time

import numpy as np

from photometry.algorithms import background_fit, background_smoothing, background_survey, backgrounds
from photometry.algorithms.prf import PRF
from photometry.files.prf import load_prf
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import Simulation, stamp_of_size

GOALS = {'quiet': 0.10, 'gradient': 0.15, 'glow': 0.5, 'straps': 0.3, 'tess': None}
DARK = 0.2
REFERENCE = 7


def catalogue(simulation, rng):
    """Stars as a catalogue knows them."""
    stars = simulation.stars
    size = len(stars)
    return (stars['row'] + rng.normal(0, 0.03, size), stars['column'] + rng.normal(0, 0.03, size),
            stars['tmag'] + rng.normal(0, 0.02, size))


def measure(kind, seed, options):
    """Numbers of one field, as a dictionary."""
    plan = SectorPlan(seed=seed, frames=options.frames, cadence=options.cadence, preset=options.density,
                      faint=options.faint, background=kind, gap=False, faults=False,
                      stamp=stamp_of_size(options.size, options.size, options.row, options.column))
    simulation = Simulation(plan)
    good = simulation.schedule.clean
    prf = PRF(load_prf(plan.sector, plan.camera, plan.ccd))
    images = [simulation.frame(frame).image for frame in range(plan.frames)]
    layout = backgrounds.BackgroundLayout(plan.stamp, options.mesh, tuple(simulation.background.axis))
    chosen = np.flatnonzero(good)[np.linspace(0, good.sum() - 1, REFERENCE).round().astype(int)]
    mean = np.mean([images[frame] for frame in chosen], axis=0, dtype='f8').astype('f4')
    start = time.process_time()
    survey = background_survey.survey(mean, layout, *catalogue(simulation, plan.rng('noise')), prf)
    surveyed = time.process_time()
    fits = [background_fit.fit_frame(image, survey.mask, survey.layout, survey.light) for image in images]
    fitted = time.process_time()
    reach = background_smoothing.reach(plan.cadence)
    raw, errors = (np.array(part) for part in zip(*fits, strict=True))
    smooth = background_smoothing.smooth(survey.layout, raw, errors, simulation.schedule.middle, good, reach)
    smoothed = time.process_time()
    found = [compare(simulation, survey.layout, raw[frame], smooth[frame], frame)
             for frame in np.flatnonzero(good)]
    pixels, square, mean, raw_square, glowing, glowing_square, square_all = np.sum(found, axis=0)
    everything = good.sum() * np.prod(plan.stamp.shape)
    return {'kind': kind, 'seed': seed, 'stars': len(simulation.stars),
            'dark_fraction': float(pixels / everything), 'rms': root(square, pixels),
            'rms_all_pixels': root(square_all, everything),
            'bias': float(mean / pixels) if pixels else None, 'rms_unsmoothed': root(raw_square, pixels),
            'rms_in_glow': root(glowing_square, glowing),
            'wing_found': [survey.wing.fraction, survey.wing.exponent],
            'wing_true': [simulation.wing.fraction, simulation.wing.exponent],
            'straps_found': len(survey.layout.strap_columns),
            'cpu_survey': surveyed - start, 'cpu_frame': (fitted - surveyed) / plan.frames,
            'cpu_smooth': (smoothed - fitted) / plan.frames}


def root(square, number):
    """Root mean square, None where nothing was summed."""
    return float(np.sqrt(square / number)) if number else None


def compare(simulation, layout, raw, smooth, frame):
    """Sums over the dark pixels of a frame."""
    truth = simulation.background.evaluate(frame, simulation.plan.stamp)
    dark = simulation.starlight.crop(simulation.starlight_of(frame)) < DARK
    everywhere = backgrounds.evaluate(layout, smooth) - truth
    difference = everywhere[dark].astype('f8')
    unsmoothed = (backgrounds.evaluate(layout, raw) - truth)[dark].astype('f8')
    square = np.sum(difference**2)
    glowing = simulation.background.glow[frame] > 5
    return np.array([dark.sum(), square, difference.sum(), np.sum(unsmoothed**2),
                     dark.sum() * glowing, square * glowing, np.sum(everywhere**2, dtype='f8')])


def main():
    parser = record.parser(__doc__, 'background')
    parser.add_argument('--size', type=int, default=1024, help='rows and columns')
    parser.add_argument('--row', type=int, help='first row on the CCD; the middle by default')
    parser.add_argument('--column', type=int, help='first column on the CCD')
    parser.add_argument('--frames', type=int, default=30)
    parser.add_argument('--cadence', type=int, default=1800)
    parser.add_argument('--density', default='typical')
    parser.add_argument('--faint', type=float, default=16.0)
    parser.add_argument('--mesh', type=int, default=64)
    parser.add_argument('--seeds', type=int, nargs='*', default=[1, 2])
    parser.add_argument('--kinds', nargs='*', default=list(GOALS))
    options = parser.parse_args()
    drawn = secrets.randbelow(10**6)
    print(f'seed drawn for this run: {drawn}')
    rows = []
    heads = 'rms', '+-', 'goal', 'raw', 'bias', 'glowing', 'all px', 'dark', 'survey', 'fit s', 'smooth'
    print('sky      ', ' '.join(f'{head:>7s}' for head in heads))
    for kind in options.kinds:
        some = [measure(kind, seed, options) for seed in [*options.seeds, drawn]]
        rows += some
        print_row(kind, some)
    record.save(options.output, {'seeds': [*options.seeds, drawn], 'size': options.size, 'fields': rows})
    means = {kind: average(rows, kind, 'rms') for kind in options.kinds}
    return int(any(GOALS[kind] is not None and means[kind] > GOALS[kind] for kind in options.kinds))


def average(rows, kind, name):
    """Mean over the seeds that have a number, else NaN."""
    values = [row[name] for row in rows if row['kind'] == kind and row[name] is not None]
    return np.mean(values) if values else np.nan


def print_row(kind, some):
    """One line of the table."""
    rms = [row['rms'] for row in some if row['rms'] is not None]
    error = np.std(rms, ddof=1) / np.sqrt(len(rms)) if len(rms) > 1 else np.nan
    names = ('rms_unsmoothed', 'bias', 'rms_in_glow', 'rms_all_pixels', 'dark_fraction',
             'cpu_survey', 'cpu_frame', 'cpu_smooth')
    numbers = ' '.join(f'{average(some, kind, name):7.3f}' for name in names)
    goal = np.nan if GOALS[kind] is None else GOALS[kind]
    print(f'{kind:9s} {average(some, kind, "rms"):7.3f} {error:7.3f} {goal:7.2f} {numbers}', flush=True)


if __name__ == '__main__':
    sys.exit(main())
