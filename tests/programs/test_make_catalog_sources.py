"""Where run_make_catalog.py takes stars from when it is left to choose."""

import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import archive_stubs
import numpy as np
import pytest
from archive_stubs import Mast, Tap, gaia_star, tic_row
from http_stub import Reply, Stub

from photometry.files import catalog, paths
from photometry.programs import make_catalog as program

ROOT = Path(__file__).parents[2]
CUT = next((ROOT / 'tests' / 'input' / 'tesscut').glob('tess-s0009-*'))
RA, DEC = 151.512, -49.1088
INVOKE = '/api/v0/invoke'


def places(number=40):
    return np.random.default_rng(5).uniform(-0.15, 0.15, (number, 2)) + (RA, DEC)


@pytest.fixture
def stub():
    with Stub() as made:
        numbered = list(enumerate(places().tolist()))
        made.routes[INVOKE] = Mast([tic_row(k + 1, *place) for k, place in numbered])
        made.routes['/tap/'] = Tap([gaia_star(2 ** 60 + k, *place) for k, place in numbered])
        yield made


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / 'data'
    made.mkdir()
    shutil.copy(CUT, made)
    return made


@pytest.fixture
def run(folder, stub, tmp_path, monkeypatch):
    """The program; returns its exit code."""
    monkeypatch.delenv('TESSPHOT_QUERIES', raising=False)

    def run(*words, **changes):
        settings = archive_stubs.settings_file(tmp_path / 'mine.toml', stub, **changes)
        return program.main(['9', str(folder), '--settings', str(settings), *words])
    return run


def made(folder):
    found = catalog.read_catalog(folder / paths.catalog_name(9, 3, 1))
    return found, json.loads(found.provenance['settings'])['catalog']['source']


def test_mast_is_asked_when_nothing_else_is_there(run, folder, stub, capsys):
    assert run() == 0
    said = capsys.readouterr().err
    assert 'no strips of the TIC in' in said and 'MAST (TIC): ' in said and 'to be asked for' in said
    found, source = made(folder)
    assert source == 'mast' and found.stars.size == 40 and found.info.ticver == '20190415'
    entry = next(entry for entry in json.loads(found.provenance['manifest']) if 'MAST' in entry['name'])
    assert entry['size'] == len(stub.asked(INVOKE)) and len(entry['datasum']) == 64
    assert not stub.asked('/tap/async')
    asked = len(stub.asked())
    assert run() == 0 and 'stands already' in capsys.readouterr().err
    assert run('--overwrite') == 0 and len(stub.asked()) == asked


def test_gaia_is_asked_when_mast_does_not_answer(run, folder, stub, capsys):
    mast = stub.routes[INVOKE]
    stub.routes[INVOKE] = Reply(b'', 503)
    assert run() == 0
    said = capsys.readouterr().err
    assert 'it answers 503' in said and 'Stars come from Gaia DR3 instead' in said
    found, source = made(folder)
    assert source == 'gaia' and found.stars['starid'].tolist() == [-2 ** 60 - k for k in reversed(range(40))]
    assert (found.stars['gaia'] == -found.stars['starid']).all() and found.info.ticver == ''
    stub.routes[INVOKE] = mast
    asked = len(stub.asked())
    assert run() == 0 and len(stub.asked()) == asked, 'a catalogue that auto once made stays'
    assert run('--overwrite') == 0 and made(folder)[1] == 'mast'
    assert run('--source', 'gaia') == 2
    assert "catalog.source = 'mast', not 'gaia'" in capsys.readouterr().err


def test_strips_and_tables_at_hand_come_first(run, folder, stub, capsys):
    (folder / 'stars.csv').write_text(f'ID,ra,dec,Tmag\n7,{RA},{DEC},9\n')
    assert run('--catalog', str(folder / 'stars.csv')) == 0
    assert 'stars.csv, as --catalog says' in capsys.readouterr().err and made(folder)[1] == 'table'
    names = 'ID,GAIA,objType,ra,dec,pmRA,pmDEC,Tmag,Teff,disposition'
    (folder / 'tic_dec50_00S__48_00S.csv').write_text(f'{names}\n8,,STAR,{RA},{DEC},,,9,,\n')
    assert run('--overwrite') == 0 and made(folder)[1] == 'tic-csv'
    assert not stub.asked()


def test_without_a_network_all_cures_are_named(run, folder, stub, capsys):
    stub.routes.clear()
    with Stub() as gone:
        url = gone.url
    assert run(mast=url, gaia=[url + '/a', url + '/b']) == 4
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith('ERROR')]
    assert len(lines) == 1 and 'Traceback' not in lines[0]
    for words in ('MAST (TIC) and Gaia DR3 have no stars now', '/api/v0/invoke', 'the connection is refused',
                  '--catalog', 'tic_dec*.csv.gz', 'INPUT', 'run_fetch.py tic'):
        assert words in lines[0]
    assert not list(folder.glob('catalog_*'))


def test_what_lies_in_the_cache_needs_no_network(run, folder, stub, capsys):
    assert run() == 0
    first = made(folder)[0].stars.tobytes()
    with Stub() as gone:
        url = gone.url
    assert run('--overwrite', mast=url, gaia=[url]) == 0 and made(folder)[0].stars.tobytes() == first
    assert 'cells of the sky, 0 of them to be asked for' in capsys.readouterr().err


def test_a_directory_of_answers_for_several_inputs(run, folder, stub, tmp_path, monkeypatch):
    monkeypatch.setenv('TESSPHOT_QUERIES', str(tmp_path / 'shared'))
    assert run() == 0
    assert not (folder / 'queries').exists() and list((tmp_path / 'shared').rglob('*.gz'))


def test_a_source_in_the_network_takes_no_path(run, capsys):
    assert run('--source', 'mast', '--catalog', 'x.csv') == 2
    assert 'leave out --catalog' in capsys.readouterr().err


def test_killed_in_the_middle(folder, stub, tmp_path):
    """No page that has come is asked for again, and the catalogue is as if nothing had happened."""
    mast = stub.routes[INVOKE]
    settings = archive_stubs.settings_file(tmp_path / 'mine.toml', stub, parallel=1, timeout=60.0)
    words = [sys.executable, 'run_make_catalog.py', '9', str(folder), '--settings', str(settings),
             '--buffer', '1']

    def slow(request):
        return mast(request) if len(stub.asked(INVOKE)) <= 4 else Reply(silent=True)
    stub.routes[INVOKE] = slow
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.DEVNULL)
    while process.poll() is None and len(stub.asked(INVOKE)) < 5:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and not list(folder.glob('catalog_*'))
    finished = [json.dumps(query) for query in mast.asked]
    stub.routes[INVOKE] = mast
    subprocess.run(words, cwd=ROOT, check=True, capture_output=True)
    asked = [json.dumps(query) for query in mast.asked]
    assert len(finished) == 4 and len(asked) == len(set(asked)) > 8
    assert made(folder)[0].stars.size == 40
