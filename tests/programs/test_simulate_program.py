"""run_simulate.py: files whose stars stand where the catalogue says, the same bytes for the same seed."""

import shutil
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table

from photometry.files import paths, tesscut, tpf, truth, wcs
from photometry.programs import simulate

ARGUMENTS = ['--size', '48x56', '--frames', '24', '--density', 'isolated', '--faint-limit', '10',
             '--seed', '4', '--row', '300', '--column', '1500', '--quiet']


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp('sky') / 'new'
    assert simulate.main([str(made), *ARGUMENTS]) == 0
    return made


def test_what_is_written(folder):
    known = truth.read_truth(folder / 'truth.hdf5')
    cut = tesscut.read_tesscut(paths.find_tesscuts(folder)[0].path)
    assert cut.stamp == known.stamp and cut.stamp.shape == (48, 56)
    assert len(cut.frames) == known.written.sum() == 23
    np.testing.assert_array_equal([frame.cadenceno for frame in cut.frames],
                                  known.frames['cadenceno'][known.written])
    np.testing.assert_allclose([frame.time for frame in cut.frames], known.frames['time'][known.written],
                               atol=1e-6)
    zero = known.frames['zero'][known.written]
    assert not cut.flux[zero].any() and cut.flux[~zero].min() > 0


def test_stars_stand_where_catalogue_and_wcs_say(folder):
    known = truth.read_truth(folder / 'truth.hdf5')
    cut = tesscut.read_tesscut(paths.find_tesscuts(folder)[0].path)
    table = Table.read(folder / 'stars.ecsv')
    years = (known.frames['time'].mean() + 2457000 - 2451545) / 365.25
    decl = table['dec'] + table['pmDEC'] * years / 3.6e6
    ra = table['ra'] + table['pmRA'] * years / 3.6e6 / np.cos(np.deg2rad(decl))
    row, column = wcs.sky_to_pixel(wcs.wcs_from_text(cut.wcs_text), ra, decl)
    np.testing.assert_allclose(row, known.stars['row'], atol=0.02)
    np.testing.assert_allclose(column, known.stars['column'], atol=0.02)
    number = next(number for number, frame in enumerate(cut.frames)
                  if frame.quality == 0 and cut.flux[number].any())
    frame = np.flatnonzero(known.frames['cadenceno'] == cut.frames[number].cadenceno)[0]
    image = cut.flux[number] - known.background.evaluate(frame, known.stamp)
    measured = 0
    for star in known.stars:
        corner = round(star['row']) - 304, round(star['column']) - 1504
        if min(corner) < 0 or corner[0] > 39 or corner[1] > 47:
            continue
        part = image[corner[0]:corner[0] + 9, corner[1]:corner[1] + 9]
        peak = np.unravel_index(part.argmax(), part.shape)
        assert max(abs(peak[0] - 4), abs(peak[1] - 4)) <= 1
        assert 0.85 < part.sum() / star['flux'] < 1.05
        measured += 1
    assert measured >= 4


def test_the_same_seed_makes_the_same_bytes(folder, tmp_path):
    assert simulate.main([str(tmp_path), *ARGUMENTS]) == 0
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    for name in names:
        assert (folder / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_another_simulation_is_not_mixed_in(folder, caplog):
    before = (folder / 'truth.hdf5').read_bytes()
    assert simulate.main([str(folder), *ARGUMENTS, '--frames', '23']) == 2
    assert (folder / 'truth.hdf5').read_bytes() == before


def test_target_pixel_files(tmp_path):
    words = ['--size', '20', '--stars', '4', '--faint-limit', '10', '--frames', '40', '--tpf', '1', '--seed',
             '4', '--density', 'isolated', '--quiet']
    for cadence in (20, 120):
        folder = tmp_path / str(cadence)
        assert simulate.main([str(folder), *words, '--cadence', str(cadence)]) == 0
        known, (found,) = truth.read_truth(folder / 'truth.hdf5'), paths.find_targets(folder)
        pixels = tpf.read_tpf(found.path)
        assert pixels.header.cadence == cadence and pixels.header.facts['crmiten'] is (cadence == 120)
        assert ('fast' in found.path.name) is (cadence == 20) and found.sector == 5
        there = ~(known.frames['missing'] | known.frames['zero'])
        np.testing.assert_array_equal(pixels.cadenceno, known.frames['cadenceno'][there])
        assert len(pixels.table) == np.ptp(known.frames['cadenceno']) + 1 > there.sum()
        star = int(np.flatnonzero(known.stars['starid'] == found.starid)[0])
        assert known.stars['tmag'][star] == known.stars['tmag'][known.stars['listed']].min()
        row, column = (axis[0][there] for axis in known.positions(star))
        motion = np.stack([row - known.stars['row'][star], column - known.stars['column'][star]], axis=1)
        np.testing.assert_allclose(pixels.pos_corr, motion, atol=3e-3)
        made = wcs.wcs_from_text(pixels.header.wcs_text)
        place = wcs.sky_to_pixel(made, known.stars['ra'][star], known.stars['decl'][star])
        np.testing.assert_allclose(np.ravel(place), [known.stars[axis][star] for axis in ('row', 'column')],
                                   atol=0.01)
        sky = pixels.layer('backgrounds', pixels.header.stamp)
        expected = known.background.evaluate(np.flatnonzero(there)[3], pixels.header.stamp)
        np.testing.assert_allclose(sky[..., 3], expected, atol=0.3)
        light = pixels.layer('images', pixels.header.stamp)[(pixels.header.aperture & 2) > 0].sum(axis=0)
        assert 0.7 < np.median(light) / known.stars['flux'][star] < 1.02


@pytest.mark.slow
def test_full_frames(tmp_path):
    content = []
    for name in 'ab':
        arguments = ['--frames', '1', '--stars', '300', '--quiet', '--sector', '30']
        assert simulate.main([str(tmp_path / name), *arguments]) == 0
        found = paths.find_ffis(tmp_path / name, sector=30, camera=2, ccd=2)
        assert len(found) == 1
        content.append(found[0].path.read_bytes())
    assert content[0] == content[1] and len(content[0]) > 35e6


def test_a_disk_that_is_too_small(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(shutil, 'disk_usage', lambda path: SimpleNamespace(free=10 ** 9))
    assert simulate.main([str(tmp_path), '--frames', '1000', '--stars', '1', '--quiet']) == 4
    assert 'GB are free' in capfd.readouterr().err and not list(tmp_path.iterdir())


@pytest.mark.parametrize('wrong, code', [
    (['--size', '0'], 2), (['--cadence', '1700'], 2), (['--camera', '5'], 2), (['--frames', '0'], 2),
    (['--density', 'dense'], 2), (['--size', '100', '--row', '2000'], 2), (['--sector', '9000'], 4),
    (['--size', '20', '--tpf', '2'], 2),
    (['--size', '20', '--cadence', '120', '--stars', '1', '--tpf', '3'], 2)])
def test_bad_arguments(tmp_path, capfd, wrong, code):
    assert simulate.main([str(tmp_path / 'out'), '--quiet', *wrong]) == code
    said = capfd.readouterr().err.strip()
    assert said.startswith('ERROR') and '\n' not in said and 'Traceback' not in said
    assert not (tmp_path / 'out').exists()


def test_output_that_cannot_be_written(tmp_path, capfd):
    (tmp_path / 'file').write_text('')
    for path in (tmp_path / 'file', tmp_path / 'file' / 'below'):
        assert simulate.main([str(path), '--size', '32', '--frames', '1']) == 4
        assert 'Cannot write' in capfd.readouterr().err


def test_sizes_that_are_none(tmp_path):
    with pytest.raises(SystemExit) as ended:
        simulate.main([str(tmp_path), '--size', 'big'])
    assert ended.value.code == 2


def test_one_simulation_a_directory(folder, capfd):
    for words in ([str(folder), *ARGUMENTS, '--seed', '5'],
                  [str(folder), '--frames', '1', '--stars', '1', '--quiet']):
        before = sorted(path.name for path in folder.iterdir())
        assert simulate.main(words) == 2
        assert 'holds another simulation' in capfd.readouterr().err
        assert sorted(path.name for path in folder.iterdir()) == before
