"""Pixels that rules, full wells and artefacts spoil."""

import numpy as np
import pytest

from photometry.algorithms import badpixels
from photometry.core.coordinates import ccd_output
from photometry.core.quality import PixelFlag
from photometry.core.stamp import Stamp

CCD = Stamp(0, 2048, 44, 2092)


def test_mars():
    """Output D of camera 1, CCD 4 (science columns from 1536 on) in the first 28 cadences of sector 1."""
    first, last = 1325.3292, 1325.8917
    for time in (first, last):
        mask = badpixels.excluded(CCD, 1, 1, 4, time)
        assert not mask[:, :1536].any() and mask[:, 1536:].all()
        assert (mask[0] == (ccd_output(np.arange(44, 2092)) == 3)).all()
    assert not badpixels.excluded(CCD, 1, 1, 4, last + 1 / 48).any()
    assert not badpixels.excluded(CCD, 2, 1, 4, 1360.0).any()
    assert not badpixels.excluded(CCD, 1, 1, 3, first).any()
    part = badpixels.excluded(Stamp(100, 110, 1574, 1584), 1, 1, 4, first)
    assert part[0].tolist() == [False] * 6 + [True] * 4


@pytest.mark.parametrize(('time', 'spoilt'), [(1464.0, False), (1464.1, True), (1464.3, False)])
def test_earth_shine(time, spoilt):
    for ccd in (1, 2, 3, 4):
        assert badpixels.excluded(Stamp(0, 5, 44, 50), 5, 1, ccd, time).all() == spoilt
    assert not badpixels.excluded(Stamp(0, 5, 44, 50), 5, 2, 1, time).any()


def test_rules_can_be_read():
    for rule in badpixels.EXCLUSIONS:
        assert rule.why and rule.camera in (1, 2, 3, 4)
        assert rule.rows[0] < rule.rows[1] and rule.columns[0] < rule.columns[1]


def test_empty():
    image = np.zeros((4, 4))
    assert badpixels.empty(image)
    image[0, 0] = np.nan
    assert badpixels.empty(image)
    assert badpixels.empty(np.full((4, 4), np.nan))
    image[1, 1] = -1
    assert not badpixels.empty(image)


def test_saturation():
    image = np.full((40, 20), 100.0)
    image[10:20, 7] = 2e5 / 1.98
    image[20, 7] = 4e4
    image[0, 0] = np.nan
    mask = badpixels.saturated(image)
    assert mask[9:21, 7].all()
    assert mask.sum() == 12
    assert not badpixels.saturated(image, live=2.0).any()


@pytest.mark.parametrize('shape', [(256, 256), (130, 77)])
def test_artefact_is_found(shape):
    rng = np.random.default_rng(1)
    stars = np.zeros(shape)
    stars[rng.integers(0, shape[0], 300), rng.integers(0, shape[1], 300)] = 1e4
    difference = rng.normal(0, 0.5, shape) + 0.2 * stars
    difference[100, 10:40] += 500  # a trail one pixel wide is no structure of the background
    assert not badpixels.artefacts(difference, stars).any()
    difference[48:80, 40:64] += 25
    found = badpixels.artefacts(difference, stars)
    assert found[48:80, 40:64].all()
    assert found.sum() == 32 * 24
    difference[48:80, 40:64] -= 50
    assert np.array_equal(badpixels.artefacts(difference, stars), found)


def test_moving_crowd_is_no_artefact():
    rng = np.random.default_rng(2)
    stars = rng.exponential(300, (64, 64))
    difference = rng.normal(0, 0.03, (64, 64)) * stars + 5
    assert not badpixels.artefacts(difference, stars).any()


@pytest.mark.parametrize('shape', [(1, 1), (6, 6), (13, 13)])
def test_artefacts_of_small_and_empty_frames(shape):
    assert not badpixels.artefacts(np.zeros(shape)).any()
    assert not badpixels.artefacts(np.full(shape, np.nan)).any()
    assert badpixels.artefacts(np.full(shape, 80.0)).all()


def test_flags():
    image = np.ones((2, 3))
    image[0, 0], image[0, 1] = np.nan, np.inf
    mask = np.zeros((2, 3), dtype=bool)
    mask[1, 2] = True
    flags = badpixels.frame_flags(image, mask, mask, mask, mask)
    assert flags.dtype == np.uint8
    assert flags[0].tolist() == [PixelFlag.NOT_FINITE] * 2 + [0]
    assert flags[1, 2] == (PixelFlag.NOT_USED_FOR_BACKGROUND | PixelFlag.EXCLUDED | PixelFlag.SATURATED
                           | PixelFlag.ARTEFACT)
    assert not badpixels.frame_flags(np.ones((2, 2)), None).any()


def test_boxes_without_a_median_would_not_have_counted():
    """The medians of all boxes find the same artefacts."""
    rng = np.random.default_rng(3)
    level = np.repeat(np.repeat(rng.normal(0, 8, (12, 9)), 8, axis=0), 8, axis=1)
    difference = level + rng.normal(0, 3, level.shape)
    difference[rng.random(level.shape) < 0.3] = np.nan
    stars = rng.exponential(20, level.shape)
    parts = [values.reshape(12, 8, 9, 8).transpose(0, 2, 1, 3).reshape(12, 9, -1)
             for values in (difference, stars)]
    medians, light = (np.abs(np.nanmedian(values, axis=2)) for values in parts)
    found = badpixels.artefacts(difference, stars)[::8, ::8]
    assert found[medians > 10 + 0.1 * light].all() and found.any()
    assert not found[medians <= 5 + 0.05 * light].any()
