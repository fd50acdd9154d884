"""What benchmarks share: one thread, the option for the JSON file, a table with goals."""

import argparse
import json
import os
import resource
import time
from pathlib import Path

for _name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):
    os.environ.setdefault(_name, '1')

FOLDER = Path('benchmark-output')


def parser(doc, name):
    """Argument parser that shows a module's docstring, with --output.

    Parameters
    ----------
    doc : str
    name : str
        Of the JSON file in benchmark-output/.
    """
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument('--output', type=Path, default=FOLDER / f'{name}.json', help='file for the numbers')
    return made


def save(path, result):
    """Write a result as JSON, with how fast the machine is that it comes from."""
    result = dict(result) | {'machine': machine()}
    print('Machine: ' + ', '.join(f'{value:.3g} {name}' for name, value in result['machine'].items()))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, default=float) + '\n')


def finish(path, title, result, goals):
    """Print the table of a result, write it with its goals; the exit code of the benchmark."""
    passed = show(title, result, goals)
    save(path, dict(result) | {'goals': goals, 'passed': passed})
    return 0 if passed else 1


def machine():
    """What a core does just now: costs in CPU time are to be compared at the same of these.

    Returns
    -------
    dict
        Least CPU time of a small numpy call; float32 products of matrices; arrays of 40 MB that
        are made and filled, as most steps of the photometry do.
    """
    import numpy as np
    few, square, many = np.ones(10), np.ones((600, 600), 'f4'), np.ones(10_000_000, 'f4')
    calls = least(lambda: [few + few for _ in range(20_000)]) / 20_000
    return {'us a numpy call': 1e6 * calls, 'GFLOP/s': 2 * 0.6 ** 3 / least(lambda: square @ square),
            'GB/s': 2 * many.nbytes / 1e9 / least(lambda: many * 2)}


def peak_mb():
    """Most memory that this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def peak_of_memory():
    """The same of this program alone: what it was started from may have left its own peak behind, MB."""
    with open('/proc/self/status', encoding='ascii') as file:
        return next(int(line.split()[1]) for line in file if line.startswith('VmHWM')) / 1024


def compiled():
    """An environment in which compiled modules are kept, as in an installation, whatever is set here."""
    return {name: value for name, value in os.environ.items() if name != 'PYTHONDONTWRITEBYTECODE'}


def least(work, repeats=5):
    """Least CPU time of some repetitions, s."""
    spent = []
    for _ in range(repeats):
        started = time.process_time()
        work()
        spent.append(time.process_time() - started)
    return min(spent)


def show(title, values, goals=None):
    """Print named values, with the most that each may be.

    Returns
    -------
    bool
        Whether every value with a goal is within it.
    """
    goals = goals or {}
    passed = True
    print(title)
    for name, value in values.items():
        within = name not in goals or value <= goals[name]
        passed &= within
        goal = f'  goal <= {goals[name]:g}' if name in goals else ''
        text = f'{value:12.3f}' if isinstance(value, float) else f'{value!s:>12}'
        print(f'  {name:36s} {text}{goal}{"" if within else "  MISSED"}')
    return bool(passed)
