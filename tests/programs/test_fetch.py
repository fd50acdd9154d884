"""run_fetch.py against archives on this machine: everything fetched, verified, once, whatever happens."""

import gzip
import io
import json
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import archive_stubs
import pytest
from archive_stubs import Mast, script, tic_row
from http_stub import Reply, Stub, ranged

from photometry.files import catalog, paths
from photometry.programs import fetch, make_catalog

ROOT = Path(__file__).parents[2]
FFI = next((ROOT / 'tests' / 'input' / 'ffic').glob('*.fits')).read_bytes()
CUT = gzip.decompress(next((ROOT / 'tests' / 'input' / 'tesscut').glob('tess-s0009-*')).read_bytes())
RA, DEC = 151.512, -49.1088
NAMES = [f'tess2018{k:09d}-s0001-1-{ccd}-0120-s_ffic.fits' for ccd in (2, 4)
         for k in range(206192942, 206192946)]
CLOUD = '/cloud/tess/public/ffi/s0001/2018/206/1-{}/{}'
LIST = '/scripts/tesscurl_sector_1_ffic.sh'


def cloud(name):
    return CLOUD.format(name.split('-')[3], name)


@pytest.fixture
def stub():
    with Stub() as made:
        made.routes[LIST] = Reply(script(*NAMES))
        made.routes |= {cloud(name): ranged(FFI) for name in NAMES}
        yield made


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ('TESSPHOT_INPUT', 'TESSPHOT_QUERIES'):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / 'data'


@pytest.fixture
def run(folder, stub, tmp_path):
    """The program; returns its exit code."""
    def run(what, *words, **changes):
        settings = archive_stubs.settings_file(tmp_path / 'mine.toml', stub, **changes)
        return fetch.main([what, str(folder), '--settings', str(settings), *map(str, words)])
    return run


def files(folder):
    """Names of the files that are not the program's own notes."""
    return sorted(path.name for path in folder.rglob('*') if path.is_file() and path.name != 'fetched.jsonl'
                  and 'queries' not in path.parts)


def fetched(stub):
    """Paths of the images asked for so far."""
    return [request.path for request in stub.asked()
            if request.method == 'GET' and request.path.startswith('/cloud/')]


def test_images_of_a_ccd(run, folder, stub, capsys):
    assert run('ffi', '--sector', 1, '--camera', 1, '--ccd', 4) == 0
    assert files(folder) == NAMES[4:]
    assert {item.ccd_key for item in paths.find_ffis(folder)} == {(1, 1, 4)}
    assert all(item.path.read_bytes() == FFI for item in paths.find_ffis(folder))
    assert '4 full-frame images: 4 fetched' in capsys.readouterr().out
    before = len(stub.asked())
    assert run('ffi', '--sector', 1, '--camera', 1, '--ccd', 4) == 0
    assert len(stub.asked()) == before, 'a second run asks nothing'
    assert '0 fetched, 4 stood already' in capsys.readouterr().out
    assert run('ffi', '--sector', 1) == 0 and files(folder) == sorted(NAMES)
    assert len(fetched(stub)) == 8 and len(stub.asked(LIST)) == 1


def test_a_dry_run_tells_numbers_and_sizes(run, folder, stub, capsys):
    assert run('ffi', '--sector', 1, '--dry-run') == 0
    said = capsys.readouterr().out
    assert '4  ffi/s0001/1-2\n' in said and f'8 to be fetched, about {8 * len(FFI) / 1e9:.3g} GB' in said
    assert files(folder) == [] and not fetched(stub)


def test_the_next_copy_is_asked(run, folder, stub):
    """The cloud lacks one file, has a damaged one, and a shortened one."""
    bad = bytearray(FFI)
    bad[-40_000] ^= 1
    product = '/api/v0.1/Download/file'
    stub.routes |= {cloud(NAMES[0]): Reply(b'', 404), cloud(NAMES[1]): Reply(bytes(bad)),
                    cloud(NAMES[2]): Reply(FFI[:-28800]), product: ranged(FFI)}
    assert run('ffi', '--sector', 1, '--ccd', 2) == 0 and files(folder) == NAMES[:4]
    assert {request.query['uri'] for request in stub.asked(product)} == {
        f'mast:TESS/product/{name}' for name in NAMES[:3]}
    assert all(item.path.read_bytes() == FFI for item in paths.find_ffis(folder))


def test_single_failures_do_not_stop_the_others(run, folder, stub, capsys):
    stub.routes[cloud(NAMES[5])] = Reply(b'', 404)
    assert run('ffi', '--sector', 1) == 3
    said = capsys.readouterr()
    assert files(folder) == sorted(set(NAMES) - {NAMES[5]})
    assert said.err.count('ERROR') == 1 and NAMES[5] in said.err
    assert '7 fetched' in said.out and '1 could not be fetched' in said.out
    stub.routes[cloud(NAMES[5])] = ranged(FFI)
    assert run('ffi', '--sector', 1) == 0 and len(fetched(stub)) == 9


def test_what_lies_there_already_is_verified_once(run, folder, stub, capsys):
    """By other means, anywhere, also zipped; a broken one is fetched again in its place."""
    (folder / 'mine').mkdir(parents=True)
    (folder / 'mine' / NAMES[0]).write_bytes(FFI)
    (folder / 'mine' / (NAMES[1] + '.gz')).write_bytes(gzip.compress(FFI, 1))
    (folder / 'mine' / NAMES[2]).write_bytes(FFI[:-5000])
    assert run('ffi', '--sector', 1, '--ccd', 2) == 0
    assert sorted(fetched(stub)) == [cloud(NAMES[2]), cloud(NAMES[3])]
    assert (folder / 'mine' / NAMES[2]).read_bytes() == FFI
    assert 'It is fetched again' in capsys.readouterr().err
    assert run('ffi', '--sector', 1, '--ccd', 2) == 0 and len(fetched(stub)) == 2
    assert run('ffi', '--sector', 1, '--ccd', 2, '--overwrite') == 0 and len(fetched(stub)) == 6
    assert len(stub.asked(LIST)) == 2


def test_no_more_requests_at_a_time_than_allowed(run, stub):
    import threading
    lock, now, most = threading.Lock(), [0], [0]

    def busy(request):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        with lock:
            now[0] -= 1
        return Reply(FFI)
    stub.routes |= {cloud(name): busy for name in NAMES}
    assert run('ffi', '--sector', 1, '--parallel', 2) == 0 and most[0] <= 2


def test_an_archive_that_is_down_ends_the_run_early(run, stub, capsys):
    names = [f'tess2018206{k:06d}-s0001-1-2-0120-s_ffic.fits' for k in range(40)]
    stub.routes = {LIST: Reply(script(*names)), '/': Reply(b'', 503)}
    assert run('ffi', '--sector', 1) == 75
    said = capsys.readouterr().err
    assert 'Stopped early: 10 files in a row' in said and 'So far: 0 fetched' in said
    assert len(fetched(stub)) < 20, 'a server that is down is asked once for each file'


def test_a_disk_that_is_too_small(run, folder, stub, monkeypatch, capsys):
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(10, 9, 1))
    assert run('ffi', '--sector', 1) == 4
    assert 'Cannot fetch 8 files' in capsys.readouterr().err and not fetched(stub)


@pytest.mark.parametrize(('number', 'code'), [(signal.SIGTERM, 75), (signal.SIGINT, 130)])
def test_drained_and_continued(folder, stub, tmp_path, number, code):
    """What was half there is continued, what was whole is not asked for again."""
    half = Reply(FFI, headers={'ETag': '"one"'}, cut=100_000, hold=True)
    stub.routes[cloud(NAMES[2])] = half
    settings = archive_stubs.settings_file(tmp_path / 'mine.toml', stub, parallel=1, timeout=60.0)
    words = [sys.executable, 'run_fetch.py', 'ffi', str(folder), '--settings', str(settings), '--sector', '1',
             '--ccd', '2']
    process = subprocess.Popen(words, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    part = folder / 'ffi' / 's0001' / '1-2' / f'.{NAMES[2]}.part'
    while process.poll() is None and not (part.exists() and part.stat().st_size):
        time.sleep(0.02)
    process.send_signal(number)
    while 'Stopping after the work in hand' not in process.stderr.readline():
        assert process.poll() is None
    stub.routes |= {cloud(name): ranged(FFI) for name in NAMES}
    stub.closed.set()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == code, said
    assert 'So far: 2 fetched' in said and files(folder)[:2] == [part.name, f'{part.name}.json']
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and '2 fetched' in done.stdout and '2 stood already' in done.stdout
    assert files(folder) == NAMES[:4]
    assert any(request.headers.get('Range') for request in stub.asked(cloud(NAMES[2])))
    assert all(fetched(stub).count(cloud(name)) == 1 for name in NAMES[:2])


def zipped(*members):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name, content in members:
            file.writestr(name, content)
    return buffer.getvalue()


NAME = f'tess-s0009-3-1_{RA:.6f}_{DEC:.6f}_13x13_astrocut.fits'
SECTORS = [{'sectorName': f'tess-s{sector:04d}-3-1', 'sector': f'{sector:04d}', 'camera': '3', 'ccd': '1'}
           for sector in (9, 10)]
ASTROCUT, SECTOR = '/tesscut/api/v0.1/astrocut', '/tesscut/api/v0.1/sector'


@pytest.fixture
def cutting(stub):
    stub.routes |= {SECTOR: Reply(json.dumps({'results': SECTORS, 'msg': ''}).encode()),
                    ASTROCUT: Reply(zipped((NAME, CUT))),
                    '/api/v0/invoke': Mast([tic_row(138699999, RA, DEC)])}
    return stub


def test_cutouts_of_a_place(run, folder, cutting, capsys):
    assert run('tesscut', '--position', RA, DEC, '--sector', 9) == 0
    assert files(folder) == [NAME] and '1 cutouts: 1 fetched' in capsys.readouterr().out
    assert (folder / 'tesscut' / 's0009' / NAME).read_bytes() == CUT
    asked, = cutting.asked(ASTROCUT)
    assert asked.query == {'ra': '151.512000', 'dec': '-49.108800', 'x': '13', 'y': '13', 'units': 'px',
                           'sector': '9'}
    before = len(cutting.asked())
    assert run('tesscut', '--position', RA, DEC, '--sector', 9) == 0 and len(cutting.asked()) == before


def test_cutouts_of_stars_by_number(run, folder, cutting, tmp_path, caplog):
    (tmp_path / 'stars.txt').write_text('138699999\n17\n')
    assert run('tesscut', '--targets', tmp_path / 'stars.txt', '--sector', 9, '--camera', 3) == 0
    assert files(folder) == [NAME]
    assert run('tesscut', '--targets', tmp_path / 'stars.txt', '--sector', 11) == 0
    (tmp_path / 'stars.txt').write_text('17\n')
    assert run('tesscut', '--targets', tmp_path / 'stars.txt', '--sector', 9) == 4


def test_cutouts_that_stand_under_older_names(run, folder, cutting):
    folder.mkdir()
    (folder / 'tess-s0009-3-1_151.512_-49.1088_13x13_astrocut.fits').write_bytes(CUT)
    assert run('tesscut', '--position', RA, DEC, '--sector', 9) == 0 and not cutting.asked(ASTROCUT)


@pytest.mark.parametrize('bad', [
    b'', b'PK\x03\x04', zipped((NAME, CUT))[:-3000], zipped(('../../x.fits', CUT)), zipped((NAME, b'x')),
    zipped((NAME, CUT[:-20_000])), zipped((NAME.replace('-3-1_', '-3-2_'), CUT)),
    zipped((NAME, CUT), ('b/' + NAME, CUT))])
def test_bad_answers_of_tesscut(run, folder, cutting, bad, capsys):
    cutting.routes[ASTROCUT] = Reply(bad)
    assert run('tesscut', '--position', RA, DEC, '--sector', 9) == 3
    assert files(folder) == [] and not list(folder.parent.glob('x.fits'))
    assert 'damaged' in capsys.readouterr().err
    cutting.routes[ASTROCUT] = [Reply(bad), Reply(zipped((NAME, CUT)))]
    assert run('tesscut', '--position', RA, DEC, '--sector', 9) == 0 and files(folder) == [NAME]


def test_target_pixel_files_of_stars(run, folder, stub, tmp_path, capsys):
    names = [f'tess2018206045859-s0001-{number:016d}-0120-s_tp.fits' for number in (25155310, 38846515)]
    stub.routes['/scripts/tesscurl_sector_1_tp.sh'] = Reply(script(*names))
    stub.routes[f'/cloud/tess/public/tid/s0001/0000/0000/2515/5310/{names[0]}'] = ranged(FFI)
    (tmp_path / 'stars.txt').write_text('25155310\n17\n')
    assert run('tpf', '--sector', 1, '--targets', tmp_path / 'stars.txt') == 0
    assert files(folder) == names[:1] and '1 of 2 stars have no tpf file' in capsys.readouterr().err
    assert run('tpf', '--sector', 1, '--camera', 2) == 2
    assert run('tpf', '--sector', 1, '--position', 10, 20) == 2
    assert run('tpf', '--targets', tmp_path / 'stars.txt') == 2


def test_rows_of_the_tic_for_a_catalogue_without_a_network(run, folder, cutting, tmp_path, capsys):
    assert run('tesscut', '--position', RA, DEC, '--sector', 9) == 0
    assert run('tic', '--sector', 9, '--dry-run') == 0
    assert 'cells of the TIC' in capsys.readouterr().out
    assert run('tic', '--sector', 9) == 0 and 'fetched' in capsys.readouterr().out
    with Stub() as gone:
        url = gone.url
    settings = archive_stubs.settings_file(tmp_path / 'mine.toml', cutting, mast=url, gaia=[url])
    assert make_catalog.main(['9', str(folder), '--settings', str(settings)]) == 0
    found = catalog.read_catalog(folder / paths.catalog_name(9, 3, 1))
    assert found.stars['starid'].tolist() == [138699999]
    before = len(cutting.asked())
    assert run('tic', '--position', RA, DEC) == 0 and run('tic', '--sector', 9) == 0
    assert len(cutting.asked()) == before


@pytest.mark.parametrize('words', [
    ['nonsense'], ['ffi', '--size', '0'], ['tesscut', '--size', '1000'], ['tesscut', '--position', 'x', '3'],
    []])
def test_wrong_words(words, capsys):
    with pytest.raises(SystemExit) as caught:
        fetch.main(words)
    assert caught.value.code == 2


def test_what_is_not_said(run, folder, cutting, tmp_path, capsys):
    (tmp_path / 'stars.txt').write_text('-7\n')
    for words in (['ffi'], ['tesscut', '--sector', '9'], ['tic'], ['tesscut', '--position', '10', '91'],
                  ['tesscut', '--targets', tmp_path / 'stars.txt']):
        assert run(*words) == 2, words
    assert run('tesscut', '--targets', tmp_path / 'none.txt') == 4
    assert fetch.main(['ffi', '--sector', '1']) == 4
    assert 'Traceback' not in capsys.readouterr().err
