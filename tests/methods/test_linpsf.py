"""linpsf gives each star its part of the tile's scene."""

import numpy as np
import pytest
import simulated

from photometry import STATUS
from photometry.algorithms import metrics
from photometry.core.errors import NoFluxError
from photometry.core.stamp import Stamp
from photometry.files.lightcurve import read_lightcurve
from photometry.methods import sap
from photometry.methods.aperture import AperturePhotometry
from photometry.methods.linpsf import LinearPSF

STAMP = Stamp(1000, 1060, 700, 760)
ROW = [1028.3, 1029.9, 1012.4, 1045.0, 1045.3, 1020.0]
COLUMN = [731.4, 732.6, 715.2, 740.0, 740.1, 752.5]
TMAG = [10.0, 12.0, 11.0, 10.5, 11.5, 13.5]


@pytest.fixture(scope='module')
def sector():
    return simulated.simulate(ROW, COLUMN, TMAG, stamp=STAMP, frames=200, jitter=0.02, seed=3)


def measured(sector, folder, starid, kind=LinearPSF):
    with simulated.worker(sector, folder) as context:
        context.close = lambda: None
        photometry = kind.from_task(simulated.task(starid, method=kind.method), context)
        photometry.photometry()
    return photometry


def test_a_drowned_star_is_named_with_the_one_that_drowns_it(tmp_path):
    sector = simulated.simulate([1028.3, 1029.0], [731.4, 731.9], [7.0, 15.6], stamp=STAMP, frames=60,
                                jitter=0.02)
    bright, faint = (measured(sector, tmp_path, starid) for starid in (1000, 1001))
    assert bright.details['merged_with'] == [1001] and faint.details['merged_with'] == [1000]
    assert bright.status is STATUS.OK, 'a part in 2700 needs no remark'
    assert faint.status is STATUS.WARNING and 'sum with TIC 1000' in ' '.join(faint.errors)


@pytest.mark.parametrize('star', [0, 1, 2, 5])
def test_blends_and_single_stars(sector, tmp_path, star):
    photometry = measured(sector, tmp_path, 1000 + star)
    good = sector.source.good
    flux, error = (np.asarray(photometry.lightcurve[name])[good] for name in ('flux', 'flux_err'))
    tolerance = 2e-3 + 0.3 * np.median(error) / sector.flux[star]
    assert np.median(flux) == pytest.approx(sector.flux[star], rel=tolerance)
    # The double draws the noise that images_err states; FLUX_ERR allows for on-board clipping.
    assert metrics.mad(flux) == pytest.approx(np.median(error) / sap.noise_gain(photometry), rel=0.15)
    assert photometry.status is STATUS.OK, photometry.errors
    header = photometry.additional_headers
    assert header['N_MERGED'][0] == 0 and header['PSF_NPIX'][0] == 169 and header['PSF_SEEN'][0] > 0.9
    assert header['PSF_NBRS'][0] == 4  # six stars, two of which share a template
    chi2 = photometry.details['chi2'] * sap.noise_gain(photometry) ** 2
    assert chi2 == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize('star', [3, 4])
def test_pairs_give_their_sum_with_a_warning(sector, tmp_path, star):
    photometry = measured(sector, tmp_path, 1000 + star)
    flux = np.asarray(photometry.lightcurve['flux'])[sector.source.good]
    assert np.median(flux) == pytest.approx(sector.flux[3:5].sum(), rel=3e-3)
    assert photometry.status is STATUS.WARNING and photometry.details['merged_with'] == [1003 + (star == 3)]
    assert any(f'TIC {1003 + (star == 3)}' in remark for remark in photometry.errors)


def test_plain_sums_are_those_of_the_aperture(sector, tmp_path):
    ours, other = (measured(sector, tmp_path, 1000, kind) for kind in (LinearPSF, AperturePhotometry))
    for name in ('sap_flux', 'sap_flux_err', 'flux_background', 'pos_centroid', 'pixel_quality'):
        assert np.array_equal(ours.lightcurve[name], other.lightcurve[name], equal_nan=True), name
    found = read_lightcurve(ours.save_lightcurve())
    assert found.primary['PHOTMET'] == 'linpsf' and found.primary['N_MERGED'] == 0
    assert found.primary['PSF_CHI2'] == pytest.approx(ours.details['chi2'], rel=1e-4)


def test_the_order_of_the_stars_changes_nothing(sector, tmp_path):
    def series(order):
        with simulated.worker(sector, tmp_path) as context:
            context.close = lambda: None
            made = {}
            for starid in order:
                photometry = LinearPSF.from_task(simulated.task(starid, method='linpsf'), context)
                photometry.photometry()
                made[starid] = np.asarray(photometry.lightcurve['flux'])
            return made
    first, second = series([1000, 1001, 1005]), series([1005, 1000])
    assert all(np.array_equal(first[starid], second[starid]) for starid in second)


def test_an_eclipse_is_as_deep_beside_a_variable_neighbour(tmp_path):
    sector, alone = (simulated.simulate(ROW[some], COLUMN[some], TMAG[some], stamp=STAMP, frames=200,
                                        jitter=0.02, noise=False) for some in (slice(2), slice(1, 2)))
    light = sector.source.layers['images']
    light[..., 100:] -= 0.1 * alone.source.layers['images'][..., 100:]
    sector.source.__post_init__()
    flux = [np.asarray(measured(sector, tmp_path, star).lightcurve['flux']) for star in (1000, 1001)]
    before, after = ([np.median(values[part]) for values in flux] for part in (slice(100), slice(100, None)))
    assert after[1] / before[1] == pytest.approx(0.9, abs=1e-3)
    assert after[0] / before[0] == pytest.approx(1, abs=2e-4)


def test_a_star_on_saturated_pixels_alone_has_no_flux(tmp_path):
    sector = simulated.simulate([1030.0, 1033.0], [730.0, 730.0], [4.0, 13.0], stamp=STAMP, frames=20)
    with pytest.raises(NoFluxError, match='TIC 1001'):
        measured(sector, tmp_path, 1001)
