"""Stars without a magnitude: whatever shines at their place is theirs, also when nothing does."""

import numpy as np
import pytest
import simulated

from photometry import STATUS
from photometry.core import plugins, units

METHODS = ['aperture', 'linpsf', 'psf']
LINEAR = ['aperture', 'linpsf']
"""Methods that keep to the place of the catalogue; psf looks for light around it."""


@pytest.fixture(scope='module')
def sector():
    """Fourteen stars; the next one has a place and no light."""
    rng = np.random.default_rng(1)
    row, column = rng.uniform(1003, 1037, 14), rng.uniform(703, 737, 14)
    tmag = rng.uniform(9.5, 14, 14)
    nothing = 1019.2, 716.4
    made = simulated.simulate(np.r_[row, nothing[0]], np.r_[column, nothing[1]],
                              np.r_[tmag, 30.0], frames=60)
    made.catalog.stars['tmag'][[5, 14]] = np.nan
    return made


def measured(sector, number, method, tmp_path):
    worker = simulated.worker(sector, tmp_path)
    worker.close = lambda: None
    star = plugins.load(plugins.METHODS, method).from_task(simulated.task(1000 + number), worker)
    return star.photometry(), star


@pytest.mark.parametrize('method', [*METHODS, 'halo'])
def test_its_light_is_its_own(sector, tmp_path, method):
    status, star = measured(sector, 5, method, tmp_path)
    assert status == STATUS.OK and not star.errors
    assert star.median_flux() == pytest.approx(sector.flux[5], rel=0.02)


@pytest.mark.parametrize('method', LINEAR)
def test_where_nothing_shines_the_flux_is_zero(sector, tmp_path, method):
    _, star = measured(sector, 14, method, tmp_path)
    good = star.source.pixels.good
    flux, err = (star.columns[name][good] for name in ('flux', 'flux_err'))
    assert np.std(flux) == pytest.approx(np.median(err), rel=0.3)
    assert abs(flux.mean()) < 3 * units.magnitude_to_flux(17.5)


@pytest.mark.parametrize('method', METHODS)
def test_others_do_not_notice(sector, tmp_path, method):
    brightest = int(np.argmax(sector.flux))
    _, star = measured(sector, brightest, method, tmp_path)
    assert star.median_flux() == pytest.approx(sector.flux[brightest], rel=0.005)
