"""Prepare learns what stars look like, keeps it, and gives the same bytes after a kill."""

import shutil

import h5py
import numpy as np
import pytest
import small_sector
from test_prepare_resume import run_until

from photometry import settings
from photometry.core.errors import UsageError
from photometry.files import catalog, cube
from photometry.methods import context
from photometry.pixels.ffi import CubeSource
from photometry.stages.prepare_photometry import prepare_photometry

NAME = 'sector005_camera2_ccd2.hdf5'


@pytest.fixture(scope='module')
def sector(tmp_path_factory):
    """Stars that are 5 % too wide."""
    folder = tmp_path_factory.mktemp('wide')
    small_sector.make(folder, small_sector.plan(size=96, frames=6, number=100, prf_width=1.05))
    return folder


@pytest.fixture(scope='module')
def made(sector, tmp_path_factory):
    """The cube of an undisturbed run."""
    folder = shutil.copytree(sector, tmp_path_factory.mktemp('psf') / 'sector')
    assert not prepare_photometry(folder, settings.load()).failures
    return folder / NAME


def test_learned(made):
    with cube.CubeFile(made) as file:
        psf = file.psf
        assert psf.stars >= 20 and psf.rms_after < 0.4 * psf.rms_before
        assert len(psf.samples) == 4 and psf.row.min() <= 0 and psf.row.max() >= 95


@pytest.mark.filterwarnings('ignore:This process.*is multi-threaded:DeprecationWarning')
@pytest.mark.parametrize('event', [9, 12, 15])
def test_killed(sector, tmp_path, made, event):
    folder = shutil.copytree(sector, tmp_path / 'sector')
    assert not run_until(folder, event)
    prepare_photometry(folder, settings.load())
    with h5py.File(made) as one, h5py.File(folder / NAME) as two:
        for name in ('samples', 'row', 'column'):
            np.testing.assert_array_equal(one['psf'][name][...], two['psf'][name][...])
        for name in one['psf'].attrs:
            np.testing.assert_array_equal(one['psf'].attrs[name], two['psf'].attrs[name])


def test_chosen_by_the_setting(made):
    pixels = CubeSource(made)
    stars = catalog.read_catalog(next(made.parent.glob('catalog*')))
    official, learned = (context.OpenSource(pixels, stars, None, model) for model in ('prf', 'epsf'))
    assert (official.prf_kind, learned.prf_kind) == ('prf', 'epsf')
    # a wider star has less of its light in the brightest pixel
    peaks = [source.prf.render_at(40.0, 90.0, 6)[0].max() for source in (official, learned)]
    assert 0.89 < peaks[1] / peaks[0] < 0.95
    assert learned.prf.wing is not None or not pixels.psf.wing
    with pytest.raises(UsageError, match='known are prf, epsf'):
        context.OpenSource(pixels, stars, None, 'guess')
    pixels.close()


def test_cubes_without_one_fall_back(made, tmp_path):
    path = tmp_path / NAME
    shutil.copy(made, path)
    with h5py.File(path, 'r+') as file:
        del file['psf']
    pixels = CubeSource(path)
    stars = catalog.read_catalog(next(made.parent.glob('catalog*')))
    source = context.OpenSource(pixels, stars, None, 'epsf')
    assert source.prf_kind == 'prf' and source.prf.render_at(40.0, 90.0, 6)[0].max() > 0.1
    pixels.close()
