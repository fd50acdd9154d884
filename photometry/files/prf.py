"""The official pixel response functions, quantised into one package file.

The file is HDF5: ``/<epoch>/cam<C>_ccd<K>/`` holds ``samples`` (uint16, each
place scaled to its own peak), ``scale`` (the value of one step), ``row`` and
``column`` (zero-based). Every CCD is one compressed chunk with a checksum, so
that a reader touches only what it needs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photometry.core.errors import InputBadError, InputMissingError
from photometry.files import atomic, schema

SCHEMA = '1.0'
LIBRARY = Path(__file__).parents[1] / 'data' / 'prf.hdf5'
"""Package file with all CCDs and both epochs."""

EPOCHS = ('start_s0001', 'start_s0004')
"""The PRFs were measured anew for sector 4 (TESS archive manual, PRF models)."""

OVERSAMPLE = 9
SHAPE = (25, 13 * OVERSAMPLE, 13 * OVERSAMPLE)
LEVELS = 65535

PASSED, STOPPED = 0.95, 1.2
"""Spatial frequencies, cycles a pixel, up to which samples are believed and from which they are not.

A pixel averages the light that falls on it, so that its response vanishes at one cycle a
pixel and has next to nothing beyond: the spectra of the official samples fall by a factor of ten
every 0.1 cycles and end there on a flat floor, grain of how they were measured.
"""

_MARGIN = 21, 22
"""Samples added before and after, for a transform of 160 of them."""


@dataclass(frozen=True)
class PRFSamples:
    """What a CCD's pixels answer to a star, sampled nine times a pixel at 25 places.

    ``samples`` (25, 117, 117) float32: axis 1 is the row, axis 2 the column,
    the star stands at index 58 of both; a pixel whose centre lies ``d`` pixels
    further up sees the fraction of starlight at index ``58 + 9 d``. The samples
    are already integrated over a pixel; each place sums to about 81.
    ``row``, ``column`` (25,): zero-based places on a 5 x 5 grid.
    """

    samples: np.ndarray
    row: np.ndarray
    column: np.ndarray
    oversample: int = OVERSAMPLE


def epoch(sector) -> str:
    """Name of the set of PRFs that serves a sector: one for 1 to 3, one after."""
    return EPOCHS[0] if sector <= 3 else EPOCHS[1]


def load_prf(sector, camera, ccd, path=LIBRARY, grain=False) -> PRFSamples:
    """PRF samples of a CCD.

    Parameters
    ----------
    sector, camera, ccd : int
    path : path-like, optional
        The library; by default the one of the package.
    grain : bool
        Whether the samples are given as they were published, with what is finer than a
        pixel can respond to.

    Raises
    ------
    InputMissingError
        When the library does not exist or lacks the CCD.
    InputBadError
        When it is truncated, corrupt or not such a library.
    """
    import h5py
    path = Path(path)
    if not path.is_file():
        raise InputMissingError(f'The PRF library {path} is missing; install tessphot again.')
    name = group_name(epoch(sector), camera, ccd)
    try:
        with h5py.File(path, 'r') as file:
            found = file.attrs['schema']
            schema.check_version(path, found, SCHEMA)
            if name not in file:
                raise InputMissingError(f'The PRF library {path} has no {name}; '
                                        'cameras and CCDs go from 1 to 4.')
            group = file[name]
            steps, scale = group['samples'][:], group['scale'][:]
            row, column = group['row'][:], group['column'][:]
    except (OSError, KeyError, RuntimeError, ValueError, AttributeError, TypeError) as error:
        raise InputBadError(f'The PRF library {path} is corrupt; install tessphot again.') from error
    if (steps.shape != SHAPE or steps.dtype != np.uint16
            or not scale.shape == row.shape == column.shape == SHAPE[:1]):
        raise InputBadError(f'The PRF library {path} is no such library; install tessphot again.')
    samples = steps * scale[:, None, None]
    samples = (samples if grain else smooth(samples)).astype('float32')
    return PRFSamples(samples, row.astype('float64'), column.astype('float64'))


def smooth(samples):
    """Samples (places, rows, columns) without their grain; each place sums to 81."""
    padded = np.pad(_whole(samples), ((0, 0), _MARGIN, _MARGIN), mode='edge')
    down = np.fft.fftfreq(padded.shape[1], 1 / OVERSAMPLE)
    across = np.fft.rfftfreq(padded.shape[2], 1 / OVERSAMPLE)
    part = np.clip((STOPPED - np.hypot(down[:, None], across)) / (STOPPED - PASSED), 0, 1)
    passed = part ** 2 * (3 - 2 * part)
    inner = slice(_MARGIN[0], -_MARGIN[1])
    made = np.fft.irfft2(np.fft.rfft2(padded) * passed, padded.shape[1:])[:, inner, inner]
    made = np.maximum(made, 0)
    return made * (OVERSAMPLE ** 2 / made.sum(axis=(1, 2)))[:, None, None]


def _whole(samples):
    """Samples whose outermost row or column, where it is empty, repeats the next one.

    36 of the 800 official PRFs have one such line of zeros.
    """
    made = samples.copy()
    for plane in (made, made.transpose(0, 2, 1)):
        for edge, inner in ((0, 1), (-1, -2)):
            empty = ~plane[:, edge].any(axis=1)
            plane[empty, edge] = plane[empty, inner]
    return made


def group_name(epoch_name, camera, ccd) -> str:
    """Where the library keeps a CCD."""
    return f'{epoch_name}/cam{camera}_ccd{ccd}'


def write_library(path, models, source):
    """Write a library of PRFs.

    Parameters
    ----------
    path : path-like
    models : dict
        (epoch, camera, ccd) -> `PRFSamples`.
    source : str
        Provenance, kept as an attribute.
    """
    import h5py
    with atomic.replaced(path) as temporary, h5py.File(temporary, 'w') as file:
        file.attrs['schema'] = SCHEMA
        file.attrs['source'] = source
        for key, model in sorted(models.items()):
            group = file.create_group(group_name(*key))
            steps, scale = quantise(model.samples)
            group.create_dataset('samples', data=steps, chunks=steps.shape, compression='gzip',
                                 compression_opts=9, shuffle=True, fletcher32=True)
            group['scale'] = scale
            group['row'] = np.asarray(model.row, dtype='float64')
            group['column'] = np.asarray(model.column, dtype='float64')


def quantise(samples):
    """Samples as 16-bit integers, each place in steps of its own peak / 65535.

    Returns
    -------
    steps : uint16, shape of ``samples``
    scale : float64 (places,)
        Value of one step.
    """
    scale = samples.max(axis=(1, 2)).astype('float64') / LEVELS
    return np.rint(samples / scale[:, None, None]).astype('uint16'), scale
