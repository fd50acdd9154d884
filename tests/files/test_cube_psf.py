"""The learned PRF comes back from the cube as it went in; a damaged one is refused in a sentence."""

import h5py
import numpy as np
import pytest
import test_cube

from photometry.core.errors import InputBadError
from photometry.files import cube, cube_writer, paths
from photometry.files.cube_psf import LearnedPRF
from photometry.files.prf import load_prf


@pytest.fixture(scope='module')
def learned():
    """A PRF at four places."""
    official = load_prf(5, 2, 3)
    kept = (official.row < 600) & (official.column < 600)
    return LearnedPRF(official.samples[kept], official.row[kept], official.column[kept], (0.03, 2.5, 60.0),
                      57, 1, 0.02, 0.003)


def write(folder, psf, places=True):
    """A small cube with a PRF, or with room for one."""
    info = test_cube.INFO
    path = folder / paths.cube_name(info.sector, info.camera, info.ccd, info.limits)
    room = (psf.row, psf.column) if places else None
    layers = test_cube.layers()
    with cube_writer.CubeWriter.create(path, info, test_cube.tables(), test_cube.IDENTITY, room) as writer:
        for index in writer.pending:
            part = info.block_range(index)
            writer.write_block(index, {name: values[part] for name, values in layers.items()})
        writer.finish(writer.sumimage(), np.zeros((info.times, 6)), 'affine', (),
                      psf if places == 'filled' else None)
    return path


@pytest.fixture
def path(tmp_path, learned):
    """A cube with a PRF."""
    return write(tmp_path, learned, 'filled')


def test_round_trip(path, learned):
    with cube.CubeFile(path) as made:
        assert (made.psf.wing, made.psf.stars, made.psf.degree) == ((0.03, 2.5, 60.0), 57, 1)
        assert (made.psf.rms_before, made.psf.rms_after, made.psf.oversample) == (0.02, 0.003, 9)
        for name in ('samples', 'row', 'column'):
            np.testing.assert_array_equal(getattr(made.psf, name), getattr(learned, name))


@pytest.mark.parametrize('places', [True, False])
def test_nothing_learned(tmp_path, learned, places):
    with cube.CubeFile(write(tmp_path, learned, places)) as made:
        assert made.psf is None


def test_cubes_of_the_first_schemas_have_none(path):
    with h5py.File(path, 'r+') as file:
        del file['psf']
        file.attrs['schema'] = '1.1'
    with cube.CubeFile(path) as made:
        assert made.psf is None


def test_other_places_are_no_room(tmp_path, learned):
    import dataclasses
    other = dataclasses.replace(learned, row=learned.row + 1)
    info = test_cube.INFO
    path = tmp_path / 'x.hdf5'
    with cube_writer.CubeWriter.create(path, info, test_cube.tables(), test_cube.IDENTITY,
                                       (learned.row, learned.column)) as writer:
        layers = test_cube.layers()
        for index in writer.pending:
            part = info.block_range(index)
            writer.write_block(index, {name: values[part] for name, values in layers.items()})
        with pytest.raises(ValueError, match='other places'):
            writer.finish(writer.sumimage(), np.zeros((info.times, 6)), 'affine', (), other)


def _set(name, index, value):
    def damage(group):
        group[name][index] = value
    return damage


def _replace(name, values):
    def damage(group):
        del group[name]
        group[name] = values
    return damage


DAMAGED = {
    'not a number': (_set('samples', (1, 5, 5), np.nan), 'no part of the light'),
    'negative': (_set('samples', (1, 5, 5), -0.1), 'no part of the light'),
    'too much light': (_set('samples', (0, 58, 58), 9.0), 'does not sum'),
    'no grid': (_set('row', 0, 7.0), 'no rectangular grid'),
    'the same place twice': (_set('column', slice(None), 44.0), 'no rectangular grid'),
    'a place that is none': (_set('row', 0, np.inf), 'no rectangular grid'),
    'other samples': (_replace('samples', np.zeros((4, 39, 39), 'f4')), 'wrong shapes'),
    'other type': (_replace('samples', np.zeros((4, 117, 117))), 'type'),
    'too many places': (_replace('row', np.zeros(10 ** 6)), 'wrong shapes'),
    'a link': (_replace('samples', h5py.SoftLink('/sumimage')), 'not stored'),
    'another file': (_replace('samples', h5py.ExternalLink('/etc/passwd', '/')), 'not stored'),
    'missing': (lambda group: group.pop('samples'), 'not stored'),
    'wing': (lambda group: group.attrs.__setitem__('wing', [2.0, 2.0, 60.0]), 'wing'),
    'half a wing': (lambda group: group.attrs.__setitem__('wing', [0.03, np.nan, 60.0]), 'wing'),
    'facts': (lambda group: group.attrs.__setitem__('stars', [1, 2]), 'wrong shapes'),
    'no facts': (lambda group: group.attrs.__delitem__('learned'), 'usable cube'),
}


@pytest.mark.parametrize('kind', DAMAGED)
def test_damaged(path, kind):
    damage, words = DAMAGED[kind]
    with h5py.File(path, 'r+') as file:
        damage(file['psf'])
    with pytest.raises(InputBadError, match=words) as raised, cube.CubeFile(path) as made:
        assert made.psf
    assert 'run_prepare_photometry.py --overwrite' in str(raised.value)


@pytest.mark.parametrize('link', [h5py.SoftLink('/images'), h5py.ExternalLink('/etc/passwd', '/')])
def test_the_group_itself_is_no_link(path, link):
    with h5py.File(path, 'r+') as file:
        del file['psf']
        file['psf'] = link
    with pytest.raises(InputBadError, match='no group of its own'):
        cube.CubeFile(path)
