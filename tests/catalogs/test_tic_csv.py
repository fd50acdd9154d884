"""The catalogue source `tic-csv`: strips of declination as MAST offers them for download."""

import csv
import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.algorithms.sky import Region
from photometry.catalogs.tic_csv import TicCsvCatalog
from photometry.core import plugins
from photometry.core.errors import InputBadError, InputMissingError, UsageError
from photometry.files import tic_strips
from photometry.programs import make_catalog

ROWS = Path(__file__).parent.parent / 'input' / 'catalogs' / 'tic82_rows.csv'
"""206 rows of TIC 8.2 around RA 137.2, Dec -15.3."""


def row(starid, ra, dec, tmag=10.0, **more):
    """A line of a strip."""
    fields = [''] * tic_strips.COLUMNS
    for name, value in {'ID': starid, 'ra': ra, 'dec': dec, 'Tmag': tmag, 'objType': 'STAR', **more}.items():
        fields[tic_strips.WANTED[name] - 1] = str(value)
    return ','.join(fields)


def strip(folder, name, *rows):
    """A strip in a directory, gzipped as its name says."""
    folder.mkdir(exist_ok=True)
    content = ''.join(line + '\n' for line in rows).encode()
    (folder / name).write_bytes(gzip.compress(content) if name.endswith('.gz') else content)
    return folder


def square(ra, dec, half=1.0):
    return np.array([[ra - half, dec - half], [ra + half, dec - half], [ra + half, dec + half],
                     [ra - half, dec + half]])


def tangents(ra, dec):
    """Unit vectors to a place, to the east and to the north there."""
    ra, dec = np.deg2rad([ra, dec])
    return np.array([[np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)],
                     [-np.sin(ra), np.cos(ra), 0.0],
                     [-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)]])


def places(frame, east, north):
    """Right ascensions and declinations of places in a tangent plane, deg."""
    centre, right, up = frame
    found = centre + np.deg2rad(east)[:, None] * right + np.deg2rad(north)[:, None] * up
    found /= np.linalg.norm(found, axis=1, keepdims=True)
    return np.rad2deg(np.arctan2(found[:, 1], found[:, 0])), np.rad2deg(np.arcsin(found[:, 2]))


def region(ra=10.0, dec=5.0, half=1.0, buffer=0.1):
    return Region((square(ra, dec, half),), buffer)


@pytest.fixture
def two(tmp_path):
    """Two strips on both sides of declination 5, and one far off that nobody can read."""
    folder = strip(tmp_path / 'tic', 'tic_dec03_00N__05_00N.csv.gz', row(3, 10.1, 4.5, pmRA=100, pmDEC=-50),
                   row(9, 40.0, 4.5), row(8, 10.0, 4.6, 19.0))
    strip(folder, 'tic_dec05_00N__07_00N.csv', row(5, 10.2, 5.5, 12.5, GAIA=6000000000000000001, Teff=5800))
    (folder / 'tic_dec40_00S__38_00S.csv.gz').write_bytes(b'no gzip')
    return folder


def test_is_registered():
    assert plugins.load(plugins.CATALOGS, 'tic-csv') is TicCsvCatalog


def test_a_region_across_two_strips(two):
    source = TicCsvCatalog(two)
    stars = source.stars(region(), 2018.5, 16.0)
    assert stars['starid'].tolist() == [3, 5] and stars['gaia'].tolist() == [0, 6000000000000000001]
    assert stars['tmag'].tolist() == [10.0, 12.5] and stars['teff'][1] == 5800
    assert stars['decl'][0] == pytest.approx(4.5 - 50 * 18.5 / 3.6e6, abs=1e-9)
    assert stars['pm_ra'][0] == 100 and np.isnan(stars['pm_ra'][1])
    assert [entry.name for entry in source.inputs(region())] == [
        'tic_dec03_00N__05_00N.csv.gz', 'tic_dec05_00N__07_00N.csv']


def test_only_strips_that_the_region_touches_are_read(two):
    stars = TicCsvCatalog(two).stars(region(dec=5.8, half=0.5), 2020, 16)
    assert stars['starid'].tolist() == [5]
    (two / 'tic_dec03_00N__05_00N.csv.gz').write_bytes(b'no gzip')
    assert TicCsvCatalog(two).stars(region(dec=5.8, half=0.5), 2020, 16)['starid'].tolist() == [5]


def test_strips_that_lack_are_named(two):
    with pytest.raises(InputMissingError, match=r'lacks the strips of declination \+7 to \+8 deg') as caught:
        TicCsvCatalog(two).query(region(dec=6.5), 16)
    assert caught.value.exit_code == 4
    with pytest.raises(InputMissingError, match=r'declination -1 to \+3 deg'):
        TicCsvCatalog(two).inputs(region(dec=2.5, half=2.5))


def test_all_rows_of_the_catalogue_come_through_with_their_types(tmp_path):
    """With the line of names that MAST writes for queries, and without it as in the strips."""
    lines = ROWS.read_text().splitlines()
    named = strip(tmp_path / 'a', 'tic_dec18_00S__12_00S.csv', *lines)
    plain = strip(tmp_path / 'b', 'tic_dec18_00S__12_00S.csv.gz', *lines[1:])
    truth = [line for line in csv.DictReader(lines) if line['disposition'] in ('', '0')]
    around = region(137.2, -15.3, 1.2, buffer=1.0)
    for folder in (named, plain):
        stars = TicCsvCatalog(folder).stars(around, 2000.0, 30)
        assert len(stars) == len(truth) == 203
        for star, line in zip(stars, sorted(truth, key=lambda line: int(line['id'])), strict=True):
            assert star['starid'] == int(line['id']) and star['gaia'] == int(line['gaia'] or 0)
            for name, column in (('ra', 'ra'), ('decl', 'dec'), ('tmag', 'tmag'), ('pm_ra', 'pmra'),
                                 ('pm_decl', 'pmdec'), ('teff', 'teff')):
                expected = float(line[column] or 'nan')
                assert star[name] == pytest.approx(expected, rel=1e-7, abs=1e-9, nan_ok=True), column


def test_rules_of_the_tic(tmp_path, caplog):
    folder = strip(tmp_path / 'tic', 'tic_dec04_00N__06_00N.csv.gz', row(1, 10, 5), row(2, 10, 5, tmag=''),
                   row(3, 10, 5, disposition='DUPLICATE'), row(4, 10, 5, disposition='ARTIFACT'),
                   row(5, 10, 5, objType='EXTENDED'), row(6, 10, 5, disposition='SPLIT'), row(1, 10, 5))
    stars = TicCsvCatalog(folder).stars(region(half=0.4, buffer=0.0), 2020, 16)
    assert stars['starid'].tolist() == [1]
    for words in ('1 of 7 rows left out, without a magnitude', '1 of 7 rows left out, of extended objects',
                  'with disposition ARTIFACT', 'with disposition DUPLICATE', 'with disposition SPLIT',
                  'repeated'):
        assert words in caplog.text


def test_a_fast_star_outside_of_the_region_enters_it(tmp_path):
    folder = strip(tmp_path / 'tic', 'tic_dec04_00N__06_00N.csv', row(1, 10, 4.55, pmDEC=10300),
                   row(2, 10, 5.45, pmDEC=10300))
    stars = TicCsvCatalog(folder).stars(region(half=0.4, buffer=0.0), 2026, 16)
    assert stars['starid'].tolist() == [1]


@pytest.mark.parametrize(('content', 'words'), [
    (b'', 'columns, not the 125'), (b'1,2,3\n', '3 columns, not the 125'),
    (b'ID,ra,dec,Tmag\n1,10,5,9\n', 'lacks the column'),
    ((row(1, 10, 5) + '\n' + row(2, 10, 5)[:40] + '\n').encode(), 'cannot be used'),
    ((row('x', 10, 5) + '\n').encode(), 'cannot be used'),
    ((row(1, 'x', 5) + '\n').encode(), 'cannot be used'),
    (b'\0' * 5000, 'cannot be used'), (b'\x89HDF\r\n\x1a\n' + bytes(range(256)) * 9, 'cannot be used'),
    ((row(1, 10, 5, disposition='x' * (2 * tic_strips.BLOCK)) + '\n').encode(), 'cannot be used'),
    (gzip.compress((row(1, 10, 5) + '\n').encode() * 5000)[:-200], 'cannot be used'),
    (b'\x1f\x8b' + b'no gzip' * 99, 'cannot be used')])
def test_bad_strips_are_named(tmp_path, content, words):
    folder = tmp_path / 'tic'
    folder.mkdir()
    path = folder / 'tic_dec04_00N__06_00N.csv.gz'
    path.write_bytes(content)
    with pytest.raises(InputBadError, match=words) as caught:
        TicCsvCatalog(folder).query(region(half=0.5), 16)
    assert str(path) in str(caught.value) and caught.value.exit_code == 4


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=600))
def test_whatever_lies_in_a_strip_ends_in_a_sentence(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp('tic')
    (folder / 'tic_dec04_00N__06_00N.csv').write_bytes(content)
    with pytest.raises(InputBadError):
        TicCsvCatalog(folder).query(region(half=0.5), 16)


def test_places_without_strips(tmp_path):
    with pytest.raises(UsageError, match='needs --catalog'):
        TicCsvCatalog()
    with pytest.raises(InputMissingError, match='holds no strip'):
        TicCsvCatalog(tmp_path)
    with pytest.raises(InputMissingError, match='holds no strip'):
        TicCsvCatalog(tmp_path / 'none')
    strip(tmp_path / 'tic', 'tic_dec04_00N__06_00N.csv', row(1, 10, 5, 19))
    with pytest.raises(InputBadError, match='no star brighter than Tmag 16'):
        TicCsvCatalog(tmp_path / 'tic').query(region(half=0.5), 16)


def test_a_file_of_any_name_is_of_the_whole_sky(tmp_path):
    strip(tmp_path, 'mine.csv', row(1, 10, 5), row(2, 10, -85))
    assert TicCsvCatalog(tmp_path / 'mine.csv').stars(region(), 2020, 16)['starid'].tolist() == [1]


@pytest.mark.parametrize(('name', 'limits'), [
    ('tic_dec28_00S__26_00S.csv.gz', (-28, -26)), ('tic_dec00_00N__02_00N.csv', (0, 2)),
    ('tic_dec02_00S__00_00N.csv.gz', (-2, 0)), ('tic_dec90_00S__88_30S.csv.gz', (-90, -88.5))])
def test_names_of_strips(tmp_path, name, limits):
    (tmp_path / name).touch()
    (tmp_path / 'tic_dec_other.csv.gz').touch()
    found, = tic_strips.find_strips(tmp_path)
    assert (found.low, found.high) == limits and tic_strips.is_strip(tmp_path / name)


def test_memory_does_not_grow_with_the_strip(tmp_path):
    """What is kept is the stars of the region, whatever there is beside them."""
    lines = ''.join(row(number, 200 + number / 1e4, 5.0) + '\n' for number in range(2000)).encode()
    path = strip(tmp_path / 'tic', 'tic_dec04_00N__06_00N.csv.gz') / 'tic_dec04_00N__06_00N.csv.gz'
    path.write_bytes(gzip.compress(lines * 60 + (row(1, 10, 5) + '\n').encode()))
    before = pyarrow.default_memory_pool().max_memory()
    tracemalloc.start()
    try:
        found, rows = tic_strips.read_strip(path, lambda ra, dec, tmag: ra < 20)
        peak = tracemalloc.get_traced_memory()[1] + pyarrow.default_memory_pool().max_memory() - before
    finally:
        tracemalloc.stop()
    assert rows == 120_001 and found.columns['ID'].tolist() == [1]
    assert peak < 12 * tic_strips.BLOCK


@settings(max_examples=100, deadline=None)
@given(st.floats(0, 360), st.floats(-90, 90), st.floats(0.1, 9), st.floats(0, 1), st.integers(0, 2 ** 32))
def test_no_place_of_a_region_lies_beyond_its_declinations(ra, dec, half, buffer, seed):
    random, turn = np.random.default_rng(seed), np.deg2rad(np.array([0.0, 90.0, 180.0, 270.0]) + seed % 90)
    frame = tangents(ra, dec)
    here = Region((np.stack(places(frame, half * np.cos(turn), half * np.sin(turn)), axis=1),), buffer)
    low, high = here.declinations()
    right, decs = places(frame, *random.uniform(-1, 1, (2, 400)) * (1.6 * half + buffer))
    inside = here.contains(right, decs)
    assert (decs[inside] >= low).all() and (decs[inside] <= high).all()


def test_the_program_takes_a_directory_or_finds_the_strips(tmp_path, capsys):
    data = strip(tmp_path / 'data', 'tic_dec16_00S__14_00S.csv.gz', *ROWS.read_text().splitlines()[1:])
    for low in range(-34, 0, 2):
        if low != -16:
            strip(data, f'tic_dec{-low:02d}_00S__{-low - 2:02d}_00S.csv.gz', row(1 - low, 0, low + 1))
    words = ['89', str(data), '--camera', '1', '--ccd', '1', '--overwrite']
    assert make_catalog.main(words) == 0
    assert 'Stars come from the strips of the TIC' in capsys.readouterr().err
    found, = data.glob('catalog_*')
    first = found.read_bytes()
    assert make_catalog.main([*words, '--catalog', str(data)]) == 0 and len(found.read_bytes()) == len(first)
    assert make_catalog.main([*words, '--source', 'tic-csv']) == 2
    assert 'needs --catalog' in capsys.readouterr().err
