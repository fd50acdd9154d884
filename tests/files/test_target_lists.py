"""Lists of targets: numbers, positions, and files that are neither."""

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from astropy.table import Table
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from photometry.core import starids
from photometry.core.errors import InputBadError, InputMissingError
from photometry.files.targets import read_targets


def write(tmp_path, text):
    path = tmp_path / 'targets.csv'
    path.write_text(text)
    return path


@pytest.mark.parametrize('text', [
    '5\n2\n5\n', 'TIC 5\n# nothing\nTIC 2\n', 'Name,TIC\na,2\nb,TIC 5\n', 'id;tmag\n5;10\n2;11\n',
    '5,10.3\n2,9\n'])
def test_numbers(tmp_path, text):
    found = read_targets(write(tmp_path, text))
    assert found.starid.tolist() == [2, 5] and np.isnan(found.ra).all() and np.isnan(found.dec).all()
    assert found.words(1) == 'TIC 5'


@pytest.mark.parametrize('text', [
    'ra,dec\n350,-5.25\n10.5,20\n10.5,20\n', 'Name,RA_J2000,DEC_J2000\nx,-10,-5.25\ny,10.5,20\n',
    'decl;ra\n20;10.5\n-5.25;350\n'])
def test_positions(tmp_path, text):
    found = read_targets(write(tmp_path, text))
    assert found.starid.tolist() == [0, 0]
    assert found.ra.tolist() == [10.5, 350.0] and found.dec.tolist() == [20.0, -5.25]
    assert found.words(1) == 'RA 350.00000, Dec -5.25000'


def test_numbers_and_positions_together(tmp_path):
    """A number decides where there is one, and its place is kept."""
    found = read_targets(write(tmp_path, 'TIC,ra,dec\n7,10,10\n,20,-20\n7,,\n8,,\n'))
    assert found.starid.tolist() == [0, 7, 8]
    assert found.places == ((20.0, -20.0), (10.0, 10.0)) and found.numbers_without_place == (8,)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.one_of(st.text(max_size=60), st.integers().map(str), st.binary(max_size=60),
                 st.lists(st.text('0123456789.,-+eE raTIC', max_size=12), max_size=4).map(
                     lambda lines: '\n'.join(['TIC,ra,dec', *lines]))))
@example('9' * 5000)
@example('"' + 'x' * 200_000)
@example('ra,dec\n1e308,1e308\n')
@example('ra,dec\nnan,nan\n')
def test_any_file_is_a_list_or_a_named_error(tmp_path, content):
    listed = tmp_path / 'wild.txt'
    listed.write_bytes(content if isinstance(content, bytes) else content.encode('utf-8', 'surrogatepass'))
    try:
        found = read_targets(listed)
    except InputBadError as error:
        assert str(listed) in str(error)
    else:
        positions = found.starid == 0
        assert found.starid.size and all(map(starids.is_possible, found.starid[~positions].tolist()))
        assert (abs(found.dec[positions]) <= 90).all() and np.isfinite(found.ra[positions]).all()


@pytest.mark.parametrize(('text', 'match'), [
    ('1\n2\n1e3\n', "Line 3 .* '1E3'"), ('-1x\n', 'Line 1'), ('9223372036854775808\n', 'Line 1'),
    ('../../etc/passwd\n', 'Line 1'), ('# nothing\n', 'no TIC number'), ('TIC\n\n\x00\n', 'Line 3'),
    ('0\n', 'Line 1'), ('ra,dec\n', 'no TIC number and no position'), ('ra,dec\n10:30:00,5\n', 'in degrees'),
    ('ra,dec\n10,95\n', "Line 2 .* '10', '95'"), ('ra,dec\n10\n', "'10', ''"),
    ('TIC,ra,dec\n,,\n', 'Line 2')])
def test_lists_that_are_none(tmp_path, text, match):
    with pytest.raises(InputBadError, match=match):
        read_targets(write(tmp_path, text))
    with pytest.raises(InputMissingError):
        read_targets(tmp_path / 'none')


@pytest.mark.parametrize('name', ['a.fits', 'a.ecsv', 'a.parquet'])
def test_tables_that_say_what_their_columns_are(tmp_path, name):
    table = Table({'TIC': np.array([7, 0, 0]), 'RAJ2000': np.array([10.5, -20.0, 340.0]),
                   'DEJ2000': np.array([1.0, 2.0, 2.0]), 'note': ['a', 'b', 'c']})
    if name.endswith('parquet'):
        pyarrow.parquet.write_table(pyarrow.table({key: table[key].tolist() for key in table.colnames}),
                                    tmp_path / name)
    else:
        table.write(tmp_path / name)
    found = read_targets(tmp_path / name)
    assert found.starid.tolist() == [0, 7] and found.places == ((340.0, 2.0), (10.5, 1.0))
    assert found.numbers_without_place == ()


def test_tables_without_a_star(tmp_path):
    Table({'TIC': np.array([7, 0])}).write(tmp_path / 'a.ecsv')
    with pytest.raises(InputBadError, match='Row 2 of .*a.ecsv holds neither a TIC number nor a position'):
        read_targets(tmp_path / 'a.ecsv')
    Table({'flux': np.array([7.0])}).write(tmp_path / 'b.ecsv')
    with pytest.raises(InputBadError, match='b.ecsv'):
        read_targets(tmp_path / 'b.ecsv')
