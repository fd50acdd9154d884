"""The four programs one after the other, then the same stars measured in every way there is."""

import hashlib
import os
import re
import shutil
import sqlite3
import subprocess
import sys

import mpi_jobs
import pytest
import small_sector
import todo_rows

from photometry.core.errors import ExitCode, OutputError
from photometry.core.status import STATUS
from photometry.files.lightcurve import read_lightcurve
from photometry.programs import make_todo, prepare_photometry, tessphot
from photometry.stages import run_tessphot
from photometry.todo.owner import Owner

PROGRAM = mpi_jobs.ROOT / 'run_tessphot.py'


@pytest.fixture(scope='module')
def prepared(tmp_path_factory):
    """A directory with a cube, its catalogue and a list."""
    folder = tmp_path_factory.mktemp('sector')
    small_sector.make(folder, small_sector.plan(size=72, frames=12, number=40))
    assert prepare_photometry.main([str(folder), '-q']) == 0
    assert make_todo.main([str(folder), '-q']) == 0
    return folder


@pytest.fixture
def folder(prepared, tmp_path, monkeypatch):
    """A copy with a fresh list; nothing of the environment counts."""
    monkeypatch.setenv('SOURCE_DATE_EPOCH', '1700000000')
    for name in ('TESSPHOT_INPUT', 'TESSPHOT_OUTPUT', 'TESSPHOT_TODO'):
        monkeypatch.delenv(name, raising=False)
    for path in (*prepared.glob('*.hdf5'), *prepared.glob('*.sqlite')):
        shutil.copy(path, tmp_path)
    return tmp_path


def run(folder, *words):
    return tessphot.main([str(folder), '-q', *map(str, words)])


def rows(folder):
    return todo_rows.query(folder / 'todo.sqlite', 'SELECT starid, status, reason, lightcurve, errors '
                           'FROM todolist LEFT JOIN diagnostics USING (priority) ORDER BY priority')


def digests(folder):
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob('*') if path.is_file()}


MODULES = '''
import importlib, sys
from photometry.core.task import Task
from photometry.methods.context import JobOptions, WorkerContext
from photometry.stages import tessphot, workforce
for name in workforce.PRELOAD:
    importlib.import_module(name)
before = set(sys.modules)
folder, starid, cube = sys.argv[1], int(sys.argv[2]), sys.argv[3]
with WorkerContext(JobOptions(folder, folder + '/modules')) as worker:
    assert tessphot.process(Task(starid, 5, 2, 2, 1800, cube=cube), worker).lightcurve
print(*sorted(name for name in set(sys.modules) - before if not name.startswith('encodings.')))
'''


def test_children_share_the_modules_that_a_first_star_needs(folder):
    starid = todo_rows.query(folder / 'todo.sqlite', 'SELECT starid FROM todolist ORDER BY priority')[0][0]
    cube, = folder.glob('*.hdf5')
    words = [sys.executable, '-c', MODULES, folder, str(starid), cube.name]
    done = subprocess.run(words, check=True, capture_output=True, text=True, cwd=mpi_jobs.ROOT)
    assert done.stdout.split() == []


def test_bytes_do_not_depend_on_the_way(folder):
    assert run(folder, '--all', '--output', folder / 'one') in (0, 3)
    first = rows(folder)
    assert run(folder, '--all', '--workers', 2, '--overwrite', '--output', folder / 'two') in (0, 3)
    assert rows(folder) == first
    assert len(digests(folder / 'one')) >= 30
    assert digests(folder / 'one') == digests(folder / 'two')
    code, said, log = mpi_jobs.run(3, '-m', 'mpi4py', PROGRAM, folder, '--all', '--overwrite', '-q',
                                   '--output', folder / 'mpi')
    assert code in (0, 3), log
    assert said.startswith('Finished: ') and len(said.splitlines()) == 1
    assert rows(folder) == first and digests(folder / 'mpi') == digests(folder / 'one')
    for starid in [star for star, status, *_ in first if status == STATUS.OK][:4]:
        assert run(folder, '--starid', starid, '--overwrite', '--output', folder / 'three') == 0
        run(folder, '--starid', starid, '--output', folder / 'four', '--todo', folder / 'none.sqlite',
            '--camera', 2, '--ccd', 2, '--datasource', 'ffi')
    three = digests(folder / 'three')
    assert len(three) == 4 and three == digests(folder / 'four')
    assert three.items() <= digests(folder / 'one').items()
    assert not (folder / 'none.sqlite').exists()


@pytest.mark.parametrize(('cause', 'words'), [
    ('raise RuntimeError("cannot load MPI library")', 'mpi4py or its library is missing'),
    ('from types import SimpleNamespace as Bag; MPI = Bag(COMM_WORLD=Bag(size=1))', 'has another library')])
def test_without_a_working_mpi_the_first_process_has_children(folder, tmp_path, cause, words):
    broken = tmp_path / 'broken' / 'mpi4py'
    broken.mkdir(parents=True)
    (broken / '__init__.py').write_text(cause)
    said = {}
    for rank in '10':
        environment = os.environ | {'PYTHONPATH': f'{broken.parent}{os.pathsep}{mpi_jobs.ROOT}',
                                    'OMPI_COMM_WORLD_RANK': rank, 'OMPI_COMM_WORLD_SIZE': '3'}
        done = subprocess.run([sys.executable, PROGRAM, folder, '--all', '--tmag-max', '11'], text=True,
                              env=environment, capture_output=True, timeout=100)
        assert done.returncode == 0, done.stderr
        said[rank] = done.stdout + done.stderr
    assert said['1'] == ''
    assert words in said['0'] and 'the first of the 3 processes works alone, with 2 children' in said['0']
    assert {status for _, status, *_ in rows(folder)} == {None, STATUS.OK}


def test_second_run_does_nothing(folder, capsys):
    code = run(folder, '--all')
    before = digests(folder / 'lightcurves')
    stamps = {path: path.stat().st_mtime_ns for path in (folder / 'lightcurves').rglob('*')}
    capsys.readouterr()
    assert run(folder, '--all') == code
    assert 'Nothing is left to do' in capsys.readouterr().out
    assert digests(folder / 'lightcurves') == before
    assert {path: path.stat().st_mtime_ns for path in (folder / 'lightcurves').rglob('*')} == stamps
    assert set(before) == {name for *_, name, _ in rows(folder) if name}


def test_random_says_what_it_drew_and_repeats(folder, capsys):
    assert run(folder, '--random=7', '--tmag-max', 12) in (0, 3)
    said = capsys.readouterr().out
    assert said.startswith('seed 7, priority ')
    assert sum(status is not None for _, status, *_ in rows(folder)) == 1
    assert run(folder, '--random') in (0, 3)
    assert 'seed ' in capsys.readouterr().out


def add_companion(folder, starid):
    """Put a fainter star a tenth of a pixel beside another one into the catalogue; its number."""
    path = next(folder.glob('catalog*.sqlite'))
    companion = 10 ** 9 + starid
    connection = sqlite3.connect(path)
    with connection:
        names = [line[1] for line in connection.execute('PRAGMA table_info(catalog)')]
        row = connection.execute('SELECT * FROM catalog WHERE starid = ?', (starid,)).fetchone()
        values = dict(zip(names, row, strict=True))
        values |= {'starid': companion, 'decl': values['decl'] + 2.1 / 3600, 'tmag': values['tmag'] + 1}
        marks = ', '.join('?' * len(names))
        connection.execute(f'INSERT INTO catalog VALUES ({marks})', list(values.values()))
    connection.close()
    return companion


def test_skipped_star_is_measured_when_named(folder, capsys):
    run(folder, '--all')
    brighter = next(star for star, status, *_ in rows(folder) if status == STATUS.OK)
    companion = add_companion(folder, brighter)
    assert make_todo.main([str(folder), '-q', '--faint-limit', '16']) == 0
    run(folder, '--all')
    statuses = {star: status for star, status, *_ in rows(folder)}
    assert statuses[companion] == STATUS.SKIPPED and statuses[brighter] == STATUS.OK
    assert run(folder, '--starid', companion) == 0
    status, sentence = next((row[1], row[4]) for row in rows(folder) if row[0] == companion)
    assert status == STATUS.WARNING and str(brighter) in sentence
    capsys.readouterr()
    run(folder, '--starid', companion, '--camera', 2, '--ccd', 2, '--datasource', 'ffi', '--todo',
        folder / 'none.sqlite')
    assert f'TIC {companion}: warning' in (said := capsys.readouterr().out) and str(brighter) in said
    assert run(folder, '--all', '--overwrite') in (0, 3)
    assert {star: status for star, status, *_ in rows(folder)}[companion] == STATUS.SKIPPED


def test_without_a_queue(folder, capsys):
    (folder / 'todo.sqlite').rename(folder / 'away')
    star = todo_rows.query(folder / 'away', 'SELECT starid FROM todolist WHERE priority = 9')[0][0]
    place = ('--camera', 2, '--ccd', 2, '--datasource', 'ffi')
    assert run(folder, '--starid', star, *place) == 0
    assert 'No STATUS was recorded' in capsys.readouterr().out
    assert not (folder / 'todo.sqlite').exists()
    assert run(folder, '--starid', star) == ExitCode.INPUT_MISSING
    assert run(folder, '--starid', 10 ** 10, *place) == ExitCode.INPUT_MISSING
    assert 'is not in the catalogue' in capsys.readouterr().out
    assert run(folder, '--starid', star, '--sector', 77, *place) == ExitCode.INPUT_MISSING
    assert run(folder, '--starid', star, '--cadence', 20, *place) == ExitCode.USAGE


def test_off_silicon_without_a_queue(folder, capsys):
    catalog = next(folder.glob('catalog*.sqlite'))
    listed = {star for star, *_ in rows(folder)}
    connection = sqlite3.connect(catalog)
    everybody = {star for star, in connection.execute('SELECT starid FROM catalog')}
    connection.close()
    outside = sorted(everybody - listed)[0]
    place = ('--camera', 2, '--ccd', 2, '--datasource', 'ffi')
    assert run(folder, '--starid', outside, *place) == ExitCode.INPUT_MISSING
    assert f'TIC {outside}: error' in capsys.readouterr().out
    assert run(folder, '--starid', outside) == ExitCode.INPUT_MISSING


def test_a_queue_in_use_does_not_hinder_a_single_star(folder):
    star = rows(folder)[5][0]
    owner = Owner(folder / 'todo.sqlite')
    try:
        assert run(folder, '--all') == ExitCode.RESUMABLE
        assert run(folder, '--starid', star, '--camera', 2, '--ccd', 2, '--datasource', 'ffi') == 0
    finally:
        owner.close()
    assert {status for _, status, *_ in rows(folder)} == {None}


def test_full_disk_stops_the_run_and_leaves_all_waiting(folder, monkeypatch, capsys):
    from photometry.files.lightcurve_writer import LightcurveWriter

    def full(self, path, *_):
        raise OutputError(f'Cannot write {path}: the disk is full; free some space.')
    with monkeypatch.context() as patched:
        patched.setattr(LightcurveWriter, 'write', full)
        assert run(folder, '--all') == ExitCode.RESUMABLE
    assert 'the disk is full' in capsys.readouterr().err
    assert sum(status is None for _, status, *_ in rows(folder)) > 0.7 * len(rows(folder))
    assert run(folder, '--all', '--retry-errors') in (0, 3)
    assert None not in {status for _, status, *_ in rows(folder)}


def test_damaged_cube_fails_its_stars_and_says_so(folder):
    cube = next(folder.glob('*.hdf5'))
    with open(cube, 'r+b') as stream:
        stream.truncate(cube.stat().st_size // 2)
    assert run(folder, '--all', '--workers', 1) == ExitCode.FAILED_TASKS
    found = {(status, reason) for _, status, reason, *_ in rows(folder) if status != STATUS.SKIPPED}
    assert found == {(STATUS.ERROR, 'input_bad')}


def test_results_of_other_settings_are_refused(folder, tmp_path, capsys):
    run(folder, '--all')
    other = tmp_path / 'other.toml'
    other.write_text('[aperture]\nstamp_growth = 7\n')
    assert run(folder, '--all', '--settings', other) == ExitCode.USAGE
    assert 'aperture.stamp_growth was 5, now 7' in capsys.readouterr().err
    assert run(folder, '--all', '--settings', other, '--overwrite') in (0, 3)


def test_status_of_a_finished_run(folder, capsys):
    run(folder, '--all')
    capsys.readouterr()
    assert run(folder, '--status') == 0
    assert 'No scheduler is working on it.' in capsys.readouterr().out


def test_half_written_files_of_a_dead_worker_are_removed(tmp_path):
    place = tmp_path / 'c1800' / '00000'
    place.mkdir(parents=True)
    (place / '.tess00000000012-s005-x.fits.ab12.tmp').touch()
    (place / '.tess00000000013-s005-x.fits.ab12.tmp').touch()
    (place / '.hlsp_mine_tess_ffi_s0005-2-2-0000000000000012-c1800_tess_v01_lc.fits.ab12.tmp').touch()
    (place / '.hlsp_mine_tess_ffi_s0005-2-2-0000000000000013-c1800_tess_v01_lc.fits.ab12.tmp').touch()
    gaia = tmp_path / 'c1800' / '-4689'
    gaia.mkdir()
    (gaia / '.tess-4689637789433087488-s005-x.fits.ab12.tmp').touch()
    pictures = place / 'plots' / '00000000012'
    pictures.mkdir(parents=True)
    (pictures / '.lightcurve.png.cd34.tmp').touch()
    run_tessphot.clear_left_behind(tmp_path, [12, -4689637789433087488, '../x'])
    assert not list(pictures.iterdir()) and not list(gaia.iterdir())
    assert {path.name[5:].partition('000013')[1] for path in place.glob('.*')} == {'000013'}
    assert len(list(place.glob('.*'))) == 2


def test_light_curves_for_an_archive(folder, capsys):
    (folder / 'mine.toml').write_text('[hlsp]\nid = "my-stars"\nname = "Mine"\nlead = "Maria Mitchell"\n')
    assert run(folder, '--all', '--format', 'hlsp', '--settings', folder / 'mine.toml') == 0
    assert 'should name their collection; set doi in section [hlsp]' in capsys.readouterr().err
    made = [row[3] for row in rows(folder) if row[3]]
    name = re.compile(r'c1800/\d{5}/hlsp_my-stars_tess_ffi_s0005-2-2-\d{16}-c1800_tess_v\d\d_lc.fits')
    assert made and all(map(name.fullmatch, made))
    found = read_lightcurve(folder / 'lightcurves' / made[0])
    assert (found.layout, found.primary['HLSPLEAD']) == ('hlsp', 'Maria Mitchell')


def test_an_identifier_that_no_archive_takes(folder, capsys):
    (folder / 'mine.toml').write_text('[hlsp]\nid = "../My Stars"\n')
    assert run(folder, '--all', '--format', 'hlsp', '--settings', folder / 'mine.toml') == ExitCode.USAGE
    assert 'must be up to 20 small letters, digits and hyphens' in capsys.readouterr().err
