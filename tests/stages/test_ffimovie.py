"""Movies show the pixels of the cubes where and when they are, or are not there at all."""

import hashlib
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import simulated
from stages import movie_cubes

from photometry.core.coordinates import angular_distance, local_axes, on_camera, unit_vectors
from photometry.core.errors import ExitCode, InputMissingError, OutputError, UsageError
from photometry.core.quality import PixelFlag
from photometry.files import paths, sector_wcs, wcs
from photometry.programs import ffimovie as program
from photometry.report import movie_file, movie_picture
from photometry.stages import ffimovie, movie_frames, movie_plan, tessphot

ROOT = Path(__file__).parents[2]
TIMES, ROWS, COLUMNS = 40, 100, 80
STAR, FULL = (70, 20), (10, 60)
LIT = slice(12, 20)
"""Frames in which the star shines."""


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    """A cube with a star that is there for some frames, a full pixel, a flagged cadence, a hole."""
    place = tmp_path_factory.mktemp('cube')
    images = np.random.default_rng(1).normal(0, 1, (TIMES, ROWS, COLUMNS))
    images[LIT, STAR[0] - 2:STAR[0] + 3, STAR[1] - 2:STAR[1] + 3] = 5000
    images[:, 32:56, 32:56] = np.nan
    flags = np.zeros(images.shape, 'u1')
    full = flags[7, FULL[0]:FULL[0] + 4, FULL[1]:FULL[1] + 4]
    full[:] = PixelFlag.SATURATED | PixelFlag.NOT_USED_FOR_BACKGROUND
    quality = np.zeros(TIMES, 'i4')
    quality[5] = 4 | 4096
    movie_cubes.write_cube(place, images, flags, quality=quality, sky=np.linspace(100, 300, TIMES))
    return place


def movie(folder, tmp_path, name='a.mp4', **options):
    path = ffimovie.make_movie(folder, tmp_path / name, **options)
    return movie_cubes.frames_of(path)[0]


def plan_of(folder, show=('images',), size=128, **options):
    sources = movie_plan.choose_cubes(folder)
    try:
        return movie_plan.of_ccds(sources, show, size, **options)
    finally:
        movie_plan.close(sources)


def dot(layout, row, column, panel=0):
    """Row and column of the frame on which a place on the axes lies."""
    left, top = layout.place(panel)
    across = (column - layout.extent[0]) / (layout.extent[1] - layout.extent[0]) * layout.image[0]
    up = (row - layout.extent[2]) / (layout.extent[3] - layout.extent[2]) * layout.image[1]
    return int(top + layout.image[1] - up), int(left + across)


@pytest.mark.parametrize(('name', 'size'), [('a.mp4', 128), ('a.mp4', 200), ('a.gif', 64)])
def test_a_star_shines_where_and_when_it_does(name, size, folder, tmp_path):
    found = movie(folder, tmp_path, name, size=size, show=('images', 'flags')).astype(int)
    layout = plan_of(folder, ('images', 'flags'), size).layout
    assert found.shape == (TIMES, *layout.size[::-1], 3)
    assert layout.image[0] <= size and layout.image[1] >= size / 2
    row, column = dot(layout, STAR[0] + 1, STAR[1] + 45)
    light = found[:, row, column].sum(axis=1)
    dark = np.zeros(TIMES, dtype=bool)
    dark[LIT] = True
    assert light[dark].max() < 150 and light[~dark].min() > 350
    row, column = dot(layout, FULL[0] + 2.5, FULL[1] + 46.5, 1)
    light = found[:, row, column].sum(axis=1)
    assert light[7] < 200 and np.delete(light, 7).min() > 700
    row, column = dot(layout, 44.5, 88.5)
    hole = found[:, row, column]
    assert (hole[:, 0] > hole[:, 2] + 30).all(), 'where there is no number, the colour is in no scale'


def test_the_words_are_those_of_the_cadence(folder):
    plan = plan_of(folder)
    assert plan.words[5] == ('cadence 4702, frame 6 of 40', '2018-11-14 14:24:32 UTC, BTJD 1437.10417',
                             'flags: coarse point, scattered light')
    assert plan.words[6][2] == 'flags: none'


def test_backgrounds_and_raw_images(folder, tmp_path):
    found = movie(folder, tmp_path, show=('backgrounds', 'raw'), size=128).astype(int)
    layout = plan_of(folder, ('backgrounds', 'raw')).layout
    sky, raw = (found[:, *dot(layout, 30, 110, panel)].sum(axis=1) for panel in (0, 1))
    assert sky[0] > 740 and sky[-1] < 100 and (np.diff(sky) <= 12).all()
    assert raw[0] > raw[-1] + 60
    scale = layout.panels[0]
    assert (scale.low, scale.high) == pytest.approx((100, 300), rel=0.02)


@pytest.mark.parametrize(('options', 'numbers'), [
    ({'cadences': (4700, 4704)}, range(4700, 4705)), ({'stride': 15}, (4697, 4712, 4727)),
    ({'cadences': (4705, 9999), 'stride': 31}, (4705, 4736))])
def test_cadences_are_chosen(options, numbers, folder, tmp_path):
    found = movie(folder, tmp_path, size=64, **options).astype(int)
    plan = plan_of(folder, size=64, **options)
    assert [int(line.split()[1].strip(',')) for line, *_ in plan.words] == list(numbers)
    light = found[:, *dot(plan.layout, STAR[0] + 1, STAR[1] + 45)].sum(axis=1)
    expected = [LIT.start <= number - movie_cubes.START < LIT.stop for number in numbers]
    assert (light < 200).tolist() == expected


def test_blocks_and_processes_change_no_byte(folder, tmp_path, monkeypatch):
    made = [ffimovie.make_movie(folder, tmp_path / f'{jobs}.mp4', jobs=jobs, size=64) for jobs in (1, 2)]
    monkeypatch.setattr(movie_frames, 'MOST_BYTES', 7 * 4 * 50 * 40)
    assert len(plan_of(folder, size=64).blocks(20)) == 6
    made.append(ffimovie.make_movie(folder, tmp_path / 'blocks.mp4', size=64))
    assert len({hashlib.sha256(path.read_bytes()).digest() for path in made[::2]}) == 1
    first, second = (movie_cubes.frames_of(path)[0].astype(int) for path in made[:2])
    assert np.abs(first - second).max() < 30, 'the encoder has as many threads as there are processes'


def test_frames_a_second(folder, tmp_path):
    path = ffimovie.make_movie(folder, tmp_path / 'a.mp4', size=64, fps=8)
    assert movie_cubes.frames_of(path)[1]['fps'] == 8
    assert [entry.name for entry in tmp_path.iterdir()] == ['a.mp4']


CORNERS = {1: (1920, 1964), 2: (1920, 44), 3: (1920, 1964), 4: (1920, 44)}
"""First pixel of 128 x 128 px near the axis of the camera."""


@pytest.fixture(scope='module')
def camera(tmp_path_factory):
    """Four corners of CCDs, each with a bright spot at places that the test knows; CCD 4 lacks a frame."""
    place = tmp_path_factory.mktemp('camera')
    for ccd, corner in CORNERS.items():
        images = np.random.default_rng(ccd).normal(0, 1, (4, 128, 128))
        row, column = spot(ccd)
        images[:, row - 8:row + 8, column - 8:column + 8] = 5000
        chosen = images[1:] if ccd == 4 else images
        movie_cubes.write_cube(place, chosen, key=(5, 2, ccd), corner=corner,
                               first=movie_cubes.START + (ccd == 4))
    return place


def spot(ccd):
    """Row and column of a spot in its 128 x 128 px."""
    return 40 + 16 * ccd, 24 + 20 * ccd


def test_four_ccds_lie_as_on_the_sky(camera, tmp_path):
    """Spots in the movie are a turned and scaled, but not mirrored or torn image of the plane of the sky."""
    found = movie(camera, tmp_path, show=('images',), size=256, camera=[2]).astype(int)
    layout = plan_of(camera, size=256).layout
    left, top = layout.place(0)
    image = found[2, top:top + layout.image[1], left:left + layout.image[0]].sum(axis=-1)[::-1]
    rows, columns = np.nonzero(image < 90)  # not the labels
    shown, sky = [], []
    centre = sector_wcs.camera_centre(5, 2)
    for ccd, corner in CORNERS.items():
        row, column = (first + place - 0.5 for first, place in zip(corner, spot(ccd), strict=True))
        direction = wcs.pixel_to_sky(sector_wcs.sector_wcs(5, 2, ccd), row, column)
        east, north = local_axes(*centre)
        vector = unit_vectors(*direction)
        sky.append([vector @ east, vector @ north])
        up, right = on_camera(ccd, row, column)
        half = np.array(image.shape[::-1]) / 2
        here = (np.sign(rows - half[1]) == np.sign(up)) & (np.sign(columns - half[0]) == np.sign(right))
        assert 4 < here.sum() < 100, f'CCD {ccd} has one spot in its quarter'
        shown.append([columns[here].mean(), rows[here].mean()])
        assert (np.sign(right), np.sign(up)) == {1: (1, 1), 2: (-1, 1), 3: (-1, -1), 4: (1, -1)}[ccd]
    shown, sky = np.array(shown) - np.mean(shown, axis=0), np.array(sky) - np.mean(sky, axis=0)
    matrix, *_ = np.linalg.lstsq(sky, shown, rcond=None)
    assert np.abs(sky @ matrix - shown).max() < 1.5, 'dots'
    scale = np.sqrt(np.linalg.det(matrix))
    assert np.allclose(matrix @ matrix.T, scale ** 2 * np.eye(2), atol=0.05 * scale ** 2)


@pytest.mark.parametrize(('sector', 'number'), [(1, 1), (14, 3), (40, 4), (80, 2)])
def test_the_focal_plane_holds_in_every_camera(sector, number):
    """One turn and scale takes the pixels of all four CCDs to the sky, but for the distortion."""
    plane, sky, axis = [], [], sector_wcs.camera_centre(sector, number)
    east, north = local_axes(*axis)
    for ccd in (1, 2, 3, 4):
        row, column = (place.ravel() for place in np.meshgrid([0, 1000, 2047], [44, 1000, 2091]))
        plane.append(np.stack(on_camera(ccd, row, column), axis=1))
        directions = wcs.pixel_to_sky(sector_wcs.sector_wcs(sector, number, ccd), row, column)
        vectors = unit_vectors(*directions)
        assert angular_distance(*directions, *axis).min() < 0.6
        sky.append(np.stack([vectors @ north, vectors @ east], axis=1))
        sky[-1] /= (vectors @ unit_vectors(*axis))[:, None]
    plane, sky = np.concatenate(plane), np.concatenate(sky)
    matrix, *_ = np.linalg.lstsq(plane, sky, rcond=None)
    assert np.linalg.det(matrix) > 0
    assert np.abs(plane @ matrix - sky).max() / np.sqrt(np.linalg.det(matrix)) < 50, 'px of 3000'


def test_a_camera_without_one_of_its_frames(camera):
    plan = plan_of(camera)
    assert plan.index.tolist() == [[0, 1, 2, 3]] * 3 + [[-1, 0, 1, 2]]
    first, second, *_ = movie_frames.frames(plan, 4)
    changed = (first != second).any(axis=-1)
    (left, top), (width, height) = plan.layout.place(0), plan.layout.image
    image = changed[top:top + height, left:left + width]
    assert image[height // 2 + 20:, width // 2 + 20:].mean() > 0.5, 'CCD 4 is lower right'
    assert [text for *_, text in plan.layout.labels] == ['CCD 1', 'CCD 2', 'CCD 3', 'CCD 4']


@pytest.fixture(scope='module')
def star(tmp_path_factory):
    """A star that moves by pixels, with its light curve."""
    place = tmp_path_factory.mktemp('star')
    sector = simulated.simulate([1020.3, 1008.0], [722.4, 729.0], [9.0, 11.0], frames=24, jitter=0.5, seed=3)
    movie_cubes.write_simulated(place, sector)
    tessphot.tessphot('aperture', 1000, place, place / 'lightcurves', sector=5, camera=2, ccd=2)
    return place, sector


def star_plan(place, **options):
    """The plan of a star's movie."""
    import contextlib

    from photometry.stages import star_movie
    filters = dict.fromkeys(('sector', 'camera', 'ccd', 'cadence', 'cube')) | options
    with contextlib.ExitStack() as opened:
        return star_movie.plan_of(place, 1000, place / 'lightcurves', ('images',), 256, None, 1, filters,
                                  opened)[0]


def test_mask_and_crosshair_follow_the_star(star, tmp_path):
    place, sector = star
    plan = star_plan(place)
    moved = sector.shift - sector.shift[sector.source.good].mean(axis=0)
    assert np.allclose(plan.star[:, :2] - 1, [sector.row[0], sector.column[0]] + sector.shift, atol=0.02)
    assert np.allclose(plan.star[:, 2:], moved, atol=0.02)
    assert plan.layout.mask.any()
    assert np.ptp(moved) > 1
    assert len(movie(place, tmp_path, starid=1000, lightcurves=place / 'lightcurves', size=256)) == 24


def test_the_mask_is_drawn_where_the_motion_takes_it(star):
    place, _ = star
    layout = star_plan(place).layout
    empty = np.full(layout.shape, np.nan)
    picture = movie_picture.MoviePicture(movie_picture.Layout(
        layout.shape, layout.zoom, layout.extent, (movie_picture.Panel('a', 'linear'),), mask=layout.mask,
        corner=layout.corner))
    row, column = layout.extent[2] + 3.5, layout.extent[0] + 2.5
    stars = [(row + down, column + right, down, right) for down, right in ((0.0, 0.0), (2.0, -1.0))]
    there, moved = (picture.frame([empty], ['', '', ''], star).astype(int) for star in stars)
    red = [(frame[..., 0] > frame[..., 1] + 80) for frame in (there, moved)]
    assert red[0].sum() > 100
    assert np.array_equal(np.roll(red[0], (-2 * layout.zoom, -layout.zoom), (0, 1)), red[1])
    (left, top), (width, height) = layout.place(0), layout.image
    for frame, place in ((there, (row, column)), (moved, (row + 2, column - 1))):
        cross = np.nonzero((frame[top:top + height, left:left + width] < 100).all(axis=-1))
        assert np.abs(np.mean(cross, axis=1) + (top, left) - dot(layout, *place)).max() < 1.5


def test_a_star_without_a_light_curve_has_no_mask(star, tmp_path, caplog):
    place, _ = star
    path = ffimovie.make_movie(place, tmp_path / 'a.gif', starid=1001, lightcurves=tmp_path, size=64,
                               stride=12, sector=[5], camera=[2], ccd=[2])
    assert len(movie_cubes.frames_of(path)[0]) == 2 and 'no mask is shown' in caplog.text


def test_light_curves_are_found_by_either_name(tmp_path):
    names = ('tess00000001000-s005-2-2-c1800-dr07-v06-tessphot_lc.fits',
             'hlsp_x_tess_ffi_s0005-2-2-0000000000001000-c1800_tess_v06_lc.fits')
    (tmp_path / 'c1800' / '00000').mkdir(parents=True)
    for name in (*names, 'tess00000001001-s005-2-2-c1800-dr07-v06-tessphot_lc.fits'):
        (tmp_path / 'c1800' / '00000' / name).touch()
    found = paths.find_lightcurves(tmp_path, 1000)
    assert {path.name for path in found} == set(names)


def test_a_movie_that_stands_is_left_alone(folder, tmp_path):
    path = tmp_path / 'a.gif'
    path.write_text('precious')
    ffimovie.make_movie(folder, path)
    assert path.read_text() == 'precious'
    assert len(movie(folder, tmp_path, 'a.gif', overwrite=True, size=64, stride=20)) == 2


def other_ccd(folder):
    movie_cubes.write_cube(folder, np.zeros((3, 20, 20)), key=(5, 2, 1))
    movie_cubes.write_cube(folder, np.zeros((3, 20, 20)), key=(6, 2, 1))


def cutouts(folder):
    for corner in ((0, 44), (300, 44)):
        movie_cubes.write_cube(folder, np.zeros((3, 20, 20)), corner=corner, is_cutout=True)


def broken(folder):
    (folder / 'sector005_camera2_ccd3.hdf5').write_bytes(b'\x89HDF\r\n\x1a\n'.ljust(3000, b'\0'))


def one(folder):
    movie_cubes.write_cube(folder, np.zeros((3, 20, 20)))


@pytest.mark.parametrize(('make', 'words', 'code', 'sentence'), [
    (lambda folder: None, [], 4, 'No cube that passes'), (one, ['--ccd', '4'], 4, 'No cube that passes'),
    (one, ['--cadence', '600'], 4, 'No cube that passes'), (broken, [], 4, 'is no usable cube'),
    (other_ccd, [], 2, 'several (sector 5, camera 2, 1800 s; sector 6'), (cutouts, [], 2, 'with --cube'),
    (one, ['--cadences', '1:7'], 4, 'none of 1:7'), (one, ['--output', 'a.avi'], 2, 'no name of a movie'),
    (one, ['--cube', 'x.hdf5'], 4, 'x.hdf5 does not exist'),
    (one, ['--output', 'no/where/a.mp4'], 4, 'no/where'), (one, ['--starid', '7'], 4, 'No catalogue')])
def test_bad_input_is_one_sentence(make, words, code, sentence, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    make(tmp_path)
    before = sorted(tmp_path.rglob('*'))
    assert program.main([str(tmp_path), '-q', *words]) == code
    said = [line for line in capfd.readouterr().err.splitlines() if line.startswith('ERROR')]
    assert len(said) == 1 and sentence in said[0]
    assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize('words', [['--show', 'x'], ['--fps', '0'], ['--size', '1'], ['--jobs', '-1'],
                                   ['--cadences', '7'], ['--cadences', '9:3'], ['--starid', 'x']])
def test_wrong_options(words):
    with pytest.raises(SystemExit) as stop:
        program.main(['data', *words])
    assert stop.value.code == ExitCode.USAGE


@pytest.mark.parametrize('images', [np.zeros((1, 1, 1)), np.full((2, 3, 3), np.nan),
                                    np.full((2, 40, 1), -7.0), np.full((1, 1, 300), 1e30)])
def test_strange_cubes_make_movies(images, tmp_path):
    movie_cubes.write_cube(tmp_path, images, quality=np.full(len(images), 128), sky=np.nan)
    found = movie(tmp_path, tmp_path, show=('images', 'raw', 'backgrounds', 'flags'), size=64)
    assert len(found) == len(images)


def ffmpeg_that(folder, does):
    """A program in the place of ffmpeg."""
    path = folder / 'ffmpeg'
    path.write_text(f'#!/bin/sh\n{does}\n')
    path.chmod(0o755)
    return str(path)


@pytest.mark.parametrize(('does', 'sentence'), [
    ('kill -9 $$', 'ended by signal 9'), ('cat > /dev/null; kill -9 $$', 'ended by signal 9'),
    ('echo no such codec >&2; exit 1', 'ffmpeg says "no such codec"'),
    ('cat > /dev/null; echo No space left on device >&2; exit 1', 'the disk is full')])
def test_no_file_where_ffmpeg_fails(does, sentence, folder, tmp_path, monkeypatch):
    monkeypatch.setenv('IMAGEIO_FFMPEG_EXE', ffmpeg_that(tmp_path, does))
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'a.mp4').write_text('older')
    with pytest.raises(OutputError, match=sentence):
        ffimovie.make_movie(folder, tmp_path / 'out' / 'a.mp4', overwrite=True, size=64)
    assert [path.read_text() for path in (tmp_path / 'out').iterdir()] == ['older']


def test_without_ffmpeg(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, 'imageio_ffmpeg', None)
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(InputMissingError, match=r'pip install "tessphot\[movies\]"'):
        ffimovie.make_movie(folder, tmp_path / 'a.mp4')
    os.symlink('/bin/true', tmp_path / 'ffmpeg')
    assert movie_file.find_ffmpeg() == str(tmp_path / 'ffmpeg')
    monkeypatch.undo()
    monkeypatch.setenv('IMAGEIO_FFMPEG_EXE', str(tmp_path / 'none'))
    with pytest.raises(InputMissingError, match='cannot be started'):
        ffimovie.make_movie(folder, tmp_path / 'a.mp4')
    assert [path.name for path in tmp_path.iterdir()] == ['ffmpeg']


def start(folder, output, *words, **options):
    command = [sys.executable, 'run_ffimovie.py', str(folder), '--output', str(output), *words]
    return subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, **options)


def test_a_file_that_outgrows_a_limit(folder, tmp_path):
    run = start(folder, tmp_path / 'a.mp4', preexec_fn=lambda: resource.setrlimit(
        resource.RLIMIT_FSIZE, (9000, 9000)))
    _, said = run.communicate(timeout=120)
    assert run.returncode == ExitCode.INPUT_MISSING and 'Cannot write' in said, said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(('number', 'code', 'jobs'), [(signal.SIGTERM, 75, '1'), (signal.SIGINT, 130, '2')])
def test_a_movie_that_is_stopped_is_not_there(number, code, jobs, tmp_path):
    movie_cubes.write_cube(tmp_path, np.zeros((600, 60, 60), 'f4'))
    (tmp_path / 'out').mkdir()
    run = start(tmp_path, tmp_path / 'out' / 'a.gif', '--jobs', jobs)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not any(
            path.stat().st_size for path in (tmp_path / 'out').iterdir()):
        time.sleep(0.05)
    run.send_signal(number)
    _, said = run.communicate(timeout=60)
    assert run.returncode == code, said
    assert not list((tmp_path / 'out').iterdir())


def test_names_of_movies():
    with pytest.raises(UsageError, match='a.mpg is no name of a movie'):
        movie_file.check_name('a.mpg')
    movie_file.check_name('A.GIF')
