"""Target pixel files are read as they are meant, and refused when they cannot be."""

import contextlib
import gzip

import numpy as np
import pytest
import target_pixels
from astropy.io import fits
from hypothesis import given, settings
from hypothesis import strategies as st

from photometry.core.errors import InputBadError, InputMissingError
from photometry.core.quality import ApertureFlag
from photometry.core.stamp import Stamp
from photometry.files import paths, tpf, wcs


@pytest.fixture(scope='module')
def real():
    return tpf.read_tpf(target_pixels.REAL)


def test_the_facts_of_a_real_file(real):
    header = real.header
    assert (header.starid, header.ccd_key, header.cadence) == (25155310, (1, 4, 1), 120)
    assert header.stamp == Stamp(388, 399, 1618, 1629) and header.origin == (388, 1618)
    facts = header.facts
    assert facts['exposure'] == pytest.approx(48 * 1.98) and facts['crmiten'] and facts['data_rel'] == 0
    assert facts['readnoise'] == pytest.approx((10.0466, 7.7182, 7.54, 9.88))
    assert ((header.aperture & ApertureFlag.PHOTOMETRY) > 0).sum() == 9
    assert (header.aperture & ApertureFlag.OUTPUT_D).all() and header.collected.all()
    np.testing.assert_array_equal(real.cadenceno, np.arange(70444, 70449))
    np.testing.assert_allclose(real.pos_corr[1], [0.14529698, -0.34389538])
    assert np.isnan(real.pos_corr[0]).all() and real.quality.tolist() == [8, 0, 0, 0, 0]


def test_layers_are_those_of_astropy(real):
    with fits.open(target_pixels.REAL) as hdus:
        for layer, column in tpf.LAYERS.items():
            expected = np.moveaxis(hdus[1].data[column], 0, -1)
            np.testing.assert_array_equal(real.layer(layer, real.header.stamp), expected)
            part = real.header.stamp.grown(-3, -2, -1, -4)
            np.testing.assert_array_equal(real.layer(layer, part), expected[3:-2, 1:-4])


def test_the_wcs_counts_pixels_of_the_whole_ffi(real):
    row, column = wcs.sky_to_pixel(wcs.wcs_from_text(real.header.wcs_text), *target_pixels.PLACE)
    moved = real.pos_corr[1:].mean(axis=0)
    peak = np.unravel_index(real.layer('images', real.header.stamp)[..., 2].argmax(), (11, 11))
    assert abs(row[0] + moved[0] - 388 - peak[0]) < 0.6 and abs(column[0] + moved[1] - 1618 - peak[1]) < 0.6
    with fits.open(target_pixels.REAL) as hdus:  # the same by its own one-based pixels
        from astropy.wcs import WCS
        own = WCS(hdus[2].header).all_world2pix(*target_pixels.PLACE, 1)
    assert (float(own[0]) + 1618, float(own[1]) + 388) == pytest.approx((column[0] + 1, row[0] + 1), abs=1e-6)


def test_the_header_alone_says_the_same(real, tmp_path):
    plain = tmp_path / 'some_tp.fits'
    plain.write_bytes(gzip.decompress(target_pixels.REAL.read_bytes()))
    for path in (target_pixels.REAL, plain):
        header = tpf.read_tpf_header(path)
        for name in ('starid', 'ccd_key', 'cadence', 'stamp', 'wcs_text', 'time_start', 'facts', 'datasum'):
            assert getattr(header, name) == getattr(real.header, name), name
        np.testing.assert_array_equal(header.aperture, real.header.aperture)
        assert tpf.read_tpf_key(path) == (1, 4, 1)


def test_rows_without_a_time_are_left_out_and_numbers_keep_the_gap(tmp_path):
    time = 1437.9 + np.arange(30) / 720
    time[[3, 4, 20]] = np.nan
    number = 158000 + np.arange(30)
    number[8] = number[7]
    found = tpf.read_tpf(target_pixels.write(tmp_path, time=time, cadenceno=number))
    kept = np.setdiff1d(np.arange(30), [3, 4, 8, 20])
    np.testing.assert_array_equal(found.cadenceno, 158000 + kept)
    np.testing.assert_array_equal(found.time, time[kept])
    assert found.layer('images', target_pixels.STAMP).shape == (11, 11, 26)


def test_rows_are_sorted_in_time(tmp_path):
    order = np.random.default_rng(1).permutation(30)
    time = 1437.9 + order / 720
    found = tpf.read_tpf(target_pixels.write(tmp_path, time=time, cadenceno=158000 + order))
    np.testing.assert_array_equal(found.cadenceno, 158000 + np.arange(30))
    assert (np.diff(found.time) > 0).all()


def test_uncollected_pixels_hold_nothing(tmp_path):
    aperture = target_pixels.content().aperture.copy()
    aperture[0, :4] = 0
    path = target_pixels.write(tmp_path, aperture=aperture)
    found = tpf.read_tpf(path)
    assert np.isnan(found.layer('images', target_pixels.STAMP)[0, :4]).all()
    assert np.isfinite(found.layer('images', target_pixels.STAMP)[1:]).all()
    assert found.header.collected.sum() == 121 - 4


def test_the_cadence_is_that_of_the_times_where_the_header_gives_none(tmp_path):
    path = target_pixels.write(tmp_path)
    spoil(path, lambda hdus: hdus[1].header.remove('TIMEDEL'))
    assert tpf.read_tpf(path).header.cadence == tpf.read_tpf_header(path).cadence == 120


@pytest.mark.parametrize('name, sector, starid', [
    ('tess2018206045859-s0001-0000000025155310-0120-s_tp.fits', 1, 25155310),
    ('tess2020186164531-s0027-0000000025155310-0189-a_fast-tp.fits.gz', 27, 25155310),
    ('hlsp_tess-data-alerts_tess_phot_00025155310-s01_tess_v1_tp.fits', 1, 25155310),
    ('mine_tp.fits', None, None), ('tic-tp.fits', None, None)])
def test_names_tell_what_they_can(tmp_path, name, sector, starid):
    (tmp_path / 'below').mkdir()
    (tmp_path / 'below' / name).write_bytes(b'')
    found, = paths.find_targets(tmp_path)
    assert (found.sector, found.starid, found.path.name) == (sector, starid, name)
    assert bool(paths.find_targets(tmp_path, 3)) is (sector is None)
    assert bool(paths.find_targets(tmp_path, starid=(3, 4))) is (starid is None)


def test_other_files_are_no_target_pixel_files(tmp_path):
    for name in ('tess2018206045859-s0001-0000000025155310-0120-s_lc.fits', 'http.fits', 'x_tp.fits.part'):
        (tmp_path / name).write_bytes(b'')
    assert not paths.find_targets(tmp_path)


def test_of_a_file_in_two_directories_the_first_counts(tmp_path):
    for name in ('b/x_tp.fits', 'a/x_tp.fits', 'a/x_tp.fits.gz'):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b'')
    assert [item.path for item in paths.find_targets(tmp_path)] == [tmp_path / 'a' / 'x_tp.fits']


def spoil(path, change):
    """Change a file by way of astropy, with fresh checksums."""
    with fits.open(path) as hdus:
        hdus = fits.HDUList([hdu.copy() for hdu in hdus])
        change(hdus)
        hdus.writeto(path, overwrite=True, checksum=True, output_verify='ignore')


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _card(unit, name, value):
    return lambda path: spoil(path, lambda hdus: hdus[unit].header.set(name, value))


def _column(name, value):
    def change(hdus):
        hdus[1].data[name] = value
    return lambda path: spoil(path, change)


def _words(old, new):
    def change(path):
        content = path.read_bytes()
        assert content.count(old) == 1
        path.write_bytes(content.replace(old, new))
    return change


def _without(name):
    def change(hdus):
        columns = fits.ColDefs([column for column in hdus[1].columns if column.name != name])
        kept = {key: hdus[1].header[key] for key in ('TIMEDEL', 'TSTART', 'TSTOP')}
        hdus[1] = fits.BinTableHDU.from_columns(columns)
        hdus[1].header.update(kept)
    return lambda path: spoil(path, change)


FAULTS = {
    'no APERTURE': (lambda path: spoil(path, lambda hdus: hdus.pop(2)), 'no extension APERTURE'),
    'a table for APERTURE': (lambda path: spoil(path, lambda hdus: hdus.__setitem__(2, hdus[1].copy())),
                             'not the image APERTURE'),
    'another shape of APERTURE': (lambda path: spoil(path, lambda hdus: setattr(
        hdus[2], 'data', np.ones((9, 11), 'i4'))), 'APERTURE has 9 x 11 pixels, its images 11 x 11'),
    'nothing collected': (lambda path: spoil(path, lambda hdus: setattr(
        hdus[2], 'data', np.full((11, 11), 64, 'i4'))), 'none of its science pixels was collected'),
    'off the science pixels': (lambda path: spoil(path, lambda hdus: hdus[1].header.set('1CRV5P', 10)),
                               'collected'),
    'truncated': (lambda path: path.write_bytes(path.read_bytes()[:20000]), 'truncated'),
    'empty': (lambda path: path.write_bytes(b''), 'empty'),
    'a flipped bit': (_flip, 'DATASUM of HDU 1'),
    'TIME all NaN': (_column('TIME', np.nan), 'no row has a time'),
    'TIMECORR all NaN': (_column('TIMECORR', np.nan), 'no row has a time'),
    'no TICID': (lambda path: spoil(path, lambda hdus: hdus[0].header.remove('TICID')), 'no TICID'),
    'TICID 0': (_card(0, 'TICID', 0), 'TICID is 0'),
    'another TICID than the name': (_card(0, 'TICID', 78), 'TICID 78, its name says 77'),
    'another sector than the name': (_card(0, 'SECTOR', 6), 'SECTOR 6, its name says 5'),
    'no camera': (lambda path: spoil(path, lambda hdus: hdus[0].header.remove('CAMERA')), 'no CAMERA'),
    'cut from full-frame images': (_card(1, 'TIMEDEL', 1800 / 86400), 'full-frame images'),
    'no FLUX_BKG': (_without('FLUX_BKG'), 'no column FLUX_BKG'),
    'no POS_CORR': (_without('POS_CORR1'), 'no column POS_CORR1'),
    'no images': (_words(b"TDIM6   = '(11, 11)'", b"TDIM6   = '(121)   '"), 'FLUX_ERR holds no images'),
    'images of other shapes': (_words(b"TDIM6   = '(11, 11)'", b"TDIM6   = '(121, 1)'"),
                               'are not images of one shape'),
    'not FITS': (lambda path: path.write_bytes(b'<html>' * 600), 'not a FITS file'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_what_cannot_be_used_is_refused_in_a_sentence(fault, tmp_path):
    change, words = FAULTS[fault]
    path = target_pixels.write(tmp_path)
    change(path)
    with pytest.raises(InputBadError, match=words) as raised:
        tpf.read_tpf(path)
    assert str(path) in str(raised.value) and str(raised.value).count('\n') == 0


def test_a_gzipped_file_that_ends_early(tmp_path):
    path = tmp_path / 'x_tp.fits.gz'
    path.write_bytes(target_pixels.REAL.read_bytes()[:5000])
    for read in (tpf.read_tpf, tpf.read_tpf_header):
        with pytest.raises(InputBadError, match=r'x_tp.fits.gz cannot be used'):
            read(path)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=4),
       st.booleans())
def test_any_damage_is_refused_or_harmless(whole_file, changes, in_headers):
    path, content = whole_file
    spoilt = bytearray(content)
    for place, value in changes:
        # the first tenth of the file is headers alone
        spoilt[int(place * (len(content) // 10 if in_headers else len(content)))] = value
    path.write_bytes(spoilt)
    for read in (tpf.read_tpf_key, tpf.read_tpf_header, tpf.read_tpf):
        with contextlib.suppress(InputBadError):
            read(path)


@pytest.fixture(scope='module')
def whole_file(tmp_path_factory):
    path = target_pixels.write(tmp_path_factory.mktemp('damage'))
    return path, path.read_bytes()


def test_a_missing_file(tmp_path):
    with pytest.raises(InputMissingError, match='does not exist'):
        tpf.read_tpf(tmp_path / 'x_tp.fits')
