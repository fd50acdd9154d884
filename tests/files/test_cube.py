"""The cube gives back what was put in, and refuses what is no cube."""

import dataclasses
import os
import resource
import signal

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.core.errors import (
    IncompatibleError,
    InputBadError,
    InputMissingError,
    OffSiliconError,
    OutputError,
)
from photometry.core.stamp import Stamp
from photometry.files import cube, cube_schema, cube_writer, paths
from photometry.files.identity import Identity
from photometry.files.schema import InputFile

INFO = cube_schema.CubeInfo(5, 2, 3, 600, rows=21, columns=35, times=70, row_offset=100, column_offset=300,
                     is_cutout=True, ref_frame=1, block=48, data_rel=7, readnoise=(9., 8., 7.5, 9.5),
                     gain=(5.1, 5.2, 5.3, 5.4), crmiten=True, crblksz=10, procver='spoc-5',
                     background_mesh=32, background_centre=(-3., 2101.5), background_straps=(305, 310),
                     wing=(0.03, 3., 60.))
IDENTITY = Identity('0.1', {'prepare': {'mesh': 32, 'motion': 'auto'}},
                    tuple(InputFile(f'tess{number}.fits', 3, '17') for number in range(3)))


def layers(info=INFO):
    """Random pixels, (times, rows, columns), a few without a value."""
    rng = np.random.default_rng(3)
    shape = info.times, info.rows, info.columns
    images = rng.normal(0, 30, shape).astype('f4')
    images[rng.random(shape) < 0.01] = np.nan
    return {'images': images, 'images_err': rng.random(shape, dtype='f4'),
            'pixel_flags': rng.integers(0, 32, shape).astype('u1')}


def tables(info=INFO):
    """Times and what else belongs to frames."""
    number = info.times
    time = 1400 + np.arange(number) / 144
    quality = np.where(np.arange(number) % 9 == 4, 32, 0)
    return cube_writer.CubeTables(
        time - 1, time, time + 1, np.full(number, 0.003), np.arange(number) + 9000, quality,
        ['', *['CARDS ' * 1000] * (number - 1)], [f'cam2/tess{index}.fits' for index in range(number)],
        np.random.default_rng(1).random((number, 5), dtype='f4'))


def write(folder, info=INFO, finish=True):
    """A cube with random pixels."""
    path = folder / paths.cube_name(info.sector, info.camera, info.ccd, info.limits)
    given_layers = layers(info)
    with cube_writer.CubeWriter.create(path, info, tables(info), IDENTITY) as writer:
        for index in writer.pending:
            part = info.block_range(index)
            writer.write_block(index, {name: values[part] for name, values in given_layers.items()})
        if finish:
            kernel = np.arange(info.times * 6, dtype='f8').reshape(-1, 6)
            writer.finish(writer.sumimage(), kernel, 'affine')
    return path


@pytest.fixture
def path(tmp_path):
    """A finished cube."""
    return write(tmp_path)


def test_round_trip(path):
    expected, named = layers(), tables()
    with cube.CubeFile(path) as made:
        assert made.info == INFO and made.limits == Stamp(100, 121, 300, 335)
        for name, values in expected.items():
            np.testing.assert_array_equal(made.read(name), values.transpose(1, 2, 0))
            assert made.read(name).dtype == values.dtype
        for name in ('time_start', 'time', 'time_stop', 'timecorr', 'cadenceno', 'quality'):
            np.testing.assert_array_equal(getattr(made, name), getattr(named, name))
        assert made.wcs_texts == named.wcs and made.wcs_text == named.wcs[1]
        assert made.imagespaths == named.imagespaths
        assert made.warpmode == 'affine' and made.movement_kernel[3, 2] == 20
        assert made.centre == (110., 317.) and made.background.camera_centre == (-3., 2101.5)
        assert made.background.strap_columns == (305, 310)
        np.testing.assert_array_equal(made.background.parameters, named.background_parameters)
        np.testing.assert_array_equal(made.good, named.quality == 0)
        assert made.attributes['settings_sha256'] == IDENTITY.attributes()['settings_sha256']
        assert not made.verify_blocks()


@pytest.mark.parametrize('part', [slice(0, 70), slice(0, 24), slice(30, 31), slice(23, 49), slice(60, 70)])
def test_some_cadences(path, part):
    """Of the layers that are read chunk by chunk, and of the background."""
    stamp = Stamp(103, 120, 310, 335)
    with cube.CubeFile(path, evaluate=lambda model, stamp: model.parameters) as made:
        for name in ('images', 'images_err', 'pixel_flags', 'backgrounds_pixels_used'):
            np.testing.assert_array_equal(made.read(name, stamp, part), made.read(name, stamp)[..., part])
        np.testing.assert_array_equal(made.read('backgrounds', stamp, part), made.read('backgrounds')[part])


def test_sumimage_is_the_mean_of_good_frames(path):
    images = layers()['images'].astype('f8')[tables().quality == 0]
    with cube.CubeFile(path) as made:
        np.testing.assert_array_equal(made.sumimage(), np.nanmean(images, axis=0).astype('f4'))
        stamp = Stamp(105, 110, 320, 335)
        np.testing.assert_array_equal(made.sumimage(stamp), made.sumimage()[5:10, 20:])


def test_weighted_sums(tmp_path):
    images = layers()['images'].astype('f8').transpose(1, 2, 0)
    weights = np.random.default_rng(4).normal(size=(2, INFO.times))
    weights[:, ::7] = 0
    stamp = Stamp(103, 120, 302, 330)
    with cube_writer.CubeWriter.create(tmp_path / paths.cube_name(5, 2, 3, INFO.limits), INFO, tables(),
                                       IDENTITY) as writer:
        for block in writer.pending:
            cadences = INFO.block_range(block)
            writer.write_block(block, {name: values[cadences] for name, values in layers().items()})
        made = writer.weighted_sums(stamp, weights)
    part = images[3:20, 2:30]
    some = weights.any(axis=0)
    mean = np.nanmean(part[:, :, some], axis=2, keepdims=True)
    expected = np.einsum('nt,rct->nrc', weights, np.where(np.isfinite(part), part, mean))
    np.testing.assert_allclose(made, expected, atol=1e-4)


@settings(max_examples=50, deadline=None)
@given(row=st.integers(100, 120), column=st.integers(300, 334), height=st.integers(1, 21),
       width=st.integers(1, 35))
def test_stamps(tmp_path_factory, row, column, height, width):
    folder = tmp_path_factory.getbasetemp() / 'stamps'
    folder.mkdir(exist_ok=True)
    path = folder / paths.cube_name(5, 2, 3, INFO.limits)
    path = path if path.exists() else write(folder)
    stamp = Stamp(row, row + height, column, column + width)
    with cube.CubeFile(path) as made:
        if stamp.clipped(made.limits) == stamp:
            part = np.s_[:, row - 100:row - 100 + height, column - 300:column - 300 + width]
            expected = layers()['images'][part].transpose(1, 2, 0)
            np.testing.assert_array_equal(made.read('images', stamp), expected)
        else:
            with pytest.raises(OffSiliconError):
                made.read('images', stamp)
            with pytest.raises(OffSiliconError):
                made.sumimage(stamp)


def test_derived_layers(path):
    with cube.CubeFile(path, evaluate=lambda model, stamp: (model.limits, stamp)) as made:
        used = made.read('backgrounds_pixels_used', Stamp(100, 102, 300, 303))
        np.testing.assert_array_equal(used, made.read('pixel_flags', Stamp(100, 102, 300, 303)) % 2 == 0)
        assert made.read('backgrounds', Stamp(100, 102, 300, 303)) == (made.limits, Stamp(100, 102, 300, 303))
        with pytest.raises(KeyError):
            made.read('nothing')


@pytest.mark.parametrize(('length', 'most', 'chunk'), [
    (2048, 16, 16), (13, 16, 13), (33, 32, 17), (17, 16, 9), (1300, 32, 32), (3, 32, 3), (1, 16, 1)])
def test_chunks_waste_little(length, most, chunk):
    assert cube_schema.even(length, most) == chunk <= most
    assert -(-length // chunk) * chunk < 1.1 * length + 2


def test_full_frames_stay_below_40_mb():
    info = dataclasses.replace(INFO, rows=2048, columns=2048, times=1300)
    rows, columns, times = info.chunks
    assert (rows, columns) == (16, 16)
    padded = -(-info.times // times) * times
    assert padded * 2048 * 2048 * 9 / info.times < 39e6


def test_unfinished_is_no_cube(tmp_path):
    path = write(tmp_path, finish=False)
    assert not path.exists() and not paths.find_cubes(tmp_path)
    os.rename(cube_writer.work_path(path), path)
    with pytest.raises(InputBadError, match='not finished'):
        cube.CubeFile(path)


def test_missing(tmp_path):
    with pytest.raises(InputMissingError, match='run_prepare_photometry'):
        cube.CubeFile(tmp_path / 'sector005_camera2_ccd3.hdf5')


@pytest.mark.parametrize('size', [0, 100, 5000, -1])
def test_truncated(path, size):
    os.truncate(path, size % path.stat().st_size)
    with pytest.raises(InputBadError, match=path.name):
        cube.CubeFile(path)


def test_garbage(path):
    path.write_bytes(np.random.default_rng(1).bytes(4000))
    with pytest.raises(InputBadError, match=path.name):
        cube.CubeFile(path)


@pytest.mark.parametrize(('version', 'words'), [('2.0', 'newer'), ('0.9', 'older')])
def test_other_schema(path, version, words):
    with h5py.File(path, 'r+') as file:
        file.attrs['schema'] = version
    with pytest.raises(IncompatibleError, match=words):
        cube.CubeFile(path)


def test_cubes_of_the_first_schemas_are_of_spoc(path):
    with h5py.File(path, 'r+') as file:
        del file.attrs['product']
        file.attrs['schema'] = '1.2'
    with cube.CubeFile(path) as made:
        assert made.info.product == 'spoc'


def test_flipped_bit_is_found_by_the_checksums(path):
    with h5py.File(path, 'r+') as file:
        file['images_err'][3, 4, 50] += 1
    with cube.CubeFile(path) as made:
        assert made.verify_blocks() == ['images_err, cadences 48 to 69']


def _replace(file, name, make):
    del file[name]
    make(file, name)


HOSTILE = {
    'external link': lambda file, name: file.__setitem__(name, h5py.ExternalLink('/etc/passwd', '/')),
    'soft link': lambda file, name: file.__setitem__(name, h5py.SoftLink('/images_err')),
    'missing': lambda file, name: None,
    'group': lambda file, name: file.create_group(name),
    'external storage': lambda file, name: file.create_dataset(
        name, (21, 35, 70), 'f4', external=[('/etc/passwd', 0, 21 * 35 * 70 * 4)]),
    'shape': lambda file, name: file.create_dataset(name, (21, 35, 71), 'f4'),
    'type': lambda file, name: file.create_dataset(name, (21, 35, 70), 'f8'),
    'huge': lambda file, name: file.create_dataset(name, (10 ** 6, 10 ** 6, 10), 'f4', chunks=(10, 10, 10)),
}


@pytest.mark.parametrize('kind', [*HOSTILE, 'virtual'])
def test_hostile_datasets_are_refused(path, kind):
    with h5py.File(path, 'r+') as file:
        if kind == 'virtual':
            del file['images']
            layout = h5py.VirtualLayout((21, 35, 70), 'f4')
            layout[:] = h5py.VirtualSource('/etc/passwd', 'x', (21, 35, 70))
            file.create_virtual_dataset('images', layout)
        else:
            _replace(file, 'images', HOSTILE[kind])
    with pytest.raises(InputBadError, match='images'):
        cube.CubeFile(path)


@pytest.mark.parametrize(('name', 'value'), [
    ('rows', -1), ('times', 10 ** 9), ('ref_frame', 70), ('block', 0), ('readnoise', 'text'),
    ('sector', np.zeros(3)), ('cadence', 600.5), ('procver', 3)])
def test_hostile_attributes_are_refused(path, name, value):
    with h5py.File(path, 'r+') as file:
        file.attrs[name] = value
    with pytest.raises(InputBadError):
        cube.CubeFile(path)


def test_long_manifest(tmp_path):
    many = dataclasses.replace(IDENTITY, inputs=tuple(InputFile(f'{"x" * 50}{number}', 35542080, '123+456')
                                                      for number in range(5000)))
    path = tmp_path / 'sector005_camera2_ccd3.hdf5'
    with cube_writer.CubeWriter.create(path, INFO, tables(), many) as writer:
        many.check(path, cube.provenance(writer._file))
        with pytest.raises(IncompatibleError, match='3 input files fewer'):
            IDENTITY.check(path, cube.provenance(writer._file))


@pytest.mark.filterwarnings('ignore:This process.*is multi-threaded:DeprecationWarning')
@pytest.mark.parametrize('limit', [2000, 100_000, 500_000])
def test_full_disk_is_explained(tmp_path, limit):
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            write(tmp_path)
        except OutputError as error:
            os._exit(0 if 'larger than the limit' in str(error) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not paths.find_cubes(tmp_path)


def test_read_only_directory(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'replace', lambda *names: (_ for _ in ()).throw(OSError(30, 'Read-only')))
    with pytest.raises(OutputError, match='read-only'):
        write(tmp_path)
