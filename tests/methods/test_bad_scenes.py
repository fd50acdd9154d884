"""Scenes that cannot be measured well end in a named failure or an honest light curve, with every method."""

import dataclasses
import functools
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import simulated

from photometry import STATUS
from photometry.core import plugins, quality
from photometry.core.stamp import Stamp
from photometry.files import prf
from photometry.files.lightcurve import read_lightcurve
from photometry.stages import tessphot

FRAMES = 30
STAMP = Stamp(1000, 1040, 700, 740)


@pytest.fixture(params=['', *plugins.names(plugins.METHODS)], ids=lambda name: name or 'automatic')
def method(request):
    return request.param


def few_stars(**changes):
    return simulated.simulate([1012, 1025.3, 1029], [712, 726.2, 708.5], [9, 11.5, 13], frames=FRAMES,
                              **changes)


def with_stars(sector, stars):
    """The same pixels with another catalogue."""
    return dataclasses.replace(sector, catalog=SimpleNamespace(info=sector.catalog.info, stars=stars))


def outcome(sector, method, folder, star=1001):
    """Result of a star; a light curve is held to be honest."""
    with simulated.worker(sector, folder) as context:
        result = tessphot.process(simulated.task(star, method=method or None), context)
    check(result, folder)
    return result


def check(result, folder):
    """A failure has a reason, a sentence, no file; a light curve has no cadence without a meaning."""
    if result.status is STATUS.ERROR:
        assert result.reason and result.reason != 'bug' and result.lightcurve is None, result
        assert len(result.errors) == 1 and len(result.errors[0]) > 20
        assert not list(folder.rglob('*.fits*'))
        return
    assert result.status in (STATUS.OK, STATUS.WARNING)
    columns = read_lightcurve(folder / result.lightcurve).columns
    good = quality.good(columns['QUALITY'])
    flux, error = columns['FLUX'][good], columns['FLUX_ERR'][good]
    assert np.isfinite(flux).mean() > 0.5 and np.isfinite(result.details['mean_flux'])
    assert (error[np.isfinite(flux)] > 0).all()
    assert result.status is STATUS.WARNING or np.isfinite(flux).all()


def test_a_good_scene_is_measured(method, tmp_path):
    assert outcome(few_stars(), method, tmp_path).status is not STATUS.ERROR


def test_a_star_outside_the_pixels(method, tmp_path):
    sector = few_stars()
    stars = sector.catalog.stars.copy()
    stars['decl'][1] += 1
    result = outcome(with_stars(sector, stars), method, tmp_path)
    assert result.reason == 'off_silicon' and 'outside the pixels' in result.errors[0]


def test_no_pixel_that_can_be_used(method, tmp_path):
    sector = few_stars()
    sector.source.layers['images'][:] = np.nan
    sector.source.layers['images_err'][:] = np.nan
    sector.source.__post_init__()
    result = outcome(sector, method, tmp_path)
    assert result.reason in ('no_flux', 'flux_on_edge')


def test_no_pixel_near_the_star_that_can_be_used(method, tmp_path):
    sector = few_stars()
    near = Stamp(1012, 1040, 713, 740).slices(STAMP[::2])
    sector.source.layers['images'][near] = np.nan
    sector.source.layers['images_err'][near] = np.nan
    sector.source.__post_init__()
    result = outcome(sector, method, tmp_path)
    assert result.reason in ('no_flux', 'flux_on_edge')


def test_every_cadence_flagged(method, tmp_path):
    sector = few_stars()
    sector.source.quality[:] = 128
    sector.source.good[:] = False
    result = outcome(sector, method, tmp_path)
    assert result.reason == 'no_good_cadences'


@pytest.mark.parametrize('star', [1001, 1002])
def test_two_stars_at_one_place(method, star, tmp_path):
    sector = few_stars()
    stars = sector.catalog.stars.copy()
    for name in ('ra', 'decl', 'ra_J2000', 'decl_J2000'):
        stars[name][2] = stars[name][1]
    stars['tmag'][2] = stars['tmag'][1] = 11.5
    result = outcome(with_stars(sector, stars), method, tmp_path, star)
    assert result.status is not STATUS.ERROR


def test_a_tile_full_of_saturated_stars(method, tmp_path):
    places = np.arange(1004, 1040, 8.0)
    row, column = (axis.ravel() for axis in np.meshgrid(places, places - 300))
    sector = simulated.simulate(row, column, np.full(row.size, 3.5), frames=FRAMES)
    outcome(sector, method, tmp_path, 1012)


def test_a_prf_of_another_epoch(method, tmp_path, monkeypatch):
    sector = few_stars()
    with h5py.File(prf.LIBRARY) as library, h5py.File(tmp_path / 'prf.hdf5', 'w') as lacking:
        lacking.attrs['schema'] = library.attrs['schema']
        library.copy(prf.EPOCHS[0], lacking)
    monkeypatch.setattr(prf, 'load_prf', functools.partial(prf.load_prf, path=tmp_path / 'prf.hdf5'))
    result = outcome(sector, method, tmp_path)
    assert result.reason == 'input_bad' and 'has no start_s0004/cam2_ccd2' in result.errors[0]
