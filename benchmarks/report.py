#!/usr/bin/env python
"""The report of a run of many stars: seconds and memory to make it, and how its pages feel in Chromium.

    python benchmarks/report.py [--stars 100000] [--output FILE]

A made list with stars on four CCDs; the light curves are one file of 1300 cadences under as many names.
Without Chromium and its driver only the making is measured.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / 'tests'))

import browser
import simulated_run

ROOT = Path(__file__).parents[1]
CCDS = [(5, 1, 1), (5, 1, 2), (5, 2, 1), (5, 2, 2)]
GOALS = {'make, s': 120.0, 'memory, MB': 1500.0, 'overview opens, s': 2.0, 'table sorts, s': 2.0}
ROUNDS = 3

_MAKE = """
import sys
from photometry.programs import report
sys.path.insert(0, sys.argv.pop())
import record
code = report.main(sys.argv[1:])
print(record.peak_of_memory())
sys.exit(code)
"""


def make(folder):
    """Seconds and MB of a process of its own."""
    began = time.perf_counter()
    words = [sys.executable, '-c', _MAKE, str(folder), '-q', str(ROOT / 'benchmarks')]
    done = subprocess.run(words, cwd=ROOT, env=record.compiled(), stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=True)
    return {'make, s': time.perf_counter() - began, 'memory, MB': float(done.stdout.split()[-1])}


def look(pages, stars):
    """How long pages take to open, the table to sort and to filter: medians of some rounds, s."""
    made = {}
    with browser.Browser() as window:
        ccd = next(pages.glob('ccd-*.html'))
        for name, path, pictures in (('overview', pages / 'index.html', 4), ('CCD', ccd, 4),
                                     ('table', pages / 'stars.html', 1)):
            made[f'{name} opens, s'] = statistics.median(window.open(path, pictures=pictures)
                                                         for _ in range(ROUNDS))
        made['table sorts, s'] = statistics.median(
            _sort(window, name) for name in ('Tmag', 'ppm in 1 h', 'status'))
        made['table filters, s'] = _filter(window, str(stars.starid[0]))
        made['star is drawn, s'] = statistics.median(_star(window, pages) for _ in range(ROUNDS))
        assert not window.complaints()
    return made


def _sort(window, name):
    [head] = [one for one in window.all('.slick-header-column') if one.text == name]
    began = time.perf_counter()
    head.click()
    window.run('return 1')  # waits until the page has time again
    return time.perf_counter() - began


def _filter(window, text):
    field = window.all('[name=star]')[0]
    window.run('arguments[0].value = arguments[1]', field, text[:-1])
    began = time.perf_counter()
    field.send_keys(text[-1])
    window.wait(lambda: window.texts('#shown')[0].startswith('1 of'))
    return time.perf_counter() - began


def _star(window, pages):
    first = next((pages / 'curves').glob('[0-9]*.js')).stem
    began = time.perf_counter()
    window.open(pages / 'star.html', f'#{first}')
    window.wait(lambda: window.data('good')['time'])
    return time.perf_counter() - began


def measure(number, folder):
    """Make the list and the report, look at it."""
    stars = simulated_run.truth(number, CCDS)
    simulated_run.write_list(folder / 'todo.sqlite', stars)
    simulated_run.link_curves(folder / 'lightcurves', stars)
    result = {'stars': number} | make(folder)
    pages = folder / 'report'
    result['report, MB'] = sum(path.stat().st_size for path in pages.rglob('*') if path.is_file()) / 1e6
    if browser.programs() is None:
        print('Chromium or its driver is not installed: the pages are not looked at.')
        return result
    return result | look(pages, stars)


def main():
    """Print the table and write it as JSON; 1 when a goal is missed."""
    parser = record.parser(__doc__, 'report')
    parser.add_argument('--stars', type=int, default=100_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(chosen.stars, Path(folder))
    return record.finish(chosen.output, 'the report of a run', result, GOALS)


if __name__ == '__main__':
    raise SystemExit(main())
