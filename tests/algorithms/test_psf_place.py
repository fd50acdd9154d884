"""A star is found where it is, and not where another one is."""

import numpy as np
import pytest
from one_star import OneStar, drawn

from photometry.algorithms import psf_place


def refined(star, wrong=(0.0, 0.0), light=None):
    """`refine` with a catalogue that is wrong by so much."""
    image = star.pixels.mean(axis=1) if light is None else light
    variance = star.errors.mean(axis=1) ** 2 + (0.003 * image) ** 2
    return psf_place.refine(image, variance, lambda offsets: star.render(offsets + np.array(wrong)[:, None]),
                            star.around.columns(np.zeros((2, 1)))[0], star.flux)


@pytest.mark.parametrize('wrong', [(1.5, 0.0), (-1.0, 1.2), (0.3, -0.2), (0.02, 0.05)])
@pytest.mark.parametrize('tmag', [8.0, 11.0, 14.5])
def test_a_wrong_catalogue_position(tmag, wrong):
    star = OneStar(tmag, frames=40)
    found = refined(star, wrong)
    assert found.offset == pytest.approx([-wrong[0], -wrong[1]], abs=2e-3 if tmag < 12 else 5e-3)
    assert found.flux == pytest.approx(star.flux, rel=4e-3)
    assert found.moved == (np.hypot(*wrong) > 1)


def test_a_neighbour_stays_where_it_is():
    star = OneStar(11.0, frames=40, neighbours=((2.5, 1.0, 1.5),))
    found = refined(star, (1.4, -0.3))
    assert found.offset == pytest.approx([-1.4, 0.3], abs=4e-3) and found.moved


def test_a_star_without_an_entry_is_not_taken_for_this_one():
    star = OneStar(12.0, frames=40)
    stranger = 1.3 * star.flux * drawn(star.row + 1.7, star.column - 0.5, star.stamp)[:, 0]
    found = refined(star, light=star.pixels.mean(axis=1) + stranger)
    assert not found.moved and np.hypot(*found.offset) < 0.5


def test_nothing_there():
    star = OneStar(14.0, frames=40)
    found = refined(star, light=star.noise.mean(axis=1))
    assert not found.moved and np.hypot(*found.offset) < 0.3
    assert abs(found.flux) < 0.05 * star.flux


def test_pixels_that_cannot_be_used():
    star = OneStar(10.0, frames=40)
    image = star.pixels.mean(axis=1)
    image[::7] = np.nan
    found = refined(star, (0.2, 0.1), light=image)
    assert found.offset == pytest.approx([-0.2, -0.1], abs=3e-3)
