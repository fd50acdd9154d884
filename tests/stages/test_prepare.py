"""Frames become cubes that hold what the sky held; what is wrong with the input is named."""

import copy
import dataclasses
import gzip
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import small_sector
from astropy.io import fits

from photometry import settings
from photometry.algorithms.motion import positions_at
from photometry.core.errors import InputBadError, InputMissingError, OutputError, UsageError
from photometry.core.stamp import Stamp
from photometry.files import catalog, cube, paths, wcs
from photometry.pixels.ffi import CubeSource
from photometry.programs import prepare_photometry as program
from photometry.stages.prepare import preflight
from photometry.stages.prepare_photometry import prepare_photometry

NAME = 'sector005_camera2_ccd2.hdf5'
CATALOG = 'catalog_sector005_camera2_ccd2.sqlite'
FRAMES = 12
INPUT = Path(__file__).parents[1] / 'input'


@pytest.fixture(scope='module')
def original(tmp_path_factory):
    """A simulation and the directory with its files."""
    folder = tmp_path_factory.mktemp('sector')
    made, _ = small_sector.make(folder, small_sector.plan(frames=FRAMES))
    return made, folder


@pytest.fixture
def folder(original, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(original[1], tmp_path / 'sector')


@pytest.fixture
def ffis(folder):
    """Its frames in order of time."""
    return sorted(folder.glob('*_ffic.fits'))


@pytest.fixture(scope='module')
def good(original, tmp_path_factory):
    """A cube of all frames."""
    folder = shutil.copytree(original[1], tmp_path_factory.mktemp('good') / 'sector')
    assert not prepare_photometry(folder, settings.load()).failures
    return folder / NAME


def prepare(folder, **options):
    return prepare_photometry(folder, settings.load(), **options)


def numbers(folder, name=NAME):
    """Cadence numbers in a cube, counted from its first."""
    with cube.CubeFile(folder / name) as made:
        return (made.cadenceno - made.cadenceno[0]).tolist()


def only_failure(folder, kind, **options):
    """The one failure of a run, of the given kind."""
    report = prepare(folder, **options)
    assert len(report.failures) == 1 and isinstance(report.failures[0], kind)
    assert not list(folder.glob('*.hdf5')) and str(report.failures[0]).count('\n') == 0
    return str(report.failures[0])


def test_pixels_are_those_of_the_sky(original, good):
    made, _ = original
    with cube.CubeFile(good) as found:
        source = CubeSource(good)
        sky = source.read('backgrounds', found.limits)
        source.close()
        images = np.stack([made.frame(frame).image for frame in range(FRAMES)], axis=2)
        np.testing.assert_array_equal(found.read('images'), images - sky)
        errors = np.stack([made.frame(frame).uncertainty for frame in range(FRAMES)], axis=2)
        np.testing.assert_array_equal(found.read('images_err'), errors)
        assert found.info.cadence == 1800 and found.info.data_rel == 60 and not found.info.is_cutout
        np.testing.assert_allclose(found.time, made.times, atol=1e-9)
        assert list(found.cadenceno) == list(made.schedule.cadenceno)
        assert found.imagespaths == sorted(found.imagespaths) and len(found.wcs_texts) == FRAMES


def test_movement_is_that_of_the_truth(original, good):
    made, _ = original
    with cube.CubeFile(good) as found:
        place = np.array([[found.centre[0]], [found.centre[1]]])
        true = np.array([made.motion.offsets(frame, *place)[:2] for frame in range(FRAMES)])
        true = true.reshape(FRAMES, 2)
        measured = found.movement_kernel[:, :2]
        difference = (measured - measured.mean(axis=0)) - (true - true.mean(axis=0))
        assert found.warpmode in ('affine', 'translation') and np.abs(difference).max() < 0.002


@pytest.mark.parametrize('wanted', ['auto', 'wcs', 'stars'])
def test_movement_leads_from_the_reference_to_where_stars_are(folder, original, wanted, tmp_path):
    made, _ = original
    # a reference frame that lies beside the others
    shift = np.array([0.3, -0.2])
    middle = FRAMES // 2
    moved = made.motion.shift.copy()
    moved[middle] += shift
    motion = dataclasses.replace(made.motion, shift=moved)
    jumped = copy.copy(made)
    jumped.motion = motion
    small_sector.write_frame(folder, jumped, middle)
    chosen = tmp_path / 'settings.toml'
    chosen.write_text(f'[prepare]\nmotion = "{wanted}"\n')
    assert not prepare_photometry(folder, settings.load(chosen)).failures
    with cube.CubeFile(folder / NAME) as found:
        assert found.info.ref_frame == middle
        stars, reference = made.stars, wcs.wcs_from_text(found.wcs_text)
        row, column = wcs.sky_to_pixel(reference, stars['ra'], stars['decl'])
        rows, columns = positions_at(found.movement_kernel, found.centre, row, column)
    true_rows, true_columns = motion.positions(made.stars['row'], made.stars['column'])
    assert np.abs(np.median(rows - true_rows, axis=0)).max() < 0.01
    assert np.abs(np.median(columns - true_columns, axis=0)).max() < 0.01


@pytest.mark.parametrize('wanted', ['wcs', 'stars'])
def test_ways_to_measure_movement(folder, wanted, tmp_path):
    chosen = tmp_path / 'settings.toml'
    chosen.write_text(f'[prepare]\nmotion = "{wanted}"\n')
    assert not prepare_photometry(folder, settings.load(chosen)).failures
    with cube.CubeFile(folder / NAME) as made:
        assert np.isfinite(made.movement_kernel).all() and made.movement_kernel[:, 0].std() > 0.001


def test_frame_flagged_by_the_mission_keeps_its_pixels(folder, original):
    small_sector.write_frame(folder, original[0], 4, quality=32)
    prepare(folder)
    with cube.CubeFile(folder / NAME) as made:
        assert not made.good[4] and made.good.sum() == FRAMES - 1
        assert np.isfinite(made.read('images')[:, :, 4]).all() and np.isnan(made.movement_kernel[4]).all()


def spoil(path, kind):
    """Damage a file in one of the ways of archives and disks."""
    content = bytearray(path.read_bytes())
    if kind == 'flipped bit':
        content[20000] ^= 1
    path.write_bytes({'empty': b'', 'garbage': os.urandom(5000), 'truncated': content[:30000],
                      'header cut': content[:3000], 'flipped bit': content}[kind])


@pytest.mark.parametrize('kind', ['empty', 'garbage', 'truncated', 'header cut', 'flipped bit'])
def test_damaged_frame_is_left_out_by_name(folder, ffis, caplog, kind):
    spoil(ffis[3], kind)
    assert not prepare(folder).failures
    assert numbers(folder) == [0, 1, 2, *range(4, FRAMES)]
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(warnings) == 1 and ffis[3].name in warnings[0]


def test_all_frames_damaged(folder, ffis, caplog):
    for path in ffis:
        spoil(path, 'truncated')
    assert 'None of the 12 FFIs' in only_failure(folder, InputBadError)
    assert program.main([str(folder), '--quiet']) == 4


def test_all_bits_flipped(folder, ffis):
    for path in ffis:
        spoil(path, 'flipped bit')
    assert 'usable pixels' in only_failure(folder, InputBadError)


def test_frames_of_nan_and_of_zero(folder, original, caplog):
    small_sector.write_frame(folder, original[0], 2, lambda image: image * np.nan)
    small_sector.write_frame(folder, original[0], 7, lambda image: image * 0)
    prepare(folder)
    assert numbers(folder) == [0, 1, *range(3, FRAMES)]
    with cube.CubeFile(folder / NAME) as made:
        assert list(np.flatnonzero(~made.good)) == [6] and made.quality[6] == 128
        assert np.isnan(made.read('images')[:, :, 6]).all() and np.isfinite(made.sumimage()).all()
    assert 'no pixel with a value' in caplog.text and 'are zero' in caplog.text


def test_damaged_reference_frame(folder, ffis):
    spoil(ffis[6], 'flipped bit')
    prepare(folder)
    with cube.CubeFile(folder / NAME) as made:
        assert made.wcs_text and made.info.times == FRAMES - 1


def test_pixels_without_uncertainty_are_excluded(folder, ffis):
    for path in ffis:
        with fits.open(path) as hdus:
            hdus[2] = fits.ImageHDU(hdus[2].data[:, :-10], hdus[2].header)
            hdus.writeto(path, overwrite=True, checksum=True)
    prepare(folder)
    with cube.CubeFile(folder / NAME) as made:
        flags = made.read('pixel_flags')
        assert ((flags[:, -10:] & 2) > 0).all() and not (flags[:, :-10] & 2).any()
        assert np.isnan(made.read('images_err')[:, -10:]).all()


@pytest.mark.parametrize('text', ['', 'nan'])
def test_frame_without_wcs(folder, original, caplog, text):
    small_sector.write_frame(folder, original[0], 5,
                             wcs_text=lambda old: text and old.replace('CRVAL1', 'CRVAL9'))
    prepare(folder)
    with cube.CubeFile(folder / NAME) as made:
        assert [bool(text) for text in made.wcs_texts].count(False) == 1 and not made.wcs_texts[5]
        assert np.isfinite(made.movement_kernel).all() and made.info.ref_frame != 5
    assert 'no usable WCS' in caplog.text


@pytest.mark.parametrize('damaged', [False, True])
def test_no_frame_with_a_wcs(folder, original, ffis, caplog, damaged):
    for frame in range(FRAMES):
        small_sector.write_frame(folder, original[0], frame, wcs_text=lambda old: '')
    if damaged:  # the frame in the middle, which is the reference
        spoil(ffis[FRAMES // 2], 'flipped bit')
    prepare(folder)
    assert 'the predicted pointing is used' in caplog.text
    with cube.CubeFile(folder / NAME) as made:
        stars = original[0].stars
        row, column = wcs.sky_to_pixel(wcs.wcs_from_text(made.wcs_text), stars['ra'], stars['decl'])
        np.testing.assert_allclose(row, stars['row'], atol=0.01)
        np.testing.assert_allclose(column, stars['column'], atol=0.01)


def shifted(pixels):
    """A change of a WCS by some columns."""
    def change(text):
        made = wcs.wcs_from_text(text)
        made.wcs.crpix = made.wcs.crpix + [pixels, 0]
        return wcs.wcs_to_text(made)
    return change


def test_frame_with_a_wrong_wcs(folder, original, caplog):
    small_sector.write_frame(folder, original[0], 5, wcs_text=shifted(5))
    prepare(folder)
    with cube.CubeFile(folder / NAME) as made:
        assert not made.wcs_texts[5] and np.abs(made.movement_kernel[:, :2]).max() < 0.5
    assert 'wrong WCS, 5.0 px' in caplog.text


@pytest.mark.parametrize('pixels', [5, -1.5])
def test_all_frames_with_a_wrong_wcs(folder, original, pixels):
    for frame in range(FRAMES):
        small_sector.write_frame(folder, original[0], frame, wcs_text=shifted(pixels))
    words = only_failure(folder, InputBadError)
    assert 'WCS of' in words and '_ffic.fits' in words and 'columns' in words


def test_header_and_name_disagree(folder, original, ffis, caplog):
    wrong = small_sector.write_frame(folder, original[0], 3, ccd=1)
    wrong.replace(ffis[3])
    prepare(folder)
    assert numbers(folder) == [0, 1, 2, *range(4, FRAMES)]
    assert 'header says CCD 1, its name says 2' in caplog.text and ffis[3].name in caplog.text


def test_two_cadences(folder, original):
    start = original[0].schedule.start[0] + 30
    for number in range(3):
        small_sector.write_frame(folder, original[0], number, cadence=600, cadenceno=40000 + number,
                                 start=start + number / 144, stop=start + (number + 1) / 144)
    words = only_failure(folder, UsageError)
    assert '3 of 600 s and 12 of 1800 s' in words and '--cadence' in words
    assert not prepare(folder, cadence=[1800]).failures
    assert numbers(folder) == list(range(FRAMES))
    assert isinstance(prepare(folder, cadence=[20]).failures[0], InputMissingError)


def test_same_frame_twice(folder, ffis, caplog):
    caplog.set_level('INFO', 'photometry')
    packed = ffis[2].with_name(ffis[2].name + '.gz')
    packed.write_bytes(gzip.compress(ffis[2].read_bytes()))
    (folder / 'copy').mkdir()
    shutil.copy(ffis[4], folder / 'copy')
    prepare(folder)
    assert numbers(folder) == list(range(FRAMES))
    assert caplog.text.count('is the same frame') == 2


def test_gzipped_frames_give_the_same_pixels(folder, ffis, good):
    for path in ffis:
        path.with_name(path.name + '.gz').write_bytes(gzip.compress(path.read_bytes(), 1))
        path.unlink()
    prepare(folder)
    with cube.CubeFile(folder / NAME) as made, cube.CubeFile(good) as expected:
        np.testing.assert_array_equal(made.read('images'), expected.read('images'))


def test_duplicate_times(folder, original, caplog):
    late = small_sector.write_frame(folder, original[0], 6)
    late.rename(late.with_name('tess2019' + late.name[8:]))
    small_sector.write_frame(folder, original[0], 6)
    prepare(folder)
    assert numbers(folder) == list(range(FRAMES)) and 'Frame left out' in caplog.text
    with cube.CubeFile(folder / NAME) as made:
        assert (np.diff(made.time) > 0).all() and 'tess2019' not in ''.join(made.imagespaths)


def test_names_do_not_decide_the_order(folder, ffis):
    first, last = ffis[0], ffis[-1]
    spare = folder / 'spare'
    first.rename(spare)
    last.rename(first)
    spare.rename(last)
    prepare(folder)
    assert numbers(folder) == list(range(FRAMES))


def test_frame_of_another_size(folder, original, ffis, caplog):
    with fits.open(ffis[1]) as hdus:
        for index in (1, 2):
            hdus[index] = fits.ImageHDU(hdus[index].data[:-3], hdus[index].header)
        hdus.writeto(ffis[1], overwrite=True, checksum=True)
    prepare(folder)
    assert numbers(folder) == [0, *range(2, FRAMES)] and '69 x 72' in caplog.text


def test_without_catalogue(folder):
    (folder / CATALOG).unlink()
    words = only_failure(folder, InputMissingError)
    assert f'run_make_catalog.py 5 {folder} --camera 2 --ccd 2' in words


def test_catalogue_of_another_ccd(folder):
    made = catalog.read_catalog(folder / CATALOG)
    catalog.write_catalog(folder / CATALOG, catalog.CatalogInfo(5, 2, 3), made.stars, overwrite=True)
    assert 'CCD 3' in only_failure(folder, InputBadError)


def test_one_bad_ccd_does_not_stop_the_other(folder, original):
    small_sector.write_frame(folder, original[0], 0, ccd=1)
    report = prepare(folder)
    assert [path.name for path in report.cubes] == [NAME] and len(report.failures) == 1
    assert report.exit_code == 4 and 'camera2_ccd1' in str(report.failures[0])


def test_filters(folder):
    with pytest.raises(InputMissingError, match='pass the filters'):
        prepare(folder, sector=[7])
    assert program.main([str(folder), '--camera', '3', '--quiet']) == 4
    assert program.main([str(folder), '--camera', '2', '--sector', '5', '--quiet']) == 0


def test_missing_input(monkeypatch):
    monkeypatch.delenv('TESSPHOT_INPUT', raising=False)
    assert program.main(['/nowhere']) == 4
    assert program.main([]) == 4


def test_real_corner(tmp_path):
    shutil.copy(INPUT / 'ffic' / 'tess2018206192942-s0001-1-4-0120-s_ffic.fits', tmp_path)
    info = catalog.CatalogInfo(1, 1, 4)
    catalog.write_catalog(tmp_path / paths.catalog_name(1, 1, 4), info, np.zeros(0, catalog.STAR_DTYPE))
    report = prepare(tmp_path)
    with cube.CubeFile(report.cubes[0]) as made:
        assert made.limits == Stamp(0, 128, 44, 173) and made.cadenceno[0] == 4697
        flags = made.read('pixel_flags')[:, :, 0]
        assert (flags[:, 84:] & 2).all() and np.isfinite(made.read('images')).all()


@pytest.mark.parametrize('name', ['tess-s0004-2-1_51.265800_-34.830800_13x13_astrocut.fits.gz',
                                  'tess-s0002-1-2_0.000000_-20.000000_10x15_astrocut.fits'])
def test_real_cutouts(tmp_path, name):
    shutil.copy(INPUT / 'tesscut' / name, tmp_path)
    key = paths.ccd_of(name)
    stars = np.zeros(1, catalog.STAR_DTYPE)
    ra, decl = (float(word) for word in name.split('_')[1:3])
    stars['starid'], stars['ra'], stars['decl'], stars['tmag'] = 142869999, ra, decl, 10.2
    catalog.write_catalog(tmp_path / paths.catalog_name(*key), catalog.CatalogInfo(*key), stars)
    report = prepare(tmp_path)
    found, = paths.find_cubes(tmp_path)
    assert report.cubes == [found.path] and found.is_cutout and found.ccd_key == key
    with cube.CubeFile(found.path) as made:
        assert made.info.is_cutout and made.limits.shape == made.sumimage().shape
        source = CubeSource(found.path)
        assert 40 < np.median(made.read('images') + source.read('backgrounds', made.limits)) < 250
        source.close()
        assert abs(np.nanmedian(np.quantile(made.read('images'), 0.2, axis=(0, 1)))) < 10
        if key[0] == 4:
            assert np.nanstd(made.movement_kernel[:, 0]) > 1e-4


def test_cutouts_beside_each_other(tmp_path, caplog):
    caplog.set_level('INFO', 'photometry')
    name = 'tess-s0004-2-1_51.265800_-34.830800_13x13_astrocut.fits.gz'
    content = (INPUT / 'tesscut' / name).read_bytes()
    (tmp_path / name).write_bytes(content)
    (tmp_path / name.replace('51.265800', '51.265801')).write_bytes(content)
    (tmp_path / name.replace('51.265800', '10.000000')).write_bytes(content[:50000])
    (tmp_path / name.replace('51.265800', '11.000000')).write_bytes(content.replace(b'x', b'y', 1))
    stars = np.zeros(0, catalog.STAR_DTYPE)
    catalog.write_catalog(tmp_path / paths.catalog_name(4, 2, 1), catalog.CatalogInfo(4, 2, 1), stars)
    report = prepare(tmp_path)
    assert len(report.cubes) == 1 and report.exit_code == 4
    assert all('astrocut' in str(failure) for failure in report.failures)
    assert 'its pixels are those of' in caplog.text


def test_preflight_says_what_is_needed(folder, caplog):
    caplog.set_level('INFO', 'photometry')
    prepare(folder)
    assert 'GB of disk' in caplog.text and 'GB of memory' in caplog.text


def test_preflight_refuses(folder, monkeypatch):
    monkeypatch.setattr(preflight.shutil, 'disk_usage', lambda path: shutil._ntuple_diskusage(10, 10, 1000))
    assert 'free some space' in only_failure(folder, OutputError)
    monkeypatch.undo()
    monkeypatch.setattr(preflight, 'available_memory', lambda: 10 ** 7)
    assert 'fewer --workers' in only_failure(folder, UsageError)


def test_whole_sector_is_estimated():
    needed = preflight.cost((2048, 2048), 1300, (16, 16, 32), 32, 1)
    assert 48e9 < needed.disk < 52e9 and 1.2e9 < needed.memory < 4e9
    assert needed.memory < preflight.cost((2048, 2048), 1300, (16, 16, 32), 32, 4).memory


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which('setpriv'), reason='needs to become someone else')
def test_read_only_directory(folder):
    folder.chmod(0o555)
    for parent in folder.parents:
        if parent.owner() == 'root' and parent != Path('/') and 'pytest' in str(parent):
            parent.chmod(0o755)
    nobody = ['setpriv', '--reuid=65534', '--clear-groups', sys.executable]
    if subprocess.run([*nobody, '-c', ''], capture_output=True, check=False, env={'HOME': '/tmp'}).returncode:
        pytest.skip('nobody may not run this interpreter')
    command = [*nobody, Path(__file__).parents[2] / 'run_prepare_photometry.py', folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={'HOME': '/tmp'})
    assert done.returncode == 4 and 'Cannot write in' in done.stderr and 'Traceback' not in done.stderr


@pytest.mark.filterwarnings('ignore:This process.*is multi-threaded:DeprecationWarning')
@pytest.mark.parametrize('limit', [1000, 100_000, 400_000])
def test_full_disk_names_the_file_and_is_survived(folder, good, limit):
    import resource
    import signal
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            failure = prepare(folder).failures[0]
            os._exit(0 if isinstance(failure, OutputError) and NAME in str(failure) else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not paths.find_cubes(folder)
    prepare(folder)
    with cube.CubeFile(folder / NAME) as made, cube.CubeFile(good) as expected:
        np.testing.assert_array_equal(made.read('images'), expected.read('images'))


def test_help_is_quick_and_has_examples(capsys):
    with pytest.raises(SystemExit):
        program.main(['--help'])
    assert 'examples' in capsys.readouterr().out
    code = "import sys, photometry.programs.prepare_photometry; sys.exit('numpy' in sys.modules)"
    subprocess.run([sys.executable, '-c', code], check=True)
