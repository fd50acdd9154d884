"""The catalogue source `table`: which stars, at which epoch, under which numbers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.algorithms.sky import Region, move
from photometry.catalogs.base import CatalogSource
from photometry.catalogs.table import TableCatalog
from photometry.core import plugins
from photometry.core.coordinates import angular_distance
from photometry.core.errors import InputBadError, InputMissingError, UsageError
from photometry.files.catalog import STAR_DTYPE


def table(path, rows, names='ID,ra,dec,pmra,pmdec,Tmag'):
    path.write_text('\n'.join([names, *(','.join(str(value) for value in row) for row in rows)]) + '\n')
    return path


def box(ra, dec, half):
    """A square outline around a place, its sides along the sky's axes there."""
    width = half / np.cos(np.deg2rad(dec))
    return np.array([[ra - width, dec - half], [ra + width, dec - half],
                     [ra + width, dec + half], [ra - width, dec + half]])


def test_is_registered():
    assert plugins.load(plugins.CATALOGS, 'table') is TableCatalog
    assert issubclass(TableCatalog, CatalogSource) and TableCatalog.name == 'table'


def test_rows_of_the_catalogue(tmp_path):
    path = table(tmp_path / 't.csv', [(7, 10, 20, 0, 0, 9), (3, 10.1, 20, 100, -50, 12),
                                       (5, 30, 20, 0, 0, 9)])
    stars = TableCatalog(path).stars(Region((box(10, 20, 1),), 0.1), 2018.5, 16)
    assert stars.dtype.names == (*STAR_DTYPE.names, 'gaia')
    assert stars['starid'].tolist() == [3, 7] and np.isnan(stars['teff']).all()
    assert stars['ra_J2000'][0] == pytest.approx(10.1) and stars['decl_J2000'][0] == pytest.approx(20)
    years = 18.5
    assert stars['decl'][0] == pytest.approx(20 - 50 * years / 3.6e6, abs=1e-9)
    assert stars['ra'][0] == pytest.approx(10.1 + 100 * years / 3.6e6 / np.cos(np.deg2rad(20)), abs=1e-8)
    assert stars['ra'][1] == pytest.approx(10)


def test_other_epochs_meet_at_2000(tmp_path):
    names = 'source_id,ra,dec,pmra,pmdec,ref_epoch,phot_g_mean_mag'
    path = table(tmp_path / 't.csv', [(12, 10, 20, 3600, 0, 2016, 9)], names)
    stars = TableCatalog(path).stars(Region((box(10, 20, 1),)), 2026.0, 16)
    degree = 1 / np.cos(np.deg2rad(20)) / 1000
    assert stars['ra'][0] == pytest.approx(10 + 10 * degree, abs=1e-6)
    assert stars['ra_J2000'][0] == pytest.approx(10 - 16 * degree, abs=1e-6)
    assert stars['starid'][0] == -1 and stars['gaia'][0] == 12


def test_a_fast_star_is_judged_where_it_is(tmp_path):
    # It moves by 0.18 deg in 60 years, out of one field and into another.
    path = table(tmp_path / 't.csv', [(1, 10.0, 0.0, 0, 10800, 9), (2, 10.0, 0.05, 0, 0, 9)])
    source = TableCatalog(path)
    assert source.stars(Region((box(10, 0, 0.1),)), 2000.0, 16)['starid'].tolist() == [1, 2]
    assert source.stars(Region((box(10, 0, 0.1),)), 2060.0, 16)['starid'].tolist() == [2]


@settings(max_examples=60, deadline=None)
@given(st.floats(0, 360), st.floats(-89.9, 89.9), st.integers(0, 2 ** 32))
def test_rim_is_right_anywhere(tmp_path_factory, ra, dec, seed):
    """All stars within the radius of a small field, whatever RA and the poles do."""
    rng = np.random.default_rng(seed)
    angle, distance = rng.uniform(0, 2 * np.pi, 40), rng.uniform(0, 1, 40)
    places = move(np.full(40, ra), np.full(40, dec), 3.6e6 * distance * np.cos(angle),
                  3.6e6 * distance * np.sin(angle), 1.0)
    path = table(tmp_path_factory.mktemp('rim') / 't.csv',
                 [(k + 1, right, up, 0, 0, 9) for k, (right, up) in enumerate(zip(*places, strict=True))])
    corners = move(np.full(4, ra), np.full(4, dec), [3.6, 3.6, -3.6, -3.6], [3.6, -3.6, -3.6, 3.6], 1.0)
    region = Region((np.column_stack(corners),), 0.5)
    away = angular_distance(ra, dec, *places)
    expected = np.flatnonzero(away < 0.5) + 1
    doubtful = set((np.flatnonzero(abs(away - 0.5) < 1e-5) + 1).tolist())
    if not expected.size:
        return
    found = TableCatalog(path).stars(region, 2000.0, 16)['starid'].tolist()
    assert set(found) - doubtful == set(expected.tolist()) - doubtful


def test_nothing_there_is_named(tmp_path):
    path = table(tmp_path / 't.csv', [(1, 10, 20, 0, 0, 14)])
    region = Region((box(10, 20, 1),))
    with pytest.raises(InputBadError, match='t.csv has no star on sector 5, camera 1, CCD 2.*degrees'):
        TableCatalog(path).stars(Region((box(60, 20, 1),)), 2018, 16, 'sector 5, camera 1, CCD 2')
    with pytest.raises(InputBadError, match='none of 1 stars .* --faint-limit'):
        TableCatalog(path).stars(region, 2018, 12)
    with pytest.raises(UsageError, match='--catalog'):
        TableCatalog()
    with pytest.raises(InputMissingError, match='does not exist'):
        TableCatalog(tmp_path / 'none')


def test_manifest(tmp_path):
    path = table(tmp_path / 't.csv', [(1, 10, 20, 0, 0, 14)])
    entry, = TableCatalog(path).inputs(None)
    assert (entry.name, entry.size) == ('t.csv', path.stat().st_size) and len(entry.datasum) == 64
    table(path, [(1, 10, 20, 0, 0, 15)])
    assert TableCatalog(path).inputs(None)[0].datasum != entry.datasum
