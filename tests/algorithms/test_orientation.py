"""Real stars decide which way up the PRF lies."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from photometry.algorithms.prf import PRF
from photometry.algorithms.star_fit import fit_star
from photometry.core import quality
from photometry.core.stamp import Stamp
from photometry.files import wcs
from photometry.files.prf import load_prf
from photometry.files.tesscut import read_tesscut

INPUT = Path(__file__).parents[1] / 'input' / 'tesscut'
# TIC 139419999 in two sectors, 139469999 and 125129999: position, Tmag.
STARS = [
    ('tess-s0005-2-2_80.369500_-22.674300_13x13_astrocut.fits.gz', 80.3695, -22.6743, 11.3007),
    ('tess-s0006-2-1_80.369500_-22.674300_13x13_astrocut.fits.gz', 80.3695, -22.6743, 11.3007),
    ('tess-s0001-2-3_337.674000_-46.241300_13x13_astrocut.fits.gz', 337.674, -46.2413, 11.4276),
    ('tess-s0007-2-4_105.314000_-9.976970_13x13_astrocut.fits.gz', 105.314, -9.97697, 10.8954),
]


def turns(samples):
    """The samples in all eight orientations, those as stored first."""
    for transposed in (samples, samples.transpose(0, 2, 1)):
        for rows in (1, -1):
            for columns in (1, -1):
                yield transposed[:, ::rows, ::columns]


@pytest.mark.parametrize(('name', 'ra', 'dec', 'tmag'), STARS)
def test_prf_as_stored_fits_best(name, ra, dec, tmag):
    cut = read_tesscut(INPUT / name)
    good = quality.good([frame.quality for frame in cut.frames])
    row, column = (axis[0] for axis in wcs.sky_to_pixel(wcs.wcs_from_text(cut.wcs_text), ra, dec))
    stamp = Stamp.around(row, column, 7, 7)
    part = stamp.slices((cut.stamp.row_min, cut.stamp.col_min))
    image = np.median(cut.flux[good], axis=0)[part]
    sigma = np.median(cut.flux_err[good], axis=0)[part]
    frame = cut.frames[0]
    samples = load_prf(frame.sector, frame.camera, frame.ccd)
    found = [fit_star(image, sigma, PRF(dataclasses.replace(samples, samples=turned)), stamp, row, column)
             for turned in turns(samples.samples)]
    assert len(found) == 8
    assert min(fit.chi2 for fit in found[1:]) > 1.1 * found[0].chi2
    # The centre of the samples is where the WCS points, not the centroid, which lies up to 0.3 px away.
    assert abs(found[0].row - row) < 0.12 and abs(found[0].column - column) < 0.12
    assert tmag + 2.5 * np.log10(found[0].flux) == pytest.approx(20.50, abs=0.1)


def test_fit_finds_truth_within_its_error():
    rng = np.random.default_rng(7)
    prf, stamp = PRF(load_prf(20, 3, 2)), Stamp(700, 711, 900, 911)
    down, right = np.mgrid[:11, :11]
    truth = 5000 * prf.render(705.3, 904.8, stamp)[0] + 100 + 2 * down - 1 * right
    sigma = np.full(stamp.shape, 5.0)
    fits = [fit_star(truth + rng.normal(0, 5, stamp.shape), sigma, prf, stamp, 705, 905) for _ in range(30)]
    assert np.mean([fit.flux for fit in fits]) == pytest.approx(5000, abs=15)
    assert np.mean([fit.row for fit in fits]) == pytest.approx(705.3, abs=0.003)
    assert np.mean([fit.column for fit in fits]) == pytest.approx(904.8, abs=0.003)
    assert np.mean([fit.chi2 / fit.freedom for fit in fits]) == pytest.approx(1, abs=0.1)
    with pytest.raises(ValueError, match='seven pixels'):
        fit_star(np.full(stamp.shape, np.nan), sigma, prf, stamp, 705, 905)
