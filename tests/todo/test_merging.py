"""Merging lists: nothing is lost, the best row of a star counts."""

import pytest
import todo_files
from test_filling import in_order, measure
from todo_files import query, statuses

from photometry.core.errors import IncompatibleError, OutputError, TessphotError
from photometry.core.status import STATUS
from photometry.core.task import Result
from photometry.todo.manager import TaskManager
from photometry.todo.merging import merge
from photometry.todo.owner import HeldError


def listed(path, *stars, **changes):
    return todo_files.fill(path, rows=[todo_files.row(star, **changes) for star in stars])


def test_lists_of_different_ccds_stand_in_one_order(tmp_path):
    parts = [listed(tmp_path / 'a', 1, 4, 6), listed(tmp_path / 'b', 2, 3, ccd=2)]
    measure(parts[0], 1)
    measure(parts[1], 3)
    counts = merge(tmp_path / 'all', parts)
    assert in_order(tmp_path / 'all') == [1, 2, 3, 4, 6]
    assert statuses(tmp_path / 'all') == {1: 1, 2: 2, 3: 1, 4: 2, 6: 2}
    assert counts == {'listed': 5, 'finished': 2, 'failed': 3}
    assert query(tmp_path / 'all', 'SELECT starid, lightcurve, reason FROM todolist JOIN diagnostics '
                 'USING (priority) ORDER BY starid') == [
        (1, '1', None), (2, None, 'no_flux'), (3, '3', None), (4, None, 'no_flux'), (6, None, 'no_flux')]


def test_copies_of_one_list_keep_what_each_has_done(tmp_path):
    copies = [listed(tmp_path / name, *range(1, 8)) for name in 'ab']
    for path, done, failed in ((copies[0], (1, 2), (3,)), (copies[1], (2, 3), (4,))):
        with TaskManager(path) as manager:
            for task in [task for _ in range(3) for task in manager.claim()]:
                if task.starid in done:
                    manager.finish(Result(task, STATUS.OK, method_used='fake', lightcurve=path.name))
                elif task.starid in failed:
                    manager.fail(task, 'no_flux', 'Dark.')
    counts = merge(tmp_path / 'all', copies)
    assert statuses(tmp_path / 'all') == {1: 1, 2: 1, 3: 1, 4: 2, 5: None, 6: None, 7: None}
    assert counts['twice'] == 1
    told = query(tmp_path / 'all', 'SELECT starid, lightcurve FROM todolist JOIN diagnostics '
                 'USING (priority)')
    assert sorted(told) == [(1, 'a'), (2, 'a'), (3, 'b'), (4, None)]
    measure(tmp_path / 'all', 5, 6, 7)
    assert set(statuses(tmp_path / 'all').values()) == {STATUS.OK, STATUS.ERROR}


def test_skipped_stars_follow_their_brighter_one(tmp_path):
    skips = {todo_files.key(5): todo_files.key(4)}
    rows = [todo_files.row(star) for star in (4, 5)]
    first = listed(tmp_path / 'a', 1, 2)
    second = todo_files.fill(tmp_path / 'b', rows=rows, skips=skips)
    merge(tmp_path / 'all', [first, second])
    assert query(tmp_path / 'all', 'SELECT f.starid, b.starid FROM photometry_skipped AS s '
                 'JOIN todolist AS f ON f.priority = s.priority '
                 'JOIN todolist AS b ON b.priority = s.skipped_by') == [(5, 4)]
    assert statuses(tmp_path / 'all')[5] == STATUS.SKIPPED


def test_what_ran_when_a_list_was_left_waits_again(tmp_path):
    left = listed(tmp_path / 'a', 1, 2)
    query(left, "UPDATE todolist SET status = 6, worker = 'gone' WHERE starid = 2")
    merge(tmp_path / 'all', [left])
    assert query(tmp_path / 'all', 'SELECT status, worker FROM todolist WHERE starid = 2') == [(None, None)]


def test_runs_are_listed_once(tmp_path):
    left = listed(tmp_path / 'a', 1)
    (tmp_path / 'b').write_bytes(left.read_bytes())
    merge(tmp_path / 'all', [left, tmp_path / 'b'])
    assert query(tmp_path / 'all', 'SELECT program FROM settings') == [('run_make_todo',)]


def test_light_curves_of_other_settings_are_refused(tmp_path):
    parts = [listed(tmp_path / 'a', 1), listed(tmp_path / 'b', 2)]
    for path, size in zip(parts, (1, 2), strict=True):
        with TaskManager(path) as manager:
            manager.begin('0', {'aperture': {'size': size}})
    with pytest.raises(IncompatibleError, match=r'b holds.*aperture\.size was 2, now 1.*beside those of .*a'):
        merge(tmp_path / 'all', parts)
    assert not (tmp_path / 'all').exists()


def test_the_target_keeps_its_rows(tmp_path):
    parts = [listed(tmp_path / 'a', 1), listed(tmp_path / 'b', 2)]
    before = query(parts[1], 'SELECT * FROM todolist')
    with pytest.raises(OutputError, match='holds rows already'):
        merge(parts[1], parts[:1])
    assert query(parts[1], 'SELECT * FROM todolist') == before
    with pytest.raises(OutputError, match='among those'):
        merge(parts[1], parts)


def test_a_list_in_use_is_not_read(tmp_path):
    path = listed(tmp_path / 'a', 1)
    with TaskManager(path), pytest.raises(HeldError, match='in use by process'):
        merge(tmp_path / 'all', [path])


def test_a_list_of_the_established_schema_is_read(tmp_path):
    old = todo_files.established(tmp_path / 'old')
    merge(tmp_path / 'all', [old])
    assert statuses(tmp_path / 'all') == statuses(old)


def test_no_message_repeats_a_password(tmp_path):
    url = 'postgresql+psycopg://me:secret@localhost:1/stars'
    path = listed(tmp_path / 'a', 1)
    for target, sources in ((url, [url]), (url, [path]), (tmp_path / 'all', [url])):
        with pytest.raises(TessphotError) as raised:
            merge(target, sources)
        assert 'secret' not in str(raised.value) and 'me@localhost:1/stars' in str(raised.value)
