"""Write a cube block by block so that a killed run is continued where it stopped."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import logging
import os
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from photometry.core import quality
from photometry.core.errors import InputBadError, OutputError
from photometry.files import atomic, cube_chunks, cube_psf, cube_sums
from photometry.files.cube import damaged_blocks, explained, open_hdf5, provenance
from photometry.files.cube_schema import (
    BLOCKS,
    LAYERS,
    SCHEMA,
    SPATIAL_CHUNK,
    SUMIMAGE,
    TABLES,
    CubeInfo,
    check_structure,
    read_info,
)

logger = logging.getLogger(__name__)

_ODD = 16
"""Numbers by which images in memory lie further apart than a power of two, lest the same pixel of all of
them should contend for one place in the cache of the processor."""


@dataclass(frozen=True)
class CubeTables:
    """What is known of every frame before its pixels are written; first axis is time."""

    time_start: np.ndarray
    time: np.ndarray
    time_stop: np.ndarray
    timecorr: np.ndarray
    cadenceno: np.ndarray
    quality: np.ndarray
    wcs: list
    imagespaths: list
    background_parameters: np.ndarray


def work_path(path) -> Path:
    """Where a cube lies until it is complete; no search for cubes finds this name."""
    return Path(f'{path}.work')


def _try_to_write(path, times):
    """Write as much as tables and structure take: HDF5 can crash where these do not fit (quota, limits)."""
    with open(path, 'wb') as file:
        for _ in range(2 + times * 12_000 // 2 ** 20):
            file.write(bytes(2 ** 20))
        file.flush()
        os.fsync(file.fileno())


def _reserve(path):
    """Take the whole space of a file from the disk.

    HDF5 leaves holes. Where the disk fills up before they do, it loses pixels
    without an error when a dataset is closed, and may crash at the end.
    """
    with atomic.explained_output(path), open(path, 'r+b') as file:
        size = os.fstat(file.fileno()).st_size
        if size:
            os.posix_fallocate(file.fileno(), 0, size)


class CubeWriter:
    """A cube in work.

    Only one process writes. A block is written, flushed, marked as done and
    flushed again: after a kill at any moment the blocks marked as done are
    whole. All space is laid out at the start in the default HDF5 format, so
    that writing a block changes no structure of the file.
    """

    def __init__(self, path):
        self.path = Path(path)
        self.work = work_path(path)
        if self.work.exists():
            _reserve(self.work)
        with contextlib.ExitStack() as stack:
            self._file = stack.enter_context(open_hdf5(self.work, 'r+'))
            with explained(self.work):
                self.info = read_info(self.work, self._file)
                check_structure(self._file, self.info)
                good = quality.good(self._file['quality'][...])
            self._mean = cube_sums.TimeMean((self.info.rows, self.info.columns), good)
            self._summed = 0
            stack.pop_all()

    @classmethod
    def create(cls, path, info: CubeInfo, tables: CubeTables, identity, places=None) -> CubeWriter:
        """Lay out a cube with everything but the pixels and open it.

        Only one run may work on a cube; what a killed one left of this step is removed.

        Parameters
        ----------
        path : path-like
        info : CubeInfo
        tables : CubeTables
        identity : photometry.files.identity.Identity
        places : tuple of arrays, optional
            Rows and columns for which a PRF may be learned; without them the file has no ``/psf``.

        Raises
        ------
        OutputError
            When it cannot be written.
        """
        import h5py
        work = work_path(path)
        for half in atomic.left_behind(work):
            half.unlink(missing_ok=True)
        with atomic.replaced(work) as temporary, _full_disk():
            _try_to_write(temporary, info.times)
            with h5py.File(temporary, 'w', locking='best-effort') as file:
                _write_attributes(file, info, identity)
                _write_tables(file, info, tables)
                if places is not None:
                    cube_psf.lay_out(file, *places)
                _lay_out(file, info)
        return cls(path)

    @classmethod
    def resume(cls, path, identity, info: CubeInfo, tables: CubeTables) -> CubeWriter | None:
        """Open a cube in work that the same run began, or None when there is none to use.

        Raises
        ------
        IncompatibleError
            When it was begun with other settings, inputs or software.
        """
        if not work_path(path).exists():
            return None
        try:
            made = cls(path)
        except InputBadError as error:
            logger.warning('%s Starting it anew.', error)
            return None
        with contextlib.ExitStack() as stack:
            stack.enter_context(made)
            with explained(made.work):
                identity.check(made.work, provenance(made._file))
                same = made.info == info and np.array_equal(
                    made._file['background_parameters'][...], tables.background_parameters, equal_nan=True)
                made._discard_damaged()
            if same:
                stack.pop_all()
                return made
        logger.warning('%s was begun from other intermediate results; starting it anew.', made.work)
        return None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        try:
            self.close()
        except OutputError:
            if error is None:
                raise

    def close(self):
        """Close the file, complete or not."""
        with atomic.explained_output(self.work), _full_disk():
            self._file.close()

    @property
    def pending(self) -> list[int]:
        """Blocks that are still to be written."""
        return np.flatnonzero(self._file['blocks_done'][...] == 0).tolist()

    def write_block(self, index, layers: dict):
        """Write one block durably; blocks are written in the order of `pending`.

        Parameters
        ----------
        index : int
        layers : dict of arrays, (cadences of the block, rows, columns), or of lists of images
            Under the names of the layers.

        Raises
        ------
        OutputError
        """
        cadences = self.info.block_range(index)
        self._sum_up_to(index)
        with atomic.explained_output(self.work), _full_disk():
            sums = [self._write_layer(column, cadences, layers[column.name]) for column in LAYERS]
            self._file['blocks_checksum'][index] = sums
            self._file.flush()
            self._file['blocks_done'][index] = 1
            self._file.flush()

    def _write_layer(self, column, cadences, images):
        """Write a layer of a block in strips of rows; its CRC-32."""
        dataset, checksum = self._file[column.name], 0
        spare = np.empty((len(images), SPATIAL_CHUNK * self.info.columns + _ODD), column.dtype)
        for row in range(0, self.info.rows, SPATIAL_CHUNK):
            rows = slice(row, min(row + SPATIAL_CHUNK, self.info.rows))
            pixels = (rows.stop - rows.start) * self.info.columns
            for place, image in enumerate(images):
                spare[place, :pixels] = image[rows].ravel()
            if column.name == 'images':
                self._mean.add(cadences, rows, spare[:, :pixels].reshape(len(images), -1, self.info.columns))
            strip = np.ascontiguousarray(spare[:, :pixels].T)
            dataset[rows, :, cadences] = strip.reshape(-1, self.info.columns, len(images))
            checksum = zlib.crc32(strip, checksum)
        dataset.flush()  # an error at closing would be lost
        if column.name == 'images':
            self._summed += 1
        return checksum

    def _sum_up_to(self, block):
        """Let blocks before one that an earlier run has written enter the sum image."""
        for index in range(self._summed, block):
            cadences = self.info.block_range(index)
            for row in range(0, self.info.rows, SPATIAL_CHUNK):
                rows = slice(row, row + SPATIAL_CHUNK)
                values = self._file['images'][rows, :, cadences]
                self._mean.add(cadences, rows, np.ascontiguousarray(values.transpose(2, 0, 1)))
            self._summed += 1

    def _discard_damaged(self):
        """Mark blocks for writing again whose pixels do not fit their checksum."""
        for index in np.flatnonzero(self._file['blocks_done'][...]):
            if damaged_blocks(self._file, self.info, [index]):
                logger.warning('Block %d of %s is damaged and will be written again.', index, self.work)
                self._file['blocks_done'][index] = 0

    def sumimage(self) -> np.ndarray:
        """Mean of images over the good cadences, (rows, columns) float64, once the blocks are written.

        NaN where a pixel has no good value.
        """
        self._sum_up_to(self.info.blocks)
        return self._mean.mean()

    def weighted_sums(self, stamp, weights) -> np.ndarray:
        """Sums of images over the cadences, once the blocks are written.

        Parameters
        ----------
        stamp : photometry.core.stamp.Stamp
        weights : array (n, times)

        Returns
        -------
        float64 array (n, rows, columns)
            A missing value counts as the mean of its pixel; NaN where a pixel has none.
        """
        weights = np.asarray(weights, dtype='f8')
        some = np.flatnonzero(weights.any(axis=0))
        made = np.empty((len(weights), *stamp.shape))
        for part in cube_sums.parts(stamp):
            values = self.read('images', part)[:, :, some]
            made[:, *part.slices(stamp[::2])] = cube_sums.weighted(values, weights[:, some])
        return made

    def read(self, layer, stamp) -> np.ndarray:
        """One layer on a stamp for all times, once the blocks are written."""
        return self._file[layer][stamp.slices((self.info.row_offset, self.info.column_offset))]

    def finish(self, sumimage, movement_kernel, warpmode, star_wing=(), psf=None):
        """Write the last products and give the file its final name.

        Parameters
        ----------
        sumimage : array (rows, columns)
        movement_kernel : array (times, 6)
        warpmode : str
        star_wing : tuple
            As `photometry.files.cube.CubeFile.star_wing`.
        psf : photometry.files.cube_psf.LearnedPRF, optional

        Raises
        ------
        OutputError
        """
        if self.pending:
            raise ValueError('blocks are missing')
        with atomic.explained_output(self.path), _full_disk():
            self._file['sumimage'][...] = sumimage
            self._file['movement_kernel'][...] = movement_kernel
            self._file.attrs.modify('warpmode', np.bytes_(warpmode))
            self._file.attrs.modify('star_wing', np.array(star_wing or (np.nan,) * 3))
            if psf is not None:
                cube_psf.write(self._file, psf)
            self._file.flush()
            self._file.attrs.modify('finished', np.uint8(1))
            self._file.close()
            atomic.sync(self.work)
            os.replace(self.work, self.path)
            atomic.sync(self.path.parent)


class _full_disk:
    """Give what h5py raises for a failed write the errno that explains it."""

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if isinstance(error, (OSError, RuntimeError)):
            for code in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO):
                if f'errno = {code},' in str(error) or getattr(error, 'errno', None) == code:
                    raise OSError(code, os.strerror(code)) from error


def _write_attributes(file, info, identity):
    file.attrs['schema'] = SCHEMA
    for name, text in identity.attributes().items():
        file.attrs[name] = text
    for field in dataclasses.fields(CubeInfo):
        value = getattr(info, field.name)
        if isinstance(value, tuple):
            value = np.array(value, dtype='i8' if field.name == 'background_straps' else 'f8')
        file.attrs[field.name] = value
    file.attrs['movement_centre'] = np.array(info.centre)
    file.attrs['warpmode'] = np.bytes_('unchanged'.ljust(12))
    file.attrs['star_wing'] = np.full(3, np.nan)
    file.attrs['finished'] = np.uint8(0)


def _write_tables(file, info, tables):
    import h5py
    for column in TABLES:
        values = getattr(tables, column.name, None)
        if column.name == 'movement_kernel':
            values = np.full((info.times, 6), np.nan)
        kind = h5py.string_dtype() if column.dtype == 'str' else column.dtype
        dataset = file.create_dataset(column.name, data=values, dtype=kind)
        _describe(dataset, column)
    empty = np.full((info.rows, info.columns), np.nan, SUMIMAGE.dtype)
    _describe(file.create_dataset(SUMIMAGE.name, data=empty), SUMIMAGE)
    for column in BLOCKS:
        zeros = np.zeros(info.shape_of(column), column.dtype)
        _describe(file.create_dataset(column.name, data=zeros), column)


def _describe(dataset, column):
    dataset.attrs['unit'] = column.unit
    dataset.attrs['description'] = column.description


def _lay_out(file, info):
    """Allot the space of the layers without writing to it."""
    import h5py
    for column in LAYERS:
        creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        creation.set_chunk(info.chunks)
        creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
        creation.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
        space = h5py.h5s.create_simple(info.shape_of(column))
        kind = h5py.h5t.py_create(np.dtype(column.dtype))
        h5py.h5d.create(file.id, column.name.encode(), kind, space, creation)
        _describe(file[column.name], column)
    cube_chunks.describe(file, [column.name for column in LAYERS])
