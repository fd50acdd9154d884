"""Pointings of the sectors against the places of real targets."""

from pathlib import Path

import numpy as np
import pytest

from photometry.core.coordinates import (
    CAMERA_CENTRE_COLUMN,
    CAMERA_CENTRE_ROW,
    SCIENCE,
    angular_distance,
)
from photometry.core.errors import InputBadError, InputMissingError
from photometry.core.stamp import Stamp
from photometry.files import sector_wcs, wcs

TARGETS = Path(__file__).parents[1] / 'input' / 'catalogs' / 'targets_s0002_all.csv.gz'
IN_THE_GAP = {350433330: (2089.0, 619.0), 374942153: (2090.0, 1988.4)}
"""The two stars of the list that no CCD holds: camera 4, CCD 1, 42 and 43 px beyond its last row, in the
gap of 106 px between the CCDs. No error of pointing puts them there: the 1498 others of that CCD lie on it,
none nearer to its edge than 5.6 px, as a stamp of 11 px needs. The list itself is wrong about them."""

CCDS = [(camera, ccd) for camera in range(1, 5) for ccd in range(1, 5)]


@pytest.fixture(scope='module')
def targets():
    names = ('starid', 'camera', 'ccd', 'tmag', 'ra', 'dec')
    return np.genfromtxt(TARGETS, delimiter=',', names=names, skip_header=6)


@pytest.fixture(scope='module')
def pointed():
    """The mean WCS of every CCD in sector 2."""
    return {key: sector_wcs.sector_wcs(2, *key) for key in CCDS}


def depth(row, column):
    """Pixels from the nearest edge of the science pixels, positive inside."""
    return np.min([row - SCIENCE.row_min + 0.5, SCIENCE.row_max - 0.5 - row,
                   column - SCIENCE.col_min + 0.5, SCIENCE.col_max - 0.5 - column], axis=0)


def test_official_targets_fall_on_their_ccds_and_no_others(targets, pointed):
    assert targets.size == 16_000
    off = {}
    for camera, ccd in CCDS:
        own = targets[(targets['camera'] == camera) & (targets['ccd'] == ccd)]
        row, column = wcs.sky_to_pixel(pointed[camera, ccd], own['ra'], own['dec'])
        inside = depth(row, column)
        assert (inside[inside > 0] > 4.8).all()
        off |= {int(own['starid'][k]): (row[k], column[k]) for k in np.flatnonzero(inside <= 0)}
    assert off.keys() == IN_THE_GAP.keys()
    for starid, place in off.items():
        assert place == pytest.approx(IN_THE_GAP[starid], abs=0.1)


def test_no_target_lies_on_another_ccd_of_its_camera(targets, pointed):
    for camera, ccd in CCDS:
        others = targets[(targets['camera'] == camera) & (targets['ccd'] != ccd)]
        assert not (depth(*wcs.sky_to_pixel(pointed[camera, ccd], others['ra'], others['dec'])) > 0).any()


@pytest.mark.parametrize('key', CCDS)
def test_there_and_back_over_a_ccd(pointed, key):
    row, column = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 2047, 41), np.linspace(44, 2091, 41)))
    back = wcs.sky_to_pixel(pointed[key], *wcs.pixel_to_sky(pointed[key], row, column))
    assert np.hypot(back[0] - row, back[1] - column).max() < 1e-3


def test_camera_centre_lies_between_the_ccds():
    ra, dec = sector_wcs.camera_centre(2, 3)
    for ccd in range(1, 5):
        found = wcs.pixel_to_sky(sector_wcs.sector_wcs(2, 3, ccd), CAMERA_CENTRE_ROW,
                                 CAMERA_CENTRE_COLUMN[ccd])
        assert angular_distance(ra, dec, *found) < 0.02


def test_sectors_beyond_the_tables():
    for ask in (lambda: sector_wcs.sector_wcs(92, 1, 1), lambda: sector_wcs.sector_wcs(0, 1, 1),
                lambda: sector_wcs.camera_centre(1751, 1), lambda: sector_wcs.sector_times(92)):
        with pytest.raises(InputMissingError, match='put an FFI or TESSCut file'):
            ask()
    with pytest.raises(InputMissingError, match='camera 5'):
        sector_wcs.sector_wcs(2, 5, 1)
    start, end = sector_wcs.sector_times(1)
    assert 2458320 < start < end < 2458360


def test_text_and_back():
    made = sector_wcs.sector_wcs(2, 1, 1)
    again = wcs.wcs_from_text(wcs.wcs_to_text(made))
    row, column = np.array([0.0, 2047, 100]), np.array([44.0, 2091, 1000])
    assert np.allclose(wcs.pixel_to_sky(made, row, column), wcs.pixel_to_sky(again, row, column), atol=1e-8)
    back = wcs.sky_to_pixel(again, *wcs.pixel_to_sky(again, row, column))
    assert np.allclose(back, [row, column], atol=1e-3)


def test_the_other_side_of_the_sky_has_no_pixel():
    made = sector_wcs.sector_wcs(2, 1, 1)
    ra, dec = made.wcs.crval
    row, column = wcs.sky_to_pixel(made, [(ra + 180) % 360, ra], [-dec, dec])
    assert np.isnan(row[0]) and np.isnan(column[0])
    assert row[1] == pytest.approx(1000, abs=1) and column[1] == pytest.approx(1044, abs=1)


def test_footprint_goes_around_the_outer_edges():
    made = sector_wcs.sector_wcs(2, 1, 1)
    stamp = Stamp(10, 20, 50, 80)
    outline = wcs.footprint(made, stamp)
    row, column = wcs.sky_to_pixel(made, *outline.T)
    assert len(np.unique(outline.round(6), axis=0)) == len(outline)
    assert np.allclose([row.min(), row.max(), column.min(), column.max()], [9.5, 19.5, 49.5, 79.5], atol=0.01)
    on_edge = ((abs(row - 9.5) < 0.01) | (abs(row - 19.5) < 0.01)
               | (abs(column - 49.5) < 0.01) | (abs(column - 79.5) < 0.01))
    assert on_edge.all()


@pytest.mark.parametrize('text', ['', 'no cards', 'CRVAL1  =  x' + ' ' * 68,
                                  'SIMPLE  =                    T'])
def test_no_wcs_is_named(text):
    with pytest.raises(InputBadError, match='The WCS of frame 7'):
        wcs.wcs_from_text(text, 'frame 7')


def distances(made, other, number=6):
    """Px between the places that two WCS give directions all over a CCD."""
    row, column = np.meshgrid(np.linspace(0, 2047, number), np.linspace(44, 2091, number))
    found = wcs.sky_to_pixel(made, *wcs.pixel_to_sky(other, row.ravel(), column.ravel()))
    return np.hypot(found[0] - row.ravel(), found[1] - column.ravel())


@pytest.mark.parametrize(('sector', 'camera', 'ccd'), [(3, 1, 2), (45, 3, 1), (70, 4, 4), (88, 2, 3)])
def test_optics_of_another_sector_turned_to_the_pointing_of_one(sector, camera, ccd):
    made = sector_wcs.sector_wcs(sector, camera, ccd)
    turned = sector_wcs.turned(sector_wcs.sector_wcs(90, camera, ccd), made)
    assert distances(turned, made).max() < 0.7
    again = wcs.wcs_from_text(wcs.wcs_to_text(turned))
    assert distances(again, turned).max() < 1e-4


def test_predictions_beyond_the_tables_have_optics_that_were_measured():
    known = sector_wcs.sector_wcs(5, 2, 2)
    np.testing.assert_array_equal(sector_wcs.predicted_wcs(5, 2, 2).wcs.crval, known.wcs.crval)
    for sector in (92, 108, 1751):
        made = sector_wcs.predicted_wcs(sector, 2, 2)
        # the shape of the CCD on the sky is that of any sector
        sizes = [_diagonal(each) for each in (made, known)]
        assert sizes[0] == pytest.approx(sizes[1], rel=3e-4)
    with pytest.raises(InputMissingError, match='sector 500'):
        sector_wcs.predicted_wcs(500, 2, 2)


def _diagonal(made):
    ra, dec = wcs.pixel_to_sky(made, [0, 2047], [44, 2091])
    return angular_distance(ra[0], dec[0], ra[1], dec[1])


@pytest.mark.parametrize('shift', [(0, 0), (2.5, -1.25), (-30, 400)])
def test_a_moved_wcs_puts_every_star_as_far_on(shift):
    made = sector_wcs.sector_wcs(2, 1, 1)
    row, column = np.array([0.0, 2047, 100]), np.array([44.0, 2091, 1000])
    again = wcs.wcs_from_text(wcs.wcs_to_text(wcs.moved(made, *shift)))
    found = wcs.sky_to_pixel(again, *wcs.pixel_to_sky(made, row, column))
    np.testing.assert_allclose(found, [row + shift[0], column + shift[1]], atol=1e-3)
    assert made.wcs.crpix.tolist() == [1045, 1001]
