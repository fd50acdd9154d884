#!/usr/bin/env python
"""Stars of a CCD from MAST: what asking, checking and keeping the answers costs, and reading them again.

    python benchmarks/archive_stars.py [--stars 200000] [--output FILE]

A server on this machine answers as MAST does with so many made stars on and around a CCD of sector 5
(a real CCD has about 360,000 to Tmag 16). Asked for with an empty directory of answers, then with
the full one. The floor is taking the JSON of the answers apart and nothing else.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import json
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / 'tests'))

import archive_stubs
from http_stub import Stub

from photometry.algorithms.sky import Region
from photometry.catalogs.mast import MastCatalog
from photometry.core.coordinates import SCIENCE, unit_vectors
from photometry.files import sector_wcs, wcs

GOALS = {'minutes for 360,000 stars': 2.0, 'the same from the directory': 1.0, 'memory, MB': 1000.0}
CCD_STARS = 360_000


class Fast(archive_stubs.Mast):
    """The same with its stars in arrays, so that the server is not what is measured."""

    def __init__(self, rows):
        super().__init__(rows)
        self.places = unit_vectors(*(np.array([row[name] for row in rows]) for name in ('ra', 'dec')))

    def found(self, params):
        """Rows of a cone."""
        near = self.places @ unit_vectors(params['ra'], params['dec']) >= np.cos(np.deg2rad(params['radius']))
        return [self.rows[k] for k in np.flatnonzero(near)]


def stars(region, number):
    """So many made rows around the middle of a region, within 9 deg, each of them different."""
    rng = np.random.default_rng(1)
    ra, dec = np.mean(region.polygons[0], axis=0)
    places = np.stack([(ra + rng.uniform(-9, 9, number) / np.cos(np.deg2rad(dec))) % 360,
                       np.clip(dec + rng.uniform(-9, 9, number), -90, 90)], axis=1)
    known = {'pmRA': 1.5, 'pmDEC': -2.5, 'Teff': 5800.0}
    return [archive_stubs.tic_row(k + 1, *place, tmag, GAIA=str(5731246381742426496 + k), **known)
            for k, (place, tmag) in enumerate(zip(places.tolist(), rng.uniform(8, 16, number), strict=True))]


def timed(source, region):
    """Stars found, and seconds of wall and CPU."""
    started, cpu = time.perf_counter(), time.process_time()
    found = source.query(region, 16.0)
    return found.starid.size, time.perf_counter() - started, time.process_time() - cpu


def measure(number, folder):
    """The figures."""
    made = sector_wcs.sector_wcs(5, 2, 2)
    region = Region((wcs.footprint(made, SCIENCE),), 0.2)
    with Stub({'/api/v0/invoke': Fast(stars(region, number))}) as stub:
        archives = archive_stubs.archives(folder, stub, timeout=60.0, parallel=4)
        found, wall, _ = timed(MastCatalog(archives), region)
        queries = stub.routes['/api/v0/invoke'].asked
        again, wall_again, cpu_again = timed(MastCatalog(archives), region)
    assert found == again
    bodies = [archives.cache.get('mast', query) for query in queries]
    started = time.process_time()
    rows = sum(len(json.loads(body)['data']) for body in bodies)
    floor = time.process_time() - started
    return {'stars': found, 'rows sent': rows, 'rows a star': rows / found, 'questions': len(bodies),
            'JSON, MB': sum(map(len, bodies)) / 1e6,
            'kept, MB': sum(path.stat().st_size for path in folder.rglob('*.gz')) / 1e6,
            's': wall, 's from the directory': wall_again, 'CPU s from the directory': cpu_again,
            'JSON alone, CPU s': floor, 'over that': cpu_again / floor,
            'minutes for 360,000 stars': wall * CCD_STARS / found / 60,
            'the same from the directory': wall_again * CCD_STARS / found / 60,
            'memory, MB': record.peak_mb()}


def main():
    """Print the table and write it as JSON."""
    parser = record.parser(__doc__, 'archive_stars')
    parser.add_argument('--stars', type=int, default=200_000)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(chosen.stars, Path(folder))
    return record.finish(chosen.output, 'stars of a CCD from MAST', result, GOALS)


if __name__ == '__main__':
    raise SystemExit(main())
