"""TESSCut files of any size and making are read; their times are put right."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from photometry.core.errors import InputBadError
from photometry.core.stamp import Stamp
from photometry.files import ffi, tesscut, wcs

FOLDER = Path(__file__).parents[1] / 'input' / 'tesscut'
REAL = sorted(FOLDER.glob('*13x13*'))
QUANTISED = FOLDER / 'tess-s0002-1-2_0.000000_-20.000000_10x15_astrocut.fits'
NAME = 'tess-s0005-2-2_80.000000_-22.000000_{}x{}_astrocut.fits'


def make(folder, times, shape=(5, 4), origin=(100, 200), **columns):
    """A small TESSCut file; origin is the one-based first (row, column)."""
    rng = np.random.default_rng(0)
    number, pixels = len(times), shape[0] * shape[1]
    flux = rng.normal(100, 1, (number, *shape)).astype('f4')
    values = {'TIME': times, 'TIMECORR': np.full(number, 0.001, 'f4'), 'CADENCENO': np.zeros(number, 'i4'),
              'FLUX': flux, 'FLUX_ERR': flux * 0 + 1, 'QUALITY': np.zeros(number, 'i4'), **columns}
    formats = {'TIME': 'D', 'TIMECORR': 'E', 'CADENCENO': 'J', 'QUALITY': 'J', 'FLUX': f'{pixels}E',
               'FLUX_ERR': f'{pixels}E'}
    dim = f'({shape[1]},{shape[0]})'
    table = fits.BinTableHDU.from_columns([
        fits.Column(name, formats[name], dim=dim if 'FLUX' in name else None, array=value)
        for name, value in values.items()])
    index = list(values).index('FLUX') + 1
    cards = {f'1CRV{index}P': origin[1], f'2CRV{index}P': origin[0], f'1CRP{index}P': 1, f'2CRP{index}P': 1,
             'TIMEDEL': 1800 / 86400, 'NREADOUT': 720, 'INT_TIME': 1.98, 'EXPOSURE': 20.,
             f'1CTYP{index}': 'RA---TAN', f'2CTYP{index}': 'DEC--TAN',
             f'1CRPX{index}': 2.5, f'2CRPX{index}': 3.,
             f'1CRVL{index}': 80., f'2CRVL{index}': -22., f'1CDLT{index}': 1., f'2CDLT{index}': 1.,
             f'11PC{index}': 0.005, f'22PC{index}': 0.005}
    for name, value in cards.items():
        table.header[name] = value
    primary = fits.PrimaryHDU()
    for name, value in (('SECTOR', 5), ('CAMERA', 2), ('CCD', 2), ('DATA_REL', 3)):
        primary.header[name] = value
    path = folder / NAME.format(shape[1], shape[0])
    fits.HDUList([primary, table]).writeto(path, checksum=True, overwrite=True)
    return path


def regular(number, gaps=()):
    """Mid-times of cadences with the barycentric correction of `make`."""
    numbers = np.delete(np.arange(number), gaps)
    return ffi.ANCHOR_TIME + numbers / 48 + 0.001


@pytest.mark.parametrize('path', REAL, ids=lambda path: path.name[:14])
def test_real_cutouts(path):
    cut = tesscut.read_tesscut(path)
    times = np.array([frame.time for frame in cut.frames])
    numbers = np.array([frame.cadenceno for frame in cut.frames])
    assert cut.flux.shape == (len(cut.frames), 13, 13) == cut.flux_err.shape
    assert (np.diff(times) > 0).all() and (np.diff(numbers) > 0).all() and not cut.quantised
    np.testing.assert_allclose(np.diff(times) * 48, np.diff(numbers), atol=2e-3)
    assert cut.frames[0].cadence == 1800 and cut.frames[0].exposure == pytest.approx(1425.6)
    ra, dec = (float(part) for part in path.name.split('_')[1:3])
    row, column = wcs.sky_to_pixel(wcs.wcs_from_text(cut.wcs_text), ra, dec)
    assert cut.stamp.contains(row[0], column[0])
    assert abs(row[0] - cut.stamp.row_min - 6) < 1 and abs(column[0] - cut.stamp.col_min - 6) < 1
    with fits.open(path) as hdus:
        assert cut.stamp.col_min == hdus[1].header['1CRV4P'] - 1
        np.testing.assert_array_equal(cut.flux[3], hdus[1].data['FLUX'][3])


def test_first_cadence_of_sector_1_is_that_of_the_archive():
    assert tesscut.read_tesscut(REAL[0]).frames[0].cadenceno == 4697


def test_float32_times_are_restored():
    cut = tesscut.read_tesscut(QUANTISED)
    assert cut.quantised and cut.stamp == Stamp(2007, 2022, 1357, 1367)
    clock = np.array([frame.time - frame.timecorr for frame in cut.frames])
    numbers = np.array([frame.cadenceno for frame in cut.frames])
    np.testing.assert_allclose(np.diff(clock) / np.diff(numbers) * 86400, 1800, atol=0.01)
    with fits.open(QUANTISED) as hdus:
        assert np.abs(hdus[1].data['TIME'] - [frame.time for frame in cut.frames]).max() * 86400 < 6


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2 ** 31))
def test_restored_times_are_the_true_ones(tmp_path, seed):
    rng = np.random.default_rng(seed)
    number = int(rng.integers(300, 1000))
    truth = regular(number, rng.choice(number, number // 10, replace=False)) + rng.integers(0, 40000) / 48
    clock = truth - 0.001
    drift = clock + (clock - clock[0]) * 1e-6
    stored = (drift + 0.001).astype('f4').astype('f8')
    restored = [frame.time for frame in tesscut.read_tesscut(make(tmp_path, stored)).frames]
    # steps of 21 s divide 1800 s into 85 1/3, so that the rounding averages to a sixth of a step at worst
    assert np.abs(restored - drift - 0.001).max() * 86400 < 4


def test_unsorted_and_duplicate_rows(tmp_path):
    times = regular(6)[[3, 0, 1, 5, 1, 2]]
    flux = np.arange(6, dtype='f4')[:, None, None] + np.zeros((6, 5, 4), 'f4')
    cut = tesscut.read_tesscut(make(tmp_path, times, FLUX=flux))
    np.testing.assert_array_equal(cut.flux[:, 0, 0], [1, 2, 5, 0, 3])
    assert [frame.cadenceno for frame in cut.frames] == [4697, 4698, 4699, 4700, 4702]
    assert [frame.name.split('#')[1] for frame in cut.frames] == ['1', '2', '5', '0', '3']
    assert cut.dropped == ('row 4: the same cadence as an earlier row',)


def test_rows_without_time_are_left_out(tmp_path):
    times = regular(5)
    times[[1, 3]] = np.nan, 0
    cut = tesscut.read_tesscut(make(tmp_path, times))
    assert len(cut.frames) == 3 and len(cut.dropped) == 2


def test_counting_rows_is_no_cadence_number(tmp_path):
    cut = tesscut.read_tesscut(make(tmp_path, regular(5), CADENCENO=np.arange(5)))
    assert cut.frames[2].cadenceno == 4699


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 20), width=st.integers(1, 20), row=st.integers(1, 2040),
       column=st.integers(45, 2080))
def test_sizes_and_places(tmp_path, height, width, row, column):
    cut = tesscut.read_tesscut(make(tmp_path, regular(2), (height, width), (row, column)))
    whole = Stamp(row - 1, row - 1 + height, column - 1, column - 1 + width)
    assert cut.stamp == whole.clipped(Stamp(0, 2048, 44, 2092))
    assert cut.flux.shape == (2, *cut.stamp.shape)


def test_collateral_columns_are_cut_off(tmp_path):
    cut = tesscut.read_tesscut(make(tmp_path, regular(2), (5, 10), (1, 41)))
    assert cut.stamp == Stamp(0, 5, 44, 50)
    with pytest.raises(InputBadError, match='science pixel'):
        tesscut.read_tesscut(make(tmp_path, regular(2), (5, 10), (2060, 41)))


def test_wcs_from_the_column(tmp_path):
    cut = tesscut.read_tesscut(make(tmp_path, regular(2)))
    row, column = wcs.sky_to_pixel(wcs.wcs_from_text(cut.wcs_text), 80., -22.)
    assert (row[0], column[0]) == pytest.approx((99 + 2, 199 + 1.5))


def test_name_and_header_must_agree(tmp_path):
    path = make(tmp_path, regular(2))
    other = path.rename(path.with_name(path.name.replace('-2-2_', '-2-3_')))
    with pytest.raises(InputBadError, match='CCD 2'):
        tesscut.read_tesscut(other)


@pytest.mark.parametrize('times', [np.full(3, np.nan), np.array([])])
def test_without_times(tmp_path, times):
    with pytest.raises(InputBadError):
        tesscut.read_tesscut(make(tmp_path, times))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=st.lists(st.floats(width=64), min_size=1, max_size=8))
@example([1., 1., 1.])
@example([5., 5. + 1e-3, 5. + 1e-3])
def test_wild_times(tmp_path, times):
    try:
        cut = tesscut.read_tesscut(make(tmp_path, np.array(times)))
    except InputBadError:
        return
    found = np.array([[frame.time_start, frame.time, frame.time_stop] for frame in cut.frames])
    assert np.isfinite(found).all()
    assert (np.diff(found[:, 1]) > 0).all() and (np.diff(found, axis=1) > 0).all()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 12000), value=st.integers(0, 255))
def test_any_byte_may_be_wrong(tmp_path, place, value):
    path = make(tmp_path, regular(3))
    content = bytearray(path.read_bytes())
    content[place % len(content)] = value
    path.write_bytes(content)
    try:
        tesscut.read_tesscut(path)
    except InputBadError as error:
        assert path.name in str(error)


@pytest.mark.parametrize('size', [0, 3000, 20000])
def test_truncated(tmp_path, size):
    path = Path(shutil.copy(REAL[2], tmp_path))
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(InputBadError, match=path.name.replace('.', r'\.').replace('+', r'\+')):
        tesscut.read_tesscut(path)


def as_tica(path, **cards):
    """The same file as TESSCut makes it of images of TICA: no errors, no corrections, few keywords."""
    with fits.open(path) as hdus:
        table = hdus[1]
        columns = [column for column in table.columns if column.name != 'TIMECORR']
        made = fits.BinTableHDU.from_columns(columns, header=table.header)
        made.data['FLUX_ERR'][:] = 0
        for name in ('TIMEDEL', 'NREADOUT', 'INT_TIME', 'EXPOSURE'):
            made.header[name] = None
        index = [column.name for column in columns].index('FLUX') + 1
        for name, old in table.header.items():
            if name.startswith(('1CRV', '2CRV', '1CRP', '2CRP')) and name.endswith('P'):
                made.header[f'{name[:4]}{index}P'] = old
        for name, value in {'FFI_TYPE': 'TICA', 'CRMITEN': True, **cards}.items():
            hdus[0].header[name] = value
        fits.HDUList([hdus[0], made]).writeto(path, checksum=True, overwrite=True)
    return path


def test_cutouts_of_tica_are_electrons_without_errors(tmp_path):
    times = ffi.ANCHOR_TIME + np.arange(5) / 144
    plain = make(tmp_path, times)
    with fits.open(plain) as hdus:
        electrons = hdus[1].data['FLUX'].copy()
    path = as_tica(plain, QUALITY=1)
    cut = tesscut.read_tesscut(path.rename(path.with_name(path.name.replace('tess-', 'tica-'))))
    frame = cut.frames[0]
    assert (frame.product, frame.cadence, frame.timecorr, frame.quality) == ('tica', 600, 0, 0)
    assert frame.exposure == pytest.approx(475.2) and frame.n_readout == 240 and frame.num_frm == 300
    assert [each.time for each in cut.frames] == pytest.approx(times)
    np.testing.assert_allclose(cut.flux, electrons / 475.2, rtol=1e-6)
    read = 10.2 ** 2 + 5.2 ** 2 / 12  # output A
    np.testing.assert_allclose(cut.flux_err, np.sqrt(electrons + 240 * read) / 475.2, rtol=1e-6)


@pytest.mark.parametrize('name', ['tess', 'tica'])
def test_name_or_keyword_tells_that_a_cutout_is_of_tica(tmp_path, name):
    path = as_tica(make(tmp_path, regular(3)), FFI_TYPE='TICA' if name == 'tess' else '')
    path = path.rename(path.with_name(name + path.name[4:]))
    assert tesscut.read_tesscut(path).frames[0].product == 'tica'


def test_a_cadence_that_the_times_contradict(tmp_path):
    times = ffi.ANCHOR_TIME + np.arange(40) / 144 + 0.001
    path = make(tmp_path, times)
    with fits.open(path) as hdus:
        hdus[1].header['TIMEDEL'] = 475.2 / 86400
        hdus.writeto(path, checksum=True, overwrite=True)
    cut = tesscut.read_tesscut(path)
    assert cut.frames[0].cadence == 600 and not cut.dropped
    assert np.diff([frame.cadenceno for frame in cut.frames]).tolist() == [1] * 39
