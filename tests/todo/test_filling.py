"""Filling the list: new rows enter in order, results stay."""

import pytest
import todo_files
from todo_files import query

from photometry.core import tiles
from photometry.core.errors import InputBadError
from photometry.core.stamp import Stamp
from photometry.core.status import STATUS
from photometry.core.task import Result
from photometry.todo.manager import TaskManager
from photometry.todo.owner import HeldError


def measure(path, *stars):
    with TaskManager(path) as manager:
        while batch := manager.claim():
            for task in batch:
                if task.starid in stars:
                    manager.finish(Result(task, STATUS.OK, method_used='fake', lightcurve=f'{task.starid}'))
                else:
                    manager.fail(task, 'no_flux', 'Dark.')


def in_order(path):
    return [star for star, in query(path, 'SELECT starid FROM todolist ORDER BY priority')]


def test_priority_follows_magnitude_then_number(place):
    rows = [todo_files.row(3, 9.0), todo_files.row(9, 8.0), todo_files.row(2, 9.0), todo_files.row(7, 30.0)]
    rows[-1]['tmag'] = None
    todo_files.fill(place, rows=rows)
    assert in_order(place) == [9, 2, 3, 7]


def test_second_filling_adds_and_drops_no_result(place):
    todo_files.fill(place, rows=[todo_files.row(star) for star in (2, 4, 6)])
    measure(place, 2, 6)
    todo_files.fill(place, 7)
    assert in_order(place) == [1, 2, 3, 4, 5, 6, 7]
    assert todo_files.statuses(place) == {1: None, 2: 1, 3: None, 4: 2, 5: None, 6: 1, 7: None}
    joined = query(place, 'SELECT starid, lightcurve FROM todolist JOIN diagnostics USING (priority) '
                              'ORDER BY starid')
    assert joined == [(2, '2'), (4, None), (6, '6')]
    todo_files.fill(place, rows=[todo_files.row(2), todo_files.row(8, sector=9)])
    assert todo_files.statuses(place)[2] == STATUS.OK
    todo_files.fill(place, rows=[todo_files.row(8, sector=9), todo_files.row(9, sector=9)], overwrite=True)
    assert in_order(place) == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    todo_files.fill(place, rows=[todo_files.row(2)], overwrite=True)
    assert todo_files.statuses(place) == {2: None, 8: None, 9: None}
    assert query(place, 'SELECT COUNT(*) FROM diagnostics') == [(0,)]


def test_skipped_rows_follow_their_star_when_numbers_move(place):
    skips = {todo_files.key(5): todo_files.key(4)}
    rows = [todo_files.row(star) for star in (4, 5)]
    todo_files.fill(place, rows=rows, skips=skips)
    todo_files.fill(place, rows=[todo_files.row(1)])
    assert query(place, 'SELECT f.starid, b.starid FROM photometry_skipped AS s '
                            'JOIN todolist AS f ON f.priority = s.priority '
                            'JOIN todolist AS b ON b.priority = s.skipped_by') == [(5, 4)]
    assert todo_files.statuses(place) == {1: None, 4: None, 5: STATUS.SKIPPED}


def test_nobody_is_delivered_by_a_star_that_is_not_listed(place):
    todo_files.fill(place, rows=[todo_files.row(5)],
                           skips={todo_files.key(5): todo_files.key(4)})
    assert todo_files.statuses(place) == {5: None}
    todo_files.fill(place, rows=[todo_files.row(4), todo_files.row(5)],
                    skips={todo_files.key(5): todo_files.key(4)})
    assert todo_files.statuses(place) == {4: None, 5: STATUS.SKIPPED}


def test_a_failure_while_filling_changes_nothing(tmp_path, todo):
    before = todo_files.statuses(todo)
    with pytest.raises(InputBadError, match='UNIQUE|NOT NULL'):
        todo_files.fill(todo, rows=[todo_files.row(77) | {'ccd': None}])
    assert todo_files.statuses(todo) == before
    new = tmp_path / 'deep' / 'todo.sqlite'
    new.parent.mkdir()
    with pytest.raises(InputBadError):
        todo_files.fill(new, rows=[todo_files.row(77) | {'ccd': None}])
    assert [path.name for path in new.parent.iterdir()] == ['todo.sqlite.owner']


def test_broken_list_is_replaced_on_demand_a_foreign_file_never(tmp_path, todo):
    whole = todo.read_bytes()
    todo.write_bytes(whole[:9000])
    with pytest.raises(InputBadError, match='truncated'):
        todo_files.fill(todo)
    todo_files.fill(todo, 3, overwrite=True)
    assert in_order(todo) == [1, 2, 3]
    letter = tmp_path / 'letter.txt'
    letter.write_text('Dear Ada, ' * 100)
    with pytest.raises(InputBadError, match='not an SQLite database'):
        todo_files.fill(letter, overwrite=True)
    assert letter.read_text().startswith('Dear Ada')


def test_filling_waits_for_no_scheduler(todo):
    with TaskManager(todo), pytest.raises(HeldError):
        todo_files.fill(todo)


def test_tiles_count_along_the_columns_and_cover_the_cube():
    limits = Stamp(10, 150, 44, 174)
    for row in (10, 73.4, 73.6, 149):
        for column in (44, 107, 108, 171, 172, 173):
            stamp = tiles.tile_stamp(tiles.tile_number(row, column, limits), limits)
            assert stamp.contains(row, column) and stamp.clipped(limits) == stamp
    assert tiles.tile_number(149, 173, limits) == 8


def sources(place):
    return query(place, 'SELECT starid, datasource, status FROM todolist ORDER BY starid, datasource')


def in_target(starid, target, **changes):
    kind = 'tpf' if target == starid else f'tpf:{target}'
    return todo_files.row(starid, datasource=kind, cadence=120, cube=f'{target}_tp.fits', **changes)


def test_a_star_has_one_row_in_all_target_pixel_files(place):
    rows = [in_target(2, 1), in_target(3, 1), todo_files.row(2), in_target(2, 1, sector=2)]
    todo_files.fill(place, rows=rows)
    measure(place, 3)
    todo_files.fill(place, rows=[in_target(2, 5), in_target(3, 5)])
    assert sources(place) == [(2, 'ffi', 2), (2, 'tpf:1', 2), (2, 'tpf:1', 2), (3, 'tpf:1', 1)]
    todo_files.fill(place, rows=[in_target(4, 1)])
    todo_files.fill(place, rows=[in_target(4, 5), in_target(3, 3)])
    assert sources(place)[-2:] == [(3, 'tpf', None), (4, 'tpf:5', None)]
