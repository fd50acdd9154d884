"""Masks hold the light of greatest signal to noise, hang together and follow bleeding charge."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from photometry.algorithms import apertures, masks
from photometry.core.stamp import Stamp


def gaussian(row, column, shape=(15, 15), sigma=0.8):
    rows, columns = np.mgrid[:shape[0], :shape[1]]
    square = (rows - row) ** 2 + (columns - column) ** 2
    return np.exp(-0.5 * square / sigma ** 2) / (2 * np.pi * sigma ** 2)


def signal_to_noise(mask, target, variance):
    return target[mask].sum() / np.sqrt(variance[mask].sum())


def test_no_other_choice_of_pixels_is_better():
    target = 50 * gaussian(1.1, 1.2, (3, 3))
    variance = 4 + np.random.default_rng(3).random((3, 3))
    best = max(signal_to_noise(np.array(pick).reshape(3, 3), target, variance)
               for pick in itertools.product((False, True), repeat=9) if any(pick))
    assert signal_to_noise(masks.snr_mask(target, variance), target, variance) == pytest.approx(best)


def test_bright_stars_get_larger_masks():
    sizes = [masks.snr_mask(flux * gaussian(7, 7), 1 + flux / 100 * gaussian(7, 7)).sum()
             for flux in (20, 200, 2000, 20000)]
    assert sizes == sorted(sizes) and sizes[0] < sizes[-1]


def test_slack_buys_pixels():
    target, variance = 100 * gaussian(7, 7), np.full((15, 15), 5.0)
    best, wide = masks.snr_mask(target, variance), masks.snr_mask(target, variance, slack=0.03)
    assert (wide & ~best).any() and not (best & ~wide).any()
    assert signal_to_noise(wide, target, variance) >= 0.97 * signal_to_noise(best, target, variance)


def test_light_of_a_neighbour_is_avoided():
    target, neighbour = 100 * gaussian(7, 6), 5000 * gaussian(7, 9)
    alone = masks.snr_mask(target, np.full(target.shape, 2.0))
    beside = masks.snr_mask(target, 2.0 + neighbour)
    assert (beside & ~alone).sum() == 0 and (neighbour[beside].sum() < neighbour[alone].sum())


def test_jitter_makes_masks_wider():
    target = 1e5 * gaussian(7.3, 7.4)
    variance = 1 + target / 1000
    tight = masks.snr_mask(target, variance)
    wide = masks.snr_mask(target, variance, np.gradient(target), jitter=0.02)
    assert wide.sum() > tight.sum()


@settings(deadline=None, max_examples=60)
@given(hnp.arrays('f8', (7, 7), elements=st.floats(0, 100)),
       hnp.arrays('f8', (7, 7), elements=st.floats(0.1, 100) | st.just(np.inf)))
def test_masks_hang_together_and_use_usable_pixels(target, variance):
    mask = masks.snr_mask(target, variance)
    assert np.isfinite(variance[mask]).all() and (target[mask] > 0).all()
    if mask.any():
        start = tuple(np.argwhere(mask)[0])
        assert (masks.connected(mask, start) == mask).all()
    else:
        assert not (np.isfinite(variance) & (target > 0)).any()


def test_a_bleed_trail_belongs_to_its_star():
    image = np.zeros((30, 20))
    image[8:20, 10], image[12:16, 11] = 9e4, 9e4
    image[5:9, 2] = 9e4
    found = masks.bleed_mask(masks.saturated(image), (14, 10), reach=2)
    assert found[6:22, 10].all() and found[10:18, 11].all()
    assert not found[:, 2].any() and not found[5, 10] and not found[22, 10]
    assert not masks.bleed_mask(masks.saturated(image), (25, 18)).any()


def test_pixels_are_full_when_they_are_in_any_good_frame():
    mean, images = np.full((12, 5), 100.0), np.full((12, 5, 30), 100.0)
    mean[3:6, 2], images[3:6, 2] = 1e5, 1e5
    mean[6, 2], images[6, 2, 4] = 4e4, 1e5
    mean[7, 2], images[7, 2, 5] = 4e4, 1e5
    mean[2, 2], images[2, 2] = 7e4, 7e4
    good = np.arange(30) != 5
    found = masks.ever_full(mean, images, good)
    assert found[3:7, 2].all() and found.sum() == 4
    assert (masks.ever_full(mean, images, ~good & False) == masks.saturated(mean)).all()


def test_touched_sides_and_edge_pixels():
    mask = np.zeros((4, 5), dtype=bool)
    mask[0, 1:3], mask[1, 2], mask[2, 4] = True, True, True
    assert tuple(map(bool, masks.touched_sides(mask))) == (True, False, False, True)
    assert masks.edge_pixels(mask).sum() == 3


def test_sums_errors_flags_and_centroids():
    rng = np.random.default_rng(2)
    cube = rng.random((6, 5, 9)).astype('f4') + 1
    mask, weights = rng.random((6, 5)) > 0.5, rng.random((6, 5))
    stamp = Stamp(100, 106, 200, 205)
    found = apertures.sums(cube[mask].astype('f8'), mask, weights * mask, stamp)
    assert np.allclose(found.plain, cube[mask].sum(axis=0))
    assert np.allclose(found.plain, apertures.sum_pixels(cube, mask))
    assert np.allclose(found.weighted, (weights[mask][:, None] * cube[mask]).sum(axis=0))
    plain, weighted = apertures.errors(cube, mask, weights * mask)
    assert np.allclose(plain ** 2, (cube[mask] ** 2).sum(axis=0), rtol=1e-6)
    assert np.allclose(weighted ** 2, ((weights[mask][:, None] * cube[mask]) ** 2).sum(axis=0), rtol=1e-6)
    spot = np.zeros((6, 5, 1))
    spot[2, 3], spot[2, 4] = 1, 3
    everything = np.ones((6, 5), dtype=bool)
    found = apertures.sums(spot.reshape(30, 1), everything, everything, stamp)
    assert np.allclose((found.row[0], found.column[0]), (102, 203.75))
    assert np.isnan(apertures.sums(-spot.reshape(30, 1), everything, everything, stamp).row).all()
    flags = np.zeros((6, 5, 2), dtype='uint8')
    flags[2, 3], flags[4, 4] = (1, 0), (4, 0)
    assert apertures.any_flag(flags, everything).tolist() == [5, 0]


def test_weights_are_equal_where_charge_runs():
    target, variance = 100 * gaussian(7, 7), 2 + gaussian(7, 7)
    mask, trail = target > 0.5, np.zeros(target.shape, dtype=bool)
    trail[:, 7] = True
    weights = apertures.optimal_weights(target, variance, mask, trail)
    assert np.ptp(weights[mask & trail]) == 0 and weights.max() == 1 and not weights[~mask].any()
    noise = [np.sqrt((w ** 2 * variance).sum()) / (w * target).sum()
             for w in (apertures.optimal_weights(target, variance, mask), mask.astype(float))]
    assert noise[0] < noise[1]


def test_clipping_gain():
    assert apertures.clipping_gain(900, 900, True) == apertures.clipping_gain(720, 900, False) == 1
    rng = np.random.default_rng(1)
    reads = np.sort(rng.normal(size=(300000, 10)), axis=1)
    kept = reads[:, 1:-1].mean(axis=1).std() / np.sqrt(1 / 8)
    assert apertures.clipping_gain(720, 900, True) == pytest.approx(kept, rel=0.005)
