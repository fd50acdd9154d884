"""Jobs under mpiexec: the same scheduler, its workers in other ranks."""

import json
import os
import signal
import time
from pathlib import Path

import fake_work
import mpi_jobs
import pytest
import running
import todo_files
from todo_files import query

from photometry.core.status import STATUS

SCHEDULER = Path(__file__).with_name('scheduler.py')
ULFM = ('--with-ft', 'ulfm')
STARTED = []


@pytest.fixture(autouse=True)
def nobody_left():
    """A failed test leaves no job behind."""
    yield
    for process in STARTED:
        if process.poll() is None:
            process.kill()
        process.communicate()
    STARTED.clear()


def start(todo, number=3, *, folder=None, pause=0.0, faults=None, workers=0, options=(), **environment):
    """A job of so many ranks over a todo list."""
    words = SCHEDULER, todo, folder or todo.parent, workers, pause, json.dumps(faults or {})
    STARTED.append(mpi_jobs.start(number, *words, options=options, **environment))
    return STARTED[-1]


def end(process, timeout=60):
    """(exit code, what was said)."""
    said = ''.join(process.communicate(timeout=timeout))
    return process.returncode, said


def wait_for(condition, process, seconds=30):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until and process.poll() is None, end(process)
        time.sleep(0.01)


def written(output):
    """Files under a final name, all of them whole."""
    files = [path for path in output.rglob('*') if path.suffix == '.fits']
    assert all(path.read_bytes() == fake_work.content(int(path.name[4:15])) for path in files)
    return files


def wait_for_begins(number, process, folder):
    wait_for(lambda: sum(fake_work.begun(folder).values()) >= number, process)


def test_faults_cost_the_running_star_alone(tmp_path):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 60)
    faults = {4: 'segfault', 8: 'leave', 15: 'suicide', 16: 'hog', 23: 'suicide_once', 42: 'hang'}
    code, said = end(start(todo, faults=faults, FAKE_TIMEOUT='1'))
    assert code == 3, said
    reasons = dict(query(todo, 'SELECT starid, reason FROM todolist JOIN diagnostics USING (priority) '
                               'WHERE status = 2'))
    assert reasons == {4: 'crash', 8: 'crash', 15: 'crash', 16: 'memory', 42: 'timeout'}
    tries = dict.fromkeys(range(1, 61), 1) | dict.fromkeys(reasons, 3) | {23: 2}
    assert fake_work.begun(tmp_path) == tries
    assert dict(query(todo, 'SELECT starid, attempts FROM todolist')) == tries


def test_every_rank_supervises_as_many_children_as_asked(tmp_path):
    rows = [todo_files.row(starid, tile=starid % 24) for starid in range(1, 121)]
    todo = todo_files.fill(tmp_path / 'todo.sqlite', rows=rows)
    code, said = end(start(todo, pause=0.05, workers=2))
    assert code == 0 and '120 ok' in said
    assert len({pid for *_, pid in fake_work.log(tmp_path)}) == 4
    assert set(fake_work.begun(tmp_path).values()) == {1}


def test_worker_that_cannot_start_ends_the_job(todo):
    code, said = end(start(todo, faults={0: 'refuse'}))
    assert code == 4 and 'The cube is not there.' in said
    assert set(todo_files.statuses(todo).values()) == {None}


@pytest.mark.parametrize('by', ['signal', 'file'])
def test_drain(tmp_path, by):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 400)
    process = start(todo, pause=0.05)
    wait_for_begins(3, process, tmp_path)
    if by == 'signal':
        process.send_signal(signal.SIGUSR1)
    else:
        (tmp_path / 'todo.sqlite.stop').touch()
    code, said = end(process, 15)
    assert code == 75 and 'the same command' in said
    done = {star for star, status in todo_files.statuses(todo).items() if status == STATUS.OK}
    assert set(fake_work.begun(tmp_path)) == done and len(done) < 400
    assert query(todo, 'SELECT COUNT(*) FROM todolist WHERE status IS NULL AND attempts = 0') == [
        (400 - len(done),)]


def test_terminated_mpiexec_loses_nothing(tmp_path):
    """Open MPI kills its ranks 0.4 s after TERM: too early to drain, and no more harm than a crash."""
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 200)
    process = start(todo, pause=0.02, FAKE_OUTPUT=str(tmp_path / 'out'))
    wait_for_begins(60, process, tmp_path)
    ranks = mpi_jobs.ranks(process).values()
    process.terminate()
    assert end(process, 20)[0] != 0
    running.wait_until_gone([*ranks, *(pid for *_, pid in fake_work.log(tmp_path))])
    committed = {starid for starid, in query(todo, 'SELECT starid FROM todolist WHERE status = 1')}
    assert 30 < len(committed) <= len(written(tmp_path / 'out')) < 200
    before = fake_work.begun(tmp_path)
    code, said = end(start(todo, FAKE_OUTPUT=str(tmp_path / 'out')))
    assert code == 0, said
    after = fake_work.begun(tmp_path)
    assert all(after[star] == before[star] == 1 for star in committed)
    assert query(todo, 'SELECT COUNT(*), MAX(attempts) FROM todolist WHERE status = 1') == [(200, 1)]
    assert len(written(tmp_path / 'out')) == 200


def test_stars_that_others_took_over_are_not_begun(tmp_path, schema):
    todo_files.fill(schema, rows=[todo_files.row(star, tile=0) for star in range(1, 201)])
    process = start(schema, folder=tmp_path, pause=0.1, FAKE_LEASE='1')
    wait_for_begins(2, process, tmp_path)
    taken = [star for star, in query(schema, "UPDATE todolist SET worker = 'another', lease = 1e12 "
                                     'WHERE status = 6 AND begun IS NULL RETURNING starid')]
    time.sleep(2)
    begun = fake_work.begun(tmp_path)
    # those of half a second, until the next sign of life: one or two of each worker were on their way
    assert len(taken) > 20 and sum(star in begun for star in taken) <= 12
    query(schema, "UPDATE todolist SET lease = 0 WHERE worker = 'another'")
    code, said = end(process)
    assert code == 0 and 'were taken over by others' in said
    assert set(todo_files.statuses(schema).values()) == {STATUS.OK}


def test_killed_rank_ends_the_job_and_the_next_runs_only_what_was_in_flight(tmp_path):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 200)
    process = start(todo, pause=0.02)
    wait_for_begins(60, process, tmp_path)
    os.kill(mpi_jobs.ranks(process)[2], signal.SIGKILL)
    assert end(process)[0] != 0
    committed = {starid for starid, in query(todo, 'SELECT starid FROM todolist WHERE status = 1')}
    before = fake_work.begun(tmp_path)
    code, said = end(start(todo))
    assert code == 0, said
    after = fake_work.begun(tmp_path)
    assert committed and all(after[star] == before[star] == 1 for star in committed)
    assert set(todo_files.statuses(todo).values()) == {STATUS.OK}


def test_lost_ranks_do_not_end_a_fault_tolerant_job(tmp_path):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 150)
    process = start(todo, 4, pause=0.02, options=ULFM)
    for number, rank in ((20, 1), (50, 3)):
        wait_for_begins(number, process, tmp_path)
        os.kill(mpi_jobs.ranks(process)[rank], signal.SIGKILL)
    code, said = end(process)
    assert code == 0 and 'Rank 1 died; 2 ranks go on.' in said and 'Rank 3 died' in said
    assert set(todo_files.statuses(todo).values()) == {STATUS.OK}
    # one star of each was running, the news of another may have been under way
    assert sum(fake_work.begun(tmp_path).values()) <= 154
    assert query(todo, 'SELECT SUM(attempts) FROM todolist')[0][0] <= 152


def test_silent_rank_is_given_up(tmp_path):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 150)
    process = start(todo, pause=0.02, FAKE_SILENCE='6')
    wait_for_begins(20, process, tmp_path)
    os.kill(mpi_jobs.ranks(process)[1], signal.SIGSTOP)
    code, said = end(process)
    assert code == 0 and 'Rank 1 was silent for 6 s; 1 ranks go on.' in said
    assert set(todo_files.statuses(todo).values()) == {STATUS.OK}
