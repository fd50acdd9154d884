"""The program that tells what lies in INPUT: text, JSON, exit codes, garbage."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stages import inventory_files as files

from photometry.core.errors import ExitCode
from photometry.files import paths
from photometry.programs import inventory
from photometry.stages import inventory_words

ROOT = Path(__file__).parents[2]


def test_text(tmp_path, capsys):
    for number in (0, 1, 3):
        files.frame(tmp_path, number)
    files.stars(tmp_path)
    files.stars(tmp_path, (6, 1, 4))
    assert inventory.main([str(tmp_path)]) == ExitCode.DONE
    said = capsys.readouterr().out
    heading, *rows = said.partition('\n\n')[0].splitlines()
    assert heading.split() == ('sector camera CCD images cadence frames first (UTC) last (UTC) missing '
                               'damaged cutouts targets stars cube todo list').split()
    assert rows[0].split() == ('5 2 2 SPOC 1800 s 3 2018-11-15 11:58 2018-11-15 13:28 1 - - - 3 - -').split()
    assert rows[1].split() == '6 1 4 - - - - - - - - - 3 - -'.split()
    assert '1 frame missing (0.02 d) after tess2018319122850-' in said and 'made elsewhere' in said
    assert said.count('sector 6, camera 1, CCD 4: no image') == 1


def test_json_and_filters(tmp_path, capsys):
    files.stars(tmp_path)
    files.stars(tmp_path, (6, 1, 4))
    assert inventory.main([str(tmp_path), '--json', '--sector', '6']) == ExitCode.DONE
    assert [one['sector'] for one in json.loads(capsys.readouterr().out)['ccds']] == [6]


@pytest.mark.parametrize('words', [[], ['--json'], ['--sector', '9']])
def test_nothing_there(tmp_path, capfd, words):
    (tmp_path / 'notes.txt').touch()
    if words[:1] == ['--sector']:
        files.stars(tmp_path)
    assert inventory.main([str(tmp_path), *words]) == ExitCode.INPUT_MISSING
    out, err = capfd.readouterr()
    assert not out and err.count('\n') == 1 and f'{tmp_path} holds nothing' in err


def test_no_such_directory_and_wrong_lists(tmp_path, monkeypatch, capfd):
    monkeypatch.delenv('TESSPHOT_INPUT', raising=False)
    assert inventory.main([]) == ExitCode.INPUT_MISSING
    assert inventory.main([str(tmp_path / 'x')]) == ExitCode.INPUT_MISSING
    files.stars(tmp_path)
    assert inventory.main([str(tmp_path), '--todo', 'mysql://host/x']) == ExitCode.USAGE
    assert inventory.main([str(tmp_path), '--todo', str(tmp_path)]) == ExitCode.DONE
    assert 'Traceback' not in capfd.readouterr().err


_PATTERNS = (
    rb'tess[0-9]{0,20}-s[0-9]{4}-[1-4]-[1-4]-0000-s_ffic\.fits(\.gz)?',
    rb'hlsp_tica_tess_ffi_s[0-9]{4}-(o1-)?[0-9]{8}-cam[1-4]-ccd[1-4]_tess_v01_img\.fits',
    rb't(ess|ica)-s[0-9]{4}-[1-4]-[1-4]_[^/\0]{0,9}_astrocut\.fits(\.gz)?',
    rb'catalog_sector[0-9]{3,90}_camera[1-4]_ccd[1-4]\.sqlite',
    rb'sector[0-9]{3,90}_camera[1-4]_ccd[1-4](_c1r2_3x4)?\.hdf5(\.work|\.journal)?',
    rb'(tess[0-9]{13}-s[0-9]{4}-[0-9]{16}-0000-|[^/\0]{0,9}_)(a_fast-)?tp\.fits(\.gz)?')
NAMES = st.one_of(
    st.binary(min_size=1, max_size=40), *(st.from_regex(text, fullmatch=True) for text in _PATTERNS),
    st.just(b'todo.sqlite'), st.just(b'todo.sqlite.owner'), st.just(b'summary.json'))
CONTENTS = st.one_of(
    st.just(b''), st.binary(max_size=60), st.just(b'SIMPLE  =                    T'.ljust(2880)),
    st.just(b'SQLite format 3\0'.ljust(4096, b'\0')), st.just(b'\x89HDF\r\n\x1a\n'.ljust(3000, b'\0')),
    st.just(b'\x1f\x8b\x08 and no more'), st.just(b'{"magic": "tessphot frame journal 1.0", "size": -3}\n'),
    st.just(b'{"counts": [1], "pid": {}}'))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(NAMES, CONTENTS, st.booleans()), min_size=1, max_size=6))
def test_garbage_is_no_traceback(found):
    """Whatever lies there under whatever name: text of whole lines, JSON, and the promised exit code."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content, is_directory in found:
            path = os.path.join(os.fsencode(folder), name.replace(b'/', b'_').replace(b'\0', b'_'))
            if path.endswith((b'/.', b'/..')) or os.path.exists(path):
                continue
            if is_directory:
                os.mkdir(path)
            else:
                Path(os.fsdecode(path)).write_bytes(content)
        said = []
        for words in ([], ['--json']):
            with tempfile.TemporaryFile('w+', encoding='utf-8') as out:
                stdout, sys.stdout = sys.stdout, out
                try:
                    code = inventory.main([folder, '-q', *words])
                finally:
                    sys.stdout = stdout
                out.seek(0)
                said.append(out.read())
            assert code in (ExitCode.DONE, ExitCode.INPUT_MISSING)
        if said[1]:
            assert len(json.loads(said[1])['ccds']) <= said[0].count('\n')


def test_names_cannot_spoil_the_terminal(tmp_path, capsys):
    name = os.fsdecode(b'tess2018319192942-s0005-2-2-0000-s_ffic.fits')
    (tmp_path / os.fsdecode(b'a\xff\x1b[2J\n')).mkdir()
    (tmp_path / os.fsdecode(b'a\xff\x1b[2J\n') / name).touch()
    assert inventory.main([str(tmp_path)]) == ExitCode.DONE
    said = capsys.readouterr().out
    assert r'a\udcff\x1b[2J\n/tess' in said and '\x1b' not in said
    assert inventory_words.printable('ä°') == 'ä°'


def test_a_fresh_process_reads_the_directory_of_the_environment(tmp_path):
    files.stars(tmp_path)
    done = subprocess.run([sys.executable, 'run_inventory.py', '--json'], cwd=ROOT, capture_output=True,
                          text=True, env=os.environ | {'TESSPHOT_INPUT': str(tmp_path)}, check=False)
    assert done.returncode == 0 and not done.stderr
    assert json.loads(done.stdout)['ccds'][0]['catalog']['file'] == paths.catalog_name(5, 2, 2)
