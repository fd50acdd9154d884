"""Lists of a server that are refused, made elsewhere, or hold wild values."""

import threading
import time

import psycopg
import pytest
import todo_files
from todo_files import query

from photometry.core.errors import IncompatibleError, InputBadError, InputMissingError, OutputError
from photometry.core.status import STATUS
from photometry.core.task import Result
from photometry.files import todo_tables
from photometry.programs import make_todo, tessphot
from photometry.todo.manager import TaskManager

SECRET = 'correct horse'


@pytest.fixture(scope='module')
def guarded(server):
    """A role that needs its password."""
    server.run(f"CREATE ROLE guarded LOGIN PASSWORD '{SECRET}'")
    yield 'guarded'
    server.run('DROP OWNED BY guarded CASCADE')
    server.run('DROP ROLE guarded')


@pytest.fixture
def of_guarded(server, guarded, schema, monkeypatch):
    """The URL of a list with ten stars, for that role."""
    monkeypatch.delenv('PGPASSWORD', raising=False)
    monkeypatch.setenv('PGPASSFILE', '/nonexistent')
    todo_files.fill(schema)
    (name,), = query(schema, 'SELECT current_schema()')
    for sql in (f'ALTER SCHEMA {name} OWNER TO guarded',
                *(f'ALTER TABLE {name}.{table} OWNER TO guarded' for table in todo_tables.metadata.tables)):
        server.run(sql)
    return schema.replace('//postgres@', '//guarded@')


@pytest.fixture
def foreign(schema):
    """A list as other pipelines make it."""
    return todo_files.established(schema)


def measured_all(todo):
    """Priorities of what could be claimed, all of it ended as OK."""
    claimed = []
    with TaskManager(todo) as manager:
        while batch := manager.claim():
            claimed += batch
            for task in batch:
                manager.finish(Result(task, STATUS.OK, method_used='fake', lightcurve='x.fits'))
    return sorted(task.priority for task in claimed)


# Passwords


@pytest.mark.parametrize('given', [None, 'wrong', "' OR 1=1 --"])
def test_wrong_or_missing_password_is_said_at_once(of_guarded, monkeypatch, given):
    if given is not None:
        monkeypatch.setenv('PGPASSWORD', given)
    begun = time.monotonic()
    for use in (lambda: TaskManager(of_guarded).__enter__(), lambda: TaskManager.peek(of_guarded),
                lambda: todo_files.fill(of_guarded, 12)):
        with pytest.raises(InputMissingError, match='check the URL, the password') as caught:
            use()
        assert caught.value.exit_code == 4 and (given or SECRET) not in str(caught.value)
    assert time.monotonic() - begun < 10  # a server that is away would be asked for a minute


def test_password_in_the_url_is_not_repeated(of_guarded):
    url = of_guarded.replace('guarded@', 'guarded:mistaken@')
    with pytest.raises(InputMissingError) as caught:
        TaskManager(url).__enter__()
    assert 'mistaken' not in str(caught.value)


def test_right_password_opens(of_guarded, monkeypatch):
    monkeypatch.setenv('PGPASSWORD', SECRET)
    assert measured_all(of_guarded) == list(range(1, 11))


@pytest.mark.parametrize('program', [tessphot, make_todo])
def test_programs_end_in_a_sentence(of_guarded, tmp_path, monkeypatch, capsys, program):
    monkeypatch.setenv('PGPASSWORD', 'wrong')
    words = ['--all'] if program is tessphot else []
    code = program.main([str(tmp_path), '-q', '--todo', of_guarded, *words])
    said = capsys.readouterr().err
    assert code == 4 and 'Traceback' not in said and 'wrong' not in said


def test_rights_that_lack_are_said(of_guarded, server, monkeypatch):
    monkeypatch.setenv('PGPASSWORD', SECRET)
    query(of_guarded.replace('//guarded@', '//postgres@'), 'ALTER TABLE todolist OWNER TO postgres; '
          'GRANT SELECT ON todolist TO guarded')
    assert TaskManager.peek(of_guarded) == {None: 10}
    with pytest.raises(OutputError, match='grant the rights'):
        TaskManager(of_guarded).__enter__()


# Lists made elsewhere


def test_many_adopt_a_list_at_once(foreign):
    ready, failed, claimed = threading.Barrier(6), [], []

    def adopt():
        ready.wait()
        try:
            with TaskManager(foreign) as manager:
                for task in manager.claim():
                    claimed.append(task.starid)
                    manager.finish(Result(task, STATUS.OK, method_used='fake', lightcurve='x.fits'))
        except Exception as error:
            failed.append(error)
    threads = [threading.Thread(target=adopt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == [] and claimed == [11]
    assert todo_files.statuses(foreign) == {11: STATUS.OK, 12: STATUS.OK}


@pytest.mark.parametrize(('sql', 'error', 'match'), [
    ('ALTER TABLE todolist DROP COLUMN cbv_area', InputBadError, 'todolist lacks cbv_area'),
    ("CREATE TABLE settings (schema TEXT); INSERT INTO settings VALUES ('2.0')", IncompatibleError,
     f'newer than {todo_tables.SCHEMA}'),
    ('CREATE TABLE diagnostics (priority INTEGER)', InputBadError, 'diagnostics lacks'),
    ('ALTER TABLE todolist RENAME TO settings', InputBadError, 'settings of something else')])
def test_other_schemas_are_refused(foreign, sql, error, match):
    query(foreign, sql)

    def structure():
        return query(foreign, 'SELECT table_name, column_name FROM information_schema.columns '
                     'WHERE table_schema = current_schema() ORDER BY 1, 2')
    before = structure()
    with pytest.raises(error, match=match):
        TaskManager(foreign).__enter__()
    with pytest.raises(error, match=match):
        TaskManager.peek(foreign)
    assert structure() == before


@pytest.mark.parametrize('lease', ['NULL', "'NaN'", "'-Infinity'"])
def test_stars_begun_by_nobody_known_are_taken_over(schema, lease):
    """A list copied in the middle of a run, or from a file, says STARTED without a lease to run out."""
    todo_files.fill(schema)
    query(schema, f'UPDATE todolist SET status = 6, lease = {lease} WHERE priority < 4')
    with TaskManager(schema, lease=0.5) as manager:
        assert sorted(manager.recovered) == [1, 2, 3] and manager.waiting() == 10


# Wild values

HOSTILE = [('starid', 2 ** 62), ('sector', -1), ('camera', 7), ('ccd', 0), ('cadence', 2 ** 31 - 1),
           ('attempts', -5), ('datasource', "ffi') OR ('1'='1"), ('datasource', '../x'), ('datasource', ''),
           ('method', 'os.system'), ('method', '../x'), ('method', "'; DROP TABLE todolist; --"),
           ('cube', '/etc/passwd'), ('cube', '../../x.hdf5'), ('cube', '\u202ex'), ('cube', 'x' * 100000)]


@pytest.mark.parametrize(('column', 'value'), HOSTILE)
def test_hostile_rows_end_as_errors_and_touch_no_other(schema, column, value):
    todo_files.fill(schema)
    query(schema, f'UPDATE todolist SET {column} = ? WHERE priority = 4', value)
    assert measured_all(schema) == [1, 2, 3, 5, 6, 7, 8, 9, 10]
    found = dict(query(schema, 'SELECT priority, status FROM todolist'))
    assert found == {priority: STATUS.ERROR if priority == 4 else STATUS.OK for priority in range(1, 11)}
    assert query(schema, 'SELECT reason FROM diagnostics WHERE priority = 4') == [('input_bad',)]


@pytest.mark.parametrize(('column', 'value'), [
    ('tmag', float('nan')), ('tmag', float('inf')), ('lease', float('nan')), ('begun', float('-inf')),
    ('worker', "x'; DROP TABLE todolist; --"), ('tile', -2 ** 31), ('expired', 2 ** 31 - 1)])
def test_odd_values_that_lead_nowhere_do_no_harm(schema, column, value):
    todo_files.fill(schema)
    query(schema, f'UPDATE todolist SET {column} = ? WHERE priority = 4', value)
    assert measured_all(schema) == list(range(1, 11))


def test_columns_refuse_what_is_none_of_theirs(schema):
    todo_files.fill(schema)
    for column, value in (('starid', 'x'), ('sector', 2 ** 40), ('cube', 'a\0b'), ('starid', None)):
        with pytest.raises(psycopg.Error):
            query(schema, f'UPDATE todolist SET {column} = ? WHERE priority = 4', value)
