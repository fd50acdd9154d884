"""The pages in headless Chromium: no complaint, tables that sort and filter, stars that are drawn."""

import os

import browser
import numpy as np
import pytest
import simulated_run
from simulated_run import HOSTILE

from photometry.core import quality
from photometry.files import lightcurve
from photometry.programs import report

if browser.programs() is None and os.environ.get('TESSPHOT_CHROMIUM') != 'required':
    pytest.skip('Chromium and its driver are not installed', allow_module_level=True)

NUMBER = 400
MEASURED_FIRST = 20
"""Light curves of the test run that come along."""


@pytest.fixture(scope='module')
def truth():
    return simulated_run.truth(NUMBER)


@pytest.fixture(scope='module')
def pages(tmp_path_factory, truth):
    """A report in which all texts of failures are hostile."""
    folder = tmp_path_factory.mktemp('run')
    simulated_run.write_list(folder / 'todo.sqlite', truth)
    simulated_run.write_curves(folder / 'lightcurves', truth)
    for change in ('errors = ? WHERE lightcurve IS NULL', "reason = ? WHERE reason = 'timeout'"):
        simulated_run.change(folder / 'todo.sqlite', f'UPDATE diagnostics SET {change}', HOSTILE)
    assert report.main([str(folder), '-q', '--curves', str(MEASURED_FIRST)]) == 0
    return folder / 'report'


@pytest.fixture(scope='module')
def window():
    with browser.Browser() as opened:
        yield opened


@pytest.fixture
def calm(window):
    """The window; no page may complain on its console, or run what a file says."""
    window.complaints()
    yield window
    assert window.complaints() == [] and window.driver.title != 'caught'


def came_along(pages):
    return sorted(int(path.stem) for path in (pages / 'curves').glob('[0-9]*.js'))


def drawn(window):
    return window.wait(lambda: (found := window.data('good')) and found['time'] and found)


def test_overview(calm, pages):
    calm.open(pages / 'index.html', pictures=4)
    calm.picture('index')
    assert '400 stars' in calm.texts('h1') and len(calm.all('canvas')) >= 4
    assert any(HOSTILE in text for text in calm.texts('#failures'))


def test_ccd(calm, pages):
    calm.open(pages / 'ccd-s0005-2-3-c1800.html', pictures=4)
    calm.picture('ccd')
    assert len(calm.all('canvas')) >= 4 and 'No cube of this CCD' in calm.texts('#cubes')[0]


def column(window, number):
    """What the table shows in a column, from top to bottom."""
    rows = sorted(window.all('.slick-row'), key=lambda row: row.location['y'])
    texts = [row.find_elements('css selector', '.slick-cell')[number].text for row in rows]
    return [text for text in texts if text]


def test_the_table_sorts(calm, pages, truth):
    calm.open(pages / 'stars.html')
    calm.picture('stars')
    heads = calm.texts('.slick-header-column')
    at = heads.index('ppm in 1 h')
    calm.all('.slick-header-column')[at].click()
    least = np.sort(truth.rms_hour[truth.measured])
    calm.wait(lambda: column(calm, at)[:1] == [f'{least[0]:.1f}'])
    shown = column(calm, at)
    assert shown == [f'{value:.1f}' for value in least[:len(shown)]] and len(shown) > 10
    assert len(calm.all('.slick-row')) < NUMBER / 2, 'rows out of view are not drawn'


def test_the_table_filters(calm, pages, truth):
    calm.open(pages / 'stars.html')

    def shown():
        return int(calm.texts('#shown')[0].split()[0])
    form = {name: calm.all(f'[name={name}]')[0] for name in ('star', 'tmag', 'status')}
    assert shown() == NUMBER
    form['tmag'].send_keys('12..14')
    inside = (truth.tmag >= 12) & (truth.tmag <= 14)
    assert shown() == inside.sum()
    form['status'].send_keys('error')
    assert shown() == sum(truth.reason[inside] != '')
    calm.all('button[type=reset]')[0].click()
    calm.wait(lambda: shown() == NUMBER)
    form['star'].send_keys(str(truth.starid[5]))
    assert shown() == 1
    calm.wait(lambda: column(calm, 0) == [f'TIC {truth.starid[5]}'])


def test_failures_lead_to_their_part_of_the_table(calm, pages, truth):
    calm.open(pages / 'index.html', pictures=4)
    number = max((truth.reason == reason).sum() for reason in simulated_run.SENTENCES)
    calm.all('#failures td a')[0].click()
    calm.wait(lambda: calm.texts('#shown') == [f'{number} of {NUMBER} stars'])


def test_a_star_is_drawn_from_its_file(calm, pages, truth):
    priority = came_along(pages)[0]
    calm.open(pages / 'star.html', f'#{priority}')
    found = drawn(calm)
    path = pages.parent / 'lightcurves' / simulated_run.name_of(truth, priority - 1)
    compare(found, lightcurve.read_lightcurve(path))
    assert f'TIC {truth.starid[priority - 1]}' in calm.texts('h1')[0]
    calm.picture('star')
    neighbours, mask = calm.data('neighbours'), calm.data('mask')
    assert (neighbours['x'], neighbours['y'], neighbours['star']) == ([507.5], [303.0], ['TIC 7'])
    assert len(mask['x0']) == 12 and min(mask['x0']) == 503.5 and max(mask['y1']) == 305.5


def compare(found, curve):
    """What is drawn and what our own reader finds in the file."""
    good = quality.good(curve.columns['QUALITY'])
    flux = curve.columns['FLUX'][good].astype('f8')
    assert found['time'] == curve.columns['TIME'][good].tolist()
    assert found['cadence'] == curve.columns['CADENCENO'][good].tolist()
    middle = np.sort(flux)[round(0.5 * (flux.size - 1))]
    np.testing.assert_allclose(found['flux'], 1e3 * (flux / middle - 1), atol=1e-9)


def test_flagged_cadences_and_folding(calm, pages):
    calm.open(pages / 'star.html', f'#{came_along(pages)[1]}')
    drawn(calm)
    assert not calm.data('flagged')['time']
    calm.all('#flagged')[0].click()
    assert len(calm.data('flagged')['time']) == 20 and min(calm.data('flagged')['flux']) > 1000
    calm.all('#period')[0].send_keys(str(simulated_run.PERIOD))

    def folded():
        found = calm.data('good')
        return found if np.isfinite(np.array(found['phase'], 'f8')).all() else None
    found = calm.wait(folded)
    phase, flux = np.array(found['phase']), np.array(found['flux'])
    dips = phase < 0.1
    assert dips.sum() > 5 and flux[dips].max() < -15 < -5 < flux[~dips].min()
    calm.picture('folded')


def test_a_file_is_drawn_that_did_not_come_along(calm, pages, truth):
    other = next(index for index in np.flatnonzero(truth.measured) if index + 1 not in came_along(pages))
    path = pages.parent / 'lightcurves' / simulated_run.name_of(truth, other)
    calm.open(pages / 'star.html', f'#{other + 1}')
    calm.wait(lambda: 'run_report.py' in calm.texts('#cure')[0])
    assert str(path) in calm.texts('#cure')[0]
    calm.all('#file')[0].send_keys(str(path))
    compare(drawn(calm), lightcurve.read_lightcurve(path))
    assert calm.texts('#message') == ['']


@pytest.mark.parametrize(('change', 'words'), [
    (lambda content: content[:-2880], 'ends within NEIGHBOURS'),
    (lambda content: b'<script>', 'a header does not end'),
    (lambda content: content.replace(b'LIGHTCURVE', b'SOMETHING '), 'no table LIGHTCURVE')])
def test_what_is_no_light_curve_is_said(calm, pages, truth, tmp_path, change, words):
    first = simulated_run.name_of(truth, int(np.flatnonzero(truth.measured)[0]))
    path = tmp_path / '<b>a.fits'
    path.write_bytes(change((pages.parent / 'lightcurves' / first).read_bytes()))
    calm.open(pages / 'star.html', '#1')
    calm.all('#file')[0].send_keys(str(path))
    calm.wait(lambda: words in calm.texts('#message')[0])
    assert '<b>a.fits cannot be drawn' in calm.texts('#message')[0]


def test_a_failed_star_tells_why(calm, pages, truth):
    calm.open(pages / 'star.html', f'#{int(np.flatnonzero(truth.reason)[0]) + 1}')
    calm.wait(lambda: HOSTILE in calm.texts('#row')[0])
    calm.open(pages / 'star.html', '#987654')
    calm.wait(lambda: 'No star of this report' in calm.texts('#message')[0])
