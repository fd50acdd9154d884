"""Pixels and sky agree: stars appear where the WCS of the frame puts them."""

import numpy as np
import pytest

from photometry.core.stamp import Stamp
from photometry.files import wcs
from photometry.files.fits_text import card
from photometry.simulation.motion import make_motion
from photometry.simulation.pointing import WCS_NOISE, Sky
from photometry.simulation.schedule import make_schedule


@pytest.fixture(scope='module')
def sky():
    return Sky(5, 2, 2)


def test_the_wcs_of_a_frame_follows_the_motion(sky):
    rng = np.random.default_rng(3)
    motion = make_motion(rng, make_schedule(rng, 5, 1800, 30), (1023., 1067.), drift=0.3, roll=1e-5)
    row, column = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 2047, 6), np.linspace(44, 2091, 6)))
    ra, decl = sky.radec(row, column)
    rows, columns = motion.positions(row, column)
    errors = []
    for frame in range(30):
        made = wcs.wcs_from_text(sky.frame_text(motion, frame, rng))
        assert made.sip is not None and made.sip.a_order >= 2
        found = wcs.sky_to_pixel(made, ra, decl)
        difference = np.stack(found) - (rows[:, frame], columns[:, frame])
        # What is left is a common shift, but for the distortion of roll (10 um a px of 46).
        assert np.ptp(difference, axis=1).max() < 0.002
        errors.append(difference.mean(axis=1))
    assert np.std(errors) == pytest.approx(WCS_NOISE, rel=0.4)


@pytest.mark.parametrize('stamp', [Stamp(300, 313, 1500, 1513), Stamp(0, 256, 1836, 2092),
                                   Stamp(0, 2048, 44, 2092)])
def test_the_wcs_of_a_cutout(sky, stamp):
    cards = sky.cutout_cards(stamp)
    made = wcs.wcs_from_text(''.join(card(name, value) for name, value in cards.items()))
    row = np.linspace(stamp.row_min, stamp.row_max - 1, 5)
    column = np.linspace(stamp.col_min, stamp.col_max - 1, 5)
    found = wcs.sky_to_pixel(made, *sky.radec(row, column))
    np.testing.assert_allclose(found[0] + stamp.row_min, row, atol=0.012)
    np.testing.assert_allclose(found[1] + stamp.col_min, column, atol=0.012)
    assert ('A_ORDER' in cards) == (stamp.height > 100)


def test_the_axis_of_the_camera_lies_beyond_a_corner(sky):
    row, column = sky.axis
    assert min(abs(row), abs(row - 2048)) < 150 and min(abs(column - 44), abs(column - 2092)) < 150


def test_sectors_without_a_stored_pointing():
    sky = Sky(95, 3, 1)
    row, column = np.array([10., 2000.]), np.array([60., 2000.])
    back = wcs.sky_to_pixel(sky.wcs, *sky.radec(row, column))
    np.testing.assert_allclose(back, (row, column), atol=1e-3)
    assert len(sky.axis) == 2


def test_barycentric_correction_of_a_real_image():
    sky = Sky(1, 1, 4)
    ra, decl = sky.radec(1023., 1067.)
    found = sky.correction(np.array([1325.32351727]), ra, decl)
    # BARYCORR of tess2018206192942-s0001-1-4-0120-s_ffic.fits.
    assert found[0] == pytest.approx(5.6780875e-3, abs=0.01 / 86400)


def test_barycentric_correction_is_that_of_the_ephemeris(sky):
    ra, decl = sky.radec(1023., 1067.)
    found = sky.correction(np.array([1440.0, 1450.0]), ra, decl)
    assert found.shape == (2,) and (np.abs(found) < 0.0061).all() and found[0] != found[1]
