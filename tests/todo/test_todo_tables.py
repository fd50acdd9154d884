"""The tables: names, keys, partial index, files made elsewhere."""

import sqlite3

import pytest
import todo_files
from todo_files import query

from photometry.core.errors import IncompatibleError, InputBadError
from photometry.core.status import STATUS
from photometry.files import todo_tables
from photometry.todo.manager import TaskManager


@pytest.fixture
def foreign(tmp_path):
    return todo_files.established(tmp_path / 'todo.sqlite')


def test_columns_stand_as_written_down(todo):
    for table, columns in todo_tables.ESTABLISHED.items():
        found = [line[1] for line in query(todo, f'PRAGMA table_info({table})')]
        assert found[:len(columns)] == list(columns)


def test_keys_and_partial_index(todo):
    with pytest.raises(sqlite3.IntegrityError, match='UNIQUE'):
        query(todo, 'INSERT INTO todolist SELECT priority + 100, starid, sector, datasource, camera, '
                         'ccd, cadence, method, tmag, status, cbv_area, tile, cube, attempts, worker, lease, '
                         'begun, expired '
                         'FROM todolist')
    plan = query(todo, 'EXPLAIN QUERY PLAN SELECT * FROM todolist WHERE status IS NULL AND sector = 1 '
                            'AND camera = 1 AND ccd = 1 AND tile = 2 ORDER BY priority LIMIT 9')
    assert 'todolist_waiting_tile' in plan[0][3]


def test_list_of_the_established_schema_is_adopted(place):
    foreign = todo_files.established(place)
    with TaskManager(foreign) as manager:
        task, = manager.claim()
        assert (task.starid, task.tile, task.cube, task.attempt) == (11, None, None, 0)
        manager.fail(task, 'no_flux', 'Dark.')
    assert todo_files.statuses(foreign) == {11: STATUS.ERROR, 12: STATUS.OK}
    assert query(foreign, 'SELECT reason FROM diagnostics') == [('no_flux',)]


@pytest.mark.parametrize(('sql', 'error', 'match'), [
    ('ALTER TABLE todolist DROP COLUMN cbv_area', InputBadError, 'todolist lacks cbv_area'),
    ('ALTER TABLE todolist RENAME TO stars', InputBadError, 'without the table todolist'),
    ("CREATE TABLE settings (schema TEXT); INSERT INTO settings VALUES ('2.0')", IncompatibleError,
     f'newer than {todo_tables.SCHEMA}'),
    ("CREATE TABLE settings (schema TEXT); INSERT INTO settings VALUES ('x')", InputBadError, 'unreadable'),
    ('CREATE TABLE diagnostics (priority INTEGER)', InputBadError, 'diagnostics lacks')])
def test_other_schemas_are_refused(foreign, sql, error, match):
    connection = sqlite3.connect(foreign)
    connection.executescript(sql)
    connection.close()
    before = foreign.read_bytes()
    with pytest.raises(error, match=match):
        TaskManager(foreign).__enter__()
    with pytest.raises(error, match=match):
        TaskManager.peek(foreign)
    assert foreign.read_bytes()[100:] == before[100:]  # the header notes the journal mode


def test_a_new_minor_version_is_read(foreign):
    connection = sqlite3.connect(foreign)
    connection.executescript("CREATE TABLE settings (run TEXT, schema TEXT, version TEXT, created TEXT, "
                             "program TEXT); INSERT INTO settings (schema) VALUES ('1.7')")
    connection.close()
    with TaskManager(foreign) as manager:
        assert manager.waiting() == 1
