"""Disks that are full, read-only or gone in the middle of a run."""

import contextlib
import os
import resource
import subprocess

import pytest
from programs import bad_sector

from photometry.core.status import STATUS

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
    assert figures['done before'] > 10


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
