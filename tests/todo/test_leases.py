"""Several schedulers on one list of a server: each row has one owner, whose time may run out."""

import threading
import time

import psycopg
import pytest
import todo_files
from todo_files import query

from photometry.core.errors import IncompatibleError
from photometry.core.status import STATUS
from photometry.core.task import Result
from photometry.stages import todo_status
from photometry.todo import orphans
from photometry.todo.manager import TaskManager
from photometry.todo.owner import HeldError
from photometry.todo.selection import Selection

LEASE = 3.0


@pytest.fixture
def shared(schema):
    """A list with ten stars on three tiles that several may work on."""
    age, = query(schema, 'SELECT extract(epoch FROM clock_timestamp() - pg_postmaster_start_time())')[0]
    time.sleep(max(0.0, 1.1 * LEASE - float(age)))  # a server that has just started leaves everybody a lease
    return todo_files.fill(schema)


def ok(task):
    return Result(task, STATUS.OK, method_used='fake', lightcurve=f'{task.starid}.fits')


def opened(shared, *selection, lease=LEASE, **options):
    return TaskManager(shared, *selection, lease=lease, **options)


def vanish(manager):
    """What remains of a scheduler that is killed: rows, and a lease that nobody renews."""
    manager._held.close()


def run_out(shared):
    """Let all leases run out."""
    query(shared, 'UPDATE todolist SET lease = lease - 1000')


def stars(tasks):
    return [task.starid for task in tasks]


def test_each_star_is_claimed_once(shared):
    with opened(shared) as one, opened(shared) as other:
        assert stars(one.claim()) == [1, 4, 7, 10]
        assert stars(other.claim()) == [2, 5, 8]
        assert stars(one.claim()) == [3, 6, 9]
        assert other.claim() == [] and other.others_at_work()


def test_rows_that_another_is_claiming_are_passed_by(shared):
    with psycopg.connect(shared.replace('+psycopg', '')) as claiming, opened(shared) as manager:
        claiming.execute('SELECT * FROM todolist WHERE tile = 1 FOR UPDATE')
        assert stars(manager.claim()) == [2, 5, 8]
        claiming.execute('SELECT * FROM todolist WHERE tile = 0 FOR UPDATE')
        assert manager.claim() == [] and manager.others_at_work()


def test_a_scheduler_that_vanished_is_followed_by_another(shared):
    gone = opened(shared).__enter__()
    claimed = gone.claim()
    gone.finish(ok(claimed[0]))
    gone.flush()
    vanish(gone)
    with opened(shared) as manager:
        assert manager.recovered == [] and stars(manager.claim()) == [2, 5, 8]
        run_out(shared)
    with opened(shared) as manager:
        assert sorted(manager.recovered) == [4, 7, 10]
        assert [(task.starid, task.attempt) for task in manager.claim()] == [(2, 0), (5, 0), (8, 0)]


def test_half_a_summary_of_a_killed_scheduler_goes_with_its_stars(tmp_path, shared):
    gone = opened(shared, folder=tmp_path).__enter__()
    gone.claim()
    vanish(gone)
    with opened(shared, folder=tmp_path) as living:
        living.claim()
        halves = [tmp_path / f'.summary-{run}.json.0a1b2c3d.tmp' for run in (gone.run, living.run)]
        for half in halves:
            half.write_text('{')
        query(shared, 'UPDATE todolist SET lease = 0 WHERE worker = ?', gone.run)
        with opened(shared, folder=tmp_path) as other:
            assert sorted(other.recovered) == [1, 4, 7, 10]
        assert [half.exists() for half in halves] == [False, True]


def test_what_runs_out_is_found_when_nothing_waits(shared):
    gone = opened(shared).__enter__()
    gone.claim()
    vanish(gone)
    with opened(shared) as manager:
        for task in [*manager.claim(), *manager.claim()]:
            manager.finish(ok(task))
        assert manager.claim() == [] and manager.others_at_work()
        run_out(shared)
        time.sleep(0.6)  # it does not ask all the time
        assert stars(manager.claim()) == [1, 4, 7, 10] == manager.recovered


def test_late_result_is_refused_and_leaves_nothing(shared, caplog):
    with opened(shared, Selection(starid=1)) as stopped:
        late, = stopped.claim()
        query(shared, "UPDATE todolist SET worker = 'another', attempts = 1 WHERE starid = 1")
        stopped.finish(ok(late))
        stopped.flush()
    assert 'Late results of 1 stars are refused' in caplog.text
    assert query(shared, 'SELECT COUNT(*) FROM diagnostics') == [(0,)]
    assert query(shared, 'SELECT status, worker FROM todolist WHERE starid = 1') == [
        (STATUS.STARTED, 'another')]


def test_a_star_of_ones_own_whose_lease_ran_out_is_not_claimed_twice(shared):
    with opened(shared, lease=3600) as manager:
        claimed = manager.claim()
        while manager.claim():
            pass
        run_out(shared)
        assert manager.claim() == []
        assert manager.finish(ok(claimed[0])) and manager.flush() is None
    assert todo_files.statuses(shared)[1] == STATUS.OK


def test_heartbeat_holds_what_is_claimed(shared):
    def left():
        return query(shared, 'SELECT MIN(lease) - extract(epoch FROM clock_timestamp()) FROM todolist')[0][0]
    with opened(shared) as manager:
        claimed = manager.claim()
        time.sleep(1.5 * LEASE)
        assert 0 < left() <= LEASE
        with opened(shared) as other:
            assert other.recovered == []
        for task in claimed:
            manager.finish(ok(task))


def test_only_stars_that_were_running_count_how_often_that_happened(shared):
    for number in range(orphans.EXPIRIES):
        gone = opened(shared, Selection(starid=4), lease=LEASE).__enter__()
        assert sorted(gone.recovered) == ([1, 4] if number else [])
        task, = gone.claim()
        gone.begun(task)
        gone.flush()
        vanish(gone)
        query(shared, 'UPDATE todolist SET lease = lease + 500')  # machines may be slow
        innocent = opened(shared, Selection(starid=1)).__enter__()
        innocent.claim()
        vanish(innocent)
        run_out(shared)
    with opened(shared) as manager:
        assert sorted(manager.recovered) == [1, 4]
    assert query(shared, 'SELECT starid, status, attempts, expired FROM todolist WHERE starid IN (1, 4) '
                 'ORDER BY starid') == [(1, None, 0, 0), (4, STATUS.ERROR, 0, 10)]
    assert query(shared, 'SELECT reason FROM diagnostics') == [('crash',)]


def test_settings_of_others_at_work_count_like_results(shared):
    with opened(shared) as one, opened(shared) as other:
        one.begin('1', {'aperture': {'mask': 'snr'}})
        one.claim()
        with pytest.raises(IncompatibleError, match="aperture.mask was 'snr', now 'k2p2'"):
            other.begin('1', {'aperture': {'mask': 'k2p2'}})
        other.begin('1', {'aperture': {'mask': 'snr'}})


def test_of_many_that_begin_at_once_with_different_settings_one_kind_goes_on(shared):
    begun, refused = [], []

    def begin(mask):
        with opened(shared) as manager:
            ready.wait()
            try:
                manager.begin('1', {'aperture': {'mask': mask}})
            except IncompatibleError:
                refused.append(mask)
            else:
                begun.append(mask)
                manager.claim(1)
                done.wait()
    ready, done = threading.Barrier(8), threading.Event()
    threads = [threading.Thread(target=begin, args=(mask,)) for mask in ('snr', 'k2p2') * 4]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 20
    while len(begun) + len(refused) < 8 and time.monotonic() < until:
        time.sleep(0.01)
    done.set()
    for thread in threads:
        thread.join()
    assert len(begun) == len(refused) == 4 and len(set(begun)) == 1


def test_nobody_begins_anew_while_others_work(shared):
    with opened(shared) as one, opened(shared) as other:
        one.claim()
        with pytest.raises(HeldError, match='without --overwrite'):
            other.begin('1', {}, overwrite=True)
    with opened(shared) as other:
        other.begin('1', {}, overwrite=True)


def test_a_list_at_work_is_not_filled(shared):
    with opened(shared) as manager:
        manager.claim()
        with pytest.raises(HeldError, match='4 stars of .* are being measured by 1 schedulers'):
            todo_files.fill(shared, 12)
    todo_files.fill(shared, 12)
    assert len(todo_files.statuses(shared)) == 12


def test_status_names_who_works_with_how_much(shared):
    assert todo_status.status_lines(shared)[0].endswith(': 10 waiting.')
    with opened(shared) as manager:
        manager.claim()
        gone = opened(shared).__enter__()
        gone.claim(1)
        vanish(gone)
        query(shared, "UPDATE todolist SET lease = lease - 1000 WHERE worker = %s", gone.run)
        first, second, *rest = todo_status.status_lines(shared)
    assert first.endswith(': 5 waiting, 5 started.') and second == 'Schedulers at work: 2.'
    assert any(manager.run in line and '4 stars, lease for' in line for line in rest)
    assert any(gone.run in line and '1 stars, its lease ran out' in line for line in rest)
    assert todo_status.status_lines(shared)[1] == 'Schedulers at work: 1.'


def test_what_others_took_over_is_told_once_asleep_is_over(shared):
    with opened(shared) as manager:
        claimed = manager.claim()
        assert manager.lost() == []
        query(shared, "UPDATE todolist SET worker = 'another' WHERE starid = 4")
        query(shared, 'UPDATE todolist SET status = 1, worker = NULL, lease = NULL WHERE starid = 7')
        time.sleep(LEASE / 2)
        assert stars(manager.lost()) == [4, 7] and manager.lost() == []
        for task in claimed:
            manager.finish(ok(task))
    assert query(shared, 'SELECT COUNT(*) FROM diagnostics') == [(2,)]
