#!/usr/bin/env python
"""All benchmarks one after the other; each prints its table and writes JSON.

    python benchmarks/all.py [NAME ...]
"""

import subprocess
import sys
import time
from pathlib import Path

import record

HERE = Path(__file__).parent
NAMES = ('throughput', 'timing', 'orientation', 'simulate', 'background', 'motion', 'prepare',
         'aperture_cost', 'psf_cost', 'tpf', 'todo_list', 'queue_speed', 'tic_strip', 'archive_stars',
         'movie', 'mpi_idle', 'scaling', 'supervision', 'report', 'growth', 'ccd', 'precision', 'transits')


def main(chosen):
    """Run the benchmarks; 1 when one of them misses a goal."""
    unknown = set(chosen) - set(NAMES)
    if unknown:
        raise SystemExit(f'{", ".join(sorted(unknown))}: no such benchmark; there are {", ".join(NAMES)}.')
    missed = []
    for name in chosen or NAMES:
        print(f'== {name}', flush=True)
        started = time.monotonic()
        if subprocess.run([sys.executable, HERE / f'{name}.py'], check=False).returncode:
            missed.append(name)
        print(f'   {time.monotonic() - started:.0f} s\n', flush=True)
    print('All goals are met.' if not missed else f'Goals were missed in: {", ".join(missed)}.')
    print(f'The numbers are in {record.FOLDER}/.')
    return int(bool(missed))


if __name__ == '__main__':
    raise SystemExit(main(sys.argv[1:]))
