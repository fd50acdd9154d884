#!/usr/bin/env python
"""Build the package file of pixel response functions from the official ones.

    python tools/build_prf.py DIRECTORY [--output photometry/data/prf.hdf5]

DIRECTORY holds ``tess_prf_<epoch>_cam<C>_ccd<K>.npz`` for the epochs start_s0001
and start_s0004 and all 16 CCDs. Each file collects the 25 FITS files of one
directory of https://archive.stsci.edu/missions/tess/models/prf_fitsfiles/<epoch>/cam<C>_ccd<K>/
in arrays ``prf`` (25, 117, 117) float32 and ``row``, ``col`` (25,), one-based
CCD pixels with the 44 leading columns counted. The PRFs are a work of NASA
(public domain).
"""

import argparse
import logging
from pathlib import Path

import numpy as np

from photometry.core.coordinates import to_zero_based
from photometry.files import prf

SOURCE = 'NASA/TESS SPOC pixel response functions, MAST missions/tess/models/prf_fitsfiles'


def read_model(path):
    """PRF samples of one CCD from its npz file."""
    with np.load(path, allow_pickle=False) as file:
        samples, row, column = file['prf'], file['row'], file['col']
    if samples.shape != prf.SHAPE or not np.isfinite(samples).all() or samples.min() < 0:
        raise SystemExit(f'{path} holds no PRF of shape {prf.SHAPE}.')
    return prf.PRFSamples(samples, to_zero_based(row), to_zero_based(column))


def main():
    """Read the 32 files, write one, compare."""
    logging.basicConfig(level=logging.INFO, format='%(message)s')
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('directory', type=Path)
    parser.add_argument('--output', type=Path, default=prf.LIBRARY)
    arguments = parser.parse_args()
    models = {(epoch, camera, ccd): read_model(
        arguments.directory / f'tess_prf_{epoch}_cam{camera}_ccd{ccd}.npz')
        for epoch in prf.EPOCHS for camera in range(1, 5) for ccd in range(1, 5)}
    prf.write_library(arguments.output, models, SOURCE)
    worst = max(deviation(model, *key, arguments.output) for key, model in models.items())
    logging.info('%s: %.1f MB, largest deviation %.1e of the peak', arguments.output,
                 arguments.output.stat().st_size / 1e6, worst)


def deviation(model, epoch, camera, ccd, path):
    """Largest difference between a PRF and its stored form, in units of the peak."""
    stored = prf.load_prf(int(epoch[-4:]), camera, ccd, path)
    peak = model.samples.max(axis=(1, 2), keepdims=True)
    return float((abs(stored.samples - model.samples) / peak).max())


if __name__ == '__main__':
    main()
