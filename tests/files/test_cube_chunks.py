"""Pixels read from where their chunks lie are those that HDF5 reads, and nobody trusts a wrong table."""

import shutil

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.core.errors import InputBadError
from photometry.core.stamp import Stamp
from photometry.files import cube, cube_chunks
from photometry.files.cube_schema import LAYERS

SHAPE, CHUNKS = (45, 70, 333), (7, 16, 31)
"""Of layers with more chunks than HDF5 keeps in one node of its index, so that runs end."""


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    """A file with layers laid out as in a cube."""
    made = tmp_path_factory.mktemp('chunks') / 'cube.hdf5'
    rng = np.random.default_rng(5)
    with h5py.File(made, 'w') as file:
        for column in LAYERS:
            creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            creation.set_chunk(CHUNKS)
            creation.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            kind = h5py.h5t.py_create(np.dtype(column.dtype))
            h5py.h5d.create(file.id, column.name.encode(), kind, h5py.h5s.create_simple(SHAPE), creation)
        cube_chunks.describe(file, [column.name for column in LAYERS])
        for column in LAYERS:
            values = rng.integers(0, 256, SHAPE)
            file[column.name][...] = np.where(values == 3, np.nan, values) if 'f' in column.dtype else values
    return made


def test_runs_end_and_are_few(path):
    with h5py.File(path) as file:
        runs = cube_chunks.find_runs(file['images'])
        assert 2 < len(runs) < file['images'].id.get_num_chunks() / 20
        np.testing.assert_array_equal(runs, file[cube_chunks.GROUP]['images'][...])


@settings(max_examples=60, deadline=None)
@given(row=st.integers(0, 44), column=st.integers(0, 69), height=st.integers(1, 45), width=st.integers(1, 70),
       layer=st.sampled_from([column.name for column in LAYERS]))
def test_pixels_are_those_that_hdf5_reads(path, row, column, height, width, layer):
    part = Stamp(row, min(row + height, 45), column, min(column + width, 70)).slices((0, 0))
    with h5py.File(path) as file:
        reader = cube_chunks.open_layer(file[layer])
        assert isinstance(reader, cube_chunks.ChunkReader)
        found = reader[part]
        assert found.dtype == file[layer].dtype and found.flags.c_contiguous
        np.testing.assert_array_equal(found, file[layer][part])


def test_more_chunks_than_one_call_can_read(path, monkeypatch):
    monkeypatch.setattr(cube_chunks, 'AT_ONCE', 3)
    part = np.s_[0:45, 10:40]
    with h5py.File(path) as file:
        np.testing.assert_array_equal(cube_chunks.open_layer(file['images'])[part], file['images'][part])


def _without(file):
    del file[cube_chunks.GROUP]


def _replaced(make):
    def change(file):
        del file[f'{cube_chunks.GROUP}/images']
        make(file)
    return change


def _filled(values):
    return _replaced(lambda file: file[cube_chunks.GROUP].create_dataset('images', data=values))


def _moved(file):
    """The table of a file that was rewritten since."""
    values = file['images'][...]
    del file['images']
    file.create_dataset('images', data=values, chunks=CHUNKS)


WRONG = {
    'none': _without, 'moved': _moved, 'empty': _filled(np.zeros((0, 2), 'i8')),
    'not from the first on': _filled(np.array([[1, 4096]])), 'shape': _filled(np.arange(8)),
    'type': _filled(np.array([[0., 4096.]])), 'before the file': _filled(np.array([[0, -8]])),
    'beyond the file': _filled(np.array([[0, 1 << 60]])), 'more than chunks': _filled(
        np.stack([np.arange(10_000), np.arange(10_000)], axis=1)),
    'disorder': _filled(np.array([[0, 4096], [5, 5000], [3, 6000]])),
    'soft link': _replaced(lambda file: file.__setitem__('chunks/images', h5py.SoftLink('/pixel_flags'))),
    'external link': _replaced(lambda file: file.__setitem__(
        'chunks/images', h5py.ExternalLink('/etc/passwd', '/'))),
    'external storage': _replaced(lambda file: file.create_dataset(
        'chunks/images', (3, 2), 'i8', external=[('/etc/passwd', 0, 48)])),
    'group': _replaced(lambda file: file.create_group('chunks/images'))}


@pytest.mark.parametrize('kind', WRONG)
def test_wrong_tables_are_not_used(path, tmp_path, kind):
    wrong = shutil.copy(path, tmp_path / 'wrong.hdf5')
    with h5py.File(wrong, 'r+') as file:
        WRONG[kind](file)
    part = np.s_[3:20, 10:40]
    with h5py.File(wrong) as file, h5py.File(path) as sound:
        reader = cube_chunks.open_layer(file['images'])
        assert reader is not None and not isinstance(reader, cube_chunks.ChunkReader)
        np.testing.assert_array_equal(reader[part], sound['images'][part])


@pytest.mark.parametrize('options', [{'chunks': CHUNKS, 'compression': 'lzf'}, {'chunks': (45, 70, 333)}, {}])
def test_other_layouts_are_read_by_hdf5(tmp_path, options):
    with h5py.File(tmp_path / 'other.hdf5', 'w') as file:
        file.create_dataset('images', SHAPE, 'f4', **options)
        assert cube_chunks.open_layer(file['images']) == file['images']


def test_a_file_that_ends_early_is_explained(path, tmp_path):
    short = shutil.copy(path, tmp_path / 'short.hdf5')
    with h5py.File(short) as file, cube.explained(short):
        reader = cube_chunks.open_layer(file['images'])
        with open(short, 'r+b') as stream:
            stream.truncate(int(reader.runs[-1, 1]))
        with pytest.raises(InputBadError, match='the file ends within /images'), cube.explained(short):
            reader[0:45, 0:70]
