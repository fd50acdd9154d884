"""Times that names tell are those of the frames."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photometry.files import ffi, frame_names, paths, simulated_ffi

NAME = 'tess{}-s0005-2-2-0000-s_ffic.fits'


def test_the_anchor_of_cadence_numbers():
    """The real file of sector 1 whose header gave the number and the time in `ffi`."""
    start = frame_names.start_time(NAME.format('2018206192942'))
    middle = start + ffi.ANCHOR_STEP / 2 / 86400
    assert middle == pytest.approx(ffi.ANCHOR_TIME, abs=1.5 / 86400)
    assert ffi.cadence_number(middle, ffi.ANCHOR_STEP) == ffi.ANCHOR_CADENCE
    assert frame_names.utc_text(start) == '2018-07-25 19:29:42'


@given(st.floats(1000, 9000))
def test_there_and_back(tjd):
    start = frame_names.start_time(NAME.format(simulated_ffi.stamp_of(tjd)))
    assert start == pytest.approx(tjd, abs=1.001 / 86400) and start < tjd + 1e-8


@pytest.mark.parametrize('digits', ['0' * 13, '9' * 13, '2018000192942', '2018367192942', '2018206242942',
                                    '2018206196042', '201820619294', '٢٠١٨٢٠٦١٩٢٩٤٢'])
def test_digits_that_are_no_date(digits):
    assert frame_names.start_time(NAME.format(digits)) is None


def test_numbers_of_tica():
    name = 'hlsp_tica_tess_ffi_s0035-o1-00012345-cam2-ccd2_tess_v01_img.fits'
    assert frame_names.cadence_number(name) == 12345 and frame_names.start_time(name) is None
    assert frame_names.cadence_number(NAME.format('2018206192942')) is None


def test_kinds_by_name():
    for name, kind in ((NAME.format('1'), 'ffi'), ('tess-s0001-1-1_1_2_3x4_astrocut.fits', 'tesscut'),
                       ('sector005_camera2_ccd2.hdf5', 'cube'), ('sector005_camera2_ccd2.hdf5.work', 'work'),
                       ('sector005_camera2_ccd2_c1r2_3x4.hdf5.journal', 'journal'), ('x.work', None),
                       ('catalog_sector005_camera2_ccd2.sqlite', 'catalog'), ('x_tp.fits.gz', 'target'),
                       ('sector005_camera2_ccd2.hdf5.tmp', None), ('', None)):
        assert paths.kind_of(name)[0] == kind
