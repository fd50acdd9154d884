"""Values that want to be paths, code or SQL, in the list and on the command line."""

import hashlib
import shutil
import sqlite3
import string

import chaos
import fake_work
import pytest
import todo_files
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photometry.programs import make_todo, tessphot
from photometry.todo.dispatch import dispatch
from photometry.todo.manager import TaskManager
from photometry.todo.workers.inline import InlineWorkers

WORDS = ['../../x', '/etc/passwd', '..', '.', '~', '$(reboot)', '`id`', 'a\0b', "'; DROP TABLE todolist; --",
         '" OR 1=1 --', "ffi') OR ('1'='1", 'tpf:99999999999', 'tpf:../x', 'os.system', '__import__("os")',
         '%s%n', '{0.__class__}', '-1', '1e3', 'nan', '', '\u202e',
         'sector001_camera1_ccd1.hdf5/../../x.hdf5']
NUMBERS = [0, -1, 1, 2 ** 31, 2 ** 53 + 1, 2 ** 63 - 1, -2 ** 63, 1e308, -0.0, 0.5, float('inf')]
VALUES = st.one_of(st.none(), st.sampled_from(WORDS), st.sampled_from(NUMBERS), st.binary(max_size=20),
                   st.text(max_size=30), st.integers(-2 ** 63, 2 ** 63 - 1), st.floats(allow_nan=False))
COLUMNS = st.sampled_from(['starid', 'sector', 'datasource', 'camera', 'ccd', 'cadence', 'method', 'tmag',
                           'status', 'cbv_area', 'tile', 'cube', 'attempts', 'worker', 'lease'])
WILD = settings(max_examples=chaos.size(25, 500), deadline=None,
                suppress_health_check=[HealthCheck.function_scoped_fixture])


def snapshot(folder, but):
    """Digest of every file below a directory except below some of its parts."""
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob('*') if path.is_file() and not path.is_relative_to(folder / but)}


def rows(todo):
    """Rows of the list by priority."""
    return {row[0]: row for row in todo_files.query(todo, 'SELECT * FROM todolist ORDER BY priority')}


def spoil(todo, changes):
    """Write values into row 4, as far as the database takes them."""
    for column, value in changes.items():
        try:
            todo_files.query(todo, f'UPDATE todolist SET {column} = ? WHERE priority = 4', value)
        except sqlite3.IntegrityError:
            pass  # NULL where none may be, or another star


@WILD
@given(st.dictionaries(COLUMNS, VALUES, min_size=1, max_size=5))
def test_wild_row(tmp_path, ten, changes):
    """Row 21: it ends somehow, below the output, and all others as if it were not there."""
    folder = tmp_path / 'run'
    todo = folder / 'todo.sqlite'
    chaos.replace_folder(folder)
    shutil.copy(ten, todo)
    spoil(todo, changes)
    outside = snapshot(tmp_path, 'run')
    worker = fake_work.FakeWorker(str(folder), output=str(folder / 'out'))
    with TaskManager(todo) as manager, InlineWorkers(worker) as workers:
        dispatch(manager, workers)
    assert {priority: row[9] for priority, row in rows(todo).items() if priority != 4} == dict.fromkeys(
        [1, 2, 3, 5, 6, 7, 8, 9, 10], 1)
    assert snapshot(tmp_path, 'run') == outside
    assert {path.name for path in folder.iterdir()} <= {
        'out', 'log', 'summary.json', 'todo.sqlite', 'todo.sqlite.owner'}
    assert all(path.parent.parent.parent == folder / 'out' for path in chaos.files_in(folder / 'out'))
    assert all(map(chaos.is_whole, chaos.files_in(folder / 'out')))


@pytest.fixture(scope='module')
def ten(tmp_path_factory):
    """A list with ten stars."""
    return todo_files.fill(tmp_path_factory.mktemp('ten') / 'todo.sqlite')


OPTIONS = ['--starid', '--priority', '--random', '--sector', '--camera', '--ccd', '--cadence', '--datasource',
           '--tmag-min', '--tmag-max', '--method', '--version', '--workers']
ARGUMENTS = st.one_of(st.sampled_from(WORDS), st.sampled_from(NUMBERS).map(str),
                      st.text(string.printable, max_size=20), st.just('9' * 5000))


@WILD
@given(st.dictionaries(st.sampled_from(OPTIONS), ARGUMENTS.filter(lambda word: '\0' not in word), min_size=1,
                       max_size=3))
def test_wild_command_line(sector, capsys, words):
    """Row 21: refused, or what it says; nothing but light curves and diagnostics ever changes."""
    before, outside = rows(sector / 'todo.sqlite'), snapshot(sector, 'lightcurves')
    ones = [f'{option}={word}' for option, word in words.items() if option != '--workers']
    refused = [f'{option}={word}' for option, word in words.items() if option == '--workers']
    try:
        code = tessphot.main([str(sector), '-q', *ones, *refused])
    except SystemExit as exit:
        code = exit.code
    assert code in (0, 2, 3, 4)
    said = capsys.readouterr().err
    assert 'Traceback' not in said
    after = rows(sector / 'todo.sqlite')
    assert before.keys() == after.keys()
    changed = [priority for priority, row in before.items() if after[priority] != row]
    assert len(changed) <= 1 and (code in (0, 3) or not changed)
    kept = {name for name in snapshot(sector, 'lightcurves') if name not in outside}
    assert kept <= {'summary.json', 'todo.sqlite.owner'}


@pytest.mark.parametrize('word', [word for word in WORDS[:-1] if word and '\0' not in word])
def test_paths_that_are_sentences(sector, word, capsys):
    """Row 21: names of files are names and nothing else, wherever they lead."""
    outside = snapshot(sector, 'lightcurves')
    code = make_todo.main([str(sector), '-q', '--targets', word])
    assert code in (2, 4) and 'Traceback' not in capsys.readouterr().err
    code = tessphot.main([str(sector), '-q', '--all', '--settings', word])
    assert code in (2, 4) and 'Traceback' not in capsys.readouterr().err
    code = tessphot.main([str(sector), '-q', '--all', '--todo', word])
    assert code in (2, 4) and 'Traceback' not in capsys.readouterr().err
    assert snapshot(sector, 'lightcurves') == outside
