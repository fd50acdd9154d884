"""Images of TICA give the same facts and pixels as those of SPOC, and what is wrong with them is named."""

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stages import small_sector

from photometry.core.coordinates import ccd_output
from photometry.core.errors import InputBadError, InputMissingError
from photometry.core.stamp import Stamp
from photometry.files import ffi, frames, paths, tica, wcs

NAME = 'hlsp_tica_tess_ffi_s0035-o1-00603721-cam1-ccd1_tess_v01_img.fits'


@pytest.fixture(scope='module')
def pair(tmp_path_factory):
    """One frame as SPOC and as TICA write it: simulation, path, path."""
    folder = tmp_path_factory.mktemp('frames')
    plan = small_sector.plan(size=48, frames=2, sector=35, cadence=600)
    made, (spoc, _) = small_sector.make(folder, plan)
    return made, spoc, small_sector.write_tica(folder, made, 0)


@pytest.fixture
def written(pair, tmp_path):
    """Write the frame with other cards."""
    def write(change=None, wcs_text=None, **cards):
        return small_sector.write_tica(tmp_path, pair[0], 0, change, wcs_text, cards)
    return write


def test_facts_are_those_of_spoc(pair):
    _, spoc, path = pair
    expected, found = frames.read_header(spoc), frames.read_header(path)
    for name in ('sector', 'camera', 'ccd', 'cadenceno', 'cadence', 'quality', 'limits', 'num_frm',
                 'n_readout', 'int_time', 'frame_time', 'crmiten', 'crblksz', 'gain'):
        assert getattr(found, name) == getattr(expected, name), name
    places, texts = [[44., 0.], [90., 47.]], (expected.wcs_text, found.wcs_text)
    skies = [wcs.wcs_from_text(text).all_pix2world(places, 0) for text in texts]
    np.testing.assert_array_equal(*skies)
    assert all('ICRS' in text for text in texts)
    assert found.exposure == pytest.approx(expected.exposure, rel=1e-9) == pytest.approx(475.2)
    assert found.deadc == pytest.approx(expected.deadc)
    assert (found.product, expected.product) == ('tica', 'spoc')
    assert found.procver == 'tica-tessphot-simulation' and found.data_rel == 0
    assert found.size == path.stat().st_size and found.datasum.isdigit()


def test_times_are_those_at_the_spacecraft(pair):
    _, spoc, path = pair
    expected, found = frames.read_header(spoc), frames.read_header(path)
    assert found.timecorr == 0 and abs(expected.timecorr) > 1e-3
    for name in ('time_start', 'time', 'time_stop'):
        assert getattr(found, name) == pytest.approx(getattr(expected, name) - expected.timecorr, abs=1e-9)


def test_pixels_are_those_of_spoc(pair):
    made, spoc, path = pair
    image, uncertainty = frames.read_pixels(spoc, frames.read_header(spoc))
    found, made_up = frames.read_pixels(path, frames.read_header(path))
    assert found.dtype == made_up.dtype == np.float32 and found.dtype.isnative
    np.testing.assert_allclose(found, image, rtol=3e-7)
    # the simulation draws other read noises than those assumed of TICA
    np.testing.assert_allclose(made_up, uncertainty, rtol=0.02)


def test_uncertainty_is_photons_and_read_noise_of_each_output(pair):
    header = frames.read_header(pair[2])
    wide = Stamp(0, 2, 44, 2092)
    electrons = np.full(wide.shape, 1e5, 'f4')
    electrons[1] = -50
    image, uncertainty = tica.rates(electrons, small_sector.dataclasses.replace(header, limits=wide))
    output = ccd_output(np.arange(44, 2092))
    read = np.array(header.readnoise) ** 2 + np.array(header.gain) ** 2 / 12
    for row, photons in ((0, 1e5), (1, 0)):
        expected = np.sqrt(photons + header.n_readout * read[output]) / header.exposure
        np.testing.assert_allclose(uncertainty[row], expected, rtol=1e-6)
    assert image[1, 0] == pytest.approx(-50 / 475.2) and len(set(uncertainty[1].tolist())) == 4


@pytest.mark.parametrize(('name', 'product', 'key'), [
    (NAME, 'tica', (35, 1, 1)), (NAME + '.gz', 'tica', (35, 1, 1)),
    (NAME.replace('-o1-', '-'), 'tica', (35, 1, 1)), (NAME.replace('-o1-', '-o2b-'), 'tica', (35, 1, 1)),
    (NAME.replace('s0035', 's1751').replace('cam1-ccd1', 'cam2-ccd3'), 'tica', (1751, 2, 3)),
    ('tess2018206192942-s0001-1-4-0120-s_ffic.fits', 'spoc', (1, 1, 4)),
    (NAME.replace('_img.', '_cat.'), 'spoc', None), (NAME.replace('cam1', 'cam5'), 'spoc', None)])
def test_names(tmp_path, name, product, key):
    assert paths.product_of(name) == product and paths.ccd_of(name) == key
    (tmp_path / name).touch()
    assert [item.ccd_key for item in paths.find_ffis(tmp_path)] == ([key] if key else [])


@pytest.mark.parametrize(('cards', 'seconds'), [
    ({}, 475.2), ({'EXPTIME': 475.0}, 475.0), ({'EXPTIME': 600.0}, 475.2), ({'EXPTIME': None}, 475.2),
    ({'EXPTIME': 1425.6}, 475.2), ({'EXPTIME': None, 'CRM': False}, 594.0), ({'EXPTIME': 0.0055}, 475.2),
    ({'EXPTIME': None, 'NREADOUT': 239}, 239 * 1.98), ({'NREADOUT': 0}, 475.2),
    ({'EXPTIME': None, 'CRM_N': 20}, 534.6)])
def test_live_time_is_that_of_the_reads(written, cards, seconds):
    path = written(**cards)
    header = frames.read_header(path)
    assert header.exposure == pytest.approx(seconds) and header.n_readout == round(seconds / 1.98)
    with fits.open(path) as hdus:
        image = frames.read_pixels(path, header)[0]
        np.testing.assert_allclose(image, hdus[0].data[:, 44:] / seconds, rtol=1e-6)


def test_cadence_is_the_length_of_the_frame_whatever_exptime_and_int_time_say(written):
    assert frames.read_header(written(INT_TIME=10, EXPTIME=1425.6)).cadence == 600


def test_without_a_number_the_time_tells_it(pair, written):
    expected = frames.read_header(pair[2])
    header = frames.read_header(written(CADENCE=None))
    assert header.cadenceno == expected.cadenceno == ffi.cadence_number(header.time, 600)


@pytest.mark.parametrize(('cards', 'quality'), [
    ({'COARSE': 1}, 4), ({'RW_DESAT': True}, 32), ({'STRAYLT2': 1}, 2048), ({'STRAYLT1': 1}, 0),
    ({'QUAL_BIT': 1}, 0), ({'COARSE': 1, 'RW_DESAT': 1}, 36), ({'COARSE': None, 'RW_DESAT': None}, 0)])
def test_quality_comes_from_the_keywords_that_tell_it(written, cards, quality):
    assert frames.read_header(written(**cards)).quality == quality


def test_sector_stands_in_the_name_of_older_images(written):
    assert frames.read_header(written(SECTOR=None)).ccd == 2


@pytest.mark.parametrize(('cards', 'words'), [
    ({'CAMNUM': 3}, 'its header says CAMERA 3, its name says 2'), ({'CCDNUM': 1}, 'CCD 1'),
    ({'STARTTJD': None}, 'no STARTTJD'), ({'ENDTJD': 1.0}, 'not in order'),
    ({'MIDTJD': 3000.0}, 'not in order'), ({'ENDTJD': 9000.0}, 'a cadence of .* s'),
    ({'UNITS': 'ADU'}, 'pixels are in ADU, not in electrons'), ({'CADENCE': 1.5}, 'not a whole number'),
    ({'SCIPIXS': '[1:2048,1:2048]'}, 'science pixels'), ({'TJD_ZERO': 0.0}, 'TJD_ZERO')])
def test_wrong_header(written, cards, words):
    path = written(**cards)
    with pytest.raises(InputBadError, match=words) as caught:
        frames.read_header(path)
    assert path.name in str(caught.value)


def test_the_table_of_stars_behind_the_image_is_passed_over(pair, written):
    path = written()
    with fits.open(path) as hdus:
        stars = fits.BinTableHDU.from_columns([fits.Column('TIC', 'K', array=np.arange(5))])
        fits.HDUList([hdus[0], stars]).writeto(path, overwrite=True, checksum=True)
    assert frames.read_header(path).wcs_text == frames.read_header(pair[2]).wcs_text
    np.testing.assert_array_equal(frames.read_pixels(path, frames.read_header(path))[0],
                                  frames.read_pixels(pair[2], frames.read_header(pair[2]))[0])


def test_damaged_files(written):
    path = written()
    header, content = frames.read_header(path), path.read_bytes()
    flipped = content[:-4000] + bytes([content[-4000] ^ 1]) + content[-3999:]
    empty = fits.PrimaryHDU().header.tostring().encode()
    for spoilt in (b'', content[:5000], content[:-3000], flipped, empty):
        path.write_bytes(spoilt)
        with pytest.raises(InputBadError, match=path.name):
            frames.read_pixels(path, header)
    path.unlink()
    with pytest.raises(InputMissingError):
        frames.read_header(path)


def test_another_file_by_now(pair, written):
    header = frames.read_header(written())
    path = written(CADENCE=7)
    with pytest.raises(InputBadError, match='it changed while it was in use'):
        frames.read_pixels(path, header)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 8000), value=st.integers(0, 255))
def test_any_byte_of_the_header_may_be_wrong(pair, tmp_path, place, value):
    content = bytearray(pair[2].read_bytes())
    content[place] = value
    path = tmp_path / pair[2].name
    path.write_bytes(content)
    try:
        header = frames.read_header(path)
        frames.read_pixels(path, header)
    except InputBadError as error:
        assert path.name in str(error)
    else:
        assert np.isfinite([header.time_start, header.time, header.time_stop, header.exposure]).all()
