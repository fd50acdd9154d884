"""Motions and outlines on the sphere, at RA 0 and at the poles as anywhere."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from photometry.algorithms.sky import Region, move
from photometry.core.coordinates import angular_distance, from_vectors, unit_vectors

RA = st.floats(0, 360, exclude_max=True)
DEC = st.floats(-90, 90)


def turned(offset_ra, offset_dec, ra, dec, roll):
    """Points near (0, 0) carried to another place on the sphere by rotations."""
    vectors = unit_vectors(offset_ra, offset_dec)
    for angle, (i, k) in ((roll, (1, 2)), (dec, (0, 2)), (ra, (0, 1))):
        turn = np.deg2rad(angle)
        a, b = vectors[..., i].copy(), vectors[..., k].copy()
        vectors[..., i] = np.cos(turn) * a - np.sin(turn) * b
        vectors[..., k] = np.sin(turn) * a + np.cos(turn) * b
    return from_vectors(vectors)


SQUARE = np.array([[-6.0, -6.0], [6.0, -6.0], [6.0, 6.0], [-6.0, 6.0]])


@settings(max_examples=150, deadline=None)
@given(RA, DEC, st.floats(0, 360), st.integers(0, 2 ** 32), st.floats(0, 3))
def test_region_does_not_depend_on_where_it_lies(ra, dec, roll, seed, buffer):
    rng = np.random.default_rng(seed)
    points = rng.uniform(-12, 12, (200, 2))
    here = Region((SQUARE,), buffer).contains(*points.T)
    corners = np.column_stack(turned(*SQUARE.T, ra, dec, roll))
    there = Region((corners,), buffer).contains(*turned(*points.T, ra, dec, roll))
    # Rounding may decide for a point on the very border.
    assert (here != there).sum() <= 1
    assert here.any() and not here.all()


@settings(max_examples=100, deadline=None)
@given(RA, DEC, st.floats(0, 360), st.floats(-15, 15), st.floats(-15, 15), st.floats(0.01, 4))
def test_inside_and_rim_are_what_geometry_says(ra, dec, roll, right, up, buffer):
    # Great-circle sides through the corners, so compare in the tangent plane of the middle.
    corners = np.column_stack(turned(*SQUARE.T, ra, dec, roll))
    point = turned(np.array([right]), np.array([up]), ra, dec, roll)
    vector = unit_vectors(right, up)
    limit = unit_vectors(6.0, 6.0)
    planar = abs(vector[1:] / vector[0])
    edge = [abs(limit[1] / limit[0]), abs(limit[2] / limit[0])]
    assume(abs(planar - edge).min() > 1e-6)
    inside = bool((planar < edge).all())
    assert Region((corners,)).contains(*point)[0] == inside
    grid = np.linspace(0, 1, 2001)[:, None]
    ends = unit_vectors(*SQUARE.T)
    border = np.concatenate([a + grid * (b - a)
                             for a, b in zip(ends, np.roll(ends, -1, axis=0), strict=True)])
    border /= np.linalg.norm(border, axis=1, keepdims=True)
    distance = np.rad2deg(np.arccos(np.clip(border @ vector, -1, 1))).min()
    assume(abs(distance - buffer) > 0.01)
    assert Region((corners,), buffer).contains(*point)[0] == (inside or distance < buffer)


@pytest.mark.parametrize('dec', [90.0, -90.0])
def test_pole_inside(dec):
    corners = np.array([[0, 84.0], [90, 84.0], [180, 84.0], [270, 84.0]]) * [1, np.sign(dec)]
    region = Region((corners,), 0.1)
    assert region.contains(np.linspace(0, 359, 20), np.full(20, np.sign(dec) * 87)).all()
    assert region.contains([123.0], [dec]).all()
    assert not region.contains(np.linspace(0, 359, 20), np.full(20, -np.sign(dec) * 87)).any()


def test_right_ascension_zero():
    corners = np.array([[355.0, -5], [5, -5], [5, 5], [355, 5]])
    inside = Region((corners,)).contains([0.0, 359.9, 0.1, 360.0, -0.1, 6, 354, 180], np.zeros(8))
    assert inside.tolist() == [True] * 5 + [False] * 3


def test_union_of_outlines():
    region = Region((SQUARE, SQUARE + [100, 0]))
    assert region.contains([0, 100, 50], [0, 0, 0]).tolist() == [True, True, False]


@settings(max_examples=150, deadline=None)
@given(RA, st.floats(-89.99, 89.99), st.floats(-11000, 11000), st.floats(-11000, 11000), st.floats(-60, 60))
def test_motion_has_the_right_length_and_direction(ra, dec, pm_ra, pm_decl, years):
    new_ra, new_dec = move(np.array([ra]), np.array([dec]), [pm_ra], [pm_decl], years)
    moved = angular_distance(ra, dec, new_ra, new_dec)[0] * 3.6e6
    expected = np.hypot(pm_ra, pm_decl) * abs(years)
    # Uniform motion in space: the angle is the arc tangent of the way.
    assert moved == pytest.approx(expected, rel=1e-4, abs=0.01)
    offset = (unit_vectors(new_ra, new_dec) - unit_vectors(ra, dec))[0]
    right, up = np.deg2rad(ra), np.deg2rad(dec)
    east = offset @ [-np.sin(right), np.cos(right), 0]
    north = offset @ [-np.sin(up) * np.cos(right), -np.sin(up) * np.sin(right), np.cos(up)]
    way = np.deg2rad(1 / 3.6e6) * years
    assert east == pytest.approx(pm_ra * way, rel=1e-4, abs=1e-9)
    assert north == pytest.approx(pm_decl * way, rel=1e-4, abs=1e-9)


def test_motion_over_the_pole():
    ra, dec = move(np.array([30.0, 30.0]), np.array([89.9999, -89.9999]), [0, 0], [36_000.0, -36_000.0], 20.0)
    # 720 arcsec across a pole that is 0.36 arcsec away.
    assert np.allclose(ra, 210) and np.allclose(abs(dec), 90 - (720 - 0.36) / 3600, atol=1e-6)


def test_motion_there_and_back():
    rng = np.random.default_rng(1)
    # Not at the poles, where east itself turns on the way.
    ra, dec = rng.uniform(0, 360, 100), np.rad2deg(np.arcsin(rng.uniform(-0.9, 0.9, 100)))
    motion = rng.normal(0, 500, (2, 100))
    there = move(ra, dec, *motion, 18.5)
    back = move(*there, *motion, -18.5)
    assert angular_distance(ra, dec, *back).max() < 0.005 / 3600


def test_unknown_motion_is_none():
    ra, dec = move(np.array([10.0, 350.0]), np.array([20.0, -5.0]), [np.nan, 0], [0.0, np.nan], 100)
    assert np.allclose(ra, [10, 350]) and np.allclose(dec, [20, -5])


@settings(max_examples=100, deadline=None)
@given(RA, DEC)
def test_vectors_there_and_back(ra, dec):
    back = from_vectors(unit_vectors(ra, dec))
    assert angular_distance(ra, dec, *back) < 1e-9
    assert 0 <= back[0] <= 360


def test_many_outlines_hold_what_each_of_them_holds():
    rng = np.random.default_rng(5)
    ra, dec = rng.uniform(0, 360, 40), np.degrees(np.arcsin(rng.uniform(-1, 1, 40)))
    dec[:2] = 89.99, -89.99
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    polygons = tuple(np.clip(corners + place, (-1, -90), (361, 90)) for place in zip(ra, dec, strict=True))
    star = rng.uniform(0, 360, 20_000), np.degrees(np.arcsin(rng.uniform(-1, 1, 20_000)))
    expected = np.any([Region((polygon,), 1.5).contains(*star) for polygon in polygons], axis=0)
    found = Region(polygons, 1.5).contains(*star)
    assert np.array_equal(found, expected) and 100 < found.sum() < 10_000
