"""Whole runs in processes of their own: killed, stopped, doubled, started again."""

import os
import random
import signal
import time

import fake_work
import pytest
import todo_files
from running import begins, end, start, wait_for, wait_until_gone
from todo_files import query

from photometry.core.status import STATUS
from photometry.stages import todo_status


def test_second_run_does_nothing(todo):
    code, said = end(start(todo))
    assert code == 0 and 'TIC 10: ok' in said and begins(todo.parent) == 10
    code, said = end(start(todo))
    assert code == 0 and 'Nothing is left to do: 10 ok.' in said and begins(todo.parent) == 10


def test_poison_gives_exit_code_3_also_the_next_time(todo):
    for _ in range(2):
        code, said = end(start(todo, faults={3: 'segfault', 5: 'dark'}))
        assert code == 3, said
        assert 'TIC 3: error' in said or '8 ok, 2 error' in said
    assert begins(todo.parent) == 12


def test_killed_scheduler_starts_again_without_repeating_finished_work(tmp_path):
    number, chance, kills = 120, random.Random(4), 0
    todo = todo_files.fill(tmp_path / 'todo.sqlite', number)
    process = start(todo, pause=0.01)
    while kills < 3:
        reach(process, tmp_path, begins(tmp_path) + chance.randint(2, 40))
        if process.poll() is not None:
            break
        process.kill()
        process.communicate()
        kills += 1
        wait_until_gone({line[3] for line in fake_work.log(tmp_path)})
        assert query(todo, 'PRAGMA integrity_check') == [('ok',)]
        process = start(todo, pause=0.01)
    assert kills == 3 and end(process)[0] == 0
    assert set(todo_files.statuses(todo).values()) == {STATUS.OK}
    runs = fake_work.begun(tmp_path)
    assert set(runs) == set(range(1, number + 1))
    # Two stars in flight and what was not yet committed (half a second) at each kill, no more.
    assert sum(runs.values()) - number <= kills * (2 + 0.7 * 2 / 0.01)
    assert query(todo, 'SELECT COUNT(*) FROM diagnostics') == [(number,)]


def reach(process, folder, number):
    """Wait until so many stars were begun, or the process has ended."""
    while begins(folder) < number and process.poll() is None:
        time.sleep(0.005)


@pytest.mark.parametrize('kind', ['sleep', 'hang'])
def test_no_star_outlives_a_killed_scheduler(todo, kind):
    process = start(todo, faults={1: kind})
    wait_for(lambda: begins(todo.parent) == 7, process)
    process.kill()
    wait_until_gone({line[3] for line in fake_work.log(todo.parent)})
    end(process)


def test_committed_results_are_never_run_again(tmp_path):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 120)
    process = start(todo, pause=0.02)
    wait_for(lambda: begins(tmp_path) > 60, process)
    process.kill()
    process.communicate()
    connection = query(todo, 'SELECT starid FROM todolist WHERE status = 1')
    committed = {starid for starid, in connection}
    before = fake_work.begun(tmp_path)
    assert end(start(todo))[0] == 0
    after = fake_work.begun(tmp_path)
    assert committed and all(after[star] == before[star] == 1 for star in committed)


def test_second_scheduler_stops_at_once_and_status_still_answers(todo):
    first = start(todo, faults={1: 'sleep'})
    wait_for(lambda: begins(todo.parent) == 7, first)  # three more wait behind star 1
    code, said = end(start(todo))
    assert code == 75 and f'is in use by process {first.pid} on' in said
    lines = todo_status.status_lines(todo)
    assert f'process {first.pid}' in lines[0] and 'Selected: ' in lines[1]
    assert begins(todo.parent) == 7
    first.kill()
    end(first)
    assert end(start(todo))[0] == 0
    assert begins(todo.parent) >= 11
    assert todo_status.status_lines(todo)[0].endswith('10 ok.')


@pytest.mark.parametrize(('number', 'code', 'group', 'workers'), [
    (signal.SIGTERM, 75, False, 0), (signal.SIGINT, 130, True, 0), (signal.SIGUSR1, 75, True, 2),
    (signal.SIGTERM, 75, True, 2), (signal.SIGINT, 130, True, 2)])
def test_signals_drain(tmp_path, number, code, group, workers):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 60)
    process = start(todo, workers, pause=0.1)
    wait_for(lambda: begins(tmp_path) >= 3, process)
    (os.killpg if group else os.kill)(process.pid, number)
    assert end(process, 20)[0] == code
    done = {star for star, status in todo_files.statuses(todo).items() if status == STATUS.OK}
    ended = {starid for word, starid, *_ in fake_work.log(tmp_path) if word == 'end'}
    assert ended == done and 3 <= len(done) < 60 and len(done) == begins(tmp_path)
    assert query(todo, 'SELECT COUNT(*) FROM todolist WHERE status IS NULL AND attempts = 0') == [
        (60 - len(done),)]


def test_stop_file_drains_once(tmp_path):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 40)
    process = start(todo, pause=0.05)
    wait_for(lambda: begins(tmp_path) >= 3, process)
    (tmp_path / 'todo.sqlite.stop').touch()
    code, said = end(process)
    assert code == 75 and 'the same command' in said
    assert not (tmp_path / 'todo.sqlite.stop').exists()
    assert end(start(todo))[0] == 0
    assert set(todo_files.statuses(todo).values()) == {STATUS.OK}
    assert set(fake_work.begun(tmp_path).values()) == {1}


@pytest.mark.parametrize('workers', [0, 1])
def test_second_interrupt_stops_now(tmp_path, workers):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 5)
    process = start(todo, workers, faults={1: 'sleep'})
    wait_for(lambda: begins(tmp_path) >= 1, process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.4)
    assert process.poll() is None
    process.send_signal(signal.SIGINT)
    assert end(process, 10)[0] == 130
    assert query(todo, 'SELECT DISTINCT status, attempts FROM todolist WHERE status IS NOT NULL') == []


def test_inline_crash_is_charged_and_the_rest_goes_on(tmp_path):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 5)
    for _ in range(3):
        assert end(start(todo, 0, faults={1: 'segfault'}))[0] == -signal.SIGSEGV
    code, said = end(start(todo, 0, faults={1: 'segfault'}))
    assert code == 3 and 'TIC 1: error' in said
    assert todo_files.statuses(todo) == {1: 2, 2: 1, 3: 1, 4: 1, 5: 1}


def test_read_only_output_stops_before_any_work(tmp_path):
    todo = todo_files.fill(tmp_path / 'todo.sqlite', 5)
    (tmp_path / 'out').write_text('a file where the directory should be')
    code, said = end(start(todo))
    assert code == 4 and 'Cannot write' in said and begins(tmp_path) == 0
    assert set(todo_files.statuses(todo).values()) == {None}
