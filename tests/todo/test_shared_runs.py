"""Whole runs that share a list of a server: killed, stopped, and the server itself restarted."""

import os
import signal

import fake_work
import pytest
import todo_files
from running import begins, end, start, wait_for
from todo_files import query

from photometry.core.status import STATUS
from photometry.stages import todo_status

LEASE = 2.0


@pytest.fixture
def many(schema):
    """A list with 200 stars on three tiles."""
    return todo_files.fill(schema, 200)


def several(number, todo, folder, **options):
    """Schedulers that share a list and a log."""
    return [start(todo, folder=folder, lease=LEASE, **options) for _ in range(number)]


def kill(process):
    """Kill a scheduler without warning."""
    process.kill()
    process.communicate()


def done(todo):
    """Stars whose light curves are committed."""
    return {star for star, status in todo_files.statuses(todo).items() if status == STATUS.OK}


def assert_finished_once(todo, folder, number):
    """Every star was measured and is recorded once."""
    assert done(todo) == set(range(1, number + 1))
    assert query(todo, 'SELECT COUNT(*) FROM diagnostics') == [(number,)]
    assert query(todo, 'SELECT COUNT(*) FROM todolist WHERE worker IS NOT NULL OR lease IS NOT NULL') == [
        (0,)]
    assert set(fake_work.begun(folder)) == set(range(1, number + 1))


def test_four_schedulers_share_the_stars(tmp_path, many):
    processes = several(4, many, tmp_path, workers=1, pause=0.005)
    assert [end(process)[0] for process in processes] == [0, 0, 0, 0]
    assert_finished_once(many, tmp_path, 200)
    assert set(fake_work.begun(tmp_path).values()) == {1}
    assert len({pid for *_, pid in fake_work.log(tmp_path)}) > 1
    assert len(list((tmp_path / 'out').glob('summary-*.json'))) == 4
    code, said = end(start(many, folder=tmp_path))
    assert code == 0 and 'Nothing is left to do: 200 ok.' in said


def test_two_go_on_when_one_of_three_is_killed(tmp_path, many):
    victim, *others = several(3, many, tmp_path, workers=1, pause=0.03)
    wait_for(lambda: begins(tmp_path) > 60, victim)
    kill(victim)
    finished = done(many)
    assert [end(process)[0] for process in others] == [0, 0]
    assert_finished_once(many, tmp_path, 200)
    runs = fake_work.begun(tmp_path)
    assert finished and all(runs[star] == 1 for star in finished)
    assert query(many, 'SELECT MAX(attempts) FROM todolist') == [(1,)]


def test_results_of_a_stopped_scheduler_come_too_late(tmp_path, many):
    stopped, other = several(2, many, tmp_path, workers=1, pause=0.02)
    wait_for(lambda: begins(tmp_path) > 40, stopped)
    os.kill(stopped.pid, signal.SIGSTOP)
    code, _ = end(other)
    assert code == 0 and len(done(many)) == 200
    before = query(many, 'SELECT * FROM diagnostics ORDER BY priority')
    os.kill(stopped.pid, signal.SIGCONT)
    code, said = end(stopped)
    assert code == 0 and 'are refused: others had taken them over' in said
    assert query(many, 'SELECT * FROM diagnostics ORDER BY priority') == before
    assert_finished_once(many, tmp_path, 200)


@pytest.mark.parametrize('workers', [0, 1, 2])
def test_who_wakes_after_its_lease_begins_no_star_of_others(tmp_path, many, workers):
    """A laptop that slept, a job that its cluster suspended: all its processes stand still."""
    sleeper = start(many, folder=tmp_path, lease=LEASE, workers=workers, pause=0.05)
    wait_for(lambda: begins(tmp_path) > 4, sleeper)
    os.killpg(sleeper.pid, signal.SIGSTOP)
    before = begins(tmp_path)
    assert end(start(many, folder=tmp_path, lease=LEASE, workers=1))[0] == 0
    assert len(done(many)) == 200
    finished = begins(tmp_path)
    os.killpg(sleeper.pid, signal.SIGCONT)
    code, said = end(sleeper)
    assert code == 0 and 'were taken over by others' in said
    # each worker may have been between two stars; its batch of up to 64 is not measured in vain
    assert before + 1 < finished and begins(tmp_path) - finished <= 3 * max(1, workers)
    assert_finished_once(many, tmp_path, 200)


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGQUIT])
def test_a_server_that_restarts_stops_nobody(tmp_path, server, many, how):
    processes = several(2, many, tmp_path, workers=1, pause=0.02)
    wait_for(lambda: begins(tmp_path) > 40, processes[0])
    server.stop(how)
    server.start()
    assert [end(process)[0] for process in processes] == [0, 0]
    assert_finished_once(many, tmp_path, 200)
    assert set(fake_work.begun(tmp_path).values()) == {1}


def test_stop_file_in_the_output_stops_all_that_write_there(tmp_path, many):
    processes = several(2, many, tmp_path, workers=1, pause=0.05)
    wait_for(lambda: begins(tmp_path) > 10, processes[0])
    stop_file = tmp_path / 'out' / 'tessphot.stop'
    stop_file.touch()
    for process in processes:
        code, said = end(process)
        assert code == 75 and f'the stop file {stop_file}' in said and 'until it is removed' in said
    assert query(many, 'SELECT COUNT(*) FROM todolist WHERE status = 6') == [(0,)]
    assert len(done(many)) == begins(tmp_path) < 200
    assert end(start(many, folder=tmp_path))[0] == 75 and begins(tmp_path) == len(done(many))
    stop_file.unlink()
    assert end(start(many, folder=tmp_path))[0] == 0
    assert_finished_once(many, tmp_path, 200)


def test_a_star_that_kills_its_worker_ends_as_error_whoever_has_it(tmp_path, schema):
    todo = todo_files.fill(schema)
    processes = several(2, todo, tmp_path, workers=1, faults={3: 'segfault'})
    assert sorted(end(process)[0] for process in processes) == [3, 3]
    assert fake_work.begun(tmp_path) == dict.fromkeys(range(1, 11), 1) | {3: 3}
    assert todo_status.status_lines(todo)[0].endswith(': 9 ok, 1 error.')
