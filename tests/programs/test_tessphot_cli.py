"""The command lines of the queue: quick help, and one sentence for whatever is wrong."""

import subprocess
import sys

import pytest

from photometry.core.errors import ExitCode
from photometry.programs import make_todo, tessphot
from photometry.todo import filling


@pytest.fixture
def folder(tmp_path, monkeypatch):
    for name in ('TESSPHOT_INPUT', 'TESSPHOT_OUTPUT', 'TESSPHOT_TODO', 'SOURCE_DATE_EPOCH'):
        monkeypatch.delenv(name, raising=False)
    row = {'datasource': 'ffi', 'sector': 1, 'camera': 1, 'ccd': 1, 'cadence': 1800, 'method': None,
           'tmag': 9.0, 'cbv_area': 111, 'tile': 0, 'cube': None}
    with filling.opened(tmp_path / 'todo.sqlite') as connection:
        filling.merge(connection, [row | {'starid': 1}, row | {'starid': 2}], {})
    return tmp_path


@pytest.mark.parametrize('program', ['tessphot', 'make_todo'])
def test_help_loads_nothing_heavy(program):
    code = (f'import sys; from photometry.programs import {program} as program\n'
            'try: program.main(["--help"])\nexcept SystemExit as end: assert end.code == 0\n'
            'heavy = {"numpy", "sqlalchemy", "astropy", "h5py", "scipy"} & set(sys.modules)\n'
            'assert not heavy, heavy')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'examples:' in done.stdout and 'run_' in done.stdout


@pytest.mark.parametrize('words', [
    ['--starid', '../../etc/passwd'], ['--starid=-1e3'], ['--starid', '1e3'], ['--starid', str(2 ** 63)],
    ['--starid', '0'], ['--starid', '1', '--all'], ['--priority', '1.5'], ['--random=-3'], ['--random=x'],
    ['--all', '--workers', '0'], ['--all', '--workers', '-2'], ['--all', '--workers', '9999999'],
    ['--all', '--version', '100'], ['--all', '--camera', '5'], ['--all', '--sector', "1' OR '1'='1"],
    ['--all', '--datasource', "ffi') OR ('1'='1"], ['--all', '--tmag-min', 'nan'], ['--all', '--nonsense']])
def test_words_that_are_refused(folder, words, capsys):
    before = (folder / 'todo.sqlite').read_bytes()
    with pytest.raises(SystemExit) as caught:
        tessphot.main([str(folder), *words])
    assert caught.value.code == ExitCode.USAGE and 'usage:' in capsys.readouterr().err
    assert (folder / 'todo.sqlite').read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ['todo.sqlite', 'todo.sqlite.owner']


@pytest.mark.parametrize(('words', 'code', 'sentence'), [
    ([], 2, 'Say which stars'),
    (['--all', '--method', 'os.system'], 2, "'os.system' is not one of aperture"),
    (['--random', '--overwrite'], 2, '--random draws from the stars that wait'),
    (['--starid', '77'], 4, 'TIC 77 is in no catalogue below'),
    (['--starid', '-5'], 4, 'Local 5 is in no catalogue below'),  # a star without a TIC number
    (['--all', '--sector', '99'], 4, 'No row of'),
    (['--all', '--tmag-min', '12'], 4, '--tmag-min 12.0'),
    (['--priority', '9'], 4, 'matches --priority 9'),
    (['--all', '--todo', 'none.sqlite'], 4, 'The todo file none.sqlite does not exist'),
    (['--status', '--todo', 'none.sqlite'], 4, 'The todo file none.sqlite does not exist'),
    (['--all', '--todo', 'mysql://u:geheim@h/d'], 2, 'are not supported'),
    (['--all', '--todo', 'postgresql://u:geheim@/d?host=/none'], 4, 'd?host=%2Fnone cannot be opened'),
    (['--status', '--todo', 'postgresql://u:geheim@h:port/d'], 2, 'cannot be read'),
    (['--all', '--settings', 'none.toml'], 4, 'none.toml does not exist')])
def test_one_sentence_a_mistake(folder, words, code, sentence, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    assert tessphot.main([str(folder), *words]) == code
    said = capsys.readouterr().err
    assert sentence in said and said.count('\n') == 1 and 'geheim' not in said


def test_directories_that_do_not_exist(tmp_path, monkeypatch):
    monkeypatch.delenv('TESSPHOT_INPUT', raising=False)
    assert tessphot.main(['--all']) == ExitCode.INPUT_MISSING
    assert tessphot.main([str(tmp_path / 'none'), '--all']) == ExitCode.INPUT_MISSING
    assert make_todo.main([str(tmp_path / 'none')]) == ExitCode.INPUT_MISSING
    assert make_todo.main([str(tmp_path), '--targets', str(tmp_path / 'x')]) == ExitCode.INPUT_MISSING
    with pytest.raises(SystemExit):
        make_todo.main([str(tmp_path), '--faint-limit', '99'])


def test_environment_that_is_refused(folder, monkeypatch):
    monkeypatch.setenv('SOURCE_DATE_EPOCH', 'yesterday')
    assert tessphot.main([str(folder), '--all']) == ExitCode.USAGE


def test_status_counts_rows(folder, capsys):
    assert tessphot.main([str(folder), '--status']) == 0
    assert '2 waiting' in capsys.readouterr().out
