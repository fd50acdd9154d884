"""Where the chunks of a layer lie in the file of a cube, and reading them from there.

HDF5 looks up and copies every chunk by itself, which takes three times as long as the
bytes need. The chunks of a layer are laid out in one go before any pixel is written and
are neither filtered nor moved later, so a short table of runs tells where each lies.
"""

from __future__ import annotations

import os
from math import prod

import numpy as np

GROUP = 'chunks'
"""Group of a cube with the table of `find_runs` for each layer, under its name."""


AT_ONCE = 512
"""Chunks that one call of the system reads; more than 1024 it refuses."""

APART = 1024
"""Bytes between chunks in memory: powers of two apart, they would push each other out of the cache."""

MOST_BYTES = 1 << 20
"""Size of a chunk; ours have 33 kB."""


def describe(file, names):
    """Write the tables of the layers of a file that is being made."""
    group = file.create_group(GROUP)
    for name in names:
        dataset = group.create_dataset(name, data=find_runs(file[name]))
        dataset.attrs['unit'] = ''
        dataset.attrs['description'] = 'number of the first chunk of a run and its byte in the file'


def find_runs(dataset):
    """The runs of chunks that lie one behind the other, in the order in which a row-major array holds them.

    Parameters
    ----------
    dataset : h5py.Dataset
        Chunked, without filters, all its space allotted.

    Returns
    -------
    int64 array (runs, 2)
        Number of the first chunk of a run and its byte in the file.
    """
    size = prod(dataset.chunks) * dataset.dtype.itemsize
    runs, count, expected = [], 0, -1

    def look(chunk):
        nonlocal count, expected
        if chunk.byte_offset != expected:
            runs.append((count, chunk.byte_offset))
        count, expected = count + 1, chunk.byte_offset + size
    dataset.id.chunk_iter(look)
    return np.array(runs, dtype='i8').reshape(-1, 2)


def open_layer(dataset):
    """Something to take pixels of a layer from by slices: its chunks where the table is true, else HDF5.

    A table that is missing (cubes before schema 1.4) or belongs to another file (a cube that
    was repacked has its chunks in other places) is not used.

    Parameters
    ----------
    dataset : h5py.Dataset

    Returns
    -------
    ChunkReader or h5py.Dataset
    """
    if dataset.chunks is None or dataset.id.get_create_plist().get_nfilters():
        return dataset
    if prod(dataset.chunks) * dataset.dtype.itemsize > MOST_BYTES:
        return dataset
    runs = _table(dataset)
    reader = None if runs is None else ChunkReader(dataset, runs)
    return reader if reader is not None and reader.is_true() else dataset


def _table(dataset):
    """The table of a layer; None where the file has none that is plain and of sensible size."""
    import h5py
    path, group = f'{GROUP}{dataset.name}', dataset.file
    for step in path.split('/'):
        if not isinstance(group, h5py.Group) or not isinstance(group.get(step, getlink=True), h5py.HardLink):
            return None
        group = group[step]
    plain = isinstance(group, h5py.Dataset) and not (group.external or group.is_virtual)
    if not plain or group.dtype != np.dtype('<i8') or group.ndim != 2 or group.shape[1] != 2:
        return None
    return group[...] if 0 < len(group) <= prod(_grid(dataset)) else None


def _grid(dataset):
    """Number of chunks along each axis."""
    return tuple(-(-length // step) for length, step in zip(dataset.shape, dataset.chunks, strict=True))


class ChunkReader:
    """Pixels of a layer, read chunk by chunk from the file.

    Parameters
    ----------
    dataset : h5py.Dataset
        (rows, columns, times).
    runs : int64 array (runs, 2)
        Of `find_runs`.
    """

    def __init__(self, dataset, runs):
        self.dataset, self.shape, self.dtype = dataset, dataset.shape, dataset.dtype
        self.chunk, self.grid = dataset.chunks, _grid(dataset)
        self.size = prod(self.chunk) * self.dtype.itemsize
        self.runs = runs
        self._handle = dataset.file.id.get_vfd_handle()

    def is_true(self):
        """Whether the table is in order and its first, middle and last chunk are where it says."""
        count, (first, byte) = prod(self.grid), self.runs.T
        if first[0] != 0 or (np.diff(first) <= 0).any() or first[-1] >= count or byte.min() < 0:
            return False
        return all(self._agrees(number) for number in (0, count // 2, count - 1))

    def _agrees(self, number):
        place = np.array(np.unravel_index(number, self.grid)) * self.chunk
        stored = self.dataset.id.read_direct_chunk(tuple(map(int, place)))[1]
        byte, = (start for start, _, _ in self._runs(number, number + 1))
        return os.pread(self._handle, self.size, byte) == stored

    def _runs(self, start, stop):
        """(byte, first, last) of the runs that chunks start..stop-1 fall into, last exclusive."""
        first, byte = self.runs.T
        run = int(np.searchsorted(first, start, 'right')) - 1
        while start < stop:
            end = min(stop, int(first[run + 1]) if run + 1 < len(first) else stop)
            yield int(byte[run]) + (start - int(first[run])) * self.size, start, end
            start, run = end, run + 1

    def __getitem__(self, part):
        """Pixels of all or some times, (rows, columns, times).

        Parameters
        ----------
        part : tuple of slice
            Of rows, of columns and perhaps of times, inside the layer.

        Raises
        ------
        OSError
            When the file ends before.
        """
        rows, columns = part[:2]
        times = part[2] if len(part) > 2 else slice(0, self.shape[2])
        height, width, depth = self.chunk
        first, last = times.start // depth, -(-times.stop // depth)
        made = np.empty((rows.stop - rows.start, columns.stop - columns.start,
                         min(last * depth, self.shape[2]) - first * depth), self.dtype)
        stack = self._stack(last - first)
        if last - first == self.grid[2]:
            self._announce(rows, columns)
        for down in range(rows.start // height, -(-rows.stop // height)):
            for right in range(columns.start // width, -(-columns.stop // width)):
                self._read_stack(stack, (down * self.grid[1] + right) * self.grid[2] + first)
                there, here = zip(_shared(rows, down * height, height),
                                  _shared(columns, right * width, width), strict=True)
                _put(made[there], stack[:, here[0], here[1]], depth)
        return made[..., times.start - first * depth:times.stop - first * depth]

    def _announce(self, rows, columns):
        """Let the system fetch what will be read, all of it at once, where it comes from a disk."""
        height, width, _ = self.chunk
        right = range(columns.start // width, -(-columns.stop // width))
        for down in range(rows.start // height, -(-rows.stop // height)):
            first = (down * self.grid[1] + right[0]) * self.grid[2]
            if self._is_at_hand(first):
                return
            for byte, start, stop in self._runs(first, first + len(right) * self.grid[2]):
                os.posix_fadvise(self._handle, byte, (stop - start) * self.size, os.POSIX_FADV_WILLNEED)

    def _is_at_hand(self, number):
        """Whether a chunk can be read without waiting: those around it are in memory then, too, as a rule."""
        byte, = (start for start, _, _ in self._runs(number, number + 1))
        try:
            return os.preadv(self._handle, [bytearray(self.size)], byte, os.RWF_NOWAIT) == self.size
        except OSError:  # it would have to wait, or the file system cannot tell
            return False

    def _stack(self, chunks):
        """Space for some chunks of the same pixels, (chunks, ...)."""
        wide = np.empty((chunks, self.size + APART), 'u1')
        return wide[:, :self.size].view(self.dtype).reshape(-1, *self.chunk)

    def _read_stack(self, stack, number):
        """Fill it with the chunks from a number on."""
        for byte, start, stop in self._runs(number, number + len(stack)):
            for first in range(start, stop, AT_ONCE):
                wanted = list(stack[first - number:min(first + AT_ONCE, stop) - number])
                place = byte + (first - start) * self.size
                if os.preadv(self._handle, wanted, place) != len(wanted) * self.size:
                    raise OSError(f'the file ends within {self.dataset.name}')


def _shared(wanted, first, length):
    """Where a slice and a chunk from a first pixel on overlap: counted from the slice, and from the chunk."""
    start, stop = max(wanted.start, first), min(wanted.stop, first + length)
    return slice(start - wanted.start, stop - wanted.start), slice(start - first, stop - first)


def _put(pixels, stack, depth):
    """Copy chunks (chunks, rows, columns, cadences) to pixels (rows, columns, times)."""
    times = pixels.shape[2]
    whole = times // depth
    part = stack.transpose(1, 2, 0, 3)
    # splitting the last axis makes a view whatever the strides of the others
    pixels[:, :, :whole * depth].reshape(*pixels.shape[:2], whole, depth)[...] = part[:, :, :whole]
    if times % depth:
        pixels[:, :, whole * depth:] = part[:, :, whole, :times % depth]
