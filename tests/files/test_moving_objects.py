"""Ephemerides of moving objects are read from tables of any make, and wrong ones are named."""

import numpy as np
import pytest
from astropy.table import Table

from photometry.core.errors import InputBadError, InputMissingError
from photometry.files.moving_objects import read_moving_objects

DAYS = np.arange(4.0)


def written(path, **columns):
    Table(columns).write(path, format='ascii.ecsv' if path.suffix == '.ecsv' else None)
    return path


@pytest.mark.parametrize(('word', 'zero'), [('JD', 2457000.0), ('datetime_jd', 2457000.0), ('mjd', 56999.5),
                                            ('BTJD', 0.0)])
@pytest.mark.parametrize('end', ['csv', 'ecsv', 'fits'])
def test_tables_of_any_make(tmp_path, word, zero, end):
    order = [5, 0, 7, 2, 1, 6, 3, 4]
    time = zero + 1437 + np.tile(DAYS, 2)
    columns = {'targetname': np.repeat(['1 Ceres', '4 Vesta'], 4)[order], word: time[order],
               'RA': np.arange(8.0)[order], 'DEC': -np.arange(8.0)[order]}
    found = read_moving_objects(written(tmp_path / f'a.{end}', **columns))
    assert [track.name for track in found.tracks] == ['1 Ceres', '4 Vesta']
    for first, track in zip((0, 4), found.tracks, strict=True):
        assert np.allclose(track.time, 1437 + DAYS) and np.allclose(track.ra, first + DAYS)
        assert np.allclose(track.dec, -first - DAYS)


def test_one_object_needs_no_name(tmp_path):
    found = read_moving_objects(written(tmp_path / 'a.csv', jd=2458437 + DAYS, ra=DAYS, dec=DAYS))
    assert len(found.tracks) == 1 and found.tracks[0].name == ''


@pytest.mark.parametrize(('columns', 'sentence'), [
    ({'ra': DAYS, 'dec': DAYS}, 'has no column with times; call it jd, mjd or btjd'),
    ({'jd': DAYS, 'dec': DAYS}, 'has no columns with positions'),
    ({'jd': DAYS, 'ra': DAYS, 'dec': DAYS + 300}, 'no place on the sky'),
    ({'jd': DAYS, 'ra': [1, 2, np.nan, 3], 'dec': DAYS}, 'a time and a place on the sky in every row'),
    ({'jd': ['a', 'b', 'c', 'd'], 'ra': DAYS, 'dec': DAYS}, 'does not hold numbers'),
    ({'jd': 10 * DAYS, 'ra': DAYS, 'dec': DAYS}, 'must be at most 2 d apart'),
    ({'jd': DAYS[:1], 'ra': DAYS[:1], 'dec': DAYS[:1]}, 'must be at most 2 d apart'),
    ({'jd': 0 * DAYS, 'ra': DAYS, 'dec': DAYS}, 'has two places at one time')])
def test_tables_that_tell_no_places(tmp_path, columns, sentence):
    with pytest.raises(InputBadError, match=sentence) as caught:
        read_moving_objects(written(tmp_path / 'a.csv', **columns))
    assert str(tmp_path / 'a.csv') in str(caught.value)


def test_a_table_that_is_not_there(tmp_path):
    with pytest.raises(InputMissingError):
        read_moving_objects(tmp_path / 'none.csv')
