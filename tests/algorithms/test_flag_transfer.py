"""Flags of short cadences reach the exposures that contain them, and no others."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from photometry.algorithms.flag_transfer import carried_bits, carry
from photometry.core.quality import CadenceFlag

DAY = 86400.0
START = np.arange(6) * 1800 / DAY + 1000.0
STOP = START + 1800 / DAY
TIME = 1000.0 + (np.arange(6 * 15) + 0.5) * 120 / DAY
EVERY = carried_bits(5)


def flagged(bit, *cadences):
    quality = np.zeros(TIME.size, dtype=int)
    quality[list(cadences)] = bit
    return quality


@pytest.mark.parametrize('bit', [1, 2, 4, 8, 32])
def test_one_cadence_without_pointing_spoils_an_exposure(bit):
    found = carry(START, STOP, TIME, flagged(bit, 15, 44), EVERY)
    assert found.tolist() == [0, bit, bit, 0, 0, 0]


@pytest.mark.parametrize('bit', [2048, 4096])
def test_light_counts_from_half_of_the_cadences_on(bit):
    found = carry(START, STOP, TIME, flagged(bit, *range(15, 22), *range(30, 38), 75), EVERY)
    assert found.tolist() == [0, 0, bit, 0, 0, 0]


def test_nothing_else_is_carried():
    others = 0xFFFF & ~EVERY
    assert EVERY == 1 | 2 | 4 | 8 | 32 | 2048 | 4096 and others & CadenceFlag.MANUAL_EXCLUDE
    assert not carry(START, STOP, TIME, np.full(TIME.size, others), EVERY).any()


def test_scattered_light_is_carried_of_early_releases_alone():
    assert carried_bits(29) == EVERY and carried_bits(30) == EVERY & ~4096
    assert not carry(START, STOP, TIME, np.full(TIME.size, 4096), carried_bits(30)).any()


def test_a_cadence_on_the_border_belongs_where_most_of_it_lies():
    time = START[2] + np.array([-1, 1]) / DAY
    for cadence, exposure in ((0, 1), (1, 2)):
        quality = np.array([0, 0])
        quality[cadence] = 32
        assert np.flatnonzero(carry(START, STOP, time, quality, EVERY)).tolist() == [exposure]


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=40), st.integers(-40, 100))
def test_exposures_with_gaps_take_only_what_they_contain(quality, shift):
    start, stop = START[[0, 2, 5]], STOP[[0, 2, 5]]
    time = 1000.0 + (np.arange(len(quality)) + 0.5 + shift) * 120 / DAY
    found = carry(start, stop, time, quality, EVERY)
    for first, last, bits in zip(start, stop, found.tolist(), strict=True):
        inside = [value for value, at in zip(quality, time, strict=True) if first <= at < last]
        expected = 0
        for bit in (1, 2, 4, 8, 32, 2048, 4096):
            part = sum(bool(value & bit) for value in inside)
            expected |= bit * (part >= 1 if bit <= 32 else part >= max(len(inside) / 2, 1))
        assert bits == expected
