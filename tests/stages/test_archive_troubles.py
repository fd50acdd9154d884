"""Known troubles of the archive, each made anew from its description (docs/formats/frames.md)."""

import contextlib
import sqlite3

import numpy as np
import pytest
from stages import small_sector

from photometry import settings
from photometry.core.stamp import Stamp
from photometry.files import cube, wcs
from photometry.programs import make_todo
from photometry.stages.prepare_photometry import prepare_photometry


def prepare(folder):
    report = prepare_photometry(folder, settings.load())
    assert not report.failures
    return report.cubes[0]


def sector(folder, size=24, frames=6, number=8, write=small_sector.write_frame, **changes):
    """A small corner of a CCD, written frame by frame."""
    return small_sector.make(folder, small_sector.plan(size=size, frames=frames, number=number, **changes),
                             write=write)[0]


def test_dozens_of_frames_of_zeros_without_a_flag(tmp_path, caplog):
    """Sectors 6 and 23: some 36 frames are zero in every pixel and flagged good."""
    empty = {0, 1, 2, 3, 9, 10, 11, 15}
    sector(tmp_path, frames=16, write=lambda folder, made, index: small_sector.write_frame(
        folder, made, index, (lambda image: 0 * image) if index in empty else None))
    with cube.CubeFile(prepare(tmp_path)) as found:
        assert set(np.flatnonzero(found.quality == 128)) == empty == set(np.flatnonzero(~found.good))
        images = found.read('images')
        dark = np.isnan(images).all(axis=(0, 1))
        assert set(np.flatnonzero(dark)) == empty and np.isfinite(images[:, :, ~dark]).all()
        np.testing.assert_allclose(found.sumimage(), images[:, :, ~dark].mean(axis=2, dtype='f8'), rtol=1e-5)
    assert caplog.text.count('all its pixels are zero') == len(empty)


def at(moments):
    """A way to write frames that end in the middle of given times (BTJD at the centre of the CCD)."""
    def write(folder, made, index):
        fact = made.timecorr[index]
        half = made.plan.cadence / 172800
        middle = moments[index] - fact
        return small_sector.write_frame(folder, made, index, start=middle - half, stop=middle + half,
                                        cadenceno=small_sector.cadence_of(middle, made.plan.cadence))
    return write


def test_mars_in_the_first_hours_of_sector_1(tmp_path):
    """Camera 1, CCD 4, output D (columns from 1580 on): the registers overflow up to cadence 4724."""
    moments = 1325.8917 + np.array([-1, 0, 1, 2]) / 48
    small_sector.make_cutout(tmp_path, small_sector.plan(
        frames=4, sector=1, camera=1, ccd=4, stamp=Stamp(500, 520, 1570, 1590), number=8), moments)
    with cube.CubeFile(prepare(tmp_path)) as found:
        flags = found.read('pixel_flags') & 2 > 0
        assert found.cadenceno.tolist() == [4723, 4724, 4725, 4726]
    assert flags[:, 10:, :2].all() and not flags[:, :10].any() and not flags[:, :, 2:].any()


@pytest.mark.parametrize('camera', [1, 2])
def test_earth_shine_at_the_start_of_sector_6(tmp_path, camera):
    """Camera 1 from BTJD 1464.016 to 1464.266: nothing but scattered light."""
    moments = 1464.266 + np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5]) / 48
    sector(tmp_path, sector=6, camera=camera, write=at(moments))
    with cube.CubeFile(prepare(tmp_path)) as found:
        flags = found.read('pixel_flags') & 2 > 0
        assert flags[:, :, :3].all() == (camera == 1) and not flags[:, :, 3:].any()
        assert found.quality.tolist() == [128 * (camera == 1)] * 3 + [0] * 3
        finite = np.isfinite(found.read('images')).all(axis=(0, 1))
        assert finite.tolist() == [camera != 1] * 3 + [True] * 3


def test_leading_columns_that_look_observed(tmp_path):
    """Columns 33 to 40 of the 44 leading ones hold thousands of e-/s: no stars, no pixels of the cube."""
    def write(folder, made, index):
        return small_sector.write_frame(folder, made, index, leading=3000.)

    made = sector(tmp_path, size=40, frames=3, number=30, write=write)
    assert (made.stars['column'] < 43).any()
    with cube.CubeFile(prepare(tmp_path)) as found:
        assert found.limits.col_min == 44 and np.nanmedian(found.read('images')) < 30
        made_wcs = wcs.wcs_from_text(found.wcs_text)
        row, column = wcs.sky_to_pixel(made_wcs, made.stars['ra'], made.stars['decl'])
    assert make_todo.main([str(tmp_path), '-q']) == 0
    with contextlib.closing(sqlite3.connect(tmp_path / 'todo.sqlite')) as database, database:
        listed = {star for star, in database.execute('SELECT starid FROM todolist')}
    outside = (column < 43) | (row < -1) | (column > 84) | (row > 40)
    assert listed and not listed & set(made.stars['starid'][outside].tolist())


@pytest.mark.parametrize('quality', [4096, 2048])
def test_scattered_light_of_a_frame_is_that_of_all_its_stars(tmp_path, quality):
    """Bit 13 (4096) is per target since data release 30, in files of targets; in an FFI it is the CCD's."""
    sector(tmp_path, frames=4, write=lambda folder, made, index: small_sector.write_frame(
        folder, made, index, **({'quality': quality, 'data_rel': 42} if index == 1 else {'data_rel': 42})))
    with cube.CubeFile(prepare(tmp_path)) as found:
        assert found.quality.tolist() == [0, quality, 0, 0]
        assert found.good.tolist() == [True, not quality & 4096, True, True]
        assert np.isfinite(found.read('images')).all()


def released(numbers):
    return lambda folder, made, index: small_sector.write_frame(folder, made, index, data_rel=numbers[index])


def test_data_releases_that_go_together(tmp_path, caplog):
    sector(tmp_path, sector=30, frames=4, write=released([43, 44, 44, 44]))
    prepare(tmp_path)
    assert 'mixes data releases: 43 (tessphot-simulation), 44 (tessphot-simulation)' in caplog.text


def test_data_releases_with_and_without_the_late_clock_do_not(tmp_path):
    sector(tmp_path, frames=4, write=released([7, 7, 40, 40]))
    failure, = prepare_photometry(tmp_path, settings.load()).failures
    assert failure.exit_code == 2 and 'clocks differ by two seconds' in str(failure)
    assert str(failure).count('\n') == 0


def test_the_same_frame_of_two_releases(tmp_path, caplog):
    """The times of a reprocessed frame differ by milliseconds: still the same frame."""
    made = sector(tmp_path, sector=30, frames=4)
    start = made.schedule.start[2] + 0.004 / 86400
    path = small_sector.write_frame(tmp_path, made, 2, start=start, stop=start + 1 / 48, data_rel=61)
    copy = path.with_name('tess2099' + path.name[8:])
    path.rename(copy)
    small_sector.write_frame(tmp_path, made, 2)
    with cube.CubeFile(prepare(tmp_path)) as found:
        assert found.info.times == 4 and 'tess2099' not in ''.join(found.imagespaths)
    assert f'{copy} has the time of an earlier file' in caplog.text


def test_early_headers_have_neither_sector_nor_number(tmp_path):
    made = sector(tmp_path, sector=4, frames=3)
    for path in tmp_path.glob('*_ffic.fits'):
        content = path.read_bytes()
        assert b'SECTOR  =' not in content
        place = content.index(b'FFIINDEX=')
        path.write_bytes(content[:place] + b'COMMENT '.ljust(80) + content[place + 80:])
    with cube.CubeFile(prepare(tmp_path)) as found:
        assert found.info.sector == 4
        np.testing.assert_array_equal(found.cadenceno, made.schedule.cadenceno)


def test_frames_of_a_smaller_shape(tmp_path, caplog):
    made = sector(tmp_path, frames=5)
    frame = made.frame(3)
    facts = small_sector.frame_facts(made, 3)
    small_sector.write_ffi(tmp_path, facts, frame.image[:20], frame.uncertainty[:20],
                           made.sky.frame_text(made.motion, 3, made.plan.rng('pointing', 3)))
    with cube.CubeFile(prepare(tmp_path)) as found:
        assert found.info.times == 4 and found.limits.height == 24
    assert 'has 20 x 24 science pixels, the others 24 x 24' in caplog.text
