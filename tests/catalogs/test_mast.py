"""The catalogue source `mast`: rows of the TIC in pages of cones, from a server that is not always well."""

import gc
import json

import archive_stubs
import numpy as np
import pytest
from archive_stubs import Mast, real_rows, tic_row
from http_stub import PAGE, Reply
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photometry.algorithms.sky import Region
from photometry.catalogs.mast import MastCatalog
from photometry.core import plugins
from photometry.core.errors import ArchiveError, InputBadError, UsageError
from photometry.files import tic_service

INVOKE = '/api/v0/invoke'


def square(ra, dec, half):
    return np.array([[ra - half, dec - half], [ra + half, dec - half], [ra + half, dec + half],
                     [ra - half, dec + half]])


def region(ra=137.2, dec=-15.7, half=0.55, buffer=0.1):
    return Region((square(ra, dec, half),), buffer)


@pytest.fixture
def source(stub, tmp_path):
    stub.routes[INVOKE] = Mast(real_rows())
    return MastCatalog(archive_stubs.archives(tmp_path / 'queries', stub))


def again(source):
    """The same source in a new process."""
    return MastCatalog(source.archives)


def test_is_registered_and_takes_no_path(source):
    assert plugins.load(plugins.CATALOGS, 'mast') is MastCatalog
    with pytest.raises(UsageError, match='leave out --catalog'):
        MastCatalog.opened('stars.csv', source.archives)
    assert MastCatalog.opened(None, source.archives).archives is source.archives


def test_all_rows_come_through(source):
    """Real names, types and codes: three of 206 rows have a disposition."""
    stars = source.stars(region(), 2000.0, 30)
    truth = sorted((row for row in real_rows() if not row['disposition']), key=lambda row: row['ID'])
    assert len(stars) == len(truth) == 203 and source.ticver == '20190415'
    for star, row in zip(stars, truth, strict=True):
        assert (star['starid'], star['gaia']) == (row['ID'], int(row['GAIA'] or 0))
        for ours, theirs in (('ra', 'ra'), ('decl', 'dec'), ('tmag', 'Tmag'), ('pm_ra', 'pmRA'),
                             ('pm_decl', 'pmDEC'), ('teff', 'Teff')):
            expected = np.nan if row[theirs] is None else row[theirs]
            assert star[ours] == pytest.approx(expected, rel=1e-7, abs=1e-9, nan_ok=True), ours


def test_what_is_asked(source, stub):
    source.stars(region(), 2018.5, 14.5)
    mast = stub.routes[INVOKE]
    assert len(mast.asked) == len(source.cells(region()))
    for query in mast.asked:
        assert query['service'] == 'Mast.Catalogs.Filtered.Tic.Position.Rows'
        assert query['params']['filters'] == [{'paramName': 'Tmag', 'values': [{'min': -5.0, 'max': 14.5}]}]
        assert query['params']['radius'] < 0.5


def test_stars_of_overlapping_cones_come_once(source, stub, caplog):
    """Every star lies in several cones, in one of their cells."""
    source.stars(region(), 2018.5, 30)
    assert 'repeated' not in caplog.text
    answers = [json.loads(source.archives.cache.get('mast', query)) for query in stub.routes[INVOKE].asked]
    shown = sum(len(found['data']) for found in answers)
    assert shown > 1.2 * 206


@pytest.mark.parametrize('size', [7, 50])
def test_pages(source, stub, monkeypatch, size):
    whole = again(source).stars(region(), 2018.5, 30)
    monkeypatch.setattr(tic_service, 'PAGE', size)
    before = len(stub.routes[INVOKE].asked)
    assert again(source).stars(region(), 2018.5, 30).tobytes() == whole.tobytes()
    asked = stub.routes[INVOKE].asked[before:]
    assert max(query['page'] for query in asked) > 2 and {query['pagesize'] for query in asked} == {size}


def test_nothing_is_asked_twice(source, stub):
    first = source.stars(region(), 2018.5, 16)
    asked = len(stub.asked())
    assert again(source).stars(region(), 2018.5, 16).tobytes() == first.tobytes()
    inner = first[region(buffer=0.05).contains(first['ra'], first['decl'])]
    assert again(source).stars(region(buffer=0.05), 2018.5, 16).tobytes() == inner.tobytes()
    assert len(stub.asked()) == asked and again(source).inputs(region()) == source.inputs(region())


def test_a_run_that_failed_goes_on_where_it_was(source, stub):
    mast, seen = stub.routes[INVOKE], []

    def failing(request):
        seen.append(request)
        return mast(request) if len(seen) <= 5 else Reply(b'', 500)
    stub.routes[INVOKE] = failing
    with pytest.raises(ArchiveError, match='is of no use now: it answers 500'):
        source.stars(region(), 2018.5, 16)
    answered = {json.dumps(query) for query in mast.asked}
    mast.asked.clear()
    stub.routes[INVOKE] = mast
    stars = again(source).stars(region(), 2018.5, 16)
    assert len(answered) == 5 and not answered & {json.dumps(query) for query in mast.asked}
    assert len(mast.asked) == len(source.cells(region())) - 5 and len(stars) > 150


@pytest.fixture
def no_collection():
    """No finaliser of what others have left runs, and fails, where an answer exhausts the stack."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize('bad', [
    Reply(b'', 503, {'Retry-After': '0'}), Reply(cut=5, body=b'{"status": "COMPLETE"'),
    Reply(b'{"status": "COMP'), archive_stubs.answer([], status='ERROR', msg='Timeout expired.'),
    archive_stubs.answer('x'), archive_stubs.answer([1, 2]),
    archive_stubs.answer([{'ID': 1}]), Reply(b'[]'), Reply(b'null'),
    Reply(b'[' * 100_000), archive_stubs.answer([], {'rows': 7, 'pagesFiltered': 1}),
    archive_stubs.answer([], [1]), archive_stubs.answer([], status=None)])
@pytest.mark.usefixtures('no_collection')
def test_bad_answers_are_asked_again_and_never_kept(source, stub, bad):
    mast = stub.routes[INVOKE]
    stub.routes[INVOKE] = [bad, *[mast] * 9]
    assert len(source.stars(region(), 2018.5, 16)) > 150
    stub.routes[INVOKE] = bad
    fresh = again(source)
    with pytest.raises(ArchiveError, match='is of no use now'):
        fresh.stars(region(), 2018.5, 12.0)
    kept = list(source.archives.cache.folder.rglob('*'))
    assert len([path for path in kept if path.is_file()]) == len(source.cells(region()))


def test_a_page_for_people(source, stub):
    stub.routes[INVOKE] = Reply(PAGE)
    with pytest.raises(ArchiveError, match='a web page where JSON was expected'):
        source.stars(region(), 2018.5, 16)


def test_a_query_that_still_runs_is_waited_for(source, stub):
    running = archive_stubs.answer([], status='EXECUTING')
    stub.routes[INVOKE] = [running, running, running, running, Mast(real_rows())]
    assert len(source.stars(region(), 2018.5, 16)) > 150


def test_rows_that_change_between_pages_are_not_kept(source, stub, monkeypatch):
    monkeypatch.setattr(tic_service, 'PAGE', 10)
    mast = stub.routes[INVOKE]

    def shrinking(request):
        if json.loads(request.form['request'])['page'] == 2:
            mast.rows = mast.rows[:len(mast.rows) // 2]
        return mast(request)
    stub.routes[INVOKE] = shrinking
    with pytest.raises(ArchiveError, match=r'MAST sent \d+ of \d+ rows around RA'):
        source.stars(region(), 2018.5, 16)
    mast.rows = real_rows()
    stub.routes[INVOKE] = mast
    assert len(again(source).stars(region(), 2018.5, 30)) == 203


def test_damaged_pages_are_asked_for_again(source, stub, caplog):
    whole = source.stars(region(), 2018.5, 16)
    files = sorted(path for path in source.archives.cache.folder.rglob('*.gz'))
    files[0].write_bytes(files[0].read_bytes()[:-20])
    files[1].write_bytes(b'')
    files[2].write_bytes(b'junk')
    files[3].write_bytes(files[4].read_bytes())
    content = bytearray(files[5].read_bytes())
    content[len(content) // 2] ^= 255
    files[5].write_bytes(bytes(content))
    asked = len(stub.asked())
    assert again(source).stars(region(), 2018.5, 16).tobytes() == whole.tobytes()
    assert len(stub.asked()) == asked + 5 and caplog.text.count('is asked for again') == 5


def test_wild_numbers_of_stars_are_left_out(stub, tmp_path, caplog):
    rows = [tic_row(number, 137.2, -15.7, GAIA=gaia) for number, gaia in (
        (0, None), (-5, None), (2 ** 63, None), (2 ** 70, None), (10 ** 11 + 1, None), (None, None),
        ('x', None), (1.5, None), (True, None), ([1], None), (7, '5731246381742426496'), (8, 2 ** 63),
        (9, -3), (10, 'NaN'), ('11', 4.5), (12.0, '00000000000000000000000000001'), (13, {}))]
    stub.routes[INVOKE] = Mast(rows)
    stars = MastCatalog(archive_stubs.archives(tmp_path, stub)).stars(region(), 2018.5, 16)
    assert stars['starid'].tolist() == [7, 8, 9, 10, 11, 12, 13]
    assert stars['gaia'].tolist() == [5731246381742426496, 0, 0, 0, 0, 0, 0]
    assert '10 of 17 rows left out, without a TIC number' in caplog.text


def test_rules_of_the_tic(stub, tmp_path, caplog):
    rows = [tic_row(1, 137, -15), tic_row(2, 137, -15, disposition='DUPLICATE'),
            tic_row(3, 137, -15, disposition='ARTIFACT'), tic_row(4, 137, -15, disposition='SPLIT'),
            tic_row(5, 137, -15, objType='EXTENDED'), tic_row(6, 137, -15, Tmag=float('nan')),
            tic_row(7, 137, -15, pmRA=100.0, pmDEC=-50.0), tic_row(1, 137, -15)]
    stub.routes[INVOKE] = lambda request: archive_stubs.answer(
        rows if json.loads(request.form['request'])['params']['ra'] == pytest.approx(137, abs=0.3) else [])
    stars = MastCatalog(archive_stubs.archives(tmp_path, stub)).stars(region(137, -15, 0.3), 2020, 16)
    assert stars['starid'].tolist() == [1, 7] and np.isnan(stars['pm_ra'][0])
    assert stars['decl'][1] == pytest.approx(-15 - 50 * 20 / 3.6e6, abs=1e-9)
    for words in ('without a magnitude', 'of extended objects', 'with disposition DUPLICATE',
                  'with disposition ARTIFACT', 'with disposition SPLIT', 'repeated'):
        assert words in caplog.text


def test_a_fast_star_outside_of_the_region_enters_it(stub, tmp_path):
    stub.routes[INVOKE] = Mast([tic_row(1, 10, 4.55, pmRA=0.0, pmDEC=10300.0)])
    source = MastCatalog(archive_stubs.archives(tmp_path, stub))
    assert source.stars(region(10, 5, 0.4, 0.0), 2026, 16)['starid'].tolist() == [1]


def test_no_star(stub, tmp_path):
    stub.routes[INVOKE] = Mast([])
    with pytest.raises(InputBadError, match=r'MAST \(TIC\) has no usable star'):
        MastCatalog(archive_stubs.archives(tmp_path, stub)).stars(region(), 2018.5, 16)


VALUES = (st.none() | st.integers() | st.floats() | st.text(max_size=8) | st.booleans()
          | st.lists(st.none(), max_size=1))
ROWS = st.fixed_dictionaries({name: VALUES for name in tic_service.COLUMNS})


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ROWS, max_size=4))
def test_whatever_stands_in_rows_makes_columns(rows):
    found = tic_service.read_page(json.dumps({'status': 'COMPLETE', 'data': rows}).encode())
    assert found.rows == len(rows) and set(found.table.columns) == set(tic_service.COLUMNS)
    for name, column in found.table.columns.items():
        assert column.dtype.kind in 'ifU' and column.shape == found.table.columns['ID'].shape, name
    assert (found.table.columns['ID'] > 0).all() and (found.table.columns['GAIA'] >= 0).all()


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=60) | st.text(alphabet='{}[]:,"statudCOMPLETE \\', max_size=80).map(str.encode))
def test_whatever_comes_is_a_page_or_refused(body):
    try:
        tic_service.read_page(body)
    except (ValueError, tic_service.PassingError):
        pass
