"""Open FITS files of others without trusting them: sizes first, then sums, then numbers."""

from __future__ import annotations

import contextlib
import gzip
import itertools
import logging
import os
import struct
import warnings
import zlib
from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from photometry.core.errors import InputBadError, InputMissingError

logger = logging.getLogger(__name__)

BLOCK = 2880
"""Bytes of a FITS block."""

MAX_CARDS = 5000
"""Longest header that is read; FFIs have about 190 cards, TESSCut tables 290."""

MAX_BYTES = 8 << 30
"""Largest data part that is read unless the caller knows better."""

_CARD = 80
_END = b'END' + b' ' * 77


@dataclass(frozen=True)
class RawHDU:
    """One header-data unit as bytes whose length and sums have been checked."""

    header: object
    """`astropy.io.fits.Header`."""
    data: memoryview | None
    """The data part without its padding; None where it was skipped."""

    def image(self) -> np.ndarray:
        """The data as a read-only array of the shape of the header (big-endian)."""
        names = {8: 'u1', 16: '>i2', 32: '>i4', 64: '>i8', -32: '>f4', -64: '>f8'}
        shape = tuple(self.header[f'NAXIS{axis}'] for axis in range(self.header['NAXIS'], 0, -1))
        return np.frombuffer(self.data, names[self.header['BITPIX']]).reshape(shape)


@contextlib.contextmanager
def explained_input(path):
    """Turn whatever a corrupt FITS file raises into one sentence that names it.

    Raises
    ------
    InputMissingError
        When the file is not there.
    InputBadError
        For anything that reading it raised.
    """
    from astropy.io.fits import VerifyError
    from astropy.utils.exceptions import AstropyWarning
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', AstropyWarning)
            yield
    except FileNotFoundError as error:
        raise InputMissingError(f'{path} does not exist.') from error
    except (OSError, EOFError, TypeError, IndexError, ValueError, KeyError, OverflowError, AttributeError,
            MemoryError, ArithmeticError, AssertionError, VerifyError, zlib.error, struct.error) as error:
        raise InputBadError(f'{path} cannot be used: {words(error)}; '
                            'download it again or take it away.') from error


def words(error) -> str:
    """What an exception says, on one line without a full stop."""
    text = getattr(error, 'strerror', None) or (error.args[0] if error.args else '')
    return ' '.join(str(text).split()).rstrip('.')[:200] or type(error).__name__


def read_hdus(path, count, *, data=True, max_bytes=MAX_BYTES, shapes=None) -> list[RawHDU]:
    """The first units of a FITS file, plain or gzipped.

    Sizes are checked before anything of that size is read, so that neither a
    false NAXIS nor a gzip bomb can fill the memory. DATASUM and CHECKSUM are
    verified with the data: a failed DATASUM rejects the file; a failed CHECKSUM
    is a note in the log, since archives hold files whose headers were edited.

    Parameters
    ----------
    path : path-like
    count : int
        How many units; the file may have fewer.
    data : bool or collection of int
        Whether to read the data too, or of which units; without any only headers are read,
        and of a gzipped file those up to the first unit that has data.
    max_bytes : int
        Largest data part of one unit.
    shapes : callable, optional
        Called with (index, header) before the data are read; raises ValueError
        when the shape cannot be right.

    Raises
    ------
    InputMissingError, InputBadError
    """
    wanted = range(count) if data is True else data or ()
    with explained_input(path), _opened(path) as (stream, size):
        units = []
        for index in range(count):
            unit = _read_unit(stream, size, path, index, index in wanted, max_bytes, shapes)
            if unit is None:
                break
            units.append(unit)
            if size is None and not wanted and _data_size(unit.header):
                break
            if unit.data is None:
                _skip(stream, unit.header)
        if not units:
            raise ValueError('the file is empty')
        return units


@contextlib.contextmanager
def _opened(path):
    """A stream of the file and its size in bytes (None when gzipped)."""
    with open(path, 'rb') as plain:
        magic = plain.read(2)
        plain.seek(0)
        if magic == b'\x1f\x8b':
            with gzip.GzipFile(fileobj=plain) as unzipped:
                yield unzipped, None
        else:
            yield plain, os.fstat(plain.fileno()).st_size


def check_whole(path, max_bytes=MAX_BYTES):
    """Read a FITS file once, plain or gzipped, in blocks: every unit must be whole and fit its DATASUM.

    Parameters
    ----------
    path : path-like
    max_bytes : int
        Largest data part of one unit.

    Raises
    ------
    InputMissingError, InputBadError
    """
    with explained_input(path), _opened(path) as (stream, size):
        for index in itertools.count():
            raw = _read_header(stream, index)
            if raw is None:
                break
            header = _parse_header(raw)
            length = _announced(header, stream, size, index, max_bytes)
            _compare_sums(header, raw, _sum_of_next(stream, length, index), path, index)
        if not index:
            raise ValueError('the file is empty')


def _sum_of_next(stream, length, index):
    """Sum of the data part that comes next, read in blocks."""
    left, total, padded = length, 0, _padded(length)
    while padded > 0:
        content = stream.read(min(padded, 1000 * BLOCK))
        padded -= len(content)
        left -= len(content)
        total = ones_sum(content, total)
        if not content:
            break
    if left > 0:
        raise ValueError(f'it is truncated in the data of HDU {index}')
    return total


def _announced(header, stream, size, index, max_bytes):
    """Bytes of the data part, when they can be there."""
    length = _data_size(header)
    if length > max_bytes:
        raise ValueError(f'HDU {index} claims {length} bytes of data, more than a file of its kind has')
    if size is not None and stream.tell() + length > size:
        raise ValueError(f'it is truncated: it has {size} of the {stream.tell() + length} bytes up to '
                         f'the end of HDU {index}')
    return length


def _read_unit(stream, size, path, index, want_data, max_bytes, shapes):
    raw = _read_header(stream, index)
    if raw is None:
        return None
    header = _parse_header(raw)
    length = _announced(header, stream, size, index, max_bytes)
    if shapes is not None:
        shapes(index, header)
    if not want_data:
        return RawHDU(header, None)
    content = _content(stream, _padded(length), size is not None)
    if len(content) < length:
        raise ValueError(f'it is truncated in the data of HDU {index}')
    _compare_sums(header, raw, ones_sum(content), path, index)
    return RawHDU(header, content[:length])


def _content(stream, length, there):
    """The next bytes of a stream, fewer at its end; ``there`` says that about so many will come."""
    if not there:
        return memoryview(stream.read(length))
    # large arrays of numpy lie in large pages of memory, which bytes do not
    content = memoryview(np.empty(length, 'u1'))
    return content[:stream.readinto(content)]


def _padded(length):
    return -(-length // BLOCK) * BLOCK


def _skip(stream, header):
    """Pass over the data behind a header; those of a gzipped file are unpacked for that."""
    end = stream.tell() + _data_size(header)
    if stream.seek(end) != end:
        raise ValueError('it is truncated')
    stream.seek(_padded(_data_size(header)) - _data_size(header), os.SEEK_CUR)


def _read_header(stream, index):
    """The bytes of one header, or None at the end of the file."""
    raw = bytearray()
    while True:
        block = stream.read(BLOCK)
        if not block and not raw:
            return None
        if len(block) < BLOCK:
            if index and not raw:
                return None
            raise ValueError(f'it is truncated in the header of HDU {index}')
        if not raw and not block.startswith(b'XTENSION=' if index else b'SIMPLE  ='):
            if index:
                return None
            raise ValueError('it is not a FITS file')
        raw += block
        if any(block[at:at + _CARD] == _END for at in range(0, BLOCK, _CARD)):
            return bytes(raw)
        if len(raw) > MAX_CARDS * _CARD:
            raise ValueError(f'the header of HDU {index} has more than {MAX_CARDS} cards')


def _parse_header(raw):
    from astropy.io.fits import Header
    return Header.fromstring(raw.decode('ascii', 'strict'))


def _data_size(header) -> int:
    """Bytes of the data part that a header announces, without padding."""
    dimensions = header['NAXIS']
    bits = header['BITPIX']
    axes = [header[f'NAXIS{axis}'] for axis in range(1, _whole(dimensions, 'NAXIS') + 1)]
    if bits not in (8, 16, 32, 64, -32, -64) or not all(_whole(axis, 'NAXISn') >= 0 for axis in axes):
        raise ValueError('BITPIX or NAXIS are wrong')
    extra = _whole(header.get('PCOUNT', 0), 'PCOUNT') if 'XTENSION' in header else 0
    return abs(bits) // 8 * (prod(axes) + extra) if axes else 0


def _whole(value, name):
    if type(value) is not int or not 0 <= value < 1 << 40 or (name == 'NAXIS' and value > 9):
        raise ValueError(f'{name} is {value!r}')
    return value


def _compare_sums(header, raw, datasum, path, index):
    stated = header.get('DATASUM')
    if stated is not None and str(stated).strip():
        if int(str(stated)) != datasum:
            raise ValueError(f'the DATASUM of HDU {index} does not fit its data')
    if header.get('CHECKSUM') is not None and ones_sum(raw, datasum) not in (0, 0xFFFFFFFF):
        level = logging.DEBUG if stated is not None else logging.INFO
        logger.log(level, '%s: the CHECKSUM of HDU %d does not fit%s.', Path(path).name, index,
                   '' if stated is not None else ' and there is no DATASUM; the file is used all the same')


def ones_sum(content, start=0) -> int:
    """The 32-bit ones' complement sum of a data part (FITS standard 4.0, sec. 4.4.2.7)."""
    if len(content) % 4:
        content = bytes(content) + b'\0' * (-len(content) % 4)
    total = int(np.frombuffer(content, '>u4').sum(dtype='u8')) + start
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def datasums(units) -> str:
    """DATASUM cards of the units, joined by '+'; empty where there are none."""
    sums = (str(unit.header.get('DATASUM', '')).strip() for unit in units)
    return '+'.join(text for text in sums if text not in ('', '0'))


def number(header, name, default=None, low=-np.inf, high=np.inf) -> float:
    """A finite number from a header within limits.

    Raises
    ------
    ValueError
        When it is missing without a default, no number, or outside the limits.
    """
    value = header.get(name)
    if value is None or (isinstance(value, str) and not value.strip()) or _undefined(value):
        if default is None:
            raise ValueError(f'the header has no {name}')
        return float(default)
    if isinstance(value, (str, complex)):
        raise ValueError(f'{name} is {value!r}, not a number')
    if not low <= value <= high:
        raise ValueError(f'{name} is {value}, not within {low:g} to {high:g}')
    return float(value)


def whole(header, name, default=None, low=0, high=2 ** 31 - 1) -> int:
    """An integer from a header within limits; raises as `number` does."""
    value = number(header, name, default, low, high)
    if value != int(value):
        raise ValueError(f'{name} is {value}, not a whole number')
    return int(value)


def logical(header, name, default=False) -> bool:
    """A logical value from a header; anything undefined is the default."""
    value = header.get(name)
    return default if value is None or _undefined(value) or value == '' else bool(value)


def _undefined(value):
    from astropy.io.fits.card import Undefined
    return isinstance(value, Undefined)
