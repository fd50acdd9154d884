"""Dark pixels around a star tell how far the background was wrong, as far as their noise allows."""

import numpy as np
import pytest

from photometry.algorithms import local_sky
from photometry.core.stamp import Stamp

REGION = Stamp(100, 136, 200, 236)
TIMES = 400
GOOD = np.arange(TIMES) != 9
DARK = np.random.default_rng(3).random(REGION.shape) > 0.4


def blocks_of(truth, noise=0.6, seed=6, images=None, errors=None, **options):
    """Blocks of pixels with a background error (rows, columns, times) or (times,) and white noise."""
    rng = np.random.default_rng(seed)
    shape = (*REGION.shape, TIMES)
    layers = {'images': (truth + rng.normal(0, noise, shape)).astype('f4') if images is None else images,
              'images_err': np.full(shape, noise, dtype='f4') if errors is None else errors}

    def read(layer, stamp):
        return layers[layer][stamp.slices(REGION[::2])]

    return local_sky.measure(read, DARK, REGION, GOOD, **options)


def around(blocks, row, column):
    """What the blocks tell one star."""
    return local_sky.around(blocks, np.array([row]), np.array([column]))[0]


def test_noise_alone_is_not_believed():
    found = around(blocks_of(0.0), 118.0, 218.0)
    assert np.std(found.change) < 0.5 * 0.6 / np.sqrt(150) and found.trust.mean() < 0.35


def test_errors_of_the_background_are_found_with_their_own_error():
    rng = np.random.default_rng(1)
    rows, columns = np.mgrid[:36, :36]
    truth = sum(np.exp(-((rows - row) ** 2 + (columns - column) ** 2)[..., None] / 25.0 ** 2)
                * rng.normal(0, 0.07, TIMES) for row, column in rng.uniform(-10, 46, (25, 2)))
    found = around(blocks_of(truth), 117.0, 219.0)
    left = found.change - (truth[17, 19] - truth[17, 19, GOOD].mean())
    assert found.trust[0].mean() > 0.9 and np.std(truth[17, 19]) > 0.15
    assert 0.4 < np.std(left) / np.median(found.error) < 1.3 and np.std(left) < 0.05


def test_errors_that_come_and_go_are_followed_while_they_last():
    truth = np.where(np.abs(np.arange(TIMES) - 200) < 20, 0.5, 0.0)
    found = around(blocks_of(truth), 118.0, 218.0)
    left = found.change - (truth - truth[GOOD].mean())
    assert np.std(left) < 0.05 and found.trust[0, 200] > 0.95 > found.trust[0, 300:].mean() + 0.1


def test_slopes_do_no_harm_at_an_edge():
    rows = np.arange(36.0)[:, None, None]
    wave = np.random.default_rng(2).normal(0, 1, TIMES)
    found = around(blocks_of(0.03 * rows * wave, noise=0.1), 101.0, 218.0)
    left = found.change - 0.03 * (wave - wave[GOOD].mean())
    assert np.std(left) < 0.1


def test_structure_in_a_narrow_neighbourhood_is_followed():
    rows, columns = np.mgrid[:36, :36]
    spot = np.exp(-((rows - 18) ** 2 + (columns - 18) ** 2) / 72)[..., None]
    wave = np.random.default_rng(2).normal(0, 1, TIMES)
    found = around(blocks_of(spot * wave, noise=0.3), 118.0, 218.0)
    left = found.change - (wave - wave[GOOD].mean())
    assert np.std(left) < 0.4


def test_pixels_without_a_number_do_not_blind():
    rng = np.random.default_rng(6)
    truth = rng.normal(0, 0.5, TIMES)
    images = (truth + np.arange(36.0)[:, None, None] + rng.normal(0, 0.3, (36, 36, TIMES))).astype('f4')
    errors = np.full(images.shape, 0.3, dtype='f4')
    images[18, :, 7], errors[:, 8, 40:60], images[:, :, 9], images[:3] = np.nan, np.nan, np.nan, np.nan
    found = around(blocks_of(None, images=images, errors=errors), 118.0, 218.0)
    left = (found.change - (truth - truth[GOOD].mean()))[GOOD]
    assert np.std(left) < 0.06 and np.isfinite(found.change).all() and found.change[9] == 0
    assert np.isfinite(found.error).all()


def test_nothing_is_known_without_dark_pixels():
    def read(layer, stamp):
        return np.zeros((*stamp.shape, TIMES), dtype='f4')

    nothing = np.zeros(REGION.shape, dtype=bool)
    assert local_sky.measure(read, nothing, REGION, GOOD) is None
    assert around(blocks_of(0.0), 500.0, 500.0) is None


def test_stars_learn_together_what_each_learns_alone():
    truth = np.random.default_rng(4).normal(0, 0.2, TIMES)
    images = (truth + np.random.default_rng(5).normal(0, 0.3, (36, 36, TIMES))).astype('f4')
    images[:16, :16, 40:50] = np.nan
    blocks = blocks_of(None, images=images)
    assert blocks.unknown is not None
    # in the middle, in a corner, beside the pixels, far from all of them
    rows, columns = np.array([118.0, 101.0, 90.0, 500.0]), np.array([218.0, 201.0, 195.0, 500.0])
    together = local_sky.around(blocks, rows, columns)
    for found, row, column in zip(together, rows, columns, strict=True):
        alone = around(blocks, row, column)
        assert (found is None) == (alone is None)
        for name in ('change', 'error', 'trust', 'weights') if found else ():
            assert np.allclose(getattr(found, name), getattr(alone, name), rtol=1e-5, atol=1e-7)
    assert together[0] is not None and together[-1] is None


def test_a_constant_light_is_taken_away_as_the_correction_does():
    found = around(blocks_of(np.linspace(-1, 1, TIMES)), 118.0, 218.0)
    assert np.allclose(found.of(np.ones(found.weights.shape[1])), found.trust[0])


def test_fewer_pixels_are_noisier():
    many, few = blocks_of(0.0), blocks_of(0.0, step=4)
    assert few.number.sum() == pytest.approx(many.number.sum() / 4, rel=0.01)
    assert np.median(few.variance) > 2 * np.median(many.variance)


def test_cadences_without_any_pixel_are_left_alone():
    truth = np.random.default_rng(1).normal(0, 0.2, TIMES)
    images = (truth + np.random.default_rng(2).normal(0, 0.3, (36, 36, TIMES))).astype('f4')
    images[..., [9, 30, 31]] = np.nan
    blocks = blocks_of(None, images=images)
    assert blocks.unknown is None and np.isinf(blocks.profile[[9, 30, 31]]).all()
    found = around(blocks, 118.0, 218.0)
    assert not found.change[[9, 30, 31]].any() and np.isfinite(found.error).all()
    assert np.std(np.delete(found.change - truth, [9, 30, 31])) < 0.05
