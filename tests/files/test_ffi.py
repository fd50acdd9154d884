"""FFIs are read as they are, and what is damaged is named."""

import gzip
import os
import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photometry.core.errors import InputBadError, InputMissingError
from photometry.core.stamp import Stamp
from photometry.files import ffi, fits_checks, wcs

NAME = 'tess2018206192942-s0001-1-4-0120-s_ffic.fits'
SAMPLE = Path(__file__).parents[1] / 'input' / 'ffic' / NAME


@pytest.fixture
def copy(tmp_path):
    """A copy of the real sample that a test may spoil."""
    return Path(shutil.copy(SAMPLE, tmp_path / NAME))


def edit(path, hdu, **cards):
    """Change header cards and stamp the sums anew."""
    with fits.open(path) as hdus:
        for name, value in cards.items():
            name = name.replace('__', '-')
            if value is None:
                hdus[hdu].header.remove(name)
            else:
                hdus[hdu].header[name] = value
        hdus.writeto(path, overwrite=True, checksum=True)
    return path


def test_real_header():
    header = ffi.read_ffi_header(SAMPLE)
    assert (header.sector, header.camera, header.ccd) == (1, 1, 4)
    assert header.limits == Stamp(0, 128, 44, 173)
    assert header.cadenceno == 4697 and header.cadence == 1800 and header.data_rel == 1
    assert header.time == pytest.approx(1325.329195354887, abs=1e-12)
    assert header.time - header.timecorr == pytest.approx(ffi.ANCHOR_TIME, abs=1e-8)
    assert header.n_readout == 720 and header.num_frm == 900 and header.crmiten and not header.crspoc
    assert header.exposure == pytest.approx(1425.6, abs=0.01)
    assert header.readnoise[0] == pytest.approx(10.058, abs=1e-5) and header.gain[3] == pytest.approx(5.18)
    assert header.datasum.count('+') == 1 and header.size == SAMPLE.stat().st_size


def test_real_pixels():
    header, image, uncertainty = ffi.read_ffi(SAMPLE)
    with fits.open(SAMPLE) as hdus:
        np.testing.assert_array_equal(image, hdus[1].data[:, 44:])
        np.testing.assert_array_equal(uncertainty[:, :84], hdus[2].data[:, 44:])
    assert image.dtype == np.float32 and image.dtype.isnative
    assert np.isnan(uncertainty[:, 84:]).all() and uncertainty.shape == image.shape == header.limits.shape


def test_a_file_without_uncertainties_is_refused(copy):
    with fits.open(copy) as hdus:
        end = hdus[2].fileinfo()['hdrLoc']
    os.truncate(copy, end)
    with pytest.raises(InputBadError, match='it has no HDU of uncertainties'):
        ffi.read_ffi(copy)


def test_wcs_keeps_every_digit():
    made = wcs.wcs_from_text(ffi.read_ffi_header(SAMPLE).wcs_text)
    with fits.open(SAMPLE) as hdus:
        expected = wcs.wcs_from_text(hdus[1].header.tostring())
    places = [[44., 0.], [172., 127.]]
    np.testing.assert_array_equal(made.all_pix2world(places, 0), expected.all_pix2world(places, 0))


@pytest.mark.parametrize('change', [{'CRVAL1': None}, {'CTYPE1': None}, {'CD1_1': 0., 'CD1_2': 0.},
                                    {'CRPIX1': 'nonsense'}])
def test_unusable_wcs_is_empty(copy, change):
    assert ffi.read_ffi_header(edit(copy, 1, **change)).wcs_text == ''


def test_gzipped_is_the_same(copy):
    packed = copy.with_name(NAME + '.gz')
    packed.write_bytes(gzip.compress(copy.read_bytes()))
    for one, two in zip(ffi.read_ffi(copy)[1:], ffi.read_ffi(packed)[1:], strict=True):
        np.testing.assert_array_equal(one, two)
    assert ffi.read_ffi_header(packed).cadenceno == 4697


def test_ffiindex_is_the_cadence_number(copy):
    assert ffi.read_ffi_header(edit(copy, 0, FFIINDEX=5000)).cadenceno == 5000


@pytest.mark.parametrize(('cadence', 'number'), [(1800, 4697), (600, 3 * 4697 + 1), (200, 9 * 4697 + 4)])
def test_cadences_are_counted_from_one_zero(cadence, number):
    assert ffi.cadence_number(ffi.ANCHOR_TIME, cadence) == number
    assert ffi.cadence_number(ffi.ANCHOR_TIME + 0.2 * cadence / 86400, cadence) == number


def test_gaps_in_cadence_numbers_stay():
    times = ffi.ANCHOR_TIME + np.array([0, 1, 5, 1000]) / 48
    np.testing.assert_array_equal(ffi.cadence_number(times, 1800), 4697 + np.array([0, 1, 5, 1000]))


def test_cadence_never_comes_from_exposure(copy):
    edit(copy, 1, TIMEDEL=None, EXPOSURE=0.5)
    assert ffi.read_ffi_header(copy).cadence == 1800


@pytest.mark.parametrize(('change', 'words'), [
    ({'CAMERA': 2}, 'CAMERA'), ({'CCD': 1}, 'CCD'), ({'TSTART': None}, 'TSTART'), ({'TSTOP': 1.0}, 'before'),
    ({'BARYCORR': 3.0}, 'BARYCORR'), ({'TIMEDEL': 'abc'}, 'not a number'), ({'TIMEDEL': -1.0}, 'TIMEDEL'),
])
def test_wrong_header(copy, change, words):
    with pytest.raises(InputBadError, match=words) as caught:
        ffi.read_ffi_header(edit(copy, 1, **change))
    assert NAME in str(caught.value)


def test_sector_of_header_and_name_must_agree(copy):
    with pytest.raises(InputBadError, match='SECTOR 3'):
        ffi.read_ffi_header(edit(copy, 0, SECTOR=3))


def test_flipped_bit(copy):
    content = bytearray(copy.read_bytes())
    content[60000] ^= 1
    copy.write_bytes(content)
    with pytest.raises(InputBadError, match='DATASUM'):
        ffi.read_ffi(copy)


def test_stale_checksum_with_good_datasum_is_a_note(copy, caplog):
    content = copy.read_bytes().replace(b"'spoc-3.3.31", b"'spoc-3.3.32")
    copy.write_bytes(content)
    with caplog.at_level('DEBUG', 'photometry'):
        ffi.read_ffi(copy)
    assert 'CHECKSUM' in caplog.text and all(record.levelname == 'DEBUG' for record in caplog.records)


@pytest.mark.parametrize('size', [0, 1, 100, 2879, 2880, 8000, 50000, 150000])
@pytest.mark.parametrize('packed', [False, True])
def test_truncated(copy, size, packed):
    content = copy.read_bytes()[:size]
    copy.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputBadError, match=NAME):
        ffi.read_ffi(copy)


def test_truncated_gzip(copy):
    copy.write_bytes(gzip.compress(copy.read_bytes())[:50000])
    with pytest.raises(InputBadError, match=NAME):
        ffi.read_ffi(copy)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=6000))
def test_garbage(copy, content):
    copy.write_bytes(content)
    with pytest.raises(InputBadError):
        ffi.read_ffi_header(copy)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 20160), value=st.integers(0, 255), data=st.booleans())
def test_any_byte_of_the_header_may_be_wrong(copy, place, value, data):
    content = bytearray(SAMPLE.read_bytes())
    content[place] = value
    copy.write_bytes(content)
    try:
        header = ffi.read_ffi(copy)[0] if data else ffi.read_ffi_header(copy)
    except InputBadError as error:
        assert NAME in str(error)
    else:
        assert np.isfinite([header.time_start, header.time, header.time_stop, header.timecorr]).all()


def test_reasons_are_words():
    for error, text in ((PermissionError(13, 'Permission denied'), 'Permission denied'),
                        (KeyError('NAXIS'), 'NAXIS'),
                        (ValueError('one\n two.'), 'one two'), (MemoryError(), 'MemoryError')):
        with pytest.raises(InputBadError, match=f'^x.fits cannot be used: {text}; '), \
                fits_checks.explained_input('x.fits'):
            raise error


def test_missing():
    with pytest.raises(InputMissingError, match='does not exist'):
        ffi.read_ffi('/nowhere/' + NAME)


def test_claims_are_checked_before_memory_is_taken(copy):
    wild = fits.Header([('XTENSION', 'IMAGE'), ('BITPIX', -32), ('NAXIS', 2), ('NAXIS1', 400000),
                        ('NAXIS2', 400000), ('PCOUNT', 0), ('GCOUNT', 1)])
    primary = fits.Header([('SIMPLE', True), ('BITPIX', 8), ('NAXIS', 0)])
    start = (primary.tostring() + wild.tostring()).encode()
    blank = primary.tostring().encode()[:-2880].ljust(2880 * 200, b' ')
    for content in (start, gzip.compress(start + bytes(50_000_000)), blank):
        copy.write_bytes(content)
        tracemalloc.start()
        with pytest.raises(InputBadError):
            ffi.read_ffi(copy)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
        tracemalloc.stop()


def test_header_of_too_many_cards(copy):
    primary = fits.Header([('SIMPLE', True), ('BITPIX', 8), ('NAXIS', 0)])
    cards = primary.tostring(padding=False, endcard=False)
    copy.write_bytes((cards + f'{"COMMENT":80}' * 6000).encode())
    with pytest.raises(InputBadError, match='5000 cards'):
        ffi.read_ffi_header(copy)


def test_ones_complement_sum_is_that_of_the_standard():
    rng = np.random.default_rng(1)
    for size in (0, 3, 4, 2880, 10007):
        data = rng.integers(0, 256, size, dtype='u1')
        padded = np.pad(data, (0, -size % 4))
        assert fits_checks.ones_sum(data.tobytes()) == fits.PrimaryHDU()._compute_checksum(padded)
