"""The small tables tell what the list was made of."""

import numpy as np
import pytest
from report_data import stars

from photometry.report import tallies
from photometry.report.stars import Stars


@pytest.fixture
def listed():
    return stars(6, status=['ok', 'error', 'error', 'warning', 'error', 'waiting'], ccd=[1, 1, 2, 2, 2, 2],
                 reason=[None, 'no_flux', 'timeout', None, 'no_flux', None],
                 errors=[None, 'No light.', 'Late.', None, 'No light either.', None],
                 method_used=['linpsf', '', '', 'halo', '', None],
                 elaptime=[1.0, 2.0, 3.0, 10.0, 4.0, None], worker_wait_time=[0.5] * 5 + [None])


def test_statuses_of_each_ccd_and_method(listed):
    assert tallies.statuses(listed) == ['ok', 'warning', 'error', 'waiting']
    assert tallies.by_group(listed) == [((1, 1, 1, 1800), 2, {'ok': 1, 'error': 1}),
                                        ((1, 1, 2, 1800), 4, {'error': 2, 'warning': 1, 'waiting': 1})]
    assert tallies.by_method(listed)[0] == ('', 4, {'error': 3, 'waiting': 1})


def test_failures_by_reason(listed):
    assert tallies.failures(listed) == [
        {'reason': 'no_flux', 'number': 2, 'sentence': 'No light.', 'stars': [(2, 'TIC 12'), (5, 'TIC 15')]},
        {'reason': 'timeout', 'number': 1, 'sentence': 'Late.', 'stars': [(3, 'TIC 13')]}]


def test_many_failures_are_not_all_linked():
    number = tallies.LINKED + 5
    [one] = tallies.failures(stars(number, status=['error'] * number, reason=['io'] * number))
    assert one['number'] == number and len(one['stars']) == tallies.LINKED


def test_time(listed):
    assert [(one['method'], one['stars'], one['total']) for one in tallies.times(listed)] == [
        ('halo', 1, 10.0), ('', 3, 9.0), ('linpsf', 1, 1.0)]
    assert tallies.throughput(listed) == {'stars': 5, 'spent': 20.0, 'waited': 2.5, 'a_second': 5 / 22.5}
    assert tallies.throughput(stars(2)) is None


@pytest.mark.parametrize(('seconds', 'words'), [
    (0.00123, '1.23 ms'), (0.5, '0.5 s'), (179, '179 s'), (180, '3 min'), (7200, '120 min'), (10800, '3 h'),
    (400_000, '4.63 d')])
def test_durations(seconds, words):
    assert tallies.duration(seconds) == words


def test_stars_come_in_the_order_of_the_list_and_groups_hold_all():
    parts = [{name: values.tolist() for name, values in stars(4).columns.items()} for _ in range(2)]
    parts[0] |= {'priority': [8, 6, 4, 2], 'ccd': [3, 1, 3, 1]}
    parts[1] |= {'priority': [7, 5, 3, 1]}
    joined = Stars.of_parts(parts)
    assert joined['priority'].tolist() == list(range(1, 9))
    assert np.array_equal(np.sort(np.concatenate(list(joined.groups.values()))), np.arange(8))
    assert all(set(joined['ccd'][index]) == {key[2]} for key, index in joined.groups.items())
