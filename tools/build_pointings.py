#!/usr/bin/env python
"""Build the package table of the cameras' optical axes from the package tesswcs (MIT).

    python tools/build_pointings.py [--output photometry/data/pointings.csv]

The axis of a camera is where its four CCDs meet: the mean direction of their
inner corners in the sector's WCS. Start and end are tesswcs' Julian dates.
"""

import argparse
import logging
import warnings
from pathlib import Path

import numpy as np

from photometry.core.coordinates import SCIENCE, from_vectors, unit_vectors
from photometry.core.errors import InputMissingError
from photometry.files import sector_wcs, wcs

INNER_COLUMN = {1: SCIENCE.col_max - 0.5, 2: SCIENCE.col_min - 0.5,
                3: SCIENCE.col_max - 0.5, 4: SCIENCE.col_min - 0.5}


def axis(sector, camera):
    """Right ascension and declination in deg."""
    corners = [unit_vectors(*wcs.pixel_to_sky(sector_wcs.sector_wcs(sector, camera, ccd),
                                              SCIENCE.row_max - 0.5, INNER_COLUMN[ccd]))
               for ccd in range(1, 5)]
    return from_vectors(np.sum(corners, axis=0))


def main():
    """Write the table."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--output', type=Path, default=sector_wcs.POINTINGS)
    arguments = parser.parse_args()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        import tesswcs
    dates = {int(row['Sector']): (float(row['Start']), float(row['End'])) for row in tesswcs.pointings}
    lines = ['# Optical axes of the cameras (deg) and dates of the sectors (JD), from tesswcs (MIT);',
             '# made by tools/build_pointings.py', 'sector,camera,ra,dec,start,end']
    for sector in range(1, sector_wcs.LAST_SECTOR + 1):
        for camera in range(1, 5):
            try:
                ra, dec = axis(sector, camera)
            except InputMissingError:
                logging.warning('sector %d is not known', sector)
                continue
            start, end = dates[sector]
            lines.append(f'{sector},{camera},{ra:.4f},{dec:.4f},{start:.1f},{end:.1f}')
    arguments.output.write_text('\n'.join(lines) + '\n')
    logging.info('%s: %d rows', arguments.output, len(lines) - 3)


if __name__ == '__main__':
    main()
