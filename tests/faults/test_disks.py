"""Disks that are full, read-only or gone in the middle of a run."""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from programs import bad_sector
from stages import small_sector

from photometry.core.status import STATUS

PREPARE = Path(__file__).parents[2] / 'run_prepare_photometry.py'
NUMBER = 80


@contextlib.contextmanager
def disk(folder, size):
    """A disk of some kilobytes; skips where mounting is not permitted, for tests that have a sister."""
    with bad_sector.small_disk(folder, f'{size}k') as mounted:
        if not mounted:
            pytest.skip('mounting is not permitted here; the test with the limited file size holds the same')
        yield


def enlarge(folder):
    """Give a disk room."""
    subprocess.run(['mount', '-o', 'remount,size=64m', folder], check=True)


def check_stopped(run, code, sentence):
    """The run has ended with its sentence; every star waits or is done, and nobody was charged."""
    ended, said = run.end()
    assert ended == code and sentence in said and 'Traceback' not in said, said
    assert set(run.statuses().values()) <= {None, STATUS.OK, STATUS.STARTED}
    assert run.query('SELECT COUNT(*) FROM todolist WHERE attempts > 1') == [(0,)]


def check_continued(run, peace, figures):
    """The same command brings it to the end."""
    done = [star for star, status in run.statuses().items() if status == STATUS.OK]
    before = run.log.begun()
    assert run.finish() == 0
    after = run.log.begun()
    figures |= run.check(peace(NUMBER), **{'done before': len(done)})
    assert all(after[star] == before[star] for star in done)


def test_light_curves_fill_the_disk(trial, peace, figures):
    """Row 13."""
    run = trial(NUMBER, pause=0.005)
    with disk(run.output, 400):
        check_stopped(run.start(), 75, 'the disk is full; free some space')
        enlarge(run.output)
        check_continued(run, peace, figures)
    assert figures['done before'] > 10


def test_light_curves_exceed_a_limit(trial, peace, figures):
    """Row 13, where no disk can be made: from star 30 on a worker can write 4 kB at most."""
    run = trial(NUMBER, workers=1, faults={30: 'cramped'})
    check_stopped(run.start(), 75, 'larger than the limit of this process')
    run.faults.clear()
    check_continued(run, peace, figures)
    assert figures['done before'] > 10


def test_list_fills_the_disk(trial, peace, figures, tmp_path):
    """Row 13."""
    with disk(tmp_path / 'small', 300):
        run = trial(NUMBER, pause=0.02, place=tmp_path / 'small' / 'todo.sqlite')
        bad_sector.fill(tmp_path / 'small')
        os.truncate(tmp_path / 'small' / 'ballast', (tmp_path / 'small' / 'ballast').stat().st_size - 90_000)
        check_stopped(run.start(), 4, 'the disk is full; free some space, the same command continues')
        enlarge(tmp_path / 'small')
        check_continued(run, peace, figures)
    assert figures['done before'] > 0  # how many depends on how often a machine commits


def test_list_exceeds_a_limit(trial, peace, figures):
    """Row 13, where no disk can be made: the write-ahead log grows larger than files may be."""
    run = trial(NUMBER, pause=0.02)
    limit = run.todo.stat().st_size + 20_000
    run.prepare = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    check_stopped(run.start(), 4, 'Cannot write')
    run.prepare = None
    check_continued(run, peace, figures)


def test_output_becomes_read_only(trial, peace, figures):
    """Row 14."""
    run = trial(NUMBER, pause=0.02).start()
    run.wait_for_stars(20)
    with bad_sector.read_only(run.output) as done:
        if not done:
            pytest.skip('neither mounting nor chattr is permitted; see test_output_is_replaced_by_a_file')
        check_stopped(run, 75, 'Cannot write')
    check_continued(run, peace, figures)
    assert figures['done before'] >= 10


def test_output_is_replaced_by_a_file(trial, peace, figures):
    """Row 14."""
    run = trial(NUMBER, pause=0.02).start()
    run.wait_for_stars(20)
    aside = run.output.rename(run.folder / 'aside')
    run.output.touch()
    check_stopped(run, 75, 'a file, not a directory')
    run.output.unlink()
    aside.rename(run.output)
    check_continued(run, peace, figures)


def test_output_vanishes(trial, peace, figures):
    """Row 14: it is made again, the next run says what is missing, and what was written stays whole."""
    run = trial(NUMBER, pause=0.01).start()
    run.wait_for_stars(20)
    aside = run.output.rename(run.folder / 'aside')
    assert run.end()[0] == 0
    code, said = run.start().end()
    assert code == 0 and f'of the first {NUMBER} light curves listed' in said
    for path in aside.rglob('*.fits'):
        path.rename(run.output / path.relative_to(aside))
    figures |= run.check(peace(NUMBER))


# Cubes

@pytest.fixture(scope='module')
def frames(tmp_path_factory):
    """Frames with a catalogue, and the cube that a run left in peace makes of them."""
    folder = tmp_path_factory.mktemp('frames')
    small_sector.make(folder, small_sector.plan(size=64, frames=40, number=25))
    assert prepare(folder).returncode == 0
    return folder, next(folder.glob('*.hdf5')).rename(folder / 'peace')


def prepare(folder, **options):
    """A run of the program that makes cubes."""
    return subprocess.run([sys.executable, PREPARE, folder, '-q'], capture_output=True, text=True,
                          check=False, **options)


def copy_frames(frames, folder):
    """The frames and the catalogue in another directory; their size in kilobytes."""
    shutil.copytree(frames[0], folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns('peace'))
    return sum(path.stat().st_size for path in folder.iterdir()) // 1024


def check_refused(done, folder, figures):
    """A sentence, and no cube under its name."""
    assert done.returncode in (4, 75) and 'Cannot write' in done.stderr, done.stderr
    assert 'Traceback' not in done.stderr and not list(folder.glob('*.hdf5'))
    figures['left behind kB'] = sum(path.stat().st_size for path in folder.glob('*.hdf5.*')) // 1024


def check_made(folder, frames):
    """The same command makes the cube of an undisturbed run."""
    assert prepare(folder).returncode == 0
    assert same_cubes(next(folder.glob('*.hdf5')), frames[1])


def same_cubes(one, two):
    """Whether all datasets of two files are the same to the last bit."""
    with h5py.File(one) as a, h5py.File(two) as b:
        names = []
        a.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        return all(np.array_equal(a[name][...], b[name][...], equal_nan=a[name].dtype.kind == 'f')
                   for name in names) and len(names) > 10


def test_cube_fills_the_disk(frames, tmp_path, figures):
    """Row 13: in the middle of the work."""
    needed = copy_frames(frames, tmp_path / 'aside')
    cube = frames[1].stat().st_size // 1024
    with disk(tmp_path / 'small', needed + 400 + cube // 2):
        copy_frames(frames, tmp_path / 'small')
        check_refused(prepare(tmp_path / 'small'), tmp_path / 'small', figures)
        enlarge(tmp_path / 'small')
        check_made(tmp_path / 'small', frames)


def test_cube_exceeds_a_limit(frames, tmp_path, figures):
    """Row 13, where no disk can be made."""
    copy_frames(frames, tmp_path / 'small')
    limit = frames[1].stat().st_size // 2
    done = prepare(tmp_path / 'small', preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (limit, limit)))
    check_refused(done, tmp_path / 'small', figures)
    check_made(tmp_path / 'small', frames)
