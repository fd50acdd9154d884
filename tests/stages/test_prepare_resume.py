"""A run killed at any moment is continued by the same command; the result is that of one left in peace."""

import dataclasses
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import small_sector

from photometry import settings
from photometry.core.errors import DrainedError, IncompatibleError
from photometry.files import cube, cube_writer, frame_journal
from photometry.files.identity import Identity
from photometry.stages.prepare import field
from photometry.stages.prepare_photometry import prepare_photometry

NAME = 'sector005_camera2_ccd2.hdf5'
PROGRAM = Path(__file__).parents[2] / 'run_prepare_photometry.py'
FRAMES = 40


@pytest.fixture(scope='module')
def sector(tmp_path_factory):
    """Two blocks of frames."""
    folder = tmp_path_factory.mktemp('sector')
    small_sector.make(folder, small_sector.plan(size=48, frames=FRAMES, number=25))
    return folder


@pytest.fixture(scope='module')
def undisturbed(sector, tmp_path_factory):
    """The cube of an undisturbed run."""
    folder = shutil.copytree(sector, tmp_path_factory.mktemp('peace') / 'sector')
    prepare_photometry(folder, settings.load())
    return folder / NAME


@pytest.fixture
def folder(sector, tmp_path):
    """A copy of the frames and the catalogue."""
    return shutil.copytree(sector, tmp_path / 'sector')


def datasets(file):
    """Names of all datasets of an open file."""
    found = set()
    file.visititems(lambda name, item: found.add(name) if isinstance(item, h5py.Dataset) else None)
    return found


def assert_same(one, two):
    """Every dataset and attribute of two cubes is the same to the last bit."""
    with h5py.File(one) as a, h5py.File(two) as b:
        names = datasets(a)
        assert names == datasets(b) and {'psf/samples', 'chunks/images'} < names
        for name in names:
            np.testing.assert_array_equal(a[name][...], b[name][...], err_msg=name)
        for group in ('/', 'psf'):
            for name in a[group].attrs:
                np.testing.assert_array_equal(a[group].attrs[name], b[group].attrs[name], err_msg=name)


def run_until(folder, event):
    """Run in a child that kills itself at its n-th step towards the disk; whether it lived."""
    child = os.fork()
    if child == 0:
        try:
            _count_down(event)
            prepare_photometry(folder, settings.load())
        finally:
            os._exit(0)
    return os.WIFEXITED(os.waitpid(child, 0)[1])


def _count_down(event):
    left = [event]

    def deadly(work, before):
        def wrapped(*arguments, **options):
            left[0] -= 1
            if not left[0] and before:
                os.kill(os.getpid(), signal.SIGKILL)
            answer = work(*arguments, **options)
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            return answer
        return wrapped

    frame_journal._write = deadly(frame_journal._write, event % 2)
    cube_writer.CubeWriter._write_layer = deadly(cube_writer.CubeWriter._write_layer, event % 2)
    h5py.File.flush = deadly(h5py.File.flush, event % 2)
    for name in ('replace', 'fsync'):
        setattr(os, name, deadly(getattr(os, name), event % 2))


@pytest.mark.filterwarnings('ignore:This process.*is multi-threaded:DeprecationWarning')
@pytest.mark.parametrize('events', [(1, 5, 30, 14, 3), (42, 2, 5, 9), (44, 4, 1, 6), (54, 1, 2, 3, 4)])
def test_killed_at_any_step(folder, undisturbed, events):
    lives = [run_until(folder, event) for event in events]
    assert not lives[0]
    prepare_photometry(folder, settings.load())
    assert_same(folder / NAME, undisturbed)
    assert sorted(path.suffix for path in folder.iterdir() if 'hdf5' in path.name) == ['.hdf5']


@pytest.mark.slow
def test_killed_program(folder, undisturbed):
    moments = np.random.default_rng().uniform(1.0, 4.0, 2)
    command = [sys.executable, PROGRAM, folder, '--quiet']
    for moment in moments:
        process = subprocess.Popen(command)
        time.sleep(moment)
        process.kill()
        process.wait()
    subprocess.run(command, check=True)
    assert_same(folder / NAME, undisturbed)


def test_finished_work_is_not_done_again(folder, undisturbed, monkeypatch):
    run_until(folder, 30)
    before = (folder / f'{NAME}.journal').stat().st_size
    assert before > 5_000
    fitted = []
    add = frame_journal.FrameJournal.add
    monkeypatch.setattr(frame_journal.FrameJournal, 'add',
                        lambda self, index, *rest: (fitted.append(index), add(self, index, *rest)))
    prepare_photometry(folder, settings.load())
    assert 0 < len(fitted) < FRAMES - 20
    assert_same(folder / NAME, undisturbed)


def test_workers_and_blocks_change_no_bit(folder, undisturbed, monkeypatch):
    from photometry.stages.prepare import job
    monkeypatch.setattr(job, '_SMALL', 0)
    chosen = settings.load()
    chosen = dataclasses.replace(chosen, prepare=dataclasses.replace(chosen.prepare, block=64))
    prepare_photometry(folder, chosen, workers=2)
    with h5py.File(folder / NAME) as a, h5py.File(undisturbed) as b:
        assert len(a['blocks_done']) < len(b['blocks_done'])
        # how many blocks there are moves what lies behind their tables in the file
        placed = {f'chunks/{name}' for name in a['chunks']}
        for name in datasets(a) - {'blocks_done', 'blocks_checksum'} - placed:
            np.testing.assert_array_equal(a[name][...], b[name][...], err_msg=name)


def test_other_settings_are_refused(folder, caplog):
    run_until(folder, 47)
    other = settings.load()
    other = dataclasses.replace(other, prepare=dataclasses.replace(other.prepare, mesh=32))
    for state in ('.work', ''):
        assert (folder / (NAME + state)).exists()
        report = prepare_photometry(folder, other)
        assert isinstance(report.failures[0], IncompatibleError) and report.exit_code == 2
        words = str(report.failures[0])
        assert 'prepare.mesh = 64, not 32' in words and '--overwrite' in words
        prepare_photometry(folder, settings.load())
    assert not prepare_photometry(folder, other, overwrite=True).failures
    with cube.CubeFile(folder / NAME) as made:
        assert made.info.background_mesh == 32


def test_other_input_is_refused(folder):
    prepare_photometry(folder, settings.load())
    sorted(folder.glob('*ffic.fits'))[3].unlink()
    report = prepare_photometry(folder, settings.load())
    assert report.exit_code == 2 and '1 input files more, with tess' in str(report.failures[0])


def test_damaged_block_is_written_again(folder, undisturbed, caplog):
    run_until(folder, 53)
    work = folder / f'{NAME}.work'
    with h5py.File(work, 'r+') as file:
        done = np.flatnonzero(file['blocks_done'][...])
        assert len(done)
        file['images'][10, 10, 0] += 1
    prepare_photometry(folder, settings.load())
    assert 'damaged' in caplog.text
    assert_same(folder / NAME, undisturbed)


def test_truncated_work_is_begun_anew(folder, undisturbed):
    run_until(folder, 53)
    work = folder / f'{NAME}.work'
    os.truncate(work, work.stat().st_size // 2)
    prepare_photometry(folder, settings.load())
    assert_same(folder / NAME, undisturbed)


def test_damaged_journal(folder, undisturbed):
    run_until(folder, 25)
    journal = folder / f'{NAME}.journal'
    content = bytearray(journal.read_bytes())
    content[len(content) // 2] ^= 4
    journal.write_bytes(content[:-7])
    prepare_photometry(folder, settings.load())
    assert_same(folder / NAME, undisturbed)


@pytest.mark.parametrize(('number', 'error'), [(signal.SIGTERM, DrainedError), (signal.SIGUSR1, DrainedError),
                                               (signal.SIGINT, KeyboardInterrupt)])
def test_drained(folder, undisturbed, monkeypatch, number, error):
    add = frame_journal.FrameJournal.add

    def stopping(self, index, *rest):
        add(self, index, *rest)
        if index == 20:
            os.kill(os.getpid(), number)
    monkeypatch.setattr(frame_journal.FrameJournal, 'add', stopping)
    before = signal.getsignal(number)
    with pytest.raises(error):
        prepare_photometry(folder, settings.load())
    assert signal.getsignal(number) is before
    monkeypatch.undo()
    prepare_photometry(folder, settings.load())
    assert_same(folder / NAME, undisturbed)


@pytest.mark.parametrize('overwrite', [False, True])
def test_two_runs_at_once(folder, overwrite):
    run_until(folder, 20)
    left = [folder / f'{NAME}.{kind}' for kind in ('journal', 'work')]
    before = [(path.stat().st_ino, path.read_bytes()) for path in left if path.exists()]
    with open(left[0]) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        report = prepare_photometry(folder, settings.load(), overwrite=overwrite)
    assert 'another run' in str(report.failures[0]) and report.exit_code == 2
    assert before and before == [(path.stat().st_ino, path.read_bytes()) for path in left if path.exists()]


def test_a_finished_cube_takes_no_journal_from_a_run(folder, undisturbed):
    shutil.copy(undisturbed, folder / NAME)
    path = folder / f'{NAME}.journal'
    with open(path, 'w') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert not prepare_photometry(folder, settings.load()).failures and path.exists()
    assert not prepare_photometry(folder, settings.load()).failures and not path.exists()


def test_a_run_that_waited_finds_the_cube(folder, undisturbed, monkeypatch):
    look = field.look

    def looking(*words):
        found = look(*words)
        shutil.copy(undisturbed, folder / NAME)
        return found
    monkeypatch.setattr(field, 'look', looking)
    before = undisturbed.read_bytes()
    report = prepare_photometry(folder, settings.load())
    assert report.cubes == [folder / NAME] and (folder / NAME).read_bytes() == before
    assert not (folder / f'{NAME}.journal').exists()


def test_journal_removed_by_its_owner_is_opened_anew(tmp_path, monkeypatch):
    path = tmp_path / 'x.journal'
    lock, removed = frame_journal._lock, []

    def locking(name, handle):
        lock(name, handle)
        if not removed:  # the other run ended between opening and locking
            removed.append(name)
            path.unlink()
    monkeypatch.setattr(frame_journal, '_lock', locking)
    with frame_journal.FrameJournal(path, Identity('0', {}, ()), 3) as journal:
        journal.add(5, numbers=np.ones(3))
    with frame_journal.FrameJournal(path, Identity('0', {}, ()), 3) as journal:
        assert list(journal.records) == [5]
