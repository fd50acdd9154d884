"""Asteroids are where their ephemeris says, and cross the masks that lie in their way."""

import numpy as np
import pytest

from photometry.algorithms.crossings import REACH, Crossings, interpolated
from photometry.core.coordinates import unit_vectors
from photometry.core.stamp import Stamp
from photometry.core.track import Track

PIXEL = 21 / 3600
"""deg"""

LIMITS = Stamp(100, 200, 300, 400)


def path_of(time, node=80.0, rate=0.25, tilt=8.0):
    """Right ascension and declination on a great circle that crosses the equator at a node, rate in deg/d."""
    along, tilt = np.radians(rate * (time - 10 + 3e-3 * (time - 10) ** 2)), np.radians(tilt)
    ra = node + np.degrees(np.arctan2(np.sin(along) * np.cos(tilt), np.cos(along)))
    return ra, np.degrees(np.arcsin(np.sin(along) * np.sin(tilt)))


def flat(ra, dec):
    """Rows and columns of a CCD that looks at (80, 0) deg, its pixel (150, 350)."""
    return 150 + dec / PIXEL, 350 + (ra - 80) / PIXEL


@pytest.mark.parametrize('step', [1.0, 2.0])
def test_places_between_those_of_the_table(step):
    knots, time = np.arange(0, 27, step), np.linspace(0, 26, 1000)
    found = interpolated(Track('1', knots, *path_of(knots)), time)
    error = np.degrees(np.linalg.norm(unit_vectors(*found) - unit_vectors(*path_of(time)), axis=1))
    assert error.max() < 1 / 3600


def test_across_the_origin_of_right_ascension():
    knots, time = np.arange(0.0, 21.0), np.linspace(0, 20, 400)
    ra, dec = path_of(knots, node=0.0)
    found = interpolated(Track('1', knots, ra % 360, dec), time)
    assert np.allclose((found[0] - path_of(time, node=0.0)[0] + 180) % 360 - 180, 0, atol=1 / 3600)


def test_nothing_is_made_up_outside_of_a_track_and_in_its_gaps():
    knots = np.array([1.0, 2.0, 3.0, 8.0, 9.0])
    time = np.array([0.5, 1.0, 2.9, 3.1, 5.0, 7.9, 8.5, 9.5])
    found = interpolated(Track('1', knots, *path_of(knots)), time)
    assert np.array_equal(np.isfinite(found[0]), [False, True, True, False, False, False, True, False])


def test_a_mask_is_touched_while_the_object_passes():
    knots, time = np.arange(0.0, 21.0), np.arange(0, 20, 1 / 48)
    tracks = [Track('1', knots, *(axis + 50 for axis in path_of(knots))), Track('2', knots, *path_of(knots))]
    found = Crossings.of(tracks, time, flat, LIMITS)
    assert set(found.number) == {1} and found.frames == time.size
    stamp, mask = Stamp(146, 157, 345, 356), np.zeros((11, 11), dtype=bool)
    mask[3:6, 4:7] = True
    hit, numbers = found.of_mask(mask, stamp)
    row, column = flat(*path_of(time))
    rows, columns = np.nonzero(mask)
    away = np.hypot(row[:, None] - 146 - rows, column[:, None] - 345 - columns).min(axis=1)
    assert hit.any() and list(numbers) == [1]
    assert np.array_equal(hit[np.abs(away - REACH) > 0.01], (away < REACH)[np.abs(away - REACH) > 0.01])
    assert not found.of_mask(~mask, Stamp(101, 112, 301, 312))[0].any()


def test_no_object_at_all():
    found = Crossings.of([], np.arange(5.0), flat, LIMITS)
    hit, numbers = found.of_mask(np.ones((3, 3), dtype=bool), Stamp(100, 103, 300, 303))
    assert not hit.any() and hit.size == 5 and not numbers.size
