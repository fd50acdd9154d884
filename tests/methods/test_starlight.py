"""The light of a tile follows its stars through the motion, on any stamp."""

import numpy as np
import pytest
import simulated

from photometry.algorithms.prf import Wing
from photometry.core.stamp import Stamp
from photometry.methods import starlight
from photometry.methods.aperture import AperturePhotometry
from photometry.pixels.base import LAYERS

STAMP = Stamp(1000, 1060, 700, 760)
PLACES = np.array([[1028.3, 731.4], [1031.5, 733.0], [1012.0, 738.0], [1024.1, 725.8]])
TMAG = [10.0, 11.5, 7.5, 13.0]


@pytest.fixture(scope='module')
def sector():
    return simulated.simulate(*PLACES.T, TMAG, stamp=STAMP, frames=60, jitter=0.03, wing=0.03)


@pytest.fixture
def photometry(sector, tmp_path):
    sector.source.star_wing = (0.03, 3.0, 60.0)
    with simulated.worker(sector, tmp_path) as context:
        context.close = lambda: None
        yield AperturePhotometry.from_task(simulated.task(1000), context)


def rendered(light, row, column):
    """Light of every star on the stamp, rendered at once, (stars, rows, columns)."""
    whole = light.whole
    return whole.flux[:, None, None] * whole.prf.render(row, column, light.stamp)


def test_sums_are_those_of_every_frame_rendered(photometry):
    light = starlight.StampLight.of(photometry)
    weights = np.where(light.template > 0.005, np.sqrt(light.template), 0.0)
    down, right = np.random.default_rng(1).normal(0, 0.03, (2, 20))
    down[5] = 1.7  # beyond the grid
    own, others = light.held(weights, down, right)
    sky = float((weights * light.whole.sky[light.stamp.slices(light.whole.region[::2])]).sum())
    for frame in range(20):
        images = rendered(light, light.whole.row + down[frame], light.whole.column + right[frame])
        parts = np.tensordot(images, weights, 2)
        assert own[frame] * light.flux == pytest.approx(parts[light.star], rel=1e-4)
        assert others[frame] == pytest.approx(parts.sum() - parts[light.star] + sky, rel=2e-3, abs=0.5)


def test_the_mean_image_is_the_mean_of_the_frames(photometry):
    light = starlight.StampLight.of(photometry)
    tile = photometry.tile
    frames = [rendered(light, light.whole.row + down, light.whole.column + right)
              for down, right in tile.motion[photometry.source.pixels.good]]
    mean, brightest = np.mean(frames, axis=0), light.whole.flux.max()
    assert np.allclose(light.flux * light.template, mean[light.star], atol=2e-5 * light.flux)
    assert np.allclose(light.neighbours, mean.sum(axis=0) - mean[light.star], atol=3e-5 * brightest)


def test_parts_are_those_of_single_stars(photometry):
    light, wing = starlight.StampLight.of(photometry), photometry.psf.wing
    weights, whole = (light.template > 0.002).astype('f8'), light.whole
    cores = (1 - wing.fraction) * whole.prf.with_wing(None).render(whole.row, whole.column, light.stamp)
    expected = whole.flux * np.tensordot(cores, weights, 2)
    expected[light.star] = light.flux * (weights * light.template).sum()
    assert np.allclose(light.parts(weights), expected, rtol=0.01, atol=0.01)


def test_a_stamp_beyond_the_tile_holds_the_same_light(photometry):
    light = starlight.StampLight.of(photometry)
    whole, star = starlight._beyond(photometry.tile, light.stamp, photometry.catalog_index)
    other = starlight.StampLight(whole, star, light.stamp)
    assert np.allclose(other.template, light.template)
    assert np.allclose(other.neighbours, light.neighbours, atol=1e-5 * light.whole.flux.max())


def test_a_tile_without_a_wing(sector, tmp_path):
    sector.source.star_wing = ()
    with simulated.worker(sector, tmp_path) as context:
        context.close = lambda: None
        light = starlight.StampLight.of(AperturePhotometry.from_task(simulated.task(1000), context))
    assert light.whole.prf.wing is None and light.template.sum() == pytest.approx(1, abs=2e-3)


def test_light_curves_do_not_depend_on_how_pixels_were_read(sector, tmp_path):
    sector.source.star_wing = (0.03, 3.0, 60.0)
    found = []
    for layers in ((), LAYERS):
        with simulated.worker(sector, tmp_path) as context:
            context.close = lambda: None
            photometry = AperturePhotometry.from_task(simulated.task(1003), context)
            for layer in layers:
                photometry.tile.pixels.load(layer)
            photometry.photometry()
            found.append(photometry.columns)
    for name in found[0].colnames:
        assert np.array_equal(found[0][name], found[1][name], equal_nan=True), name


def test_the_wing_used_is_that_of_the_cube(photometry):
    assert photometry.psf.wing == Wing(0.03, 3.0, 60.0)
