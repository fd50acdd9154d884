"""Jobs under mpiexec, as root and on two cores, and their ranks."""

import os
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parent.parent
ALLOWED = {'OMPI_ALLOW_RUN_AS_ROOT': '1', 'OMPI_ALLOW_RUN_AS_ROOT_CONFIRM': '1',
           'PRTE_MCA_rmaps_default_mapping_policy': ':oversubscribe'}


def environment(**more):
    """That of this process, fit for Open MPI; its sockets need a short path."""
    path = f'{BIN}{os.pathsep}{os.environ["PATH"]}'
    return {**os.environ, **ALLOWED, 'PATH': path, 'TMPDIR': '/tmp', **more}


def command(number, *words, options=()):
    """Words of a command line for so many ranks."""
    return [str(word) for word in (BIN / 'mpiexec', *options, '-n', number, sys.executable, *words)]


def start(number, *words, options=(), **more):
    """A running job in a process group of its own."""
    return subprocess.Popen(command(number, *words, options=options), text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, env=environment(**more), start_new_session=True)


def run(number, *words, options=(), timeout=100, **more):
    """(exit code, standard output, standard error) of a job."""
    process = start(number, *words, options=options, **more)
    try:
        said = process.communicate(timeout=timeout)
    finally:
        process.kill()
    return process.returncode, *said


def ranks(process):
    """Process ids of a job's ranks by rank."""
    found = {}
    for pid in map(int, Path(f'/proc/{process.pid}/task/{process.pid}/children').read_text().split()):
        variables = Path(f'/proc/{pid}/environ').read_bytes().split(b'\0')
        for variable in variables:
            name, _, value = variable.partition(b'=')
            if name == b'OMPI_COMM_WORLD_RANK':
                found[int(value)] = pid
    return found
