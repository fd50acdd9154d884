"""The catalogue file: what is written is read, what was made elsewhere too, damage is named."""

import contextlib
import sqlite3

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.core.errors import IncompatibleError, InputBadError, InputMissingError, OutputError
from photometry.files import catalog, catalog_columns

INFO = catalog.CatalogInfo(5, 2, 3, '8', 2458400.5, 2018.8, 0.2, 80.0, -60.0,
                           '((1.0,2.0),(3.0,4.0),(5.0,6.0))')
NAME = 'catalog_sector005_camera2_ccd3.sqlite'


def make_stars(number=50, seed=1):
    rng = np.random.default_rng(seed)
    stars = np.zeros(number, dtype=[*catalog.STAR_DTYPE.descr, ('gaia', 'i8'), ('remark', 'U8')])
    for name in catalog.STAR_DTYPE.names[1:]:
        stars[name] = rng.normal(size=number)
    stars['teff'][::3] = np.nan
    stars['starid'] = rng.permutation(number) - 5
    stars['gaia'] = 6_000_000_000_000_000_001 + np.arange(number)
    stars['remark'] = 'a'
    return stars


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / NAME
    stars = make_stars()
    catalog.write_catalog(path, INFO, stars, provenance={'software': '1'})
    found = catalog.read_catalog(path)
    assert found.info == INFO == catalog.read_info(path)
    assert found.provenance == catalog.read_provenance(path) == {'schema': catalog.SCHEMA, 'software': '1'}
    expected = np.sort(stars, order='starid')
    for name in stars.dtype.names:
        assert np.array_equal(found.stars[name], expected[name], equal_nan=name == 'teff'), name
    assert found.index([-5, 44, 45, -6]).tolist() == [0, 49, -1, -1]
    assert [entry.name for entry in tmp_path.iterdir()] == [NAME]


def slowly(path):
    """The catalogue as its table has it."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(f'DROP TABLE {catalog_columns.TABLE}')
        for name, in database.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            database.execute(f'DROP TRIGGER {name}')
    return catalog.read_catalog(path)


@pytest.mark.parametrize('number', [0, 1, 50])
def test_the_copy_in_columns_is_the_table(tmp_path, number):
    path = tmp_path / NAME
    catalog.write_catalog(path, INFO, make_stars(number))
    quickly = catalog.read_catalog(path).stars
    table = slowly(path).stars
    assert quickly.dtype == table.dtype and quickly.tobytes() == table.tobytes()


@pytest.mark.parametrize('change', ['UPDATE catalog SET tmag = 7.5 WHERE starid = 3',
                                    'DELETE FROM catalog WHERE starid = 3',
                                    'INSERT INTO catalog (starid, tmag) VALUES (77, 7.5)'])
def test_a_changed_table_is_read_as_it_is_now(tmp_path, change):
    path = tmp_path / NAME
    catalog.write_catalog(path, INFO, make_stars())
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(change)
    changed = catalog.read_catalog(path).stars
    assert changed.tobytes() != np.sort(make_stars(), order='starid').tobytes()
    assert changed.tobytes() == slowly(path).stars.tobytes()
    assert ('UPDATE' in change) == (len(changed) == 50)


@pytest.mark.parametrize('damage', ["data = zeroblob(16) WHERE name = 'ra'", "data = NULL WHERE name = 'ra'",
                                    "data = zeroblob(3) WHERE name = 'ra'", "dtype = '|O'", "dtype = 7",
                                    "data = 'text'"])
def test_a_damaged_copy_is_refused(tmp_path, damage):
    path = tmp_path / NAME
    catalog.write_catalog(path, INFO, make_stars())
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute(f'UPDATE {catalog_columns.TABLE} SET {damage}')
    with pytest.raises(InputBadError, match='make it again'):
        catalog.read_catalog(path)


def test_one_star(tmp_path):
    path = tmp_path / NAME
    stars = make_stars()
    catalog.write_catalog(path, INFO, stars)
    star = catalog.read_star(path, 7)
    expected = stars[stars['starid'] == 7][0]
    assert star['starid'] == 7 and star['ra'] == expected['ra'] and star['gaia'] == expected['gaia']
    assert catalog.read_star(path, 1000) is None


def test_no_stars(tmp_path):
    path = tmp_path / NAME
    catalog.write_catalog(path, INFO, make_stars(0))
    found = catalog.read_catalog(path)
    assert found.stars.size == 0 and found.index([3]).tolist() == [-1]
    assert set(catalog.STAR_DTYPE.names) <= set(found.stars.dtype.names)


def test_nothing_is_replaced_unasked(tmp_path):
    path = tmp_path / NAME
    catalog.write_catalog(path, INFO, make_stars(3))
    with pytest.raises(OutputError, match='--overwrite'):
        catalog.write_catalog(path, INFO, make_stars(4))
    catalog.write_catalog(path, INFO, make_stars(4), overwrite=True)
    assert catalog.read_catalog(path).stars.size == 4
    with pytest.raises(OutputError, match='Cannot write'):
        catalog.write_catalog(tmp_path / 'none' / NAME, INFO, make_stars(4))


def test_same_stars_same_bytes(tmp_path):
    first, second = tmp_path / 'a.sqlite', tmp_path / 'b.sqlite'
    catalog.write_catalog(first, INFO, make_stars())
    catalog.write_catalog(second, INFO, make_stars()[::-1])
    assert first.read_bytes() == second.read_bytes()


def test_bad_stars_are_refused(tmp_path):
    stars = make_stars(4)
    with pytest.raises(ValueError, match='tmag'):
        catalog.write_catalog(tmp_path / NAME, INFO, stars[['starid', 'ra', 'decl', 'ra_J2000', 'decl_J2000',
                                                            'pm_ra', 'pm_decl', 'teff']])
    stars['starid'] = 3
    with pytest.raises(ValueError, match='twice'):
        catalog.write_catalog(tmp_path / NAME, INFO, stars)
    assert not list(tmp_path.iterdir())


def established(path, *, drop=None, rows=3, settings_rows=1):
    """A catalogue as other software makes them: no version, its own column order and indexes."""
    with contextlib.closing(sqlite3.connect(path)) as database, database:
        database.execute('CREATE TABLE settings (sector INT, reference_time REAL, epoch REAL, '
                         'coord_buffer DOUBLE PRECISION, camera SMALLINT, ccd SMALLINT, '
                         'camera_centre_ra REAL, camera_centre_dec REAL, footprint TEXT, ticver TEXT)')
        for _ in range(settings_rows):
            database.execute("INSERT INTO settings VALUES (5, 2458400.5, 2018.8, 0.2, 2, 3, 80, -60, '', 7)")
        names = [name for name in ('starid', 'ra', 'decl', 'ra_J2000', 'decl_J2000', 'pm_ra', 'pm_decl',
                                   'tmag', 'teff') if name != drop]
        kinds = ['starid BIGINT PRIMARY KEY NOT NULL' if n == 'starid' else f'{n} DOUBLE' for n in names]
        database.execute(f'CREATE TABLE catalog ({", ".join(kinds)})')
        for row in range(rows):
            values = [100 - row if name == 'starid' else None if name == 'teff' else row for name in names]
            database.execute(f'INSERT INTO catalog VALUES ({", ".join("?" * len(names))})', values)
    database.close()


def test_made_elsewhere_without_a_version(tmp_path):
    path = tmp_path / NAME
    established(path)
    found = catalog.read_catalog(path)
    assert found.provenance == {} and found.info.ticver == '7' and found.info.ccd_key == (5, 2, 3)
    assert found.stars['starid'].tolist() == [98, 99, 100]
    assert np.isnan(found.stars['teff']).all() and found.stars['tmag'].tolist() == [2, 1, 0]
    assert catalog.read_star(path, 99)['tmag'] == 1


@pytest.mark.parametrize(('faults', 'message'), [
    ({'drop': 'decl'}, 'no column decl'), ({'settings_rows': 0}, 'one row'),
    ({'settings_rows': 2}, 'one row')])
def test_other_columns_are_refused(tmp_path, faults, message):
    established(tmp_path / NAME, **faults)
    with pytest.raises(InputBadError, match=f'{NAME}.*{message}'):
        catalog.read_catalog(tmp_path / NAME)


def test_text_where_numbers_belong(tmp_path):
    established(tmp_path / NAME)
    with contextlib.closing(sqlite3.connect(tmp_path / NAME)) as database, database:
        database.execute("UPDATE catalog SET ra = 'twelve' WHERE starid = 99")
    database.close()
    with pytest.raises(InputBadError, match='twelve'):
        catalog.read_catalog(tmp_path / NAME)


def test_a_view_is_no_table(tmp_path):
    established(tmp_path / NAME)
    with contextlib.closing(sqlite3.connect(tmp_path / NAME)) as database, database:
        database.execute('ALTER TABLE catalog RENAME TO other')
        database.execute('CREATE VIEW catalog AS SELECT * FROM other')
    database.close()
    with pytest.raises(InputBadError, match='no table catalog'):
        catalog.read_catalog(tmp_path / NAME)


def test_another_ccd_than_the_name_says(tmp_path):
    path = tmp_path / 'catalog_sector005_camera2_ccd4.sqlite'
    established(path)
    with pytest.raises(InputBadError, match='sector 5, camera 2, CCD 3'):
        catalog.read_catalog(path)


def test_newer_schema(tmp_path):
    catalog.write_catalog(tmp_path / NAME, INFO, make_stars(3), provenance={'schema': '2.0'})
    with pytest.raises(IncompatibleError, match='update tessphot'):
        catalog.read_catalog(tmp_path / NAME)


def test_damage_is_named(tmp_path):
    path = tmp_path / NAME
    with pytest.raises(InputMissingError, match='run_make_catalog'):
        catalog.read_catalog(path)
    catalog.write_catalog(path, INFO, make_stars(2000))
    content = path.read_bytes()
    for damaged in (b'', b'garbage' * 1000, content[:len(content) // 2], content[:4096] + bytes(8192)):
        path.write_bytes(damaged)
        for reader in (catalog.read_catalog, catalog.read_info, lambda p: catalog.read_star(p, 4)):
            try:
                reader(path)
            except InputBadError as error:
                assert NAME in str(error) and '--overwrite' in str(error)
            else:
                assert reader is not catalog.read_catalog


@settings(max_examples=30, deadline=None)
@given(place=st.integers(0, 10 ** 6), value=st.integers(0, 255))
def test_a_flipped_byte_never_escapes(tmp_path_factory, place, value):
    path = tmp_path_factory.mktemp('flip') / NAME
    catalog.write_catalog(path, INFO, make_stars(200))
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(content)
    try:
        catalog.read_catalog(path)
    except (InputBadError, IncompatibleError):
        pass


def test_footprint_text():
    polygon = np.array([[359.9, -1.0], [0.1, -1.0], [0.1, 1.0]])
    assert catalog.footprint_text([polygon]) == ('((359.900000,-1.000000),(0.100000,-1.000000),'
                                                 '(0.100000,1.000000))')
    assert catalog.footprint_text([polygon, polygon]).count(';') == 1
