"""Clusters of bright pixels become the masks of single stars."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from photometry.algorithms import k2p2


def image_of(stars, shape=(25, 25), sky=0.0, noise=0.3, seed=3):
    """Gaussian stars (row, column, flux) on a sky."""
    rows, columns = np.mgrid[:shape[0], :shape[1]]
    image = sky + np.random.default_rng(seed).normal(0, noise, shape)
    for row, column, flux in stars:
        image += flux / (2 * np.pi * 0.81) * np.exp(-((rows - row) ** 2 + (columns - column) ** 2) / 1.62)
    return image


def mask_of(stars, star, **options):
    row, column, flux = np.array(stars, dtype='f8').T
    return k2p2.star_mask(image_of(stars), row, column, flux, star, **options)


@pytest.mark.parametrize('stars', [0, 3, 60])
def test_the_mode_is_the_sky_whatever_stars_there_are(stars):
    rng = np.random.default_rng(stars)
    placed = [(*rng.uniform(0, 40, 2), 10 ** rng.uniform(1.5, 4)) for _ in range(stars)]
    image = image_of(placed, (40, 40), sky=7.0)
    assert k2p2.mode(image) == pytest.approx(7.0, abs=0.25)


def test_the_mode_of_little():
    assert np.isnan(k2p2.mode(np.full(4, np.nan))) and k2p2.mode(np.full(9, 2.5)) == 2.5
    assert k2p2.mode([1.0, np.nan]) == 1.0


def test_clusters_are_those_of_the_definition():
    bright = np.random.default_rng(5).random((20, 20)) > 0.6
    found = k2p2.clusters(bright, 4)
    places = [tuple(place) for place in np.argwhere(bright)]
    around = {place: [other for other in places if np.abs(np.subtract(other, place)).max() < 2]
              for place in places}
    core = {place for place in places if len(around[place]) >= 4}
    for place in places:
        assert (found[place] > 0) == bool(core & set(around[place]))
        for other in set(around[place]) & core:
            assert place not in core or found[place] == found[other]


def test_a_lone_star_gets_its_light():
    mask, found = mask_of([(12.2, 11.8, 3000)], 0)
    image = image_of([(12.2, 11.8, 3000)], noise=0)
    assert found and image[mask].sum() > 0.95 * 3000 and mask.sum() < 100


def test_neighbours_are_cut_apart_at_the_saddle():
    stars = [(12.0, 9.0, 3000), (12.0, 13.0, 3000), (3.0, 20.0, 500)]
    masks = [mask_of(stars, star)[0] for star in range(3)]
    assert not (masks[0] & masks[1]).any() and not (masks[2] & (masks[0] | masks[1])).any()
    assert masks[0][12, 9] and not masks[0][:, 12:].any()
    assert masks[1][12, 13] and not masks[1][:, :11].any() and masks[2][3, 20]


def test_a_peak_belongs_to_the_brighter_of_two_stars():
    stars = [(12.0, 12.0, 5000), (12.3, 12.3, 20)]
    assert np.array_equal(mask_of(stars, 0)[0], mask_of(stars, 1)[0])


def test_light_from_beyond_the_border_is_left_out():
    mask, found = mask_of([(12.0, 12.0, 800), (12.0, 27.0, 1e6)], 0)
    assert found and not mask[:, 20:].any()


def test_holes_are_filled_but_not_with_what_cannot_be_used():
    image = image_of([(12, 12, 5000)])
    image[12, 13] = -50
    usable = np.ones(image.shape, dtype=bool)
    mask, _ = k2p2.star_mask(image, np.array([12.0]), np.array([12.0]), np.array([5e3]), 0, usable=usable)
    assert mask[12, 13]
    usable[12, 13] = False
    mask, _ = k2p2.star_mask(image, np.array([12.0]), np.array([12.0]), np.array([5e3]), 0, usable=usable)
    assert not mask[12, 13]


def test_no_cluster_leaves_the_smallest_mask():
    mask, found = mask_of([(12.3, 11.6, 1)], 0, number=30.0)
    assert not found and np.argwhere(mask).tolist() == [[12, 11], [12, 12], [13, 11], [13, 12]]


@settings(deadline=None, max_examples=40)
@given(hnp.arrays('f8', (8, 9), elements=st.floats(-1e6, 1e6) | st.just(np.nan)),
       st.floats(-2, 11), st.floats(-2, 11))
def test_any_image_gives_a_mask_of_usable_pixels(image, row, column):
    mask, _ = k2p2.star_mask(image, np.array([row]), np.array([column]), np.array([10.0]), 0)
    assert mask.shape == image.shape and np.isfinite(image[mask]).all()


def test_values_that_differ_by_next_to_nothing():
    assert k2p2.mode(np.array([0.0, 1e-162, 1.0])) == pytest.approx(0.0, abs=1e-9)
    assert k2p2.mode(np.array([5.0, 5.0 + 1e-12, 5.0 + 2e-12])) == pytest.approx(5.0)
