"""Cadence, pixels and directions come from the files: any sector, any cadence, any reference pixel."""

import numpy as np
import pytest
from stages import sky, small_sector

from photometry import settings
from photometry.files import cube, ffi, paths, sector_wcs, truth, wcs
from photometry.files.lightcurve import read_lightcurve
from photometry.programs import make_catalog, make_todo, prepare_photometry, tessphot
from photometry.stages.prepare_photometry import prepare_photometry as prepare
from photometry.stages.simulate import catalogue


def whole_pipeline(folder, plan, **files):
    """A simulated sector through the four programs; returns the simulation, the cube and a light curve."""
    made, _ = small_sector.make(folder, plan, **files)
    (folder / paths.catalog_name(plan.sector, plan.camera, plan.ccd)).unlink()
    truth.write_stars(folder / 'stars.ecsv', catalogue(made))
    words = [str(folder), '-q']
    assert make_catalog.main([str(plan.sector), *words, '--catalog', str(folder / 'stars.ecsv')]) == 0
    for program in (prepare_photometry, make_todo):
        assert program.main(words) == 0
    inside = [plan.stamp.grown(-9, -9, -9, -9).contains(*place)
              for place in zip(made.stars['row'], made.stars['column'], strict=True)]
    star = made.stars[inside][np.argmin(made.stars['tmag'][inside])]
    assert tessphot.main([*words, '--starid', str(star['starid']), '--method', 'aperture']) == 0
    path, = folder.rglob('*_lc.fits')
    return made, folder / paths.cube_name(plan.sector, plan.camera, plan.ccd), star, path


@pytest.mark.parametrize(('sector', 'cadence', 'gap'), [(120, 158, True), (1751, 200, False)])
def test_any_sector_of_any_cadence(tmp_path, sector, cadence, gap):
    plan = small_sector.plan(size=40, frames=21, sector=sector, cadence=cadence, number=12, gap=gap,
                             wing=0.004)
    known = sky.SpecialSky(sector, 2, 2) if sector > 1000 else None
    made, cube_path, star, path = whole_pipeline(tmp_path, plan, sky=known)
    with cube.CubeFile(cube_path) as found:
        assert (found.info.sector, found.info.cadence, found.info.times) == (sector, cadence, 21)
        np.testing.assert_array_equal(found.cadenceno, made.schedule.cadenceno)
        assert (np.diff(found.cadenceno).max() > 1) == gap
        np.testing.assert_allclose(found.time, made.times, atol=1e-9)
        np.testing.assert_allclose((found.time_stop - found.time_start) * 86400, cadence, atol=1e-3)
        assert found.info.exposure == pytest.approx(made.detector.n_readout * 1.98)
    assert path.name.startswith(f'tess{star["starid"]:011d}-s{sector:03d}-2-2-c{cadence:04d}-dr60-')
    assert path.parents[1].name == f'c{cadence:04d}'
    lightcurve = read_lightcurve(path)
    assert lightcurve.table['TIMEDEL'] * 86400 == pytest.approx(cadence)
    assert lightcurve.table['EXPOSURE'] * 86400 == pytest.approx(21 * made.detector.n_readout * 1.98)
    assert lightcurve.table['NUM_FRM'] == cadence // 2
    np.testing.assert_array_equal(lightcurve.columns['CADENCENO'], made.schedule.cadenceno)
    spacecraft = lightcurve.columns['TIME'] - lightcurve.columns['TIMECORR']
    np.testing.assert_allclose(spacecraft, made.schedule.middle, atol=1e-8)
    assert np.nanmedian(lightcurve.columns['FLUX']) == pytest.approx(star['flux'], rel=0.01)


def without(name):
    """A way to write FFIs without a keyword."""
    return lambda *words: blank(small_sector.write_frame(*words), name)


def blank(path, name):
    """The same file, a keyword of which has become a comment."""
    content = path.read_bytes()
    place = content.index(f'{name:8}='.encode())
    path.write_bytes(content[:place] + b'COMMENT '.ljust(80) + content[place + 80:])
    return path


@pytest.mark.parametrize('cadence', [20, 120, 158, 200, 475, 600, 1800])
def test_without_ffiindex_the_times_give_the_numbers(tmp_path, cadence):
    plan = small_sector.plan(size=12, frames=24, sector=57, cadence=cadence, number=1, gap=True)
    made, written = small_sector.make(tmp_path, plan, write=without('FFIINDEX'))
    headers = [ffi.read_ffi_header(path) for path in written]
    assert [header.cadenceno for header in headers] == made.schedule.cadenceno.tolist()
    assert {header.cadence for header in headers} == {cadence}


def retimed(folder, made, seconds, **facts):
    """Frames that lie so many seconds apart, whatever their headers say."""
    schedule = made.schedule
    start = schedule.start[0] + np.arange(len(schedule.start)) * seconds / 86400
    written = []
    for index, first in enumerate(start):
        stated = {'start': float(first), 'stop': float(first + seconds / 86400), **facts}
        written.append(small_sector.write_frame(folder, made, index, **stated))
    return written


@pytest.fixture
def corner(tmp_path):
    """A simulated corner with its catalogue, and no frames yet."""
    plan = small_sector.plan(size=24, frames=6, number=8, cadence=200)
    made, written = small_sector.make(tmp_path, plan)
    for path in written:
        path.unlink()
    return tmp_path, made


def test_a_fraction_of_a_second_counts(corner):
    folder, made = corner
    headers = [ffi.read_ffi_header(blank(path, 'FFIINDEX'))
               for path in retimed(folder, made, 158.4, cadence=158.4)]
    assert {header.cadence for header in headers} == {158}
    assert (np.diff([header.cadenceno for header in headers]) == 1).all()


def test_steps_of_the_times_count_where_timedel_contradicts_them(corner, caplog):
    folder, made = corner
    retimed(folder, made, 200, cadence=158)
    assert not prepare(folder, settings.load()).failures
    assert 'state a cadence of 158 s but lie 200 s apart' in caplog.text
    with cube.CubeFile(folder / paths.cube_name(5, 2, 2)) as found:
        assert found.info.cadence == 200 and found.info.times == 6


def test_every_third_frame_is_no_contradiction():
    middle = 1500 + np.arange(0, 30, 3) * 200 / 86400
    assert ffi.cadence_of_times(middle, 200) == 200
    assert ffi.cadence_of_times(middle / 1, 158) == 600
    assert ffi.cadence_of_times(middle[:2], 158) == 158


def test_two_frames_with_one_number_both_stay(corner, caplog):
    folder, made = corner
    for index in range(6):
        small_sector.write_frame(folder, made, index, cadenceno=7)
    assert not prepare(folder, settings.load()).failures
    assert 'all numbers are counted from the times' in caplog.text
    with cube.CubeFile(folder / paths.cube_name(5, 2, 2)) as found:
        np.testing.assert_array_equal(found.cadenceno, made.schedule.cadenceno)


def places(folder, made, sector=5):
    """Distance, px, of the stars from where the WCS of the cube puts them."""
    with cube.CubeFile(folder / paths.cube_name(sector, 2, 2)) as found:
        row, column = wcs.sky_to_pixel(wcs.wcs_from_text(found.wcs_text), made.stars['ra'],
                                       made.stars['decl'])
    return np.hypot(row - made.stars['row'], column - made.stars['column'])


def test_the_reference_pixel_is_that_of_the_header(tmp_path):
    """SPOC moved it in sector 91, from (1045, 1001) to (1069, 1025)."""
    stored = sector_wcs.sector_wcs(5, 2, 2)
    moved = wcs.moved(stored, 24, 24)
    np.testing.assert_allclose(moved.wcs.crpix, [1069, 1025])
    plan = small_sector.plan(size=56, frames=3, number=40)
    made, _ = small_sector.make(tmp_path, plan, sky=sky.OtherSky((5, 2, 2), moved))
    assert not prepare(tmp_path, settings.load()).failures
    assert places(tmp_path, made).max() < 0.02


@pytest.mark.parametrize(('sector', 'shift'), [(93, (1.8, -1.3)), (120, (-2.5, 2.0))])
def test_without_any_wcs_the_predicted_pointing_is_put_right(tmp_path, caplog, sector, shift):
    caplog.set_level('INFO', 'photometry')
    true = wcs.moved(sector_wcs.predicted_wcs(sector, 2, 2), *shift)
    plan = small_sector.plan(size=56, frames=3, sector=sector, number=40)
    made, _ = small_sector.make(
        tmp_path, plan, sky=sky.OtherSky((sector, 2, 2), true),
        write=lambda *words: small_sector.write_frame(*words, wcs_text=lambda old: ''))
    assert not prepare(tmp_path, settings.load()).failures
    # photometry measures the tenth of a pixel that is left (AP_SHIFR, AP_SHIFC)
    assert places(tmp_path, made, sector).max() < 0.2
    assert 'the predicted pointing is used' in caplog.text and 'is moved by' in caplog.text


def test_without_a_wcs_in_a_sector_that_nobody_knows(tmp_path):
    plan = small_sector.plan(size=40, frames=3, sector=777, number=20)
    small_sector.make(tmp_path, plan, sky=sky.SpecialSky(777, 2, 2), write=lambda *words: (
        small_sector.write_frame(*words, wcs_text=lambda old: '')))
    failure, = prepare(tmp_path, settings.load()).failures
    assert failure.exit_code == 4
    assert 'The pointing of sector 777 is known from its images only' in str(failure)

