"""Cells of the sky: every place in one of them, all of a region covered, cones around cells."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.algorithms import sky_cells
from photometry.algorithms.sky import Region
from photometry.algorithms.sky_cells import LARGE, SMALL
from photometry.core.coordinates import angular_distance


def grid(height):
    return [cell for k in range(round(180 / height)) for cell in sky_cells.zone(k * height - 90.0, height)]


def places(number, seed=1):
    rng = np.random.default_rng(seed)
    ra, dec = rng.uniform(0, 360, number), np.rad2deg(np.arcsin(rng.uniform(-1, 1, number)))
    edges = np.arange(-90.0, 90.1, SMALL)
    return np.append(ra, [0, 360, 359.999999, 0, 180, *np.zeros(edges.size)]), np.append(
        dec, [0, 0, 0, 90, -90, *edges])


@pytest.mark.parametrize('height', [LARGE, 5.0])
def test_every_place_lies_in_one_cell(height):
    ra, dec = places(300)
    assert (sum(cell.contains(ra, dec).astype(int) for cell in grid(height)) == 1).all()


@pytest.mark.parametrize('height', [LARGE, SMALL])
def test_cones_hold_their_cells_and_little_more(height):
    rng = np.random.default_rng(2)
    cells = grid(height)
    for cell in [*cells[:3], *cells[-3:], *(cells[k] for k in rng.integers(0, len(cells), 100))]:
        ra, dec = rng.uniform(cell.west, cell.east, 200), rng.uniform(cell.low, cell.high, 200)
        edge = np.linspace(cell.west, cell.east, 50)
        for right, up in ((ra, dec), (edge, np.full(50, cell.low)), (edge, np.full(50, cell.high))):
            assert (angular_distance(*cell.centre, right, up) <= cell.radius).all()
        assert cell.radius < 1.2 * height


def test_quarters_make_up_the_cell():
    for cell in (sky_cells.zone(10.0, LARGE)[5], sky_cells.zone(88.0, LARGE)[0]):
        rng = np.random.default_rng(3)
        ra, dec = rng.uniform(0, 360, 20000), rng.uniform(cell.low - 1, min(cell.high + 1, 90), 20000)
        inside = sum(part.contains(ra, dec).astype(int) for part in cell.quarters())
        assert np.array_equal(inside, cell.contains(ra, dec))


def square(ra, dec, half):
    """Corners at right angles around any place, the pole too."""
    turn = np.deg2rad([45, 135, 225, 315])
    right, up = np.deg2rad(ra), np.deg2rad(dec)
    centre = np.array([np.cos(up) * np.cos(right), np.cos(up) * np.sin(right), np.sin(up)])
    east = np.array([-np.sin(right), np.cos(right), 0])
    north = np.cross(centre, east)
    size = np.tan(np.deg2rad(half)) * np.sqrt(2)
    found = centre + size * (np.cos(turn)[:, None] * east + np.sin(turn)[:, None] * north)
    return np.stack([np.rad2deg(np.arctan2(found[:, 1], found[:, 0])) % 360,
                     np.rad2deg(np.arcsin(found[:, 2] / np.linalg.norm(found, axis=1)))], axis=1)


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 360), st.floats(-90, 90) | st.sampled_from([90.0, -90.0, 0.0]), st.floats(0.01, 6.2),
       st.floats(0, 0.5))
def test_a_region_is_covered(ra, dec, half, buffer):
    region = Region((square(ra, dec, half),), buffer)
    cells = sky_cells.cells_of(region)
    assert cells == sorted(set(cells))
    rng = np.random.default_rng(4)
    turn, far = rng.uniform(0, 360, 300), rng.uniform(0, 1.5 * half + buffer, 300)
    right, up = np.deg2rad(ra), np.deg2rad(dec)
    height = np.clip(np.sin(up) * np.cos(np.deg2rad(far)) + np.cos(up) * np.sin(np.deg2rad(far))
                     * np.cos(np.deg2rad(turn)), -1, 1)
    across = np.arctan2(np.sin(np.deg2rad(turn)) * np.sin(np.deg2rad(far)) * np.cos(up),
                        np.cos(np.deg2rad(far)) - np.sin(up) * height)
    stars = np.rad2deg(right + across) % 360, np.rad2deg(np.arcsin(height))
    inside = region.contains(*stars)
    covered = sum(cell.contains(*stars).astype(int) for cell in cells)
    assert (covered[inside] == 1).all() and (covered <= 1).all()


def test_how_many_cells_a_ccd_takes():
    """A CCD of 12 deg with its rim: about twice its area; a cutout: a few small ones."""
    assert 40 <= len(sky_cells.cells_of(Region((square(80, -45, 6),), 0.3))) <= 90
    assert len(sky_cells.cells_of(Region((square(80, -45, 0.05),), 0.2))) <= 9
