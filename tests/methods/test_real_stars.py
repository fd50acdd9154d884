"""Real stars from cutouts of real FFIs through the whole pipeline: zero points, scatter, what is left."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from photometry import settings
from photometry.algorithms import metrics
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
LOST = (7, 2, 2), 126199999, 15.8451, 'tess-s0007-2-2_115.542000_-29.233000_13x13_astrocut.fits.gz'
"""A faint star beside brighter ones that the catalogue lacks."""

METHODS = 'aperture', 'linpsf', 'psf'


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('real')
    chosen = settings.load()
    for name in (*(star[-1] for star in STARS.values()), LOST[-1]):
        shutil.copy(INPUT / name, folder)
    for sector in {key[0] for key in STARS}:
        make_catalog.make_catalog(folder, sector, TableCatalog(INPUT / 'stars.ecsv'), chosen.catalog)
    assert not prepare_photometry.prepare_photometry(folder, chosen).failures
    return folder


@pytest.fixture(scope='module')
def context(folder):
    chosen = settings.load()
    chosen = dataclasses.replace(chosen, photometry=dataclasses.replace(chosen.photometry, prf='epsf'))
    with WorkerContext(JobOptions(str(folder), str(folder / 'out'), chosen, overwrite=True)) as context:
        yield context


@pytest.fixture(scope='module')
def cubes(folder):
    return {item.ccd_key: item.path.name for item in paths.find_cubes(folder)}


@pytest.fixture(scope='module')
def curves(context, cubes, folder):
    found = {}
    for key, (starid, *_) in STARS.items():
        for method in METHODS:
            result = tessphot.process(Task(starid, *key, 1800, cube=cubes[key], method=method), context)
            found[key, method] = (result, read_lightcurve(folder / 'out' / result.lightcurve))
    return found


def tile_of(context, cubes, key, starid):
    source = context.source(Task(starid, *key, 1800, cube=cubes[key]))
    row, column = source.positions
    index = source.index_of(starid)
    return context.tile(source, row[index], column[index]), index


def good_of(found, name):
    return found.columns[name][quality.good(found.columns['QUALITY'])]


def median_flux(found):
    return np.median(good_of(found, 'FLUX'))


@pytest.mark.slow
@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('key', STARS)
def test_zero_points(curves, key, method):
    result, found = curves[key, method]
    assert result.status.name == 'OK', result.errors
    assert STARS[key][1] + 2.5 * np.log10(median_flux(found)) == pytest.approx(20.50, abs=0.10)


@pytest.mark.slow
@pytest.mark.parametrize('method', METHODS)
def test_two_sectors_agree(curves, method):
    first, second = (median_flux(curves[key, method][1]) for key in ((5, 2, 2), (6, 2, 1)))
    assert first / second == pytest.approx(1, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('key', STARS)
def test_errors_resemble_the_scatter_of_real_light_curves(curves, key, method):
    flux, err = (good_of(curves[key, method][1], name) for name in ('FLUX', 'FLUX_ERR'))
    step = 1.4826 * np.median(np.abs(np.diff(flux))) / np.sqrt(2)
    assert 0.6 < np.median(err) / step < 1.2


@pytest.mark.slow
@pytest.mark.parametrize('key', STARS)
def test_the_scene_scatters_no_more_than_the_aperture(curves, key):
    found = (curves[key, method][1] for method in METHODS)
    aperture, scene, free = (metrics.rms_timescale(good_of(curve, 'TIME'), good_of(curve, 'FLUX'))
                             for curve in found)
    assert scene < 1.05 * aperture
    assert free < 1.15 * aperture


def residual_of(context, cubes, key):
    """Distances of all pixels from a star, what the scene leaves there over its peak."""
    tile, index = tile_of(context, cubes, key, STARS[key][0])
    mean, place, stamp = tile.mean, tile.place_of(index), tile.region
    own = mean.flux[place] * tile.source.prf.render(mean.row[place:place + 1], mean.column[place:place + 1],
                                                    stamp)[0]
    distance = np.hypot(np.arange(*stamp[:2])[:, None] - mean.row[place],
                        np.arange(*stamp[2:]) - mean.column[place])
    return distance.ravel(), (mean.residual / own.max()).ravel()


@pytest.mark.slow
def test_no_ring_around_a_star_is_left(context, cubes):
    found = [residual_of(context, cubes, key) for key in STARS]
    for distance, residual in (*found, np.concatenate(found, axis=1)):
        for inner in np.arange(0, 5, 0.5):
            ring = (distance >= inner) & (distance < inner + 0.5)
            assert not ring.any() or abs(residual[ring].mean()) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize('key', STARS)
def test_the_prf_is_that_of_the_stars(context, cubes, key):
    source = tile_of(context, cubes, key, STARS[key][0])[0].source
    learned = source.pixels.psf
    # the crowd of sector 7 teaches nothing
    assert source.prf_kind == ('prf' if key[0] == 7 else 'epsf') == ('prf' if learned is None else 'epsf')
    if learned is not None:
        assert learned.stars == 1 and learned.rms_after < 0.7 * learned.rms_before < 0.006


@pytest.mark.slow
def test_stars_that_the_catalogue_lacks(context, cubes, folder):
    key, starid, tmag, _ = LOST
    tile, _ = tile_of(context, cubes, key, starid)
    # two stars a hundred times brighter stand 4 and 5 px away
    assert tile.added.row.size >= 4
    assert np.sort(tile.added.flux)[-2:] == pytest.approx([5300, 8200], rel=0.1)
    assert tile.source.pixels.warpmode == 'translation'
    result = tessphot.process(Task(starid, *key, 1800, cube=cubes[key], method='linpsf'), context)
    found = read_lightcurve(folder / 'out' / result.lightcurve)
    assert result.status.name == 'WARNING' and 'off that of the catalogue' in ' '.join(result.errors)
    assert median_flux(found) < 2000
