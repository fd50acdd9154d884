"""The table of the neighbours says how much of the light in the file is theirs."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
import simulated

from photometry.core.stamp import Stamp
from photometry.files import lightcurve_schema, prf
from photometry.files.lightcurve import read_lightcurve
from photometry.methods import neighbours
from photometry.simulation import render
from photometry.stages import tessphot

ROW, COLUMN, TMAG = (1020.2, 1022.4, 1016.5, 1036.0, 1020.4), (720.1, 719.0, 725.0, 704.0, 731.0), (
    10.5, 11.5, 13.0, 12.0, 9.5)


@pytest.fixture
def sector():
    return simulated.simulate(ROW, COLUMN, TMAG, frames=30)


def measured(sector, folder, star=1000, method='aperture'):
    with simulated.worker(sector, folder) as context:
        result = tessphot.process(simulated.task(star, method=method), context)
    return result, read_lightcurve(folder / result.lightcurve)


def share_in(mask, stamp, sector):
    """Part of each star in the true light within a mask."""
    samples = prf.load_prf(5, 2, 2)
    renderer = render.Renderer(samples.samples, samples.row, samples.column, render.WingShape(fraction=0))
    light = []
    values, row0, column0 = renderer.stamps(sector.row, sector.column)
    for value, row, column, flux in zip(values, row0, column0, sector.flux, strict=True):
        canvas = np.zeros((60, 60))
        canvas[row - 990:row - 990 + len(value), column - 690:column - 690 + len(value)] = flux * value
        light.append(canvas[stamp.slices((990, 690))][mask].sum())
    return np.array(light) / np.sum(light)


def test_the_light_of_neighbours_is_the_true_one(sector, tmp_path):
    result, found = measured(sector, tmp_path)
    table, mask = found.neighbours, (found.aperture & 2) > 0
    assert list(table) == [column.name for column in lightcurve_schema.NEIGHBOURS]
    corner = int(found.primary['NEXTEND']) and read_corner(tmp_path / result.lightcurve)
    stamp = Stamp(corner[0], corner[0] + mask.shape[0], corner[1], corner[1] + mask.shape[1])
    share = dict(zip(sector.starids.tolist(), share_in(mask, stamp, sector), strict=True))
    for starid, light in zip(table['STARID'].tolist(), table['LIGHT'], strict=True):
        assert light == pytest.approx(share[starid], rel=0.05, abs=2e-4)
    assert found.primary['AP_CONT'] == pytest.approx(1 - share[1000], rel=0.02)
    assert result.details['psf_cont'] == found.primary['PSF_CONT'] == pytest.approx(
        table['PSF_LIGHT'].sum(), rel=0.01)


def read_corner(path):
    """Zero-based row and column of the first pixel, from the second WCS."""
    from astropy.io import fits
    head = fits.getheader(path, 'APERTURE')
    return int(head['CRVAL2P']) - 1, int(head['CRVAL1P']) - 1


def test_places_are_one_based_and_close_stars_correlate(sector, tmp_path):
    table = measured(sector, tmp_path)[1].neighbours
    near = table['STARID'] == 1001
    assert table['ROW'][near] == pytest.approx(1023.4, abs=0.02)
    assert table['COLUMN'][near] == pytest.approx(720.0, abs=0.02)
    assert table['DISTANCE'][near] == pytest.approx(np.hypot(2.2, 1.1), abs=0.02)
    assert -0.5 < table['CORREL'][near][0] < -0.01
    assert not table['FLAGS'].any() and table['STARID'][0] == 1001


def test_far_stars_do_not_matter_but_the_nearest_are_named(sector, tmp_path):
    table = measured(sector, tmp_path, 1003)[1].neighbours
    assert len(table['STARID']) == neighbours.NEAREST and (table['LIGHT'] < 1e-4).all()


def test_stars_at_one_place_are_merged(tmp_path):
    sector = simulated.simulate([1020, 1020.2, 1030], [720, 720.1, 730], [11, 11.5, 5.0], frames=30)
    table = measured(sector, tmp_path)[1].neighbours
    flags = dict(zip(table['STARID'].tolist(), table['FLAGS'].tolist(), strict=True))
    assert flags[1001] == neighbours.MERGED and flags[1002] == neighbours.SATURATED


def test_stars_that_no_catalogue_has_are_named(tmp_path):
    sector = simulated.simulate(ROW, COLUMN, TMAG, frames=30)
    stars = sector.catalog.stars
    sector = dataclasses.replace(sector, catalog=SimpleNamespace(
        info=sector.catalog.info, stars=stars[stars['starid'] != 1004]))
    table = measured(sector, tmp_path)[1].neighbours
    added = table['FLAGS'] == neighbours.ADDED
    assert added.sum() == 1 and table['STARID'][added] == 0 and np.isnan(table['TMAG'][added])
    assert table['FLUX'][added] == pytest.approx(sector.flux[4], rel=0.02)
    assert table['ROW'][added] == pytest.approx(ROW[4] + 1, abs=0.05)
