"""What stands in a cube: its datasets, its attributes, and the check that a file has them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from photometry.core.stamp import Stamp
from photometry.files import cube_psf, schema
from photometry.files.schema import Column

SCHEMA = '1.4'

LATER = ('product',)
"""Facts that came with later minor versions; cubes without them have the default."""

SPATIAL_CHUNK = 16
"""Pixels of a chunk along a row and along a column; tiles of 64 px are whole chunks."""

TIME_CHUNK = 32
"""Most cadences of a chunk; fewer where that wastes no space at the end."""

LAYERS = (
    Column('images', '<f4', 'e-/s', 'flux with the background subtracted'),
    Column('images_err', '<f4', 'e-/s', 'uncertainty of the flux; NaN where the FFI gives none'),
    Column('pixel_flags', '|u1', '', 'bits of core.quality.PixelFlag'),
)
"""Datasets of shape (rows, columns, times)."""

TABLES = (
    Column('time_start', '<f8', 'BTJD', 'start of the exposure at the centre of the CCD'),
    Column('time', '<f8', 'BTJD', 'middle of the exposure at the centre of the CCD'),
    Column('time_stop', '<f8', 'BTJD', 'end of the exposure at the centre of the CCD'),
    Column('timecorr', '<f8', 'd', 'barycentric correction contained in the times'),
    Column('cadenceno', '<i8', '', 'number of the cadence; gaps kept'),
    Column('quality', '<i4', '', 'TESS bits of the frame'),
    Column('wcs', 'str', '', 'WCS cards for pixels of the whole FFI; empty where bad'),
    Column('imagespaths', 'str', '', 'file of the frame, relative to the input directory'),
    Column('movement_kernel', '<f8', 'px', 'row, column, and four affine terms of the motion of the stars'),
    Column('background_parameters', '<f4', '', 'numbers of the background model of the frame'),
)
"""Datasets whose first axis is time."""

SUMIMAGE = Column('sumimage', '<f4', 'e-/s', 'mean of images over the good cadences, summed in float64')
BLOCKS = (
    Column('blocks_done', '|u1', '', 'whether a block of cadences is complete'),
    Column('blocks_checksum', '<u4', '', 'CRC-32 of the block in each layer'),
)


@dataclass(frozen=True)
class CubeInfo:
    """Facts of a cube, kept as attributes of the file."""

    sector: int
    camera: int
    ccd: int
    cadence: int
    """Seconds from frame to frame."""
    rows: int
    """Along axis 0 of the layers."""
    columns: int
    """Along axis 1."""
    times: int
    """Along axis 2."""
    row_offset: int
    """Zero-based row of the whole FFI of the first pixel."""
    column_offset: int
    """Zero-based column of the whole FFI row, the 44 leading ones included."""
    is_cutout: bool
    """Made of a TESSCut file, not of FFIs."""
    ref_frame: int
    """Frame whose WCS is the reference."""
    block: int
    """Cadences written at once."""
    data_rel: int = 0
    """Data release of the frames."""
    readnoise: tuple = (10.,) * 4
    """Of outputs A..D, electrons a read."""
    gain: tuple = (5.2,) * 4
    """Of outputs A..D, electrons a count."""
    n_readout: int = 0
    """Reads that enter a frame after cosmic-ray mitigation."""
    num_frm: int = 0
    """Reads of a frame."""
    int_time: float = 1.98
    """Light of a read, s."""
    frame_time: float = 2.
    """From read to read, s."""
    exposure: float = 0.
    """Live time of one frame, s."""
    deadc: float = 0.
    """Live part of a cadence."""
    crmiten: bool = False
    """Cosmic rays were mitigated on board."""
    crblksz: int = 10
    """Reads of which the extremes are dropped."""
    crspoc: bool = False
    """Cosmic rays were cleaned on the ground."""
    procver: str = ''
    """Software that calibrated the frames."""
    product: str = 'spoc'
    """Who calibrated the frames: spoc or tica; older cubes do not say and are SPOC's."""
    background_mesh: int = 64
    """Size of a background box, px."""
    background_centre: tuple = ()
    """Zero-based (row, column) of the camera's axis; empty without a corner glow."""
    background_straps: tuple = ()
    """Zero-based columns with a term of their own."""
    wing: tuple = ()
    """Fraction, exponent and radius in px of the stars' wing that the background was fitted with."""

    @property
    def limits(self) -> Stamp:
        """The pixels of the cube."""
        return Stamp(self.row_offset, self.row_offset + self.rows,
                     self.column_offset, self.column_offset + self.columns)

    @property
    def centre(self) -> tuple[float, float]:
        """(row, column) to which the affine terms of the motion refer: the middle of the cube."""
        return self.row_offset + (self.rows - 1) / 2, self.column_offset + (self.columns - 1) / 2

    @property
    def chunks(self) -> tuple[int, int, int]:
        """Shape of the chunks of a layer."""
        return chunk_shape(self.rows, self.columns, self.times)

    @property
    def blocks(self) -> int:
        """Number of blocks."""
        return -(-self.times // self.block)

    def block_range(self, index) -> slice:
        """Cadences of a block."""
        return slice(index * self.block, min((index + 1) * self.block, self.times))

    def shape_of(self, column: Column) -> tuple[int, ...]:
        """Shape of a dataset of the schema; -1 stands for any length."""
        if column in LAYERS:
            return self.rows, self.columns, self.times
        widths = {'movement_kernel': (self.times, 6), 'background_parameters': (self.times, -1),
                  'sumimage': (self.rows, self.columns), 'blocks_done': (self.blocks,),
                  'blocks_checksum': (self.blocks, len(LAYERS))}
        return widths.get(column.name, (self.times,))


def chunk_shape(rows, columns, times) -> tuple[int, int, int]:
    """Shape of the chunks of a layer of some size."""
    return even(rows, SPATIAL_CHUNK), even(columns, SPATIAL_CHUNK), even(times, TIME_CHUNK)


def even(length, most) -> int:
    """Largest chunk up to ``most`` that splits a length into nearly equal parts."""
    return -(-length // -(-length // most))


def read_info(path, file) -> CubeInfo:
    """The facts in the attributes of an open file, its schema checked first."""
    if 'schema' not in file.attrs:
        raise ValueError('it has no schema')
    schema.check_version(path, as_text(file.attrs['schema']), SCHEMA)
    fields = [field for field in dataclasses.fields(CubeInfo)
              if field.name not in LATER or field.name in file.attrs]
    values = {field.name: _plain(file.attrs[field.name]) for field in fields}
    for field in fields:
        if type(values[field.name]).__name__ != field.type:
            raise ValueError(f'its attribute {field.name} is no {field.type}')
    info = CubeInfo(**values)
    if min(info.rows, info.columns, info.times, info.block) < 1 or not 0 <= info.ref_frame < info.times:
        raise ValueError('its attributes contradict each other')
    return info


def _plain(value):
    """An attribute as a plain Python value."""
    if isinstance(value, np.ndarray):
        return tuple(value.tolist())
    return as_text(value) if isinstance(value, (bytes, str)) else value.item()


def as_text(value) -> str:
    """An attribute that is text."""
    return value.decode() if isinstance(value, bytes) else str(value)


def check_structure(file, info):
    """Refuse anything but plain datasets of the right type and shape in this very file."""
    import h5py
    cube_psf.check_structure(file)
    for column in (*LAYERS, *TABLES, SUMIMAGE, *BLOCKS):
        if not isinstance(file.get(column.name, getlink=True), h5py.HardLink):
            raise ValueError(f'{column.name} is missing or a link')
        dataset = file[column.name]
        if not isinstance(dataset, h5py.Dataset) or dataset.external or dataset.is_virtual:
            raise ValueError(f'{column.name} is not stored in the file')
        shape = info.shape_of(column)
        if len(shape) != dataset.ndim or any(a not in (b, -1) for a, b in zip(shape, dataset.shape,
                                                                              strict=True)):
            raise ValueError(f'{column.name} has shape {dataset.shape}, not {shape}')
        is_text = h5py.check_string_dtype(dataset.dtype) is not None
        if is_text != (column.dtype == 'str') or not (is_text or dataset.dtype == np.dtype(column.dtype)):
            raise ValueError(f'{column.name} has type {dataset.dtype}')
