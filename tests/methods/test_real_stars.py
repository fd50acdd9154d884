"""Zero points of real, isolated stars, from cutouts of real FFIs through the whole pipeline."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from photometry import settings
from photometry.catalogs.table import TableCatalog
from photometry.core import quality
from photometry.core.task import Task
from photometry.files import paths
from photometry.files.lightcurve import read_lightcurve
from photometry.methods.context import JobOptions, WorkerContext
from photometry.stages import make_catalog, prepare_photometry, tessphot

INPUT = Path(__file__).parents[1] / 'input' / 'tesscut'
STARS = {
    (5, 2, 2): (139419999, 11.3007, 'tess-s0005-2-2_80.369500_-22.674300_13x13_astrocut.fits.gz'),
    (6, 2, 1): (139419999, 11.3007, 'tess-s0006-2-1_80.369500_-22.674300_13x13_astrocut.fits.gz'),
    (1, 2, 3): (139469999, 11.4276, 'tess-s0001-2-3_337.674000_-46.241300_13x13_astrocut.fits.gz'),
    (7, 2, 4): (125129999, 10.8954, 'tess-s0007-2-4_105.314000_-9.976970_13x13_astrocut.fits.gz'),
}


@pytest.fixture(scope='module')
def curves(tmp_path_factory):
    folder = tmp_path_factory.mktemp('real')
    chosen = settings.load()
    for _, _, name in STARS.values():
        shutil.copy(INPUT / name, folder)
    for sector in {key[0] for key in STARS}:
        make_catalog.make_catalog(folder, sector, TableCatalog(INPUT / 'stars.ecsv'), chosen.catalog)
    assert not prepare_photometry.prepare_photometry(folder, chosen).failures
    found = {}
    with WorkerContext(JobOptions(str(folder), str(folder / 'out'))) as context:
        for item in paths.find_cubes(folder):
            starid = STARS[item.ccd_key][0]
            result = tessphot.process(Task(starid, *item.ccd_key, 1800, cube=item.path.name), context)
            found[item.ccd_key] = (result, read_lightcurve(folder / 'out' / result.lightcurve))
    return found


def median_flux(found):
    return np.median(found.columns['FLUX'][quality.good(found.columns['QUALITY'])])


@pytest.mark.slow
@pytest.mark.parametrize('key', STARS)
def test_zero_points(curves, key):
    result, found = curves[key]
    assert result.status.name == 'OK', result.errors
    assert STARS[key][1] + 2.5 * np.log10(median_flux(found)) == pytest.approx(20.50, abs=0.10)


@pytest.mark.slow
def test_two_sectors_agree(curves):
    first, second = (median_flux(curves[key][1]) for key in ((5, 2, 2), (6, 2, 1)))
    assert first / second == pytest.approx(1, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize('key', STARS)
def test_errors_resemble_the_scatter_of_real_light_curves(curves, key):
    flux, err = (curves[key][1].columns[name][quality.good(curves[key][1].columns['QUALITY'])]
                 for name in ('FLUX', 'FLUX_ERR'))
    step = 1.4826 * np.median(np.abs(np.diff(flux))) / np.sqrt(2)
    assert 0.6 < np.median(err) / step < 1.2
