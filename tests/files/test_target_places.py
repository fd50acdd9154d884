"""Lists of stars by number or by place."""

import numpy as np
import pytest
from astropy.table import Table

from photometry.core.errors import InputBadError, InputMissingError
from photometry.files.target_places import read_targets


def text(path, *lines):
    path.write_text('\n'.join(lines) + '\n')
    return path


@pytest.mark.parametrize('lines', [['7', '3', '7'], ['TIC', '3', '7'],
                                   ['# mine', 'name,TIC,x', 'a,7,1', 'b,3,2']])
def test_numbers(tmp_path, lines):
    found = read_targets(text(tmp_path / 'a.csv', *lines))
    assert found.starid.tolist() == [3, 7] and found.places.shape == (0, 2)


def test_places(tmp_path):
    found = read_targets(text(tmp_path / 'b.csv', 'name,RAJ2000,DEJ2000,TIC', 'x,10.5,-20,1', 'y,-10,3.5,2',
                              'z,10.5,-20,3'))
    assert not found.starid.size
    assert found.places.tolist() == [[10.5, -20], [350, 3.5]]
    table = Table({'ra': np.array([10.5, 20.0]), 'dec': np.array([1.0, 2.0])})
    for name in ('a.fits', 'b.ecsv'):
        table.write(tmp_path / name)
        assert read_targets(tmp_path / name).places.tolist() == [[10.5, 1.0], [20.0, 2.0]]


@pytest.mark.parametrize(('lines', 'words'), [
    (['ra,dec', '10,'], 'every row needs a position'), (['ra,dec', '400,3'], 'is no place on the sky'),
    (['ra,TIC', '10,3'], 'no columns with positions'), (['x'], 'holds no TIC number'), ([''], 'holds no TIC'),
    (['ra,dec'], 'every row needs')])
def test_bad_lists_are_named(tmp_path, lines, words):
    with pytest.raises(InputBadError, match=words) as caught:
        read_targets(text(tmp_path / 'bad.csv', *lines))
    assert 'bad.csv' in str(caught.value)


def test_a_list_that_is_not_there(tmp_path):
    with pytest.raises(InputMissingError):
        read_targets(tmp_path / 'none.csv')
