"""The catalogue source `gaia`: jobs of TAP services, of which some are down, slow or strange."""

import archive_stubs
import numpy as np
import pytest
from archive_stubs import Tap, gaia_star, votable
from http_stub import PAGE, Reply
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.algorithms import sky_cells
from photometry.algorithms.sky import Region
from photometry.catalogs import gaia
from photometry.catalogs.gaia import COLUMNS, GaiaCatalog
from photometry.core import plugins
from photometry.core.errors import ArchiveError
from photometry.files import tap_service, votable_answers
from photometry.files.web import PassingError

FIRST = 5731246381742426496


def stars(number=60, seed=1):
    rng = np.random.default_rng(seed)
    places = rng.uniform(-0.4, 0.4, (number, 2)) + (137.2, -15.7)
    return [gaia_star(FIRST + 2 * k, *place, g=rng.uniform(8, 15), pmra=rng.normal(0, 30),
                      pmdec=rng.normal(0, 30)) for k, place in enumerate(places.tolist())]


def region():
    corners = [(-1, -1), (1, -1), (1, 1), (-1, 1)]
    return Region((np.array([137.2, -15.7]) + 0.45 * np.array(corners),), 0.05)


@pytest.fixture
def source(stub, tmp_path):
    stub.routes['/tap/'] = Tap(stars())
    return GaiaCatalog(archive_stubs.archives(tmp_path / 'queries', stub))


def again(source):
    return GaiaCatalog(source.archives)


def test_is_registered():
    assert plugins.load(plugins.CATALOGS, 'gaia') is GaiaCatalog


def test_stars_have_their_gaia_number_and_minus_it(source, stub, caplog):
    found = source.stars(region(), 2016.0, 16.0)
    truth = {star['source_id']: star for star in stars()}
    assert len(found) == 60 and (np.diff(found['starid']) > 0).all() and source.ticver == ''
    for row in found:
        star = truth[row['gaia']]
        assert row['starid'] == -star['source_id']
        assert row['ra'] == pytest.approx(star['ra'], abs=1e-9)
        assert row['pm_decl'] == pytest.approx(star['pmdec']) and np.isnan(row['teff'])
        assert row['decl_J2000'] == pytest.approx(star['dec'] - 16 * star['pmdec'] / 3.6e6, abs=1e-9)
        shift = -0.00522555 + 0.0891337 - 0.633923 + 0.0324473  # BP - RP is 1
        assert row['tmag'] == pytest.approx(star['phot_g_mean_mag'] + shift, abs=1e-6)
    assert 'repeated' not in caplog.text
    assert len(stub.routes['/tap/'].removed) == len(stub.routes['/tap/'].jobs) == len(source.cells(region()))


def test_what_is_asked(source, stub):
    source.stars(region(), 2016.0, 14.0)
    form = next(request.form for request in stub.asked('/tap/async'))
    names = 'LANG', 'FORMAT', 'PHASE', 'REQUEST'
    assert [form[name] for name in names] == ['ADQL', 'votable', 'RUN', 'doQuery']
    words = form['QUERY']
    assert 'FROM gaiadr3.gaia_source WHERE 1 = CONTAINS(POINT(' in words
    assert 'phot_g_mean_mag <= 15.330 AND (bp_rp IS NULL OR bp_rp <= -0.200 OR bp_rp >= 3.500 ' \
        'OR phot_g_mean_mag -0.00522555 * bp_rp * bp_rp * bp_rp +0.08913370 * bp_rp * bp_rp ' \
        '-0.63392300 * bp_rp +0.03244730 <= 14.000)' in words


@settings(max_examples=100, deadline=None)
@given(st.floats(-1, 5), st.floats(5, 16))
def test_the_query_leaves_out_no_star_that_is_bright_enough(colour, limit):
    """Python reads the condition that a service reads as ADQL."""
    cell = sky_cells.cells_of(region())[0]
    for g in (limit - 0.5, limit + 0.2, limit + 0.43, limit + 0.8, limit + 1.2, limit + 1.32, limit + 2):
        shift = np.polyval(gaia.GAIA_TO_TMAG, colour) if -0.2 < colour < 3.5 else -0.43
        values = {'phot_g_mean_mag': g, 'bp_rp': colour}
        words = gaia._adql(cell, limit).partition(')) AND ')[2].replace('bp_rp IS NULL', 'False')
        taken = eval(words.replace('AND', 'and').replace('OR', 'or'), {}, values)
        assert taken or g + shift > limit - 0.001


def test_nothing_is_asked_twice(source, stub):
    first = source.stars(region(), 2018.5, 16)
    asked = len(stub.asked())
    assert again(source).stars(region(), 2018.5, 16).tobytes() == first.tobytes()
    assert len(stub.asked()) == asked


def test_cells_with_too_many_stars_are_asked_for_in_quarters(source, stub):
    whole = source.stars(region(), 2018.5, 16)
    for path in source.archives.cache.folder.rglob('*.gz'):
        path.unlink()
    stub.routes['/tap/'] = Tap(stars(), most=5)
    assert again(source).stars(region(), 2018.5, 16).tobytes() == whole.tobytes()
    asked = len(stub.asked())
    assert again(source).stars(region(), 2018.5, 16).tobytes() == whole.tobytes()
    assert len(stub.asked()) == asked


def test_a_cell_that_cannot_be_cut_further(source, stub, monkeypatch):
    monkeypatch.setattr(gaia, '_SMALLEST', 0.2)
    stub.routes['/tap/'] = Tap([gaia_star(FIRST + k, 137.2, -15.7) for k in range(5)], most=4)
    with pytest.raises(ArchiveError, match='more stars around RA 137.* brighter --faint-limit'):
        source.stars(region(), 2018.5, 16)


@pytest.mark.parametrize('down', [Reply(b'', 503), Reply(b'', 404), Reply(PAGE), Reply(silent=True),
                                  Reply(b'', 303)])
def test_the_next_service_is_asked(source, stub, tmp_path, down):
    stub.routes['/dead/async'] = down
    made = archive_stubs.archives(tmp_path / 'other', stub, gaia=(stub.url + '/dead', stub.url + '/tap'),
                                  parallel=1, timeout=0.3)
    fresh = GaiaCatalog(made)
    assert fresh.stars(region(), 2016, 16).tobytes() == source.stars(region(), 2016, 16).tobytes()
    assert len(stub.asked('/dead/async')) <= 2, 'a service that is down is not asked for every cell'


def test_no_service_answers(stub, tmp_path):
    made = archive_stubs.archives(tmp_path, stub, gaia=(stub.url + '/a', stub.url + '/b'))
    stub.routes['/a/async'] = Reply(b'', 500)
    words = r'None of 2 services of Gaia has an answer \(.*/a.*500.*, .*/b.*404'
    with pytest.raises(ArchiveError, match=words):
        GaiaCatalog(made).stars(region(), 2016, 16)


@pytest.mark.parametrize(('phase', 'words'), [
    (b'ERROR', r'ended in ERROR .Cannot parse query.'), (b'ABORTED', 'ended in ABORTED'),
    (b'<job/>', 'is not a phase of a job'), (b'\xff', 'is not a phase of a job')])
def test_jobs_that_fail(stub, tmp_path, phase, words):
    tap = Tap(stars())
    stub.routes['/tap/'] = lambda request: (
        Reply(phase) if request.path.endswith('/phase') else
        Reply(votable([]).replace(b'"OK"/>', b'"ERROR">Cannot parse query</INFO>'))
        if request.path.endswith('/error') else tap(request))
    with pytest.raises(ArchiveError, match=words):
        GaiaCatalog(archive_stubs.archives(tmp_path, stub)).stars(region(), 2016, 16)
    assert len(tap.removed) == len(tap.jobs)


def test_jobs_that_never_end(source, stub, monkeypatch):
    monkeypatch.setattr(tap_service, '_LONGEST_JOB', 0.35)
    tap = stub.routes['/tap/']
    stub.routes['/tap/'] = lambda request: (Reply(b'EXECUTING') if request.path.endswith('/phase')
                                            else tap(request))
    with pytest.raises(ArchiveError, match='has not ended in 0.35 s'):
        source.stars(region(), 2016, 16)


WHOLE = votable(stars(5))


@pytest.mark.parametrize('bad', [
    WHOLE[:len(WHOLE) // 2], b'', b'source_id,ra\n1,2\n',
    WHOLE.replace(b'phot_g_mean_mag', b'phot_x_mean_mag'),
    b'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "b">]><VOTABLE/>', b'<VOTABLE version="1.3"/>',
    b'<VOTABLE version="1.3"><RESOURCE type="results"/></VOTABLE>'])
def test_bad_answers_are_asked_again_and_never_kept(source, stub, bad):
    tap = stub.routes['/tap/']
    answers = [Reply(bad)] * 2
    stub.routes['/tap/'] = lambda request: (answers.pop() if request.path.endswith('/result') and answers
                                            else tap(request))
    source.archives.web._down.clear()
    try:
        source.stars(region(), 2016, 16)
    except ArchiveError:  # both of them met one job
        answers.clear()
    assert len(again(source).stars(region(), 2016, 16)) == 60


@pytest.mark.parametrize('form', ['tabledata', 'binary', 'binary2'])
def test_forms_of_votables(form):
    found = votable_answers.read_votable(votable(stars(7), form=form), COLUMNS)
    assert found.table.columns['source_id'].tolist() == [FIRST + 2 * k for k in range(7)]
    assert not found.overflow
    assert found.table.columns['teff_gspphot'].mask.all() and found.table.units['pmra'] == 'mas / yr'
    assert votable_answers.read_votable(votable([], True), COLUMNS).overflow
    with pytest.raises(PassingError, match='it says Too busy'):
        votable_answers.read_votable(votable([]).replace(b'"OK"/>', b'"ERROR">Too\nbusy.</INFO>'), COLUMNS)


def test_wild_numbers_of_sources(source, stub, caplog):
    rows = [gaia_star(number, 137.2, -15.7) for number in (0, -5, None, FIRST, 2 ** 63 - 1, 2 ** 63 - 2)]
    stub.routes['/tap/'] = Tap(rows)
    found = source.stars(region(), 2016, 16)
    assert found['starid'].tolist() == [-2 ** 63 + 2, -FIRST]
    assert '4 of 6 rows left out, without a number' in caplog.text


@pytest.mark.parametrize('number', [b'9223372036854775808', b'99999999999999999999999',
                                    b'-9223372036854775809'])
def test_a_number_beyond_63_bits(source, stub, number):
    body = votable(stars(3), form='tabledata').replace(str(FIRST + 2).encode(), number)
    stub.routes['/tap/'] = _results(stub.routes['/tap/'], body)
    assert source.stars(region(), 2016, 16)['starid'].tolist() == [-FIRST - 4, -FIRST]


def test_numbers_that_are_no_integers(source, stub):
    stub.routes['/tap/'] = _results(stub.routes['/tap/'], votable(stars(3), source_id='f8'))
    with pytest.raises(ArchiveError, match='that are no integers'):
        source.stars(region(), 2016, 16)


def _results(tap, body):
    return lambda request: Reply(body) if request.path.endswith('/result') else tap(request)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, len(WHOLE)), st.binary(min_size=1, max_size=8))
def test_whatever_comes_is_a_table_or_refused(place, junk):
    try:
        votable_answers.read_votable(WHOLE[:place] + junk + WHOLE[place + len(junk):], COLUMNS)
    except (ValueError, PassingError):
        pass
