"""The report of a run tells what its list, its light curves and its cubes hold, whatever they hold."""

import json

import numpy as np
import pytest
import simulated_run
import small_sector
import todo_rows
from bs4 import BeautifulSoup
from report_data import called
from simulated_run import HOSTILE

from photometry.algorithms import noise
from photometry.core.status import STATUS
from photometry.files import lightcurve
from photometry.programs import report
from photometry.stages import own_floor
from photometry.todo.manager import TaskManager


@pytest.fixture(scope='module')
def truth():
    return simulated_run.truth(300)


@pytest.fixture
def folder(tmp_path, truth, monkeypatch):
    """A finished run without cubes and catalogues."""
    for name in ('TESSPHOT_INPUT', 'TESSPHOT_OUTPUT', 'TESSPHOT_TODO'):
        monkeypatch.delenv(name, raising=False)
    simulated_run.write_list(tmp_path / 'todo.sqlite', truth)
    simulated_run.link_curves(tmp_path / 'lightcurves', truth, times=30)
    return tmp_path


def made(folder, *words):
    assert report.main([str(folder), '-q', '--overwrite', '--curves', '12', *map(str, words)]) == 0
    return folder / 'report'


def page(path):
    return BeautifulSoup(path.read_text('utf-8'), 'html.parser')


def cells(table):
    return [[cell.get_text(' ', strip=True) for cell in line.find_all('td')]
            for line in table.tbody.find_all('tr')]


def test_counts_are_those_of_the_list(folder, truth):
    index = page(made(folder) / 'index.html')
    assert index.h1.text == '300 stars'
    heading = [cell.text for cell in index.select('#groups table')[0].find_all('th')]
    for sector, camera, ccd, *told in cells(index.select('#groups table')[0]):
        here = (truth.ccd == [int(sector), int(camera), int(ccd)]).all(axis=1)
        assert int(told[1]) == here.sum()
        for name, number in zip(heading[5:], told[2:], strict=True):
            status = None if name == 'waiting' else STATUS[name.upper()]
            assert int(number or 0) == sum(one == status for one in truth.status[here])
    failures = {line[0]: int(line[1]) for line in cells(index.select('#failures table')[0])}
    assert failures == {reason: int((truth.reason == reason).sum()) for reason in set(truth.reason) - {''}}


def test_every_link_leads_somewhere(folder):
    made(folder)
    for path in (folder / 'report').glob('*.html'):
        for element in page(path).find_all(['a', 'script', 'link']):
            target = (element.get('href') or element.get('src') or '').partition('#')[0]
            if target not in ('', 'data:,'):
                assert '//' not in target and (path.parent / target).is_file(), f'{path.name}: {target}'


def test_rows_hold_the_truth(folder, truth):
    _, rows = called(made(folder) / 'rows' / '0.js', 'rows')
    assert rows['starid'] == list(map(str, truth.starid.tolist()))
    np.testing.assert_allclose(rows['tmag'], truth.tmag, rtol=1e-8)
    assert rows['has_file'] == truth.measured.tolist()
    hours = [value for value in rows['rms_hour'] if value is not None]
    np.testing.assert_allclose(hours, truth.rms_hour[truth.measured], rtol=1e-8)


def test_some_light_curves_come_along_others_on_demand(folder, truth, capsys):
    where = made(folder, '--curves', 10)
    [there] = called(where / 'curves' / 'index.js', 'have')
    assert len(there) == 10
    other = next(index for index in np.flatnonzero(truth.measured) if index + 1 not in there)
    assert report.main([str(folder), '--starid', str(truth.starid[other])]) == 0
    assert '1 light curves added' in capsys.readouterr().out
    assert called(where / 'curves' / 'index.js', 'have') == [sorted([*there, other + 1])]
    assert called(where / 'curves' / f'{other + 1}.js', 'curve')[:2] == [
        other + 1, simulated_run.name_of(truth, other).rpartition('/')[2]]
    failed = int(np.flatnonzero(~truth.measured)[0])
    assert report.main([str(folder), '--starid', str(truth.starid[failed])]) == 4
    assert report.main([str(folder), '--starid', '1', '--report', str(folder / 'none')]) == 4
    assert 'is no report' in capsys.readouterr().err


def test_missing_and_damaged_light_curves_are_told(folder, truth):
    first, second = (simulated_run.name_of(truth, index) for index in np.flatnonzero(truth.measured)[:2])
    (folder / 'lightcurves' / first).unlink()
    damaged = folder / 'lightcurves' / second
    content = damaged.read_bytes()
    damaged.unlink()  # the others are links to the same file
    damaged.write_bytes(content[:3000])
    where = made(folder)
    said = page(where / 'index.html').select('#missing')[0].text
    assert '1 light curves that the list names do not lie' in said and second in said and 'No cube of' in said
    _, rows = called(where / 'rows' / '0.js', 'rows')
    number = int(np.flatnonzero(truth.measured)[0])
    assert not rows['has_file'][number] and rows['lightcurve'][number] == first
    assert number + 2 not in called(where / 'curves' / 'index.js', 'have')[0]


def test_hostile_text_stays_text(folder):
    path = folder / 'todo.sqlite'
    todo_rows.change(path, 'UPDATE diagnostics SET errors = ?, reason = ? WHERE lightcurve IS NULL',
                     HOSTILE, HOSTILE)
    todo_rows.change(path, 'UPDATE diagnostics SET method_used = ? WHERE priority % 3 = 0', HOSTILE)
    where = made(folder)
    assert HOSTILE in page(where / 'index.html').select('#failures')[0].text
    for html in where.glob('*.html'):
        assert '<script>document' not in html.read_text('utf-8') and '<img' not in html.read_text('utf-8')


@pytest.mark.parametrize('name', ['/etc/passwd', '../secret.fits', 'a/../../secret.fits', 'a\0b', '', 7])
def test_files_elsewhere_are_not_read(folder, name):
    (folder / 'secret.fits').write_bytes(b'secret')
    todo_rows.change(folder / 'todo.sqlite', 'UPDATE diagnostics SET lightcurve = ?', name)
    assert called(made(folder, '--output', folder / 'lightcurves') / 'curves' / 'index.js', 'have') == [[]]


def test_numbers_that_no_star_can_have(folder):
    for priority, change in enumerate(("starid = 'x'", "ccd = '../../x'", 'cadence = -1'), 1):
        todo_rows.change(folder / 'todo.sqlite', f'UPDATE todolist SET {change} WHERE priority = ?', priority)
    index = page(made(folder) / 'index.html')
    assert index.h1.text == '297 stars'
    assert '3 rows of the list hold numbers' in index.select('#missing')[0].text


def test_an_empty_list_and_wrong_filters_are_said(folder, tmp_path, capsys):
    assert report.main([str(folder), '--sector', '9']) == 4
    assert 'No row of' in capsys.readouterr().err
    for table in ('diagnostics', 'todolist'):
        todo_rows.change(folder / 'todo.sqlite', f'DELETE FROM {table}')
    assert report.main([str(folder)]) == 4
    assert report.main([str(folder), '--todo', 'nowhere.sqlite']) == 4
    assert not (folder / 'report').exists() and not list(folder.glob('.report*'))


def test_a_report_is_replaced_only_when_asked_and_nothing_else_ever(folder, capsys, monkeypatch):
    where = made(folder)
    before = (where / 'index.html').read_bytes()
    assert report.main([str(folder)]) == 4
    assert 'replace it with --overwrite' in capsys.readouterr().err
    assert report.main([str(folder), '--overwrite', '--report', str(folder / 'lightcurves')]) == 4
    assert 'something else than a report' in capsys.readouterr().err

    def fail(*_):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr('photometry.report.star_data.write_rows', fail)
    assert report.main([str(folder), '--overwrite']) == 4
    assert 'the disk is full' in capsys.readouterr().err
    assert (where / 'index.html').read_bytes() == before and not list(folder.glob('.report*'))


def test_a_list_at_work_is_left_alone(folder, capsys):
    with TaskManager(folder / 'todo.sqlite'):
        assert report.main([str(folder)]) == 75
    assert 'in use by process' in capsys.readouterr().err


def test_the_floor_is_that_of_the_aperture(tmp_path):
    path = tmp_path / 'a.fits'
    simulated_run.LightcurveWriter().write(path, simulated_run.light_curve(1, 10.0))
    curve = lightcurve.read_lightcurve(path)
    flux = np.median(curve.columns['FLUX'][curve.columns['QUALITY'] == 0])
    sky = np.median(curve.columns['FLUX_BKG'][curve.columns['QUALITY'] == 0])
    electrons = (flux + sky) * 3600 + 9 * 10.0 ** 2 * 1800  # FLUX is 1/0.9 of the sum, which is in the mask
    expected = 1e6 * noise.CLIPPING * np.sqrt(electrons - 0.1 * flux * 3600) / (0.9 * flux * 3600)
    assert own_floor.own_floor(curve) == pytest.approx(expected, rel=1e-4)


@pytest.fixture(scope='module')
def measured(tmp_path_factory):
    """A run of the programs themselves: cubes, catalogue, light curves; faint stars wait."""
    folder = tmp_path_factory.mktemp('sector')
    return small_sector.measured(folder)


def test_a_finished_run_misses_nothing(measured, monkeypatch):
    monkeypatch.setenv('SOURCE_DATE_EPOCH', '1700000000')
    where = made(measured)
    index = page(where / 'index.html')
    assert not index.select('#missing') and '2023-11-14 22:13 UTC' in index.nav.text
    [ccd] = where.glob('ccd-*.html')
    assert ccd.name == 'ccd-s0005-2-2-c1800.html'
    text = ccd.read_text()
    assert 'Motion, sector005' in text and 'Background, sector005' in text and 'No cube' not in text
    assert 'is not known' not in text, 'catalogue and cube tell where stars lie that were not measured'
    facts = json.loads((where / 'report.json').read_text())
    assert facts['stars'] == len(todo_rows.query(measured / 'todo.sqlite', 'SELECT 1 FROM todolist'))
