#!/usr/bin/env python
"""Movement measured on the stars against the simulator's truth, in mpx rms.

    python benchmarks/motion.py

Fields of several sizes and densities, pointings and PRFs from several seeds, one of them drawn at run
time. The sky is that of the background model. The error is that of all stars of the field in good frames,
per axis, with a constant free for each star. Beside it stand the error once an effective PRF was learned with
the first movement, the movement's own estimate, and the photon noise of the stars used: when only the
translation of a frame is unknown (bound), and when it grows, turns, stretches and shears (bound_free).
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import secrets
import sys
import time

import numpy as np

from photometry.algorithms import background_fit, background_survey, backgrounds, epsf, joint_motion, motion
from photometry.algorithms.epsf_slopes import Pointings
from photometry.algorithms.prf import PRF, Wing
from photometry.files.prf import load_prf
from photometry.simulation.field import simulate_field

GOAL = 0.1
WCS_NOISE = 2e-3
SCATTERED, WIDE, NARROW, TAILED = ({'pointing_scatter': 0.1}, {'prf_width': 1.05}, {'prf_width': 0.95},
                                   {'prf_asymmetry': 0.3})
CASES = {
    'isolated': {'density': 'isolated'},
    'typical': {'density': 'typical'},
    'crowded': {'density': 'crowded'},
    'typical 512, roll': {'size': 512, 'density': 'typical', 'roll': 1e-5},
    'crowded, 200 s': {'density': 'crowded', 'cadence': 200},
    'isolated, scatter': {'density': 'isolated', **SCATTERED},
    'typical, scatter': {'density': 'typical', **SCATTERED},
    'crowded, scatter': {'density': 'crowded', **SCATTERED},
    'typical, wide': {'density': 'typical', **WIDE},
    'crowded, wide': {'density': 'crowded', **WIDE},
    'typical, narrow': {'density': 'typical', **NARROW},
    'crowded, narrow': {'density': 'crowded', **NARROW},
    'typical, tailed': {'density': 'typical', **TAILED},
    'crowded, tailed': {'density': 'crowded', **TAILED},
    'typical, wide, scat.': {'density': 'typical', **WIDE, **SCATTERED},
    'crowded, 2 px drift': {'density': 'crowded', 'drift': 2.0},
    'crowded, 20 s': {'density': 'crowded', 'cadence': 20},
    'typical 100': {'size': 100, 'density': 'typical'},
    'crowded 25': {'size': 25, 'density': 'crowded'},
}
JUDGED = 'isolated', 'typical', 'crowded', 'typical 512, roll', 'isolated, scatter', 'typical, scatter', \
    'crowded, scatter'
LEARNED = tuple(name for name in CASES if any(word in name for word in ('wide', 'narrow', 'tailed')))
"""Cases judged by the movement measured with the effective PRF."""


def measure(name, seed, frames):
    """Numbers of one field, as a dictionary."""
    choices = dict(CASES[name])
    size = choices.pop('size', 256)
    field = simulate_field(seed, size, size, frames, background='gradient', **choices)
    plan = field.simulation.plan
    rng = plan.rng('noise')
    stars, limits = field.stars, field.stamp
    row = stars['row'] + rng.normal(0, 0.03, len(stars))
    column = stars['column'] + rng.normal(0, 0.03, len(stars))
    tmag = stars['tmag'] + rng.normal(0, 0.02, len(stars))
    prf = PRF(load_prf(plan.sector, plan.camera, plan.ccd))
    images = subtracted(field, row, column, tmag, prf)
    chosen, made, spent = by_stars(field, images, row, column, tmag, prf)
    wcs = by_wcs(field, rng, centre_of(limits))
    learned = learn(field, images, row, column, tmag, made)
    again = made if learned is None else by_stars(field, images, row, column, tmag, learned)[1]
    translation, free = bounds(field, chosen)
    return {'case': name, 'seed': seed, 'stars': len(chosen), 'warpmode': made.warpmode,
            'mpx': error(made, field), 'learned': error(again, field), 'own': 1e3 * made.scatter,
            'bound': translation, 'bound_free': free, 'wcs': error(wcs, field),
            'chosen': error(motion.choose(wcs, made), field), 'cpu_ms': 1e3 * spent / frames}


def centre_of(limits):
    """Middle of the pixels."""
    return (limits.row_min + limits.row_max - 1) / 2, (limits.col_min + limits.col_max - 1) / 2


def by_stars(field, images, row, column, tmag, prf):
    """Stars used, movement, CPU seconds."""
    limits = field.stamp
    start = time.process_time()
    chosen = motion.select(row, column, tmag, limits)
    pixels, rows, columns = motion.collect(reader(images, limits), limits, row[chosen], column[chosen])
    errors, _, _ = motion.collect(reader(field.errors, limits), limits, row[chosen], column[chosen])
    made = motion.measure(pixels, errors, rows, columns, chosen, row, column, tmag, prf, field.clean,
                          centre_of(limits))
    return chosen, made, time.process_time() - start


def learn(field, images, row, column, tmag, made):
    """The effective PRF that prepare would learn, or None."""
    plan, good = field.simulation.plan, field.clean
    kernel = motion.against_reference(made).kernel[good]
    kernel = kernel[np.isfinite(kernel).all(axis=1)]
    if not len(kernel):
        return None
    scatter = np.cov(kernel[:, :2].T, bias=True)
    rows, columns = motion.positions_at(kernel.mean(axis=0, keepdims=True), made.centre, row, column)
    used = good & np.isfinite(made.kernel).all(axis=1)
    where = Pointings.of_images(images[:, :, used], motion.against_reference(made).kernel[used], made.centre,
                                field.stamp[::2])
    found = epsf.learn(images[:, :, good].mean(axis=2, dtype='f8'), rows[:, 0], columns[:, 0], tmag,
                       load_prf(plan.sector, plan.camera, plan.ccd), origin=field.stamp[::2],
                       exposure=field.detector.n_readout * 1.98 * good.sum(),
                       blur=(scatter[0, 0], scatter[0, 1], scatter[1, 1]), pointings=where)
    return None if found is None else PRF(found, found.wing)


def bounds(field, chosen, half=4):
    """Photon noise of the movement from some stars, rms at the stars of the field, mpx."""
    if not len(chosen):
        return np.inf, np.inf
    simulation, limits = field.simulation, field.stamp
    plan, stars = simulation.plan, field.stars
    prf = PRF(load_prf(plan.sector, plan.camera, plan.ccd), Wing(simulation.wing.fraction,
                                                                simulation.wing.exponent))
    mean = field.images[:, :, field.clean].mean(axis=2, dtype='f8')
    images, row0, column0 = prf.render_at(stars['row'][chosen], stars['column'][chosen], half, derivatives=1)
    variance = [one_star(*(image[i] for image in images), stars['flux'][star], mean, limits, field.detector,
                         row0[i] + np.arange(2 * half + 1), column0[i] + np.arange(2 * half + 1))
                for i, star in enumerate(chosen)]
    variance, off = np.array(variance).reshape(-1, 2), np.array(centre_of(limits))
    used, every = (joint_motion.basis_of((np.stack([stars['row'][some], stars['column'][some]], axis=1) - off)
                                       / joint_motion.SCALE) for some in (chosen, slice(None)))
    normal = np.einsum('nap,naq,na->pq', used, used, 1 / variance)
    free = np.einsum('nap,pq,naq->na', every, np.linalg.pinv(normal, hermitian=True), every)
    return 1e3 * np.sqrt(np.mean(1 / (1 / variance).sum(axis=0))), 1e3 * np.sqrt(np.mean(free))


def one_star(value, down, right, flux, mean, limits, detector, rows, columns):
    """Variance of a star's row and column, its flux and a level unknown."""
    inside = (((rows >= limits.row_min) & (rows < limits.row_max))[:, None]
              & ((columns >= limits.col_min) & (columns < limits.col_max)))
    light = mean[np.clip(rows - limits.row_min, 0, limits.height - 1)[:, None],
                 np.clip(columns - limits.col_min, 0, limits.width - 1)]
    weight = (inside / detector.variance(light, columns)).ravel()
    design = np.stack([flux * down, flux * right, value, np.ones_like(value)]).reshape(4, -1)
    return np.diag(np.linalg.pinv((design * weight) @ design.T, hermitian=True))[:2]


def subtracted(field, row, column, tmag, prf):
    """Images without their background, as prepare makes them."""
    some = np.flatnonzero(field.clean)[::max(1, field.clean.sum() // 7)]
    layout = backgrounds.BackgroundLayout(field.stamp)
    survey = background_survey.survey(field.images[:, :, some].mean(axis=2), layout, row, column, tmag, prf)
    images = field.images.copy()
    for frame in range(images.shape[2]):
        fit = background_fit.fit_frame(images[:, :, frame], survey.mask, survey.layout, survey.light)
        images[:, :, frame] -= backgrounds.evaluate(survey.layout, fit.parameters)
    return images


def reader(cube, limits):
    """What `motion.collect` reads with."""
    return lambda stamp: cube[stamp.slices((limits.row_min, limits.col_min))]


def by_wcs(field, rng, centre):
    """Movement from a WCS a frame with the noise of real ones."""
    corners = np.linspace(0, 2047, 5)
    row, column = (axis.ravel() for axis in np.meshgrid(corners, corners + 44))
    rows, columns = field.simulation.motion.positions(row, column)
    noise = rng.normal(0, WCS_NOISE, (2, rows.shape[1]))
    return motion.from_positions(rows + noise[0], columns + noise[1], field.clean, centre)


def error(made, field):
    """Rms over stars, good frames and axes, mpx."""
    found = motion.positions_at(made.kernel, made.centre, field.stars['row'], field.stars['column'])
    difference = (np.stack(found) - np.stack(field.positions))[:, :, field.clean]
    difference -= difference.mean(axis=2, keepdims=True)
    return float(1e3 * np.sqrt(np.mean(difference**2)))


def main():
    parser = record.parser(__doc__, 'motion')
    parser.add_argument('--frames', type=int, default=200)
    parser.add_argument('--seeds', type=int, nargs='*', default=[1])
    parser.add_argument('--cases', nargs='*', default=list(CASES), choices=list(CASES))
    options = parser.parse_args()
    drawn = secrets.randbelow(10**6)
    print(f'seed drawn for this run: {drawn}')
    names = 'mpx', 'learned', 'own', 'bound', 'bound_free', 'wcs', 'chosen', 'stars', 'cpu_ms'
    print(f'{"field":21s}', ' '.join(f'{name:>10s}' for name in names))
    rows, missed = [], []
    for name in options.cases:
        some = [measure(name, seed, options.frames) for seed in [*options.seeds, drawn]]
        rows += some
        numbers = {key: float(np.mean([row[key] for row in some])) for key in names}
        judged = numbers['mpx'] if name in JUDGED else numbers['learned'] if name in LEARNED else 0.0
        missed += [name] * (judged > GOAL)
        print(f'{name:21s}', ' '.join(f'{number:10.3f}' for number in numbers.values()), flush=True)
    record.save(options.output, {'seeds': [*options.seeds, drawn], 'goal': GOAL, 'missed': missed,
                                 'fields': rows})
    print(f'more than {GOAL} mpx:', '; '.join(missed) or 'none')
    return int(bool(missed))


if __name__ == '__main__':
    sys.exit(main())
