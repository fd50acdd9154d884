"""What benchmarks share: one thread, the option for the JSON file, a table with goals."""

import argparse
import json
import os
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
    """Write a result as JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1, default=float) + '\n')


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
