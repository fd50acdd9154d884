"""A scheduler of its own for tests: python scheduler.py TODO FOLDER WORKERS PAUSE [FAULTS as JSON].

Under mpiexec it is that of an MPI job. The environment holds its limits FAKE_TIMEOUT (s), FAKE_MEMORY (MB)
and FAKE_ATTEMPTS, FAKE_LEASE (s) for stars on a server, FAKE_SILENCE (s) after which a rank is given up, and
FAKE_OUTPUT, below which workers write light curves.
"""

import json
import logging
import os
import sys
from dataclasses import replace
from types import SimpleNamespace

import fake_work

from photometry import cli, signals
from photometry import settings as settings_module
from photometry.core import ranks
from photometry.core.errors import TessphotError
from photometry.stages import run_tessphot
from photometry.todo.workers import mpi


def main(todo, folder, workers, pause, faults='{}', world=None):
    logging.basicConfig()
    settings = settings_module.load()
    limits = {'timeout': 20.0, 'memory': 512.0, 'attempts': 3}
    limits = {name: type(usual)(os.environ.get(f'FAKE_{name.upper()}', usual))
              for name, usual in limits.items()}
    lease = float(os.environ.get('FAKE_LEASE', settings.queue.lease))
    settings = replace(settings, limits=replace(settings.limits, **limits),
                       queue=replace(settings.queue, lease=lease))
    output = os.environ.get('FAKE_OUTPUT', '')
    options = SimpleNamespace(input_folder=folder, output_folder=output or folder + '/out', settings=settings)
    job = run_tessphot.Job(todo, options, workers=int(workers))
    worker = fake_work.FakeWorker(folder, {int(star): kind for star, kind in json.loads(faults).items()},
                                  float(pause), output)
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
    world = mpi.join(rank)
    return world.run(lambda: main(*words, world=world))


if __name__ == '__main__':
    cli.configure_logging()
    raise SystemExit(launched(sys.argv[1:]))
