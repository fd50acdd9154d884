"""BasePhotometry keeps every documented name and meaning."""

import dataclasses
import inspect
from pathlib import Path

import numpy as np
import pytest
import simulated
import spice_kernels
from astropy.table import Table

from photometry import STATUS, BasePhotometry, settings
from photometry.algorithms import timing
from photometry.core.errors import NoGoodCadencesError, NotInCatalogError, OffSiliconError
from photometry.core.quality import ApertureFlag
from photometry.core.stamp import Stamp
from photometry.files import ephemeris
from photometry.methods.aperture import AperturePhotometry

DOCUMENTED = {
    'starid', 'input_folder', 'output_folder', 'plot', 'plot_folder', 'method', 'sector', 'camera', 'ccd',
    'data_rel', 'n_readout', 'header', 'target', 'target_pos_column', 'target_pos_row',
    'target_pos_column_stamp', 'target_pos_row_stamp', 'wcs', 'lightcurve', 'final_phot_mask',
    'final_position_mask', 'additional_headers', 'catalog_attime', 'clear_cache', 'close', 'default_stamp',
    'delete_plots', 'do_photometry', 'get_pixel_grid', 'photometry', 'report_details', 'resize_stamp',
    'save_lightcurve', 'MovementKernel', 'aperture', 'backgrounds', 'backgrounds_cube', 'catalog', 'images',
    'images_cube', 'images_err', 'images_err_cube', 'pixelflags', 'pixelflags_cube', 'psf', 'settings',
    'stamp', 'status', 'sumimage'}
METHODS = {
    'catalog_attime': ['time'], 'clear_cache': [], 'close': [], 'default_stamp': [], 'delete_plots': [],
    'do_photometry': [], 'get_pixel_grid': [], 'photometry': ['args', 'kwargs'],
    'report_details': ['error', 'skip_targets'],
    'resize_stamp': ['down', 'up', 'left', 'right', 'width', 'height'],
    'save_lightcurve': ['output_folder', 'version']}
ARGUMENTS = ['starid', 'input_folder', 'output_folder', 'datasource', 'sector', 'camera', 'ccd', 'cadence',
             'plot', 'cache', 'version']


@pytest.fixture(scope='module')
def sector():
    return simulated.simulate([1020.3, 1014.2, 1031.0], [720.2, 725.1, 707.4], [9.5, 12.0, 11.0], frames=24)


@pytest.fixture
def worker(sector, tmp_path):
    with simulated.worker(sector, tmp_path) as context:
        context.close = lambda: None
        yield context


@pytest.fixture
def star(sector, worker):
    return BasePhotometry.from_task(simulated.task(1000), worker)


def test_documented_names_stand(star):
    missing = {name for name in DOCUMENTED if not hasattr(star, name)}
    assert not missing
    found = inspect.signature(BasePhotometry.__init__).parameters
    assert list(found)[1:] == ARGUMENTS
    assert found['datasource'].default == 'ffi' and found['cache'].default == 'basic'
    assert found['version'].default == 6 and found['plot'].default is False
    for name, arguments in METHODS.items():
        assert list(inspect.signature(getattr(star, name)).parameters) == arguments, name
    assert {name: int(status) for name, status in STATUS.__members__.items()} == {
        'UNKNOWN': 0, 'OK': 1, 'ERROR': 2, 'WARNING': 3, 'ABORT': 4, 'SKIPPED': 5, 'STARTED': 6}


def test_the_class_stays_short():
    assert len(inspect.getsourcelines(BasePhotometry)[0]) < 400


def test_place_of_the_target(star):
    assert (star.target_pos_row, star.target_pos_column) == pytest.approx((1020.3, 720.2), abs=1e-6)
    assert star.target_pos_row_stamp == star.target_pos_row - star.stamp[0]
    assert star.target['tmag'] == 9.5 and star.target['starid'] == 1000
    column, row = star.wcs.all_world2pix(star.target['ra'], star.target['decl'], 0)
    assert (row, column) == pytest.approx((1020.3, 720.2), abs=1e-6)


def test_the_grid_is_one_based(star):
    columns, rows = star.get_pixel_grid()
    assert columns.shape == rows.shape == star.stamp.shape
    assert (rows[0, 0], columns[0, 0]) == (star.stamp.row_min + 1, star.stamp.col_min + 1)
    assert (rows[-1, 0], columns[0, -1]) == (star.stamp.row_max, star.stamp.col_max)


def test_iterators_run_through_the_cubes(star):
    for name, cube in (('images', star.images_cube), ('images_err', star.images_err_cube),
                       ('backgrounds', star.backgrounds_cube), ('pixelflags', star.pixelflags_cube)):
        frames = list(getattr(star, name))
        assert len(frames) == 24 and np.array_equal(np.stack(frames, axis=-1), cube)


def test_the_stamp_grows_on_the_sides_asked_for(star):
    before = star.stamp
    err = star.images_err_cube
    assert star.resize_stamp(down=2, right=3)
    assert star.stamp == (before[0] - 2, before[1], before[2], before[3] + 3)
    assert star.images_err_cube.shape[:2] == star.stamp.shape == star.sumimage.shape != err.shape[:2]


def test_masks_belong_to_their_stamp(star):
    star.final_phot_mask = star.final_position_mask = np.ones(star.stamp.shape, dtype=bool)
    assert not star.resize_stamp() and star.final_phot_mask is not None
    assert star.resize_stamp(up=1) and star.final_phot_mask is None
    assert not (star.aperture & (ApertureFlag.PHOTOMETRY | ApertureFlag.CENTROID)).any()


def test_width_and_height_overrule_the_sides(star):
    assert star.resize_stamp(width=7, left=9, height=5, up=4)
    assert star.stamp.shape == (5, 7)
    assert star.stamp.contains(star.target_pos_row, star.target_pos_column)


def test_the_limits_of_the_source_stop_the_growth(star):
    assert star.resize_stamp(down=999, up=999, left=999, right=999)
    assert star.stamp == (1000, 1040, 700, 740)
    assert not star.resize_stamp(left=1) and not star.resize_stamp()


def test_the_catalog_lists_stars_in_the_stamp(star):
    star.resize_stamp(down=999, up=999, left=999, right=999)
    assert star.catalog.colnames == ['starid', 'tmag', 'ra', 'dec', 'row', 'column', 'row_stamp',
                                     'column_stamp']
    assert list(star.catalog['starid']) == [1000, 1001, 1002]
    assert np.allclose(star.catalog['row'] - star.catalog['row_stamp'], 1000)
    star.resize_stamp(width=5, height=5)
    assert list(star.catalog['starid']) == [1000]


def test_the_catalog_moves_with_time(star, sector):
    star.resize_stamp(down=999, up=999, left=999, right=999)
    for frame in (3, 17):
        moved = star.catalog_attime(sector.source.time[frame] - sector.source.timecorr[frame])
        assert isinstance(moved, Table) and moved.colnames == star.catalog.colnames
        assert np.allclose(moved['row'], sector.row + sector.shift[frame, 0], atol=1e-6)
        assert np.allclose(moved['column_stamp'], sector.column + sector.shift[frame, 1] - 700, atol=1e-6)


def test_aperture_bits(star):
    star.final_phot_mask = np.zeros(star.stamp.shape, dtype=bool)
    star.final_phot_mask[3, 4] = True
    star.final_position_mask = np.zeros(star.stamp.shape, dtype=bool)
    star.final_position_mask[3, 5] = True
    bits = star.aperture
    assert (bits & ApertureFlag.COLLECTED).all()
    assert (bits & ApertureFlag.PHOTOMETRY > 0).sum() == 1 and bits[3, 4] & 2
    assert (bits & ApertureFlag.CENTROID > 0).sum() == 1 and bits[3, 5] & 8
    assert (bits & ApertureFlag.OUTPUT_B).all(), 'columns 556 to 1067 are read by output B'
    assert not bits[9, 9] & ApertureFlag.BACKGROUND and bits[0, 0] & ApertureFlag.BACKGROUND


def test_the_light_curve_waits_for_fluxes_with_the_times_of_the_star(star, sector):
    table = star.lightcurve
    assert np.isnan(table['flux']).all() and len(table) == 24
    spacecraft = sector.source.time - sector.source.timecorr
    assert np.allclose(table['time'] - table['timecorr'], spacecraft, atol=1e-9)
    assert abs(table['timecorr'] - sector.source.timecorr).max() < 0.01
    assert np.allclose(table['pos_corr'], sector.shift[:, ::-1], atol=1e-9)


def test_times_follow_the_kernels_that_are_set(sector, tmp_path):
    spacecraft = sector.source.time - sector.source.timecorr
    jd = timing.BTJD + np.arange(spacecraft[0] - 1, spacecraft[-1] + 1, 1 / 24)
    spice_kernels.write(tmp_path / 'tess.bsp', jd, *spice_kernels.circle(jd))
    chosen = dataclasses.replace(settings.load(), times=settings.TimesSettings(str(tmp_path / 'tess.bsp')))
    star = BasePhotometry.from_task(simulated.task(1000), simulated.worker(sector, tmp_path, settings=chosen))
    place = spice_kernels.circle(spacecraft + timing.BTJD)[0] / ephemeris.AU_KM
    expected = timing.light_travel(place, star.target['ra'], star.target['decl'])
    assert abs(star.lightcurve['timecorr'] - expected).max() * 86400 < 1e-3
    assert abs(star.lightcurve['time'] - expected - spacecraft).max() * 86400 < 1e-3


def test_a_method_has_to_be_written(star):
    with pytest.raises(NotImplementedError):
        star.photometry()
    assert star.status is STATUS.ERROR


def test_details_are_kept_for_the_queue(star):
    star.report_details(error='A remark.', skip_targets=[1001, 1000])
    star.report_details(skip_targets=np.array([1002]))
    assert star.errors == ['A remark.'] and star.skip_targets == {1001, 1002}


def test_the_sum_image_is_the_mean_of_the_good_ones(star, sector):
    assert np.allclose(star.sumimage, star.images_cube[..., sector.source.good].mean(axis=-1), rtol=1e-5)
    assert star.header['sector'] == star.sector == 5 and star.n_readout == 720


def test_plots_are_deleted_only_where_there_are_any(sector, tmp_path):
    with simulated.worker(sector, tmp_path, plot=True) as context:
        star = BasePhotometry.from_task(simulated.task(1000), context)
        (Path(star.plot_folder) / 'picture.png').write_text('')
        star.delete_plots()
        assert not any(tmp_path.rglob('*.png'))
        context._sources.clear()
    quiet = simulated.worker(sector, tmp_path)
    star = BasePhotometry.from_task(simulated.task(1000), quiet)
    assert star.plot_folder is None
    star.delete_plots()


def test_a_star_that_is_not_there(worker):
    with pytest.raises(NotInCatalogError, match='TIC 77 .*sector 5, camera 2, CCD 2'):
        BasePhotometry.from_task(simulated.task(77), worker)


def test_a_star_beside_the_pixels(tmp_path):
    sector = simulated.simulate([1020.0, 990.0], [720.0, 720.0], [10, 10], frames=12)
    with simulated.worker(sector, tmp_path) as context, pytest.raises(OffSiliconError, match='outside'):
        BasePhotometry.from_task(simulated.task(1001), context)


def test_a_sector_without_good_cadences(tmp_path):
    sector = simulated.simulate([1020.0], [720.0], [10], frames=12)
    sector.source.good[:] = False
    with simulated.worker(sector, tmp_path) as context, pytest.raises(NoGoodCadencesError, match='0 good'):
        BasePhotometry.from_task(simulated.task(1000), context)


def test_arguments_are_checked(tmp_path):
    with pytest.raises(ValueError, match='no source of pixels'):
        BasePhotometry(1, tmp_path, tmp_path, datasource='ccd')
    with pytest.raises(ValueError, match='camera and ccd'):
        BasePhotometry(1, tmp_path, tmp_path)
    with pytest.raises(ValueError, match='cache'):
        BasePhotometry(1, tmp_path, tmp_path, camera=1, ccd=1, cache='some')
    with pytest.raises(FileNotFoundError, match='run_prepare_photometry.py'):
        AperturePhotometry(1, tmp_path, tmp_path, sector=1, camera=1, ccd=1)


def test_a_star_seen_twice_must_be_told_apart(sector, tmp_path, monkeypatch):
    with simulated.worker(sector, tmp_path) as context:
        first = context.add_source('a', sector.source, sector.catalog)
        again = dataclasses.replace(sector.source, info=dataclasses.replace(
            sector.source.info, sector=6, cadence=600))
        second = context.add_source('b', again, sector.catalog)
        monkeypatch.setattr(context, '_cube_paths', lambda task: ['a', 'b'])
        anywhere = simulated.task(1000, cube=None, sector=None, cadence=None)
        with pytest.raises(ValueError, match='sector 5 at 1800 s, sector 6 at 600 s'):
            context.source(anywhere)
        for cadence, expected in ((1800, first), (600, second)):
            assert context.source(dataclasses.replace(anywhere, cadence=cadence)) is expected
        with pytest.raises(FileNotFoundError, match='120 s'):
            context.source(dataclasses.replace(anywhere, cadence=120))
        context.close = lambda: None
        context._sources.clear()


def test_closing_and_forgetting_leave_a_usable_star(star):
    before = star.images_cube
    star.clear_cache()
    assert star.images_cube is not before and np.array_equal(star.images_cube, before)
    star.close()
    star.close()


def test_default_stamps_grow_with_the_light(star):
    sizes = []
    for tmag in (15, 12, 9, 7, 5):
        star.target['tmag'] = tmag
        sizes.append(star.default_stamp())
    assert sizes == sorted(sizes) and all(rows % 2 and columns % 2 for rows, columns in sizes)
    star.target['tmag'] = np.nan
    assert star.default_stamp() == sizes[0]


def test_documented_stamp_is_a_tuple_of_four(star):
    assert isinstance(star.stamp, Stamp) and tuple(star.stamp) == star.stamp
