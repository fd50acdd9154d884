"""Fixtures of the fault tests, and the table of their figures."""

import json
import os
import shutil
import time
from pathlib import Path

import chaos
import pytest
from stages import small_sector

from photometry.programs import make_todo, prepare_photometry

_TABLE = os.environ.get('TESSPHOT_FAULTS_TABLE')


@pytest.fixture
def figures(record_property):
    """A dictionary for what a test measured; its numbers stand in the table at the end."""
    found = {}
    record_property('figures', found)
    return found


@pytest.fixture
def trial(tmp_path):
    """Make a `chaos.Trial`; whatever still runs at the end is killed."""
    made = []

    def make(*arguments, **options):
        made.append(chaos.Trial(tmp_path / f'trial{len(made)}', *arguments, **options))
        return made[-1]
    yield make
    for one in made:
        one.abandon()


@pytest.fixture(scope='session')
def peace(tmp_path_factory):
    """Called with a number of stars: the final table of an undisturbed run."""
    known = {}

    def undisturbed(number, faults=None):
        key = number, json.dumps(faults)
        if key not in known:
            run = chaos.Trial(tmp_path_factory.mktemp('peace'), number, workers=0, faults=faults)
            assert run.finish() in (0, 3)
            known[key] = chaos.table(run.todo)
        return known[key]
    return undisturbed


@pytest.fixture(scope='session')
def prepared(tmp_path_factory):
    """A small simulated sector with its cube, catalogue and list."""
    folder = tmp_path_factory.mktemp('sector')
    small_sector.make(folder, small_sector.plan(size=64, frames=10, number=30))
    for program in (prepare_photometry, make_todo):
        assert program.main([str(folder), '-q']) == 0
    for path in folder.glob('*ffic*'):
        path.unlink()
    return folder


@pytest.fixture
def sector(prepared, tmp_path, monkeypatch):
    """A copy of it that a test may spoil."""
    for name in ('TESSPHOT_INPUT', 'TESSPHOT_OUTPUT', 'TESSPHOT_TODO'):
        monkeypatch.delenv(name, raising=False)
    return shutil.copytree(prepared, tmp_path / 'INPUT')


def pytest_terminal_summary(terminalreporter):
    """Print the figures; write them down where TESSPHOT_FAULTS_TABLE says."""
    found = {}
    for outcome in ('passed', 'failed'):
        for report in terminalreporter.getreports(outcome):
            measured = dict(report.user_properties).get('figures')
            if report.when == 'call' and measured:
                name = report.nodeid.rpartition('/')[2].removesuffix('.py')
                found[name] = {'outcome': outcome} | measured
    if not found:
        return
    terminalreporter.section('figures of the fault tests')
    for name, measured in found.items():
        words = ', '.join(f'{what} {number}' for what, number in measured.items() if what != 'outcome')
        terminalreporter.write_line(f'{name}: {words}')
    if _TABLE:
        Path(_TABLE).parent.mkdir(parents=True, exist_ok=True)
        Path(_TABLE).write_text(json.dumps({
            'when': time.strftime('%Y-%m-%d'), 'full': chaos.FULL, 'tests': found}, indent=1) + '\n')
