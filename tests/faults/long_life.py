"""One worker measures many stars: python long_life.py INPUT NUMBER; what it holds, as JSON a line."""

import itertools
import json
import os
import sys

from photometry import settings as settings_module
from photometry.methods.context import JobOptions
from photometry.stages.workforce import OpenWorker
from photometry.todo.manager import TaskManager


def held():
    """Open descriptors, threads and resident memory (kB) of this process."""
    with open('/proc/self/status', encoding='ascii') as stream:
        status = dict(line.split(':', 1) for line in stream)
    return {'descriptors': len(os.listdir('/proc/self/fd')), 'threads': int(status['Threads']),
            'memory': int(status['VmRSS'].split()[0])}


def main(folder, number):
    with TaskManager(folder + '/todo.sqlite') as manager:
        tasks = [task for task in manager.tasks() if task.skipped_by is None]
    options = JobOptions(folder, folder + '/lightcurves', settings_module.load(), overwrite=True)
    with OpenWorker(options)() as work:
        for count, task in enumerate(itertools.islice(itertools.cycle(tasks), int(number)), start=1):
            work(task)
            if count % max(1, int(number) // 20) == 0:
                sys.stdout.write(json.dumps({'stars': count} | held()) + '\n')


if __name__ == '__main__':
    main(*sys.argv[1:])
