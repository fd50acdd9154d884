"""Supervised children: whatever a star does to its process, it alone pays for it."""

import os
import resource
import signal
import threading
import time

import fake_work
import pytest
import todo_files
from todo_files import query

from photometry.core.errors import Reason
from photometry.core.status import STATUS
from photometry.core.task import Result, Task
from photometry.todo.dispatch import Died, Finished, Returned, Started, dispatch
from photometry.todo.manager import TaskManager
from photometry.todo.workers.inline import InlineWorkers
from photometry.todo.workers.local import LocalWorkers, WorkerRefusedError


def run(todo, worker, number=2, clear=None, **options):
    """Outcome of a dispatch over a whole file."""
    options = {'timeout': 30, 'memory': 512} | options
    with TaskManager(todo) as manager, LocalWorkers(worker, number, **options) as workers:
        return dispatch(manager, workers, batch=4, poll=0.05, clear=clear)


def ended_with(todo, starid):
    return query(todo, 'SELECT status, attempts, reason, errors FROM todolist LEFT JOIN diagnostics '
                            'USING (priority) WHERE starid = ?', starid)[0]


@pytest.mark.parametrize(('kind', 'reason', 'words'), [
    ('segfault', 'crash', 'signal SIGSEGV'), ('leave', 'crash', 'exit code 0'),
    ('suicide', 'crash', 'signal SIGKILL'), ('hog', 'memory', 'limits.memory'),
    ('disk', 'io', 'disk is full')])
def test_poison_star_is_tried_three_times_and_costs_nobody_else(tmp_path, todo, kind, reason, words):
    outcome = run(todo, fake_work.FakeWorker(str(tmp_path), {4: kind}))
    assert outcome.stopped is None
    status, attempts, found, errors = ended_with(todo, 4)
    assert (status, attempts, found) == (STATUS.ERROR, 3, reason) and words in errors
    assert fake_work.begun(tmp_path) == {star: 3 if star == 4 else 1 for star in range(1, 11)}
    assert todo_files.statuses(todo) == {star: STATUS.ERROR if star == 4 else STATUS.OK
                                         for star in range(1, 11)}
    assert query(todo, 'SELECT MAX(attempts) FROM todolist WHERE starid != 4') == [(1,)]


@pytest.mark.parametrize('kind', ['hang', 'sleep'])
def test_star_that_takes_too_long(tmp_path, kind):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 6)
    with TaskManager(todo, attempts=1) as manager, LocalWorkers(
            fake_work.FakeWorker(str(tmp_path), {2: kind}), 2, timeout=0.5, memory=0) as workers:
        dispatch(manager, workers, poll=0.05)
    assert ended_with(todo, 2)[:3] == (STATUS.ERROR, 1, 'timeout')
    assert query(todo, 'SELECT COUNT(*) FROM todolist WHERE status = 1') == [(5,)]
    cleaned = [line for line in fake_work.log(tmp_path) if line[0] == 'cleaned']
    assert bool(cleaned) == (kind == 'sleep')  # asked first, and killed only if that does not help


def test_failures_that_pass(tmp_path, todo):
    run(todo, fake_work.FakeWorker(str(tmp_path), {2: 'suicide_once', 5: 'disk_once', 7: 'dark', 8: 'bug'}))
    assert [ended_with(todo, star)[:2] for star in (2, 5, 7, 8)] == [
        (STATUS.OK, 2), (STATUS.OK, 2), (STATUS.ERROR, 1), (STATUS.ERROR, 1)]


def test_workers_killed_from_outside(tmp_path):
    """A person kills workers at random: nothing is lost and nothing is done twice."""
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 400)
    pool = LocalWorkers(fake_work.FakeWorker(str(tmp_path), pause=0.004), 2, timeout=30, memory=0)
    kills = []

    def killer():
        for _ in range(6):
            time.sleep(0.15)
            victims = [one.process for one in list(pool._children) if one.ready]
            if victims:
                os.kill(victims[0].pid, signal.SIGKILL)
                kills.append(victims[0].pid)
    with TaskManager(todo, attempts=30) as manager, pool as workers:
        thread = threading.Thread(target=killer)
        thread.start()
        dispatch(manager, workers, poll=0.05)
        thread.join()
    assert set(todo_files.statuses(todo).values()) == {STATUS.OK}
    ended = [starid for word, starid, *_ in fake_work.log(tmp_path) if word == 'end']
    assert set(ended) == set(range(1, 401)) and kills
    assert len(fake_work.log(tmp_path)) <= 800 + 2 * len(kills)
    assert query(todo, 'SELECT SUM(attempts) FROM todolist')[0][0] <= 400 + len(kills)


def test_stopped_worker_is_ended_by_the_time_limit(tmp_path):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 40)
    pool = LocalWorkers(fake_work.FakeWorker(str(tmp_path), pause=0.02), 2, timeout=0.5, memory=0)
    stopped = []

    def look():
        ready = [one.process.pid for one in pool._children if one.running is not None]
        if ready and not stopped:
            os.kill(ready[0], signal.SIGSTOP)
            stopped.append(ready[0])
    with TaskManager(todo) as manager, pool as workers:
        dispatch(manager, workers, stop=look, poll=0.05)
    assert stopped and set(todo_files.statuses(todo).values()) == {STATUS.OK}
    assert query(todo, 'SELECT COUNT(*) FROM todolist WHERE attempts = 2') == [(1,)]


def test_drain_lets_running_stars_end_and_returns_the_rest(tmp_path):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 60)
    seen = []

    def stop():
        seen.append(len(fake_work.log(tmp_path)))
        return 'enough' if seen[-1] > 6 else None
    with TaskManager(todo) as manager, LocalWorkers(
            fake_work.FakeWorker(str(tmp_path), pause=0.05), 2, memory=0) as workers:
        outcome = dispatch(manager, workers, stop=stop, poll=0.02)
        assert outcome.stopped == 'enough' and not workers.busy
    done = {star for star, status in todo_files.statuses(todo).items() if status == STATUS.OK}
    assert {starid for word, starid, *_ in fake_work.log(tmp_path) if word == 'begin'} == done
    assert 2 <= len(done) < 30
    assert query(todo, 'SELECT COUNT(*) FROM todolist WHERE status IS NULL AND attempts = 0') == [
        (60 - len(done),)]
    run(todo, fake_work.FakeWorker(str(tmp_path)))
    assert fake_work.begun(tmp_path) == dict.fromkeys(range(1, 61), 1)


def test_drain_does_not_wait_for_ever(tmp_path, todo, monkeypatch):
    monkeypatch.setattr('photometry.todo.workers.local._DRAIN', 0.3)
    monkeypatch.setattr('photometry.todo.workers.local._GRACE', 0.3)
    worker = fake_work.FakeWorker(str(tmp_path), {1: 'hang'})
    with TaskManager(todo) as manager, LocalWorkers(worker, 1, memory=0) as workers:
        dispatch(manager, workers, stop=lambda: bool(fake_work.log(tmp_path)), poll=0.05)
    assert ended_with(todo, 1)[:2] == (None, 0)


def test_failing_disk_stops_the_run_and_charges_nobody(tmp_path, todo):
    faults = dict.fromkeys(range(1, 11), 'disk')
    outcome = run(todo, fake_work.FakeWorker(str(tmp_path), faults))
    assert outcome.stopped == 'io' and 'disk is full' in outcome.sentence
    assert set(todo_files.statuses(todo).values()) == {None}
    run(todo, fake_work.FakeWorker(str(tmp_path)))
    assert set(todo_files.statuses(todo).values()) == {STATUS.OK}


class Script:
    """Workers that end their stars as it is written down, in the order in which they were given."""

    number, free, dies_with_scheduler = 1, 3, False

    def __init__(self, endings):
        self._endings, self._tasks = list(endings), []

    busy = property(lambda self: bool(self._endings))

    def submit(self, tasks):
        self.free -= 1
        self._tasks += tasks

    def events(self, poll):
        status, reason = self._endings.pop(0)
        task = self._tasks.pop(0)
        return [Started(task), Finished(Result(task, status, reason=reason))]

    def drain(self):
        """What was given is ended all the same."""


@pytest.mark.parametrize('endings', ['io io io', 'io io abort io', 'io io io abort io'])
def test_a_star_that_gives_up_says_nothing_of_the_disk(todo, monkeypatch, endings):
    """Neither does the run go on, nor is a star charged that fails after it."""
    monkeypatch.setattr('photometry.todo.dispatch._IO_FAILURES', 3)
    kinds = {'io': (STATUS.ERROR, Reason.IO), 'abort': (STATUS.ABORT, None)}
    with TaskManager(todo) as manager:
        outcome = dispatch(manager, Script(kinds[word] for word in endings.split()), poll=0)
    assert outcome.stopped == 'io'
    assert query(todo, 'SELECT DISTINCT status, attempts FROM todolist') == [(None, 0)]


def test_a_star_that_ends_well_after_all_stays_done(todo):
    """It failed with the disk, was claimed again before the run stopped, and the disk came back."""
    disk, well = (STATUS.ERROR, Reason.IO), (STATUS.OK, None)
    workers = Script([*[disk] * 10, *[well] * 2])
    workers.free = 12
    with TaskManager(todo) as manager:
        outcome = dispatch(manager, workers, batch=1, poll=0)
    ended = query(todo, 'SELECT status, attempts, count(*) FROM todolist GROUP BY 1, 2 ORDER BY 1')
    assert outcome.stopped == 'io' and ended == [(None, 0, 8), (int(STATUS.OK), 2, 2)]


def test_half_files_are_removed_when_the_disk_lets_us(tmp_path, todo):
    answers, asked = [False, False, True], []

    def clear(starids):
        asked.append(list(starids))
        return answers[len(asked) - 1]
    run(todo, fake_work.FakeWorker(str(tmp_path), {5: 'disk_once'}), 1, clear=clear)
    assert asked == [[5]] * 3 and set(todo_files.statuses(todo).values()) == {STATUS.OK}


def test_half_files_that_stay_are_left_to_the_next_run(tmp_path, todo):
    faults = dict.fromkeys(range(1, 11), 'disk')
    outcome = run(todo, fake_work.FakeWorker(str(tmp_path), faults), clear=lambda starids: False)
    tried = [star for star, status in todo_files.statuses(todo).items() if status == STATUS.STARTED]
    assert outcome.stopped == 'io' and sorted(tried) == sorted(fake_work.begun(tmp_path))
    cleared = []
    with TaskManager(todo, clear=cleared.extend) as manager:
        assert sorted(cleared) == sorted(manager.recovered) == sorted(tried)
    assert query(todo, 'SELECT DISTINCT status, attempts, expired FROM todolist') == [(None, 0, 0)]


class Lossy:
    """A rank that began its second star and is lost before it could say so."""

    dies_with_scheduler, number, busy, free = False, 1, False, 1

    def __init__(self, output):
        self.output, self.done = output, []

    def submit(self, batch):
        self.busy, self.free, self.batch = True, 0, batch

    def events(self, timeout):
        if not self.done:
            (self.output / f'.{self.batch[1].starid}.tmp').touch()
            yield Died(self.batch[0], others=tuple(self.batch[1:]))
        else:
            for task in self.batch:
                yield Finished(Result(task, STATUS.OK, method_used='fake', lightcurve='x.fits'))
        self.done += self.batch
        self.busy, self.free = False, 1


def test_halves_of_stars_whose_beginning_nobody_heard_are_removed(tmp_path, todo):
    cleared = []

    def clear(starids):
        cleared.extend(starids)
        for starid in starids:
            (tmp_path / f'.{starid}.tmp').unlink(missing_ok=True)
        return True
    with TaskManager(todo) as manager:
        dispatch(manager, Lossy(tmp_path), batch=4, poll=0.01, clear=clear)
    assert not list(tmp_path.glob('.*.tmp')) and cleared[:4] == [1, 4, 7, 10]
    assert set(todo_files.statuses(todo).values()) == {STATUS.OK}


def test_worker_that_cannot_start_ends_the_run(tmp_path, todo):
    with pytest.raises(WorkerRefusedError, match='The cube is not there') as caught:
        run(todo, fake_work.FakeWorker(str(tmp_path), {0: 'refuse'}))
    assert caught.value.exit_code == 4
    with pytest.raises(WorkerRefusedError, match='exit code 9'):
        run(todo, fake_work.FakeWorker(str(tmp_path), {0: 'stillborn'}))
    assert set(todo_files.statuses(todo).values()) == {None}


def test_children_use_one_thread_and_this_process_keeps_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '5')
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 1)
    run(todo, fake_work.FakeWorker(str(tmp_path), {1: 'threads'}), 1)
    assert ended_with(todo, 1)[3] == '1\n1'
    assert os.environ['OMP_NUM_THREADS'] == '5'


def test_no_descriptor_and_no_child_is_left(tmp_path, todo):
    run(todo, fake_work.FakeWorker(str(tmp_path)))
    before = len(os.listdir('/proc/self/fd'))
    for _ in range(3):
        todo_files.fill(todo, overwrite=True)
        run(todo, fake_work.FakeWorker(str(tmp_path), {3: 'suicide'}))
    assert len(os.listdir('/proc/self/fd')) <= before + 1


def test_inline_speaks_the_same_words(tmp_path):
    tasks = [Task(star, 1, 1, 1, 1800, priority=star) for star in (1, 2, 3)]
    with InlineWorkers(fake_work.FakeWorker(str(tmp_path))) as workers:
        workers.submit(tasks)
        assert not workers.free and workers.busy
        events = list(workers.events(0.1))
        workers.drain()
        rest = list(workers.events(0.1))
        assert [type(event) for event in events + rest] == [Started, Finished, Returned]
        assert rest[0].tasks == tuple(tasks[1:]) and not workers.busy


def test_inline_charges_before_it_begins(tmp_path, todo):
    seen = []

    class Spy(fake_work.FakeWorker):
        def work(self, task):
            seen.append(task)
            return super().work(task)
    with TaskManager(todo) as manager, InlineWorkers(Spy(str(tmp_path))) as workers:
        charged = []
        before = manager.charge
        manager.charge = lambda task: (charged.append((task.starid, len(seen))), before(task))
        dispatch(manager, workers)
    assert charged == [(task.starid, number) for number, task in enumerate(seen)]
    assert set(query(todo, 'SELECT status, attempts FROM todolist')) == {(STATUS.OK, 1)}


@pytest.mark.parametrize(('kind', 'reason', 'words'), [
    ('sleep', 'timeout', 'limits.timeout = 0.5 s'), ('hog', 'memory', 'limits.memory')])
def test_inline_limits_itself(tmp_path, todo, kind, reason, words):
    before = resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM)
    worker = fake_work.FakeWorker(str(tmp_path), {4: kind})
    with TaskManager(todo) as manager, InlineWorkers(worker, timeout=0.5, memory=512) as workers:
        dispatch(manager, workers)
    status, attempts, found, errors = ended_with(todo, 4)
    assert (status, attempts, found) == (STATUS.ERROR, 3, reason) and words in errors
    assert fake_work.begun(tmp_path) == {star: 3 if star == 4 else 1 for star in range(1, 11)}
    assert before == (resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM))


def test_inline_star_does_not_hold_up_a_drain(tmp_path, todo, monkeypatch):
    monkeypatch.setattr('photometry.todo.workers.inline._DRAIN', 0.3)
    stop = lambda: bool(fake_work.log(tmp_path))  # noqa: E731
    worker = fake_work.FakeWorker(str(tmp_path), {1: 'sleep'})
    with TaskManager(todo) as manager, InlineWorkers(worker, stop=stop) as workers:
        dispatch(manager, workers, stop=stop)
    assert [line[:2] for line in fake_work.log(tmp_path)] == [('begin', 1), ('cleaned', 1)]
    assert query(todo, 'SELECT DISTINCT status, attempts FROM todolist') == [(None, 0)]
