#!/usr/bin/env python
"""Which way up the PRF lies: real stars against all flips and transposes of it.

    python benchmarks/orientation.py [--output benchmark-output/orientation.json]

For four real cutouts the median image of the good cadences is fitted with a
star, a plane and a free position, once with the PRF as stored and once with
each of its 7 flips and transposes. The ratio of chi square to that of the PRF
as stored must be above 1 for all seven.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import dataclasses
from pathlib import Path

import numpy as np

from photometry.algorithms.prf import PRF
from photometry.algorithms.star_fit import fit_star
from photometry.core import quality
from photometry.core.stamp import Stamp
from photometry.files import wcs
from photometry.files.prf import load_prf
from photometry.files.tesscut import read_tesscut

INPUT = Path(__file__).parents[1] / 'tests' / 'input' / 'tesscut'
SIDE = 7
"""Pixels around the star that are fitted; most neighbours stand further out."""

STARS = {
    'tess-s0005-2-2_80.369500_-22.674300_13x13_astrocut.fits.gz': (139419999, 80.3695, -22.6743, 11.3007),
    'tess-s0006-2-1_80.369500_-22.674300_13x13_astrocut.fits.gz': (139419999, 80.3695, -22.6743, 11.3007),
    'tess-s0001-2-3_337.674000_-46.241300_13x13_astrocut.fits.gz': (139469999, 337.674, -46.2413, 11.4276),
    'tess-s0007-2-4_105.314000_-9.976970_13x13_astrocut.fits.gz': (125129999, 105.314, -9.97697, 10.8954),
}
TURNS = {
    'as stored': lambda image: image,
    'rows flipped': lambda image: image[:, ::-1],
    'columns flipped': lambda image: image[:, :, ::-1],
    'both flipped': lambda image: image[:, ::-1, ::-1],
    'transposed': lambda image: image.transpose(0, 2, 1),
    'turned left': lambda image: image.transpose(0, 2, 1)[:, ::-1],
    'turned right': lambda image: image.transpose(0, 2, 1)[:, :, ::-1],
    'anti-transposed': lambda image: image.transpose(0, 2, 1)[:, ::-1, ::-1],
}


def fits(path, ra, dec):
    """The fit of each orientation to one cutout: name -> `StarFit`."""
    cut = read_tesscut(path)
    good = quality.good([frame.quality for frame in cut.frames])
    image = np.median(cut.flux[good], axis=0)
    # The error of one cadence: that of the median would weigh the model's own flaws only.
    sigma = np.median(cut.flux_err[good], axis=0)
    row, column = wcs.sky_to_pixel(wcs.wcs_from_text(cut.wcs_text), ra, dec)
    frame = cut.frames[0]
    samples = load_prf(frame.sector, frame.camera, frame.ccd)
    stamp = Stamp.around(row[0], column[0], SIDE, SIDE).clipped(cut.stamp)
    part = stamp.slices((cut.stamp.row_min, cut.stamp.col_min))
    return {name: fit_star(image[part], sigma[part],
                           PRF(dataclasses.replace(samples, samples=turn(samples.samples))),
                           stamp, row[0], column[0]) for name, turn in TURNS.items()}


def main():
    """Print the table and write it as JSON."""
    arguments = record.parser(__doc__, 'orientation').parse_args()
    table, passed = {}, True
    print('chi square over that of the PRF as stored')
    print(f'{"cutout":>20s} ' + ' '.join(f'{name:>15s}' for name in TURNS) + '  chi2/dof  zero point')
    for file, (starid, ra, dec, tmag) in STARS.items():
        found = fits(INPUT / file, ra, dec)
        stored = found['as stored']
        ratios = {name: fit.chi2 / stored.chi2 for name, fit in found.items()}
        zero = tmag + 2.5 * np.log10(stored.flux) if stored.flux > 0 else np.nan
        passed &= min(ratio for name, ratio in ratios.items() if name != 'as stored') > 1
        print(f'{starid} {file[5:10]} {file[11:14]} ' + ' '.join(f'{r:15.2f}' for r in ratios.values())
              + f'  {stored.chi2 / stored.freedom:8.2f}  {zero:10.3f}')
        table[f'{starid} {file[5:10]}'] = {'ratios': ratios, 'chi2': stored.chi2, 'freedom': stored.freedom,
                                           'zero_point': float(zero)}
    record.save(arguments.output, {'stars': table, 'passed': bool(passed)})
    return 0 if passed else 1


if __name__ == '__main__':
    raise SystemExit(main())
