"""The example scripts of docs/slurm run for real, on a cluster that is faked."""

import json
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import mpi_jobs
import pytest

HERE = Path(__file__).parent
SCRIPTS = mpi_jobs.ROOT / 'docs' / 'slurm'
sys.path[:0] = [str(HERE.parent / 'stages'), str(HERE.parent / 'todo')]

import fake_work  # noqa: E402
import small_sector  # noqa: E402
import todo_files  # noqa: E402

PROGRAMS = {'tessphot': 'run_tessphot.py', 'tessphot-make-catalog': 'run_make_catalog.py',
            'tessphot-make-todo': 'run_make_todo.py',
            'tessphot-prepare-photometry': 'run_prepare_photometry.py'}


class Cluster:
    """A directory with the scripts, and what happens there."""

    def __init__(self, folder):
        self.folder, self.bin = folder, folder / 'bin'
        self.input = folder / 'input'
        shutil.copytree(SCRIPTS, folder / 'slurm')
        for path in (self.bin, self.input, folder / 'seen'):
            path.mkdir()
        for name in ('sbatch', 'srun', 'scontrol'):
            self.program(name, f'#!{sys.executable}\n' + (HERE / 'fake_slurm.py').read_text())
        for name, shim in PROGRAMS.items():
            self.program(name, f'#!/bin/sh\nexec {sys.executable} {mpi_jobs.ROOT / shim} "$@"\n')
        self.environment = mpi_jobs.environment(
            FAKE_SLURM=str(folder / 'seen'), FAKE_NTASKS='3', FAKE_CPUS='2', FAKE_ARRAY='3',
            TESSPHOT_INPUT=str(self.input))
        self.environment['PATH'] = f'{self.bin}{os.pathsep}{self.environment["PATH"]}'
        for name in ('TESSPHOT_OUTPUT', 'TESSPHOT_TODO'):
            self.environment.pop(name, None)

    def program(self, name, text):
        path = self.bin / name
        path.write_text(text)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    def fake_photometry(self, todo, pause):
        """Let tessphot be the real scheduler with stars that take so many seconds and do nothing."""
        words = sys.executable, HERE.parent / 'todo' / 'scheduler.py', todo, self.input, 2, pause
        self.program('tessphot', f'#!/bin/sh\nexec {" ".join(f"{word!s}" for word in words)}\n')

    def call(self, *words, **more):
        done = subprocess.run([str(word) for word in words], cwd=self.folder / 'slurm', text=True,
                              env=self.environment | more, capture_output=True, timeout=190)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def seen(self):
        return [json.loads(line) for line in (self.folder / 'seen' / 'log').read_text().splitlines()]

    def code(self, job):
        return (self.folder / 'seen' / f'job{job}').read_text()

    def said(self):
        return '\n'.join(f'{path.name}: {path.read_text()}' for path in
                         sorted((self.folder / 'seen').glob('out*')))


@pytest.fixture
def cluster(tmp_path):
    return Cluster(tmp_path)


@pytest.mark.parametrize('script', sorted(SCRIPTS.glob('*.sh')), ids=lambda path: path.name)
def test_bash_can_read_it(script):
    subprocess.run(['bash', '-n', script], check=True)


def test_a_sector_from_catalogue_to_light_curves(cluster):
    small_sector.make(cluster.input, small_sector.plan(size=56, frames=8, number=20))
    table = cluster.folder / 'stars.csv'
    table.write_text('starid,ra,decl,tmag\n1,66.0,-30.0,10.0\n')
    said = cluster.call('./submit.sh', '5', table, 'many_nodes.sh')
    assert said == 'catalogues 101, cubes 102, list 103, light curves 104\n'
    assert [(fact['script'], fact['needed'], fact['ready']) for fact in cluster.seen()] == [
        ('catalog.sh', [], True), ('prepare.sh', ['101'], True), ('todo.sh', ['102'], True),
        ('many_nodes.sh', ['103'], True)], cluster.said()
    assert cluster.code(104) == '0', cluster.said()
    statuses = todo_files.statuses(cluster.input / 'todo.sqlite')
    assert statuses and None not in statuses.values()
    made = list((cluster.input / 'lightcurves').rglob('*_lc.fits'))
    assert len(made) == sum(status in (1, 3) for status in statuses.values())


def test_what_depends_on_a_failure_does_not_begin(cluster):
    cluster.call('./submit.sh', '5', cluster.folder / 'no_such_table.csv')
    assert [fact['ready'] for fact in cluster.seen()] == [True, False, False, False]
    assert [cluster.code(job) for job in (101, 102, 103, 104)] == ['4', 'never', 'never', 'never']
    assert 'no_such_table.csv' in cluster.said()


def test_job_that_was_stopped_goes_back_to_the_queue_and_ends(cluster):
    todo = todo_files.fill(cluster.input / 'todo.sqlite', 120)
    cluster.fake_photometry(todo, 0.03)
    cluster.call('sbatch', '--parsable', 'one_node.sh', FAKE_USR1=str(cluster.input / 'log'))
    assert {'requeued': '101', 'code': 75} in cluster.seen(), cluster.said()
    assert cluster.code(101) == '0' and 'SIGUSR1' in cluster.said()
    assert fake_work.begun(cluster.input) == dict.fromkeys(range(1, 121), 1)


def test_array_shares_a_list_on_a_server(cluster, schema):
    todo_files.fill(schema, 90)
    cluster.fake_photometry('"$TESSPHOT_TODO"', 0.02)
    cluster.call('sbatch', 'array.sh', TESSPHOT_TODO=schema)
    assert cluster.code(101) == '0', cluster.said()
    assert fake_work.begun(cluster.input) == dict.fromkeys(range(1, 91), 1)
    assert set(todo_files.statuses(schema).values()) == {1}
    assert cluster.said().count('90 ok') >= 1
