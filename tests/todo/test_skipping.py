"""Who is delivered by whom: few, for good reason, whatever the order of the catalogue."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.algorithms.skipping import who_skips_whom


def by_starid(starid, tmag, row, column, **options):
    """{star: star that delivers it} for lists."""
    starid = np.array(starid)
    found = who_skips_whom(starid, np.array(tmag, float), np.array(row, float), np.array(column, float),
                           **options)
    return {int(one): int(starid[by]) for one, by in zip(starid, found, strict=True) if by >= 0}


def test_close_pair_fainter_by_brighter():
    assert by_starid([1, 2, 3], [12, 10, 11], [5, 5.3, 5.9], [5, 5, 5]) == {1: 2}


def test_equal_magnitudes_are_settled_by_number():
    assert by_starid([9, 4], [12, 12], [5, 5], [5, 5]) == {9: 4}


def test_a_delivered_star_delivers_nobody():
    assert by_starid([1, 2, 3], [10, 11, 12], [0, 0.4, 0.8], [0, 0, 0]) == {2: 1}


def test_other_methods_take_no_part():
    able = np.array([True, False, True])
    assert by_starid([1, 2, 3], [10, 11, 12], [0, 0.1, 0.2], [0, 0, 0], able=able) == {3: 1}


def test_saturated_pixels_belong_to_the_brightest_star_on_them():
    image = np.zeros((40, 40), dtype=bool)
    image[5:35, 10] = True
    image[20, 30] = True  # of nobody: the star on it is too faint to have caused it
    stars = dict(starid=[1, 2, 3, 4, 5, 6], tmag=[3, 9, 4.5, 9, 12, 14],
                 row=[20, 30.4, 25, 30, 20, 20.1], column=[10, 9.8, 10, 12, 30, 30.7])
    assert by_starid(**stars, saturated=image) == {2: 1}
    shifted = {**stars, 'row': np.add(stars['row'], 100), 'column': np.add(stars['column'], 44)}
    assert by_starid(**shifted, saturated=image, origin=(100, 44)) == {2: 1}


def test_unknown_places_and_magnitudes():
    assert by_starid([1, 2, 3], [10, np.nan, 12], [5, 5, np.nan], [5, 5, 5]) == {2: 1}
    assert by_starid([], [], [], []) == {}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 6), st.floats(0, 6), st.sampled_from([8.0, 9.0, 12.0])), max_size=25),
       st.randoms())
def test_rules_hold_for_any_field(stars, random):
    starid = list(range(1, len(stars) + 1))
    column, row, tmag = ([star[part] for star in stars] for part in range(3))
    found = by_starid(starid, tmag, row, column)
    order = starid.copy()
    random.shuffle(order)
    pick = [one - 1 for one in order]
    again = by_starid(order, *([values[one] for one in pick] for values in (tmag, row, column)))
    assert again == found
    for one, by in found.items():
        assert by not in found
        assert (tmag[by - 1], by) < (tmag[one - 1], one)
        assert np.hypot(row[by - 1] - row[one - 1], column[by - 1] - column[one - 1]) <= 0.5


def test_a_crowded_field_loses_few_stars():
    random = np.random.default_rng(3)
    number = 1100
    tmag, row, column = random.uniform([[9], [0], [0]], [[15], [256], [256]], (3, number))
    found = who_skips_whom(np.arange(number), tmag, row, column)
    assert 0 < np.count_nonzero(found >= 0) < 0.015 * number


def test_stars_that_come_first_are_delivered_by_nobody():
    first = np.array([False, True, False])
    close = dict(tmag=[10, 12, 13], row=[5, 5.3, 5.2], column=[5, 5, 5])
    assert by_starid([1, 2, 3], **close) == {2: 1, 3: 1}
    assert by_starid([1, 2, 3], first=first, **close) == {1: 2, 3: 2}
    assert by_starid([1, 2, 3], first=np.ones(3, dtype=bool), **close) == {}


def test_stars_that_come_first_stay_on_the_saturated_pixels_of_others():
    image = np.zeros((40, 40), dtype=bool)
    image[5:35, 10] = True
    stars = dict(tmag=[3, 9, 10], row=[20, 25, 30], column=[10, 10, 10])
    assert by_starid([1, 2, 3], saturated=image, **stars) == {2: 1, 3: 1}
    assert by_starid([1, 2, 3], saturated=image, first=np.array([False, True, False]), **stars) == {3: 1}
