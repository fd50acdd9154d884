#!/usr/bin/env python
"""Stars of a CCD from a strip of the TIC's bulk download: seconds and memory by rows.

    python benchmarks/tic_strip.py [--rows 1000000] [--output FILE]

Lines of real rows are written with other places over a strip of 2 x 360 deg and zipped; the stars of
a region of 12 x 1.4 deg to Tmag 16 are read from it. Memory is the most that the process has held,
less what it held before. The floor is unzipping the file and nothing else.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import gzip
import tempfile
import time
from pathlib import Path

import numpy as np

from photometry.algorithms.sky import Region
from photometry.catalogs.tic_csv import TicCsvCatalog
from photometry.files import tic_strips

ROWS = Path(__file__).parents[1] / 'tests' / 'input' / 'catalogs' / 'tic82_rows.csv'
LARGEST = 20e6
"""Rows of a strip in the plane of the Galaxy."""

GOALS = {'minutes for 20 million rows': 5.0, 'memory, MB': 500.0}


def write(path, number, rng):
    """A strip with so many rows; bytes of text."""
    lines = [line.split(',') for line in ROWS.read_text().splitlines()[1:]]
    size, ra, dec = 0, rng.uniform(0, 360, number), rng.uniform(-28, -26, number)
    with gzip.open(path, 'wt', compresslevel=1) as file:
        for star in range(number):
            fields = lines[star % len(lines)]
            fields[0], fields[13], fields[14] = str(star + 1), f'{ra[star]:.12f}', f'{dec[star]:.12f}'
            size += file.write(','.join(fields) + '\n')
    return size


def measure(number, folder):
    """Seconds of wall and CPU, MB, stars found."""
    path = folder / 'tic_dec28_00S__26_00S.csv.gz'
    text = write(path, number, np.random.default_rng(1))
    corners = np.array([[100, -27.7], [112, -27.7], [112, -26.3], [100, -26.3]], dtype='f8')
    region = Region((corners,), 0.0)
    started = time.perf_counter()
    with tic_strips.opened(path) as stream:
        while stream.read(1 << 20):
            pass
    floor = time.perf_counter() - started
    source, before = TicCsvCatalog(path), record.peak_mb()
    started, cpu = time.perf_counter(), time.process_time()
    found = source.query(region, 16.0)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    return {'rows': number, 'text, GB': text / 1e9, 'zipped, GB': path.stat().st_size / 1e9, 's': wall,
            'CPU s': cpu, 'unzipping alone, s': floor, 'over that': wall / floor, 'stars': found.starid.size,
            'minutes for 20 million rows': wall * LARGEST / number / 60,
            'memory, MB': record.peak_mb() - before}


def main():
    """Print the table and write it as JSON."""
    parser = record.parser(__doc__, 'tic_strip')
    parser.add_argument('--rows', type=int, default=1_000_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(chosen.rows, Path(folder))
    return record.finish(chosen.output, 'stars of a region from a strip of the TIC', result, GOALS)


if __name__ == '__main__':
    raise SystemExit(main())
