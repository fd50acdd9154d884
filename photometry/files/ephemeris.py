"""Where TESS was: its path around the barycentre of the solar system, as package data.

The file is HDF5: ``minutes`` (int32, since the attribute ``jd_tdb``) and
``position`` (int32 km, three rows x, y, z in the ICRF).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photometry.core.errors import InputBadError, InputMissingError
from photometry.files import atomic, schema

SCHEMA = '1.0'
LIBRARY = Path(__file__).parents[1] / 'data' / 'ephemeris.hdf5'
AU_KM = 149597870.7
"""IAU 2012 resolution B2."""


@dataclass(frozen=True)
class Ephemeris:
    """``jd_tdb`` (n,) ascending with gaps, ``position`` (n, 3) in au, ICRF, barycentric."""

    jd_tdb: np.ndarray
    position: np.ndarray


def load_ephemeris(path=LIBRARY) -> Ephemeris:
    """The path of TESS.

    Raises
    ------
    InputMissingError
        When the file does not exist.
    InputBadError
        When it is truncated, corrupt or something else.
    """
    import h5py
    path = Path(path)
    if not path.is_file():
        raise InputMissingError(f'The ephemeris {path} is missing; install tessphot again.')
    try:
        with h5py.File(path, 'r') as file:
            schema.check_version(path, file.attrs['schema'], SCHEMA)
            jd = float(file.attrs['jd_tdb']) + file['minutes'][:] / 1440
            position = file['position'][:].T / AU_KM
    except (OSError, KeyError, RuntimeError, ValueError, AttributeError, TypeError) as error:
        raise InputBadError(f'The ephemeris {path} is corrupt; install tessphot again.') from error
    if position.shape != (jd.size, 3) or jd.size < 4 or not (np.diff(jd) > 0).all():
        raise InputBadError(f'The ephemeris {path} is no such table; install tessphot again.')
    return Ephemeris(jd, position)


def write_ephemeris(path, ephemeris, source):
    """Write a path of TESS, times to the minute and places to the kilometre (3 us of light).

    Parameters
    ----------
    path : path-like
    ephemeris : Ephemeris
    source : str
        Provenance, kept as an attribute.
    """
    import h5py
    start = ephemeris.jd_tdb[0]
    columns = {'minutes': np.rint((ephemeris.jd_tdb - start) * 1440).astype('int32'),
               'position': np.rint(ephemeris.position.T * AU_KM).astype('int32')}
    with atomic.replaced(path) as temporary, h5py.File(temporary, 'w') as file:
        file.attrs.update({'schema': SCHEMA, 'source': source, 'jd_tdb': start})
        for name, values in columns.items():
            file.create_dataset(name, data=values, chunks=values.shape, compression='gzip',
                                compression_opts=9, shuffle=True, fletcher32=True)
