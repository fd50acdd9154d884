"""Charge that runs along columns leaves the sums over its trails as they were, in scenes as well."""

import numpy as np
import pytest
from small_scenes import STAMP, WINGED, make

from photometry.algorithms import full_pixels, metrics, psf_scene, scene
from photometry.algorithms.scene_design import Blur
from photometry.algorithms.trails import Trails
from photometry.simulation import saturation

WELL = 1e5


def spoilt():
    made = np.zeros((12, 9), dtype=bool)
    made[2:6, 3] = made[4:9, 4] = made[8:10, 3] = made[0:3, 7] = made[9:, 8] = True
    return made


def test_runs_are_found_and_those_at_the_rim_are_none():
    trails = Trails.of(spoilt())
    assert len(trails) == 3 and trails.row.size == 11
    expected = spoilt()
    expected[:, 7:] = False
    np.testing.assert_array_equal(trails.mask((12, 9)), expected)
    np.testing.assert_array_equal(trails.number, np.repeat([0, 1, 2], [4, 2, 5]))
    assert not len(Trails.of(np.zeros((4, 4), dtype=bool)))


def test_sums():
    images = np.random.default_rng(1).normal(size=(2, 12, 9))
    trails = Trails.of(spoilt())
    runs = [(slice(2, 6), 3), (slice(8, 10), 3), (slice(4, 9), 4)]
    expected = np.stack([images[:, rows, column].sum(axis=1) for rows, column in runs], axis=1)
    np.testing.assert_allclose(trails.sums(images), expected)
    folded = trails.folded(images.reshape(2, -1), 9).reshape(2, 12, 9)
    np.testing.assert_allclose(folded[:, [2, 8, 4], [3, 3, 4]], expected)
    np.testing.assert_allclose(folded.sum(axis=(1, 2)), images.sum(axis=(1, 2)))
    assert Trails.none().sums(images).shape == (2, 0)
    assert Trails.none().folded(images, 9) is images


def test_parts_of_an_image():
    part = Trails.of(spoilt()).within((2, 9), (1, 9))
    expected = spoilt()[2:9, 1:]
    expected[:, 6:] = expected[6, 2] = False  # what is cut off is no trail
    assert len(part) == 2
    np.testing.assert_array_equal(part.mask((7, 8)), expected)


@pytest.fixture(scope='module')
def bled():
    """A star that fills pixels, wherever the pointing goes, with its charge along the columns."""
    rng = np.random.default_rng(2)
    field = make([1021.1, 1030.0, 1012.3], [723.45, 737.0, 711.2], [6e5, 2e4, 1e4],
                 rng.normal(0, 0.1, (300, 2)), prf=WINGED)
    for frame in range(300):
        image = field.images[..., frame].astype('f8')
        saturation.bleed(image, WELL)
        field.images[..., frame] = image
    return field


def mean_of(field):
    image = field.images.mean(axis=-1, dtype='f8')
    peak = full_pixels.highest(field.images, image, field.good)
    return field.mean(trails=Trails.of(full_pixels.spoilt(peak)))


def test_a_scene_with_full_pixels(bled):
    mean = mean_of(bled)
    assert mean.seen[0] < 0.9 < 0.99 < mean.held[0]
    assert mean.flux[0] == pytest.approx(6e5, rel=1e-4)
    series = bled.series(mean)
    photons = np.sqrt(6e5 / 1425.6)
    assert metrics.mad(series.flux[0]) == pytest.approx(np.median(series.flux_err[0]), rel=0.15)
    assert metrics.mad(series.flux[0]) < 1.2 * photons, 'as precise as though no pixel were full'
    assert np.median(series.flux[0]) == pytest.approx(6e5, rel=1e-4)
    assert series.seen[0] > 0.99


def test_single_frames_that_lack_a_pixel_of_a_trail(bled):
    mean, images = mean_of(bled), bled.images.copy()
    images[mean.trails.row[2], mean.trails.column[2], 7] = np.nan
    images[3, 3, 9] = np.nan
    series, whole = scene.fit_series(images, bled.errors, mean, bled.shift, bled.good), bled.series(mean)
    assert series.flux_err[0, 7] > 1.1 * whole.flux_err[0, 7]
    assert np.abs(series.flux[0, 7] - 6e5) < 5 * series.flux_err[0, 7]
    assert series.flux_err[0, 9] == pytest.approx(whole.flux_err[0, 9], rel=1e-3)


def test_a_trail_that_leaves_the_window_is_left_out(bled):
    mean = mean_of(bled)
    series = bled.series(mean, window=STAMP._replace(row_max=1022))
    assert series.seen[0] < 0.5


def test_places_and_flux_of_a_star_with_full_pixels(bled):
    mean = mean_of(bled)
    series, shift = bled.series(mean), bled.shift.T
    doubt = np.sqrt(np.diag(series.covariance))
    placed = psf_scene.place(mean, doubt, 0, Blur.of(bled.shift), 6e5)
    part = placed.target.stamp.slices(STAMP[::2])
    found = psf_scene.fit(mean, series, placed, bled.images[part], bled.errors[part],
                          bled.images.mean(axis=-1, dtype='f8')[part], shift, bled.good)
    assert placed.light > 0.95 and len(placed.target.trails) > 1
    assert metrics.mad(found.flux) == pytest.approx(np.median(found.flux_err), rel=0.2)
    assert metrics.mad(found.flux) < 1.2 * np.sqrt(6e5 / 1425.6)
    assert max(metrics.mad(axis) for axis in found.place - shift) < 1e-3
