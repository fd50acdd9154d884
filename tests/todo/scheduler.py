"""A scheduler of its own for tests: python scheduler.py TODO FOLDER WORKERS PAUSE [FAULTS as JSON]."""

import json
import logging
import sys
from dataclasses import replace
from types import SimpleNamespace

import fake_work

from photometry import cli
from photometry import settings as settings_module
from photometry.core.errors import TessphotError
from photometry.stages import run_tessphot


def main(todo, folder, workers, pause, faults='{}'):
    logging.basicConfig()
    settings = settings_module.load()
    settings = replace(settings, limits=replace(settings.limits, timeout=20, memory=512))
    options = SimpleNamespace(input_folder=folder, output_folder=folder + '/out', settings=settings)
    job = run_tessphot.Job(todo, options, workers=int(workers))
    worker = fake_work.FakeWorker(folder, {int(star): kind for star, kind in json.loads(faults).items()},
                                  float(pause))
    try:
        return run_tessphot.run(job, open_worker=worker, say=lambda line: sys.stdout.write(line + '\n'))
    except KeyboardInterrupt:
        return 130
    except TessphotError as error:
        sys.stderr.write(f'{error}\n')
        return int(error.exit_code)


if __name__ == '__main__':
    cli.configure_logging()
    raise SystemExit(main(*sys.argv[1:]))
