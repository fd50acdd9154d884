"""The TaskManager hands every star out once and keeps what came of it."""

import json
import time

import fake_work
import pytest
import todo_files
from todo_files import query

from photometry.core.errors import (
    IncompatibleError,
    InputBadError,
    InputMissingError,
    OutputError,
    Reason,
)
from photometry.core.status import STATUS
from photometry.core.task import Result
from photometry.todo import owner, summary
from photometry.todo.manager import TaskManager
from photometry.todo.selection import Selection


def ok(task, **changes):
    return Result(task, STATUS.OK, method_used='aperture', lightcurve=f'{task.starid}.fits', **changes)


def test_tile_of_the_brightest_star_first(listed):
    with TaskManager(listed) as manager:
        assert [task.starid for task in manager.claim()] == [1, 4, 7, 10]
        assert [task.starid for task in manager.claim(2)] == [2, 5]
        assert [task.starid for task in manager.claim()] == [3, 6, 9]
        assert [task.starid for task in manager.claim()] == [8]
        assert manager.claim() == []


def test_result_and_diagnostics_stand_in_the_file(listed):
    with TaskManager(listed) as manager:
        task = manager.claim(1)[0]
        assert manager.finish(ok(task, elaptime=2.5, details={
            'mean_flux': 3.0, 'rms_hour': float('nan'), 'mask_size': 7, 'novelty': 1.5}, skip_targets=(4,),
            errors=('One.', 'Two.')))
    found = query(listed, 'SELECT lightcurve, method_used, elaptime, mean_flux, rms_hour, mask_size, '
                             'extra, skip_targets, errors FROM diagnostics')
    assert found == [('1.fits', 'aperture', 2.5, 3.0, None, 7, '{"novelty": 1.5}', '[4]', 'One.\nTwo.')]
    assert query(listed, 'SELECT status, attempts, worker, lease FROM todolist WHERE starid = 1') == [
        (STATUS.OK, 1, None, None)]


def test_results_are_durable_within_a_second(listed, monkeypatch):
    now = [time.monotonic()]
    monkeypatch.setattr(time, 'monotonic', lambda: now[0])
    with TaskManager(listed) as manager:
        commits = []
        monkeypatch.setattr(manager, 'flush', lambda: commits.append(now[0]))
        manager._claimed = {1: (task := manager.tasks(1)[0])}
        manager.finish(ok(task))
        manager.tick()
        assert not commits
        now[0] += 0.6
        manager.tick()
        assert commits
        monkeypatch.undo()


@pytest.mark.parametrize('reason', ['timeout', 'memory', 'crash', 'io'])
def test_passing_failures_get_three_attempts(listed, reason):
    with TaskManager(listed, Selection(starid=1)) as manager:
        for attempt in range(3):
            task, = manager.claim()
            assert task.attempt == attempt
            manager.fail(task, Reason(reason), 'It failed.')
        assert manager.claim() == []
    assert query(listed, 'SELECT status, attempts, reason, errors FROM todolist JOIN diagnostics '
                            'USING (priority)') == [(STATUS.ERROR, 3, reason, 'It failed.')]


@pytest.mark.parametrize('reason', ['no_flux', 'bug', 'input_bad'])
def test_other_failures_are_final(listed, reason):
    with TaskManager(listed, Selection(starid=1)) as manager:
        manager.fail(manager.claim()[0], reason, 'No.')
        assert manager.claim() == []
        assert manager.counts() == {STATUS.ERROR: 1}


def test_started_rows_wait_again_after_a_crash(todo):
    manager = TaskManager(todo).__enter__()
    claimed = manager.claim()
    manager.finish(ok(claimed[0]))
    manager.flush()
    manager._held.close()  # what remains when the process is killed
    with TaskManager(todo) as again:
        assert again.counts() == {None: 9, STATUS.OK: 1}
        assert [task.starid for task in again.claim()] == [2, 5, 8]


def test_a_star_that_kills_the_scheduler_ends_as_error(todo):
    for attempt in range(3):
        manager = TaskManager(todo).__enter__()
        task = manager.claim(1)[0]
        assert (task.starid, task.attempt) == (1, attempt)
        manager.charge(task)
        manager._held.close()
    with TaskManager(todo) as manager:
        assert manager.claim(1)[0].starid == 2
    assert query(todo, 'SELECT starid, reason FROM todolist JOIN diagnostics USING (priority)') == [
        (1, 'crash')]


def test_only_the_owner_attempt_is_heard(listed):
    with TaskManager(listed, Selection(starid=1)) as manager:
        late, = manager.claim()
        manager.give_back([late])
        manager.fail(manager.claim()[0], Reason.CRASH, 'x')
        second, = manager.claim()
        assert not manager.finish(ok(late))
        assert manager.finish(ok(second))
        assert not manager.finish(ok(second))
        assert manager.counts() == {STATUS.STARTED: 1} and manager.flush() is None
        assert manager.counts() == {STATUS.OK: 1}


def test_abort_and_returned_stars_wait_uncharged(listed):
    with TaskManager(listed, Selection(starid=1)) as manager:
        manager.finish(Result(manager.claim()[0], STATUS.ABORT))
        assert manager.claim()[0].attempt == 0


def test_counts_in_memory_equal_those_in_the_file(listed):
    with TaskManager(listed) as manager:
        for task in manager.claim():
            manager.finish(ok(task))
        manager.fail(manager.claim(1)[0], Reason.BUG, 'b')
        manager.flush()
        held = {status: number for status, number in manager.progress.counts.items() if number}
        assert held == manager.counts()


def test_reset_touches_selected_rows_only(listed):
    with TaskManager(listed) as manager:
        while batch := manager.claim():
            for task in batch:
                if task.starid % 2:
                    manager.finish(ok(task))
                else:
                    manager.fail(task, Reason.BUG, 'b')
    with TaskManager(listed, Selection(tmag_max=5.0055)) as manager:
        manager.reset(errors=True)
        assert manager.counts() == {None: 2, STATUS.OK: 3}
        manager.reset(everything=True)
        assert manager.counts() == {None: 5}
    assert query(listed, 'SELECT COUNT(*) FROM diagnostics') == [(5,)]
    assert {star for star, status in todo_files.statuses(listed).items() if status is None} == {1, 2, 3, 4, 5}


def test_skipped_stars_are_measured_only_when_named(place):
    todo_files.fill(place, skips={todo_files.key(2): todo_files.key(1)})
    with TaskManager(place, Selection(starid=2)) as manager:
        assert manager.counts() == {STATUS.SKIPPED: 1}
        manager.reopen_skipped()
        task, = manager.claim()
        assert (task.starid, task.skipped_by) == (2, 1)
    with TaskManager(place) as manager:  # it was not finished: skipped as decided
        assert manager.counts() == {None: 9, STATUS.SKIPPED: 1}
        manager.reset(everything=True)
        assert manager.counts() == {None: 9, STATUS.SKIPPED: 1}


@pytest.mark.parametrize(('selection', 'expected'), [
    (Selection(sector=(2,)), {2}), (Selection(camera=(2, 3)), {3}), (Selection(ccd=(4,)), {4}),
    (Selection(cadence=(200,)), {5}), (Selection(datasource=('tpf',)), {6, 7}),
    (Selection(datasource=('ffi',), tmag_max=5.0025), {1, 2}), (Selection(tmag_min=5.0075), {8}),
    (Selection(starid=8), {8}), (Selection(priority=1), {1}), (Selection(starid=2 ** 63 - 1), set()),
    (Selection(datasource=("ffi') OR ('1'='1",)), set())])
def test_filters(place, selection, expected):
    changes = {2: {'sector': 2}, 3: {'camera': 3}, 4: {'ccd': 4}, 5: {'cadence': 200},
               6: {'datasource': 'tpf'}, 7: {'datasource': 'tpf:12'}}
    todo_files.fill(place, rows=[
        todo_files.row(star, **changes.get(star, {})) for star in range(1, 9)])
    with TaskManager(place, selection) as manager:
        assert {task.starid for task in manager.tasks()} == expected
        found = set()
        while batch := manager.claim():
            found |= {task.starid for task in batch}
        assert found == expected


def test_random_draw_repeats_and_heeds_filters(listed):
    with TaskManager(listed, Selection(tmag_min=5.0055)) as manager:
        assert manager.draw(7) == manager.draw(7)
        assert {manager.draw(seed) for seed in range(60)} == {6, 7, 8, 9, 10}
        manager.narrow(Selection(starid=99))
        with pytest.raises(InputMissingError, match='No star waits'):
            manager.draw(1)


HOSTILE = [('starid', '../../etc/passwd'), ('starid', 2 ** 62), ('starid', 1.5), ('sector', -1),
           ('camera', 7),
           ('datasource', "ffi') OR ('1'='1"), ('datasource', '../x'), ('method', 'os.system'),
           ('method', '../x'), ('cube', '/etc/passwd'), ('cube', '../../x.hdf5'), ('cube', 'x\0.hdf5'),
           ('cadence', 'x'), ('cube', 7)]


@pytest.mark.parametrize(('column', 'value'), HOSTILE)
def test_hostile_rows_end_as_errors_and_touch_no_other(todo, column, value):
    query(todo, f'UPDATE todolist SET {column} = ? WHERE priority = 4', value)
    with TaskManager(todo) as manager:
        claimed = []
        while batch := manager.claim():
            claimed += batch
            for task in batch:
                manager.finish(ok(task))
    assert sorted(task.priority for task in claimed) == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    found = dict(query(todo, 'SELECT priority, status FROM todolist'))
    assert found == {priority: STATUS.ERROR if priority == 4 else STATUS.OK for priority in range(1, 11)}
    assert query(todo, 'SELECT reason FROM diagnostics WHERE priority = 4') == [('input_bad',)]


def test_second_owner_is_told_who_holds_it(todo):
    with TaskManager(todo):
        with pytest.raises(owner.HeldError, match=r'process \d+ on \S+ since 20') as caught:
            TaskManager(todo).__enter__()
        assert caught.value.exit_code == 75 and owner.is_held(todo)
    assert not owner.is_held(todo)


def test_another_program_that_locks_the_file_is_named(todo):
    import sqlite3
    other = sqlite3.connect(todo)
    other.execute('BEGIN EXCLUSIVE')
    with pytest.raises(OutputError, match='locked by another program'):
        TaskManager(todo).__enter__()
    other.close()


def test_summary_tells_how_it_goes(todo):
    with TaskManager(todo) as manager:
        manager.finish(ok(manager.claim(1)[0]))
        manager.tick()
        facts = json.loads((todo.parent / 'summary.json').read_text())
        assert facts['counts'] == {'waiting': 9, 'ok': 1} and facts['state'] == 'running'
    assert summary.read(todo)['state'] == 'ended'
    assert sorted(path.name for path in todo.parent.iterdir()) == [
        'summary.json', 'todo.sqlite', 'todo.sqlite.owner']


def test_half_a_summary_of_a_killed_scheduler_is_removed(todo):
    half = todo.parent / '.summary.json.0a1b2c3d.tmp'
    half.write_text('{')
    with TaskManager(todo):
        assert not half.exists()


def test_results_of_other_settings_are_not_mixed(listed):
    with TaskManager(listed) as manager:
        manager.begin('1', {'aperture': {'mask': 'snr'}})
        manager.finish(ok(manager.claim(1)[0]))
    with TaskManager(listed) as manager:
        manager.begin('2', {'aperture': {'mask': 'snr'}})
        with pytest.raises(IncompatibleError, match="aperture.mask was 'snr', now 'k2p2'"):
            manager.begin('2', {'aperture': {'mask': 'k2p2'}})
    with TaskManager(listed) as manager:
        manager.begin('2', {'aperture': {'mask': 'k2p2'}}, overwrite=True)


def test_files_that_are_no_todo_lists(tmp_path, todo):
    def refused(content, error, match):
        path = tmp_path / 'bad.sqlite'
        path.write_bytes(content)
        with pytest.raises(error, match=match) as caught:
            TaskManager(path).__enter__()
        assert str(path) in str(caught.value) and path.read_bytes() == content
    refused(b'', InputBadError, 'is not an SQLite database')
    refused(b'SIMPLE  = T' * 1000, InputBadError, 'is not an SQLite database')
    refused(todo.read_bytes()[:9000], InputBadError, 'is truncated')
    with pytest.raises(InputMissingError, match='does not exist; make it with run_make_todo.py'):
        TaskManager(tmp_path / 'none.sqlite').__enter__()
    assert not (tmp_path / 'none.sqlite').exists()
    garbled = bytearray(todo.read_bytes())
    garbled[4096:] = b'\xff' * (len(garbled) - 4096)
    path = tmp_path / 'garbled.sqlite'
    path.write_bytes(garbled)
    with pytest.raises(InputBadError, match='cannot be used'):
        TaskManager(path).__enter__()


def test_url_names_the_same_file(todo):
    with TaskManager(f'sqlite:///{todo}') as manager:
        assert manager.place.path == todo and manager.waiting() == 10


def test_log_helper(tmp_path):
    assert fake_work.log(tmp_path) == []


def test_file_whose_log_was_not_folded_in_is_whole(tmp_path, todo):
    """A kill or a full disk during a checkpoint leaves a first page that tells a greater length."""
    import shutil
    with TaskManager(todo) as manager:
        manager._store._engine.raw_connection().execute('PRAGMA wal_autocheckpoint=0')
        for _ in range(3):
            manager.finish(ok(manager.claim(1)[0], errors=('x' * 20000,)))
            manager.flush()
        wal = todo.with_name('todo.sqlite-wal')
        shutil.copy(wal, tmp_path / 'wal')
        shutil.copy(todo, tmp_path / 'before')
    whole = todo.read_bytes()
    torn = whole[:4096] + (tmp_path / 'before').read_bytes()[4096:]
    assert len(torn) < len(whole)
    todo.write_bytes(torn)
    with pytest.raises(InputBadError, match='truncated'):
        TaskManager(todo).__enter__()
    shutil.copy(tmp_path / 'wal', wal)
    with TaskManager(todo) as manager:
        assert manager.counts() == {None: 7, STATUS.OK: 3}
    assert query(todo, 'PRAGMA integrity_check') == [('ok',)]
