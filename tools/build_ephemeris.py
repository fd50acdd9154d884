#!/usr/bin/env python
"""Build the package file with the path of TESS from a table of JPL Horizons.

    python tools/build_ephemeris.py TABLE.npz [--output photometry/data/ephemeris.hdf5]

TABLE.npz holds ``jd_tdb`` (n,) and ``position_au`` (n, 3): vectors of the target
TESS (-95) from the solar-system barycentre (@0), ICRF, geometric, as JPL Horizons
(https://ssd.jpl.nasa.gov/horizons) prints them, hourly or closer. Rows may leave
gaps; a question about a time in a gap is then an error.
"""

import argparse
import logging
from pathlib import Path

import numpy as np

from photometry.files import ephemeris

SOURCE = 'JPL Horizons, target -95 (TESS), centre @0, ICRF, TDB'


def main():
    """Read the table, write the file, compare."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('table', type=Path)
    parser.add_argument('--output', type=Path, default=ephemeris.LIBRARY)
    arguments = parser.parse_args()
    with np.load(arguments.table, allow_pickle=False) as file:
        table = ephemeris.Ephemeris(file['jd_tdb'], file['position_au'])
    ephemeris.write_ephemeris(arguments.output, table, SOURCE)
    stored = ephemeris.load_ephemeris(arguments.output)
    logging.info('%s: %d rows, %.2f MB, times within %.1e s, places within %.2f km', arguments.output,
                 stored.jd_tdb.size, arguments.output.stat().st_size / 1e6,
                 86400 * abs(stored.jd_tdb - table.jd_tdb).max(),
                 ephemeris.AU_KM * abs(stored.position - table.position).max())


if __name__ == '__main__':
    main()
