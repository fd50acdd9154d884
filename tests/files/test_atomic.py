"""Files appear whole or not at all; names are made and found again."""

import os
import resource
import signal
from pathlib import Path

import numpy as np
import pytest

from photometry.core.errors import IncompatibleError, InputMissingError, OutputError
from photometry.core.stamp import Stamp
from photometry.files import atomic, paths, schema


def test_replaced_writes_the_whole_file(tmp_path):
    atomic.write_bytes(tmp_path / 'a.txt', b'whole')
    assert (tmp_path / 'a.txt').read_bytes() == b'whole'
    assert os.listdir(tmp_path) == ['a.txt']


def test_pieces_are_written_whole_when_the_system_takes_them_bit_by_bit(tmp_path, monkeypatch):
    image, whole = memoryview(np.arange(6, dtype='u1').reshape(2, 3)), os.writev
    monkeypatch.setattr(os, 'writev', lambda handle, pieces: whole(handle, [pieces[0][:4]]))
    atomic.write_bytes(tmp_path / 'a.txt', b'beginning', image, b'', b'end')
    assert (tmp_path / 'a.txt').read_bytes() == b'beginning' + bytes(range(6)) + b'end'


def test_an_exception_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_bytes(b'old')
    with pytest.raises(ZeroDivisionError), atomic.replaced(path) as temporary:
        temporary.write_bytes(b'half')
        raise ZeroDivisionError
    assert path.read_bytes() == b'old'
    assert os.listdir(tmp_path) == ['a.txt']


def test_a_directory_is_replaced_as_a_whole_or_not_at_all(tmp_path):
    path = tmp_path / 'pages'
    (tmp_path / '.pages.0a1b2c3d.tmp').mkdir()  # of a writer that was killed
    with atomic.replaced_directory(path) as temporary:
        (temporary / 'old').touch()
    with pytest.raises(ZeroDivisionError), atomic.replaced_directory(path) as temporary:
        (temporary / 'half').touch()
        raise ZeroDivisionError
    assert os.listdir(path) == ['old'] and os.listdir(tmp_path) == ['pages']
    with atomic.replaced_directory(path) as temporary:
        (temporary / 'new').touch()
    assert os.listdir(path) == ['new'] and os.listdir(tmp_path) == ['pages']


def test_a_file_size_limit_is_explained(tmp_path):
    previous = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, previous[1]))
    try:
        with pytest.raises(OutputError, match='a.txt: the file would be larger than the limit'):
            atomic.write_bytes(tmp_path / 'a.txt', b'x' * 2000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, previous)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(tmp_path) == []


def test_a_file_in_the_way_of_a_directory_is_named(tmp_path):
    (tmp_path / 'plain').write_text('')
    with pytest.raises(OutputError, match='plain'):
        atomic.make_directory(tmp_path / 'plain' / 'below')


def test_names_are_found_again(tmp_path):
    stamp = Stamp(10, 23, 60, 70)
    below = tmp_path / 'deep' / 'er'
    below.mkdir(parents=True)
    for name in (paths.cube_name(5, 2, 2, stamp), paths.cube_name(5, 2, 3), paths.catalog_name(5, 2, 2),
                 'tess2018206192942-s0005-1-4-0120-s_ffic.fits',
                 'tess2018206192942-s0005-1-4-0120-s_ffic.fits.gz',
                 'tess-s0005-2-2_80.369500_-22.674300_13x13_astrocut.fits.gz', 'tess-other.fits'):
        (below / name).touch()
    cubes = paths.find_cubes(tmp_path)
    assert [(cube.ccd_key, cube.is_cutout) for cube in cubes] == [((5, 2, 2), True), ((5, 2, 3), False)]
    assert [found.ccd_key for found in paths.find_catalogs(tmp_path, sector=5)] == [(5, 2, 2)]
    assert len(paths.find_ffis(tmp_path, camera=[1, 2])) == 2
    assert paths.find_ffis(tmp_path, camera=2) == []
    assert len(paths.find_tesscuts(tmp_path, sector=[], ccd=2)) == 1


def test_lightcurve_name():
    name = paths.lightcurve_name(139419999, 5, 2, 2, 1800, 7, 1)
    assert name == Path('c1800/00139/tess00139419999-s005-2-2-c1800-dr07-v01-tessphot_lc.fits')


def test_directories_from_arguments_and_environment(tmp_path):
    environment = {'TESSPHOT_INPUT': str(tmp_path), 'TESSPHOT_OUTPUT': '/out'}
    assert paths.input_directory(None, environment) == tmp_path
    assert paths.output_directory('mine', environment, tmp_path) == Path('mine')
    assert paths.output_directory(None, environment, tmp_path) == Path('/out')
    assert paths.output_directory(None, {}, tmp_path) == tmp_path / 'lightcurves'
    with pytest.raises(InputMissingError, match='TESSPHOT_INPUT'):
        paths.input_directory(None, {})
    with pytest.raises(InputMissingError, match='does not exist'):
        paths.input_directory(tmp_path / 'none', environment)


def test_versions_with_another_major_are_refused():
    schema.check_version('f', '1.7', '1.2')
    with pytest.raises(IncompatibleError, match='newer'):
        schema.check_version('f', '2.0', '1.2')
    with pytest.raises(IncompatibleError, match='--overwrite'):
        schema.check_version('f', '0.9', '1.2')


def test_digest_depends_on_values_only():
    first = schema.settings_digest({'a': {'x': 1, 'y': 2.0}})
    assert first == schema.settings_digest({'a': {'y': 2.0, 'x': 1}})
    assert first != schema.settings_digest({'a': {'x': 1, 'y': 3.0}})
