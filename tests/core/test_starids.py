"""Numbers of stars, those of positions among them."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from photometry.core import starids


@given(st.floats(-360, 360), st.floats(-90, 90))
@example(359.999999, 90.0)
@example(0.0, -90.0)
def test_a_number_tells_its_position(ra, dec):
    number = int(starids.of_position(ra, dec))
    right, up = starids.position(number)
    assert starids.is_possible(number) and number <= -9 * 10 ** 18
    assert abs((right - ra + 180) % 360 - 180) <= 1e-5 and abs(up - dec) <= 1e-5
    assert int(starids.of_position(right, up)) == number


@pytest.mark.parametrize(('starid', 'gaia', 'name'), [
    (139469999, 0, 'TIC 139469999'), (139469999, 4, 'TIC 139469999'), (-4, 6123, 'Gaia DR3 6123'),
    (-4, 0, 'Local 4'), (int(starids.of_position(80.25, -70.5)), 0, 'Position 80.25000 -70.50000')])
def test_names(starid, gaia, name):
    assert starids.name(starid, gaia) == name


def test_numbers_that_no_star_has():
    assert not any(map(starids.is_possible, (0, 10 ** 11 + 1, -2 ** 63, 2 ** 63)))
    assert starids.position(-1) is None and starids.position(77) is None
