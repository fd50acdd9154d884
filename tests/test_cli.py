"""What all programs share: help, exit codes, messages."""

import subprocess
import sys
from pathlib import Path

import pytest

from photometry import cli
from photometry.core.errors import ExitCode, InputMissingError

ROOT = Path(__file__).parents[1]
PROGRAMS = sorted(path.name for path in ROOT.glob('run_*.py'))


def program(*words, **options):
    return subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True,
                          timeout=120, **options)


@pytest.mark.parametrize('name', PROGRAMS)
def test_help_has_examples_and_is_light(name):
    done = program('-X', 'importtime', name, '--help')
    assert done.returncode == 0
    assert 'examples:' in done.stdout and name in done.stdout
    loaded = {line.rsplit('|', 1)[-1].strip() for line in done.stderr.splitlines() if '|' in line}
    heavy = {'numpy', 'astropy', 'scipy', 'h5py', 'sqlalchemy', 'matplotlib', 'lightkurve'}
    assert not loaded & heavy, 'the help should come before heavy imports'


@pytest.mark.parametrize('name', PROGRAMS)
def test_version_and_wrong_option(name):
    assert program(name, '-V').stdout.startswith('tessphot ')
    done = program(name, '--no-such-option')
    assert done.returncode == ExitCode.USAGE
    assert 'Traceback' not in done.stderr


def parsed(*words):
    return cli.parser('run_x.py', 'Does x.', '  run_x.py').parse_args(words)


def test_expected_failures_become_one_sentence(capfd):
    def main(arguments):
        raise InputMissingError('No such thing; make it.')
    assert cli.run(main, parsed()) == ExitCode.INPUT_MISSING
    assert capfd.readouterr().err == 'ERROR: No such thing; make it.\n'


def test_unexpected_failures_are_one_sentence_without_debug(tmp_path):
    script = tmp_path / 'fails.py'
    script.write_text(
        "import sys\nfrom photometry import cli\n"
        "def main(arguments):\n    raise KeyError('odd')\n"
        "sys.exit(cli.run(main, cli.parser('x', 'x', 'x').parse_args()))\n")
    quiet, loud = program(str(script)), program(str(script), '--debug')
    assert quiet.returncode == loud.returncode == ExitCode.INTERNAL
    assert quiet.stderr.count('\n') == 1 and 'Traceback' not in quiet.stderr
    assert 'Traceback' in loud.stderr


def test_log_file_is_appended(tmp_path):
    path = tmp_path / 'a.log'
    for _ in range(2):
        cli.run(lambda arguments: cli.logger.info('hello'), parsed('--log-file', str(path), '-q'))
        cli.run(lambda arguments: cli.logger.info('hello'), parsed('--log-file', str(path)))
    assert path.read_text().count('hello') == 2


@pytest.mark.parametrize('text', ['0', '-1', '1e3', '../../x', str(2 ** 63)])
def test_wild_numbers_are_refused(text):
    made = cli.parser('x', 'x', 'x')
    cli.add_ccd_filters(made)
    with pytest.raises(SystemExit) as stop:
        made.parse_args(['--sector', text])
    assert stop.value.code == ExitCode.USAGE


def test_log_file_that_cannot_be_opened(tmp_path, capsys):
    path = tmp_path / 'missing' / 'log.txt'
    assert cli.run(lambda arguments: 0, parsed('--log-file', str(path))) == 4
    assert str(path) in capsys.readouterr().err
