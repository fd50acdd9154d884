"""Read cubes: the pixels of a CCD or cutout through time, in HDF5 (docs/formats/cube.md)."""

from __future__ import annotations

import contextlib
import zlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from photometry.core import quality
from photometry.core.errors import InputBadError, InputMissingError, OffSiliconError
from photometry.core.quality import PixelFlag
from photometry.core.stamp import Stamp
from photometry.files import cube_chunks, cube_psf, fits_checks
from photometry.files.cube_schema import LAYERS, SPATIAL_CHUNK, as_text, check_structure, read_info


@dataclass(frozen=True)
class BackgroundModel:
    """What is stored of the background: plain values for ``algorithms.backgrounds``.

    ``BackgroundLayout(limits, mesh, camera_centre, strap_columns)`` and
    ``evaluate(layout, parameters, stamp)`` make pixels of it.
    """

    limits: Stamp
    mesh: int
    camera_centre: tuple[float, float] | None
    strap_columns: tuple[int, ...]
    parameters: np.ndarray
    """(times, numbers) float32."""


class CubeFile:
    """A finished cube, open for reading.

    Parameters
    ----------
    path : path-like
    evaluate : callable, optional
        Called with (BackgroundModel, stamp) for the layer ``backgrounds``.

    Raises
    ------
    InputMissingError
        When there is no such file.
    InputBadError
        When it is no cube, unfinished, truncated, or holds anything but plain
        datasets of the right type and shape.
    IncompatibleError
        When it has a schema of another major version.
    """

    def __init__(self, path, evaluate=None):
        self.path = Path(path)
        self._evaluate = evaluate
        self._layers = {}
        with contextlib.ExitStack() as stack:
            self._file = stack.enter_context(open_hdf5(self.path))
            with explained(self.path):
                self.info = read_info(self.path, self._file)
                check_structure(self._file, self.info)
                if not self._file.attrs['finished']:
                    raise ValueError('it is not finished')
            stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.close()

    def close(self):
        """Close the file; arrays that were read stay valid."""
        self._layers.clear()
        self._file.close()

    @property
    def limits(self) -> Stamp:
        """Pixels of the cube on the whole FFI."""
        return self.info.limits

    @property
    def centre(self) -> tuple[float, float]:
        """(row, column) to which the affine terms of the motion refer."""
        return self.info.centre

    @property
    def attributes(self) -> dict:
        """Provenance: schema, software, settings, settings_sha256, manifest."""
        return provenance(self._file)

    @cached_property
    def time_start(self) -> np.ndarray:
        """(times,) BTJD at the centre of the CCD."""
        return self._table('time_start')

    @cached_property
    def time(self) -> np.ndarray:
        """(times,) mid-exposure, BTJD at the centre of the CCD."""
        return self._table('time')

    @cached_property
    def time_stop(self) -> np.ndarray:
        """(times,) BTJD at the centre of the CCD."""
        return self._table('time_stop')

    @cached_property
    def timecorr(self) -> np.ndarray:
        """(times,) days, contained in the times."""
        return self._table('timecorr')

    @cached_property
    def cadenceno(self) -> np.ndarray:
        """(times,) int64."""
        return self._table('cadenceno')

    @cached_property
    def quality(self) -> np.ndarray:
        """(times,) int32, TESS bits."""
        return self._table('quality')

    @cached_property
    def good(self) -> np.ndarray:
        """(times,) bool: no bad bit."""
        return quality.good(self.quality)

    @cached_property
    def wcs_texts(self) -> list[str]:
        """WCS cards of every frame; empty where bad."""
        return self._strings('wcs')

    @cached_property
    def wcs_text(self) -> str:
        """WCS cards of the reference frame; empty when no frame has a WCS."""
        with explained(self.path):  # those of all frames would take longer than opening the file
            return self._file['wcs'].asstr()[self.info.ref_frame]

    @cached_property
    def imagespaths(self) -> list[str]:
        """File of every frame, relative to the input directory."""
        return self._strings('imagespaths')

    @cached_property
    def movement_kernel(self) -> np.ndarray:
        """(times, 6) drow, dcolumn, a_rr, a_rc, a_cr, a_cc; NaN without a measurement."""
        return self._table('movement_kernel')

    @property
    def warpmode(self) -> str:
        """'translation', 'affine' or 'unchanged'."""
        return as_text(self._file.attrs['warpmode'])

    @property
    def star_wing(self) -> tuple | None:
        """Fraction, exponent and radius in px of the wing that the sum image shows; empty without one.

        None for cubes of schema 1.0, which do not tell.
        """
        found = self._file.attrs.get('star_wing')
        if found is None:
            return None
        return tuple(map(float, found)) if np.shape(found) == (3,) and np.isfinite(found).all() else ()

    @cached_property
    def psf(self) -> cube_psf.LearnedPRF | None:
        """The PRF learned from the cube's stars; None without one, as in cubes before schema 1.2."""
        with explained(self.path):
            return cube_psf.read(self._file)

    @cached_property
    def background(self) -> BackgroundModel:
        """The model of the background that was subtracted."""
        info = self.info
        return BackgroundModel(info.limits, info.background_mesh, info.background_centre or None,
                               info.background_straps, self._table('background_parameters'))

    def read(self, layer, stamp=None, cadences=None) -> np.ndarray:
        """One layer on a stamp for all or some times.

        Parameters
        ----------
        layer : str
            images, images_err, pixel_flags, backgrounds or backgrounds_pixels_used.
        stamp : Stamp, optional
            Inside the limits; everything by default.
        cadences : slice, optional
            From start to stop, inside the cube. Whole chunks of times cost least.

        Returns
        -------
        (rows, columns, times) float32, uint8 or bool

        Raises
        ------
        OffSiliconError
            When the stamp reaches beyond the pixels of the cube.
        """
        stamp = self.limits if stamp is None else Stamp(*stamp)
        if stamp.clipped(self.limits) != stamp:
            raise OffSiliconError(f'The stamp {tuple(stamp)} reaches beyond the pixels of {self.path.name}.')
        if layer == 'backgrounds':
            if self._evaluate is None:
                raise ValueError('the cube was opened without a function that evaluates its background')
            return self._evaluate(self._background_in(cadences), stamp)
        if layer == 'backgrounds_pixels_used':
            return (self.read('pixel_flags', stamp, cadences) & PixelFlag.NOT_USED_FOR_BACKGROUND) == 0
        if layer not in {column.name for column in LAYERS}:
            raise KeyError(layer)
        with explained(self.path):
            part = stamp.slices((self.info.row_offset, self.info.column_offset))
            return self._layer(layer)[part if cadences is None else (*part, cadences)]

    def _background_in(self, cadences):
        """The model of the background in some cadences."""
        if cadences is None:
            return self.background
        return replace(self.background, parameters=self.background.parameters[cadences])

    def _layer(self, name):
        if name not in self._layers:
            self._layers[name] = cube_chunks.open_layer(self._file[name])
        return self._layers[name]

    def sumimage(self, stamp=None) -> np.ndarray:
        """Mean of images over the good cadences on a stamp, (rows, columns) float32."""
        stamp = self.limits if stamp is None else Stamp(*stamp)
        if stamp.clipped(self.limits) != stamp:
            raise OffSiliconError(f'The stamp {tuple(stamp)} reaches beyond the pixels of {self.path.name}.')
        with explained(self.path):
            return self._file['sumimage'][stamp.slices((self.info.row_offset, self.info.column_offset))]

    def verify_blocks(self) -> list[str]:
        """Sentences about the blocks whose pixels do not fit their checksum; empty when all is well."""
        with explained(self.path):
            return damaged_blocks(self._file, self.info)

    def _table(self, name):
        with explained(self.path):
            return self._file[name][...]

    def _strings(self, name):
        with explained(self.path):
            return list(self._file[name].asstr()[...])


def open_hdf5(path, mode='r'):
    """Open an HDF5 file, explaining what is wrong with it."""
    import h5py
    if not Path(path).is_file():
        raise InputMissingError(f'{path} does not exist; make it with run_prepare_photometry.py.')
    with explained(path):
        return h5py.File(path, mode, locking='best-effort')


@contextlib.contextmanager
def explained(path):
    """Turn what h5py raises for a damaged file into an `InputBadError`."""
    try:
        yield
    except (OSError, KeyError, ValueError, TypeError, RuntimeError, AttributeError, MemoryError,
            UnicodeDecodeError) as error:
        raise InputBadError(f'{path} is no usable cube: {fits_checks.words(error)}; make it again with '
                            'run_prepare_photometry.py --overwrite.') from error


def provenance(file) -> dict:
    """Text attributes about the origin of an open file."""
    return {name: as_text(file.attrs[name]) for name in
            ('schema', 'software', 'settings', 'settings_sha256', 'manifest')}


def damaged_blocks(file, info, blocks=None) -> list[str]:
    """Compare the checksums of some or all finished blocks of an open file."""
    wrong = []
    for index in np.flatnonzero(file['blocks_done'][...]) if blocks is None else blocks:
        cadences = info.block_range(index)
        for layer, stated in zip(LAYERS, file['blocks_checksum'][index], strict=True):
            found = 0
            for row in range(0, info.rows, SPATIAL_CHUNK):
                found = zlib.crc32(file[layer.name][row:row + SPATIAL_CHUNK, :, cadences], found)
            if found != stated:
                wrong.append(f'{layer.name}, cadences {cadences.start} to {cadences.stop - 1}')
    return wrong
