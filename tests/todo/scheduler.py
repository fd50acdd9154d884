"""A scheduler of its own for tests: python scheduler.py TODO FOLDER WORKERS PAUSE [FAULTS as JSON].

Under mpiexec it is that of an MPI job. FAKE_TIMEOUT and FAKE_SILENCE in the environment are seconds.
"""

import json
import logging
import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import fake_work

from photometry import cli, ranks, signals
from photometry import settings as settings_module
from photometry.core.errors import TessphotError
from photometry.stages import run_tessphot
from photometry.todo.workers import mpi


def main(todo, folder, workers, pause, faults='{}', world=None):
    logging.basicConfig()
    settings = settings_module.load()
    timeout = float(os.environ.get('FAKE_TIMEOUT', 20))
    settings = replace(settings, limits=replace(settings.limits, timeout=timeout, memory=512))
    options = SimpleNamespace(input_folder=folder, output_folder=folder + '/out', settings=settings)
    job = run_tessphot.Job(todo, options, workers=int(workers))
    worker = fake_work.FakeWorker(folder, {int(star): kind for star, kind in json.loads(faults).items()},
                                  float(pause))
    try:
        return run_tessphot.run(job, open_worker=worker, say=lambda line: sys.stdout.write(line + '\n'),
                                world=world)
    except KeyboardInterrupt:
        return 130
    except TessphotError as error:
        sys.stderr.write(f'{error}\n')
        return int(error.exit_code)


def launched(words):
    """The exit code of this process, alone or as a rank."""
    rank = ranks.rank(os.environ)
    if rank.size == 1:
        return main(*words)
    if rank.number:
        signals.ignore()
    mpi.SILENCE = float(os.environ.get('FAKE_SILENCE', mpi.SILENCE))
    world = mpi.join(rank.size)
    return world.run(lambda: main(*words, world=world))


if __name__ == '__main__':
    cli.configure_logging()
    raise SystemExit(launched(sys.argv[1:]))
