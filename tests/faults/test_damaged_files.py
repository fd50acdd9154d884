"""Cubes and lists that are damaged while they are used, or between two runs."""

import contextlib
import os
import random
import re
import shutil
import subprocess
import sys
from pathlib import Path

import chaos
import fake_work
import pytest
import todo_files

from photometry.core.errors import TessphotError
from photometry.files import cube, lightcurve
from photometry.programs import tessphot
from photometry.todo.dispatch import dispatch
from photometry.todo.manager import TaskManager
from photometry.todo.workers.inline import InlineWorkers

PROGRAM = Path(__file__).parents[2] / 'run_tessphot.py'


def flip(path, chance, number, after=0):
    """Change some bits of a file."""
    with open(path, 'r+b') as stream:
        for _ in range(number):
            place = chance.randrange(after, path.stat().st_size)
            byte = os.pread(stream.fileno(), 1, place)[0]
            os.pwrite(stream.fileno(), bytes([byte ^ 1 << chance.randrange(8)]), place)


# Cubes

def check_stars(sector, code):
    """Every star has ended; every light curve that is there is whole."""
    statuses = todo_files.statuses(sector / 'todo.sqlite')
    assert code in (0, 3) and set(statuses.values()) <= {1, 2, 3, 5}
    files = list((sector / 'lightcurves').rglob('*.fits'))
    for path in files:
        lightcurve.read_lightcurve(path)
    assert len(files) == sum(status in (1, 3) for status in statuses.values())
    assert not list((sector / 'lightcurves').rglob('*.tmp'))
    return {'tasks': len(statuses), 'failed': sum(status == 2 for status in statuses.values())}


def test_bits_flip_while_stars_are_measured(sector, figures):
    """Row 15: nothing crashes; what it cost stands in the list."""
    path, chance = next(sector.glob('*.hdf5')), random.Random(7)
    process = subprocess.Popen([sys.executable, PROGRAM, sector, '--all', '--workers', '2', '-q'],
                               stderr=subprocess.PIPE, text=True)
    flips = 0
    while process.poll() is None:
        if any((sector / 'lightcurves').rglob('*.fits')):
            flip(path, chance, 2)
            flips += 2
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.02)
    assert 'Traceback' not in process.communicate()[1]
    figures |= check_stars(sector, process.returncode) | {'flips': flips}


@pytest.mark.parametrize('seed', range(chaos.size(2, 40)))
def test_bits_flipped_before(sector, figures, seed):
    """Row 15: wherever they are; those in pixels are found by the checksums."""
    path = next(sector.glob('*.hdf5'))
    flip(path, random.Random(seed), 30)
    code = tessphot.main([str(sector), '--all', '--workers', '1', '-q'])
    figures |= check_stars(sector, code)
    try:
        with cube.CubeFile(path) as made:
            damaged = len(made.verify_blocks())
    except TessphotError:
        damaged = 'all'
    figures['damaged blocks'] = damaged
    assert damaged


# Lists

def test_log_deleted(trial, peace, figures):
    """Row 16: what only the write-ahead log knew is measured again, nothing else."""
    run = trial(400, pause=0.005)
    assert run.start().wait_for_stars(320)
    run.kill()
    before = run.done()
    wal = run.todo.with_name('todo.sqlite-wal')
    assert wal.stat().st_size
    wal.unlink()
    run.look_at_committed()
    after = run.done()
    assert after < before
    assert run.finish() == 0
    for path in run.output.rglob('*.tmp'):
        path.unlink()  # that its star had begun stood in the log, too
    figures |= run.check(peace(400), **{'results in the log': len(before - after)})


@pytest.mark.parametrize('size', chaos.size([9000], [0, 3000, 9000, 20_000]))
def test_truncated_under_a_run(trial, size):
    """Row 16: the run ends with a sentence, and the list is refused from then on, or whole."""
    run = trial(300, pause=0.01).start()
    run.wait_for_stars(30)
    os.truncate(run.todo, size)
    code, said = run.process.communicate()[1], run.process.returncode
    assert 'Traceback' not in code, code
    again = run.start().process.communicate()[1]
    assert 'Traceback' not in again
    if said == 0 and run.process.returncode == 0:
        assert len(run.done()) == 300
    else:
        assert 'move it away' in code + again or 'Cannot write' in code + again


def test_removed_under_a_run(trial):
    """Row 16: a run does not end well when nobody can read its results."""
    run = trial(60, pause=0.01).start()
    run.wait_for_stars(20)
    run.todo.unlink()
    said = run.process.communicate()[1]
    assert run.process.returncode == 4 and 'Cannot write' in said and 'Traceback' not in said


@pytest.mark.parametrize('seed', range(chaos.size(20, 400)))
def test_list_with_flipped_bits(tmp_path, undamaged, seed):
    """Row 16: it is refused in a sentence, or every star that it still names comes to an end."""
    todo = Path(shutil.copy(undamaged, tmp_path))
    flip(todo, random.Random(seed), 1 + seed % 20)
    try:
        with TaskManager(todo) as manager, InlineWorkers(fake_work.FakeWorker(str(tmp_path))) as workers:
            dispatch(manager, workers)
            assert not manager.waiting()
    except TessphotError as error:
        assert re.search('todo.sqlite', str(error))


@pytest.fixture(scope='module')
def undamaged(tmp_path_factory):
    """A list of sixty stars."""
    return todo_files.fill(tmp_path_factory.mktemp('list') / 'todo.sqlite', 60)
