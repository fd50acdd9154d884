"""Light-curve files are sound FITS, deterministic, and open in lightkurve without a word."""

import dataclasses
import logging
import warnings

import numpy as np
import pytest
import simulated
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from light_curves import TIMES, content_of

from photometry.core.errors import IncompatibleError, InputBadError, InputMissingError, OutputError
from photometry.core.stamp import Stamp
from photometry.files import fits_text, lightcurve
from photometry.files.lightcurve_writer import LightcurveWriter


@pytest.fixture
def content():
    return content_of()


@pytest.fixture
def path(tmp_path, content):
    made = tmp_path / 'c1800' / 'tess.fits'
    LightcurveWriter(source_date_epoch=1700000000).write(made, content)
    return made


def test_astropy_finds_nothing_to_complain_about(path):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with fits.open(path, checksum=True) as hdus:
            hdus.verify('exception')
            assert [hdu.name for hdu in hdus] == ['PRIMARY', 'LIGHTCURVE', 'SUMIMAGE', 'APERTURE']
            assert all(hdu.verify_datasum() == hdu.verify_checksum() == 1 for hdu in hdus)
            head = hdus[0].header
            assert head['NOTE'] == ("it's " * 40).rstrip() and head['AP_NPIX'] == 9
            assert head['TEFF'] is None


def test_astropy_computes_the_same_checksums(path):
    with fits.open(path) as hdus:
        stored = [hdu.header['CHECKSUM'] for hdu in hdus]
        for hdu in hdus:
            hdu.add_checksum()
            assert hdu.verify_checksum() == 1
    assert all(len(text) == 16 for text in stored)


def test_what_is_read_is_what_was_written(path, content):
    found = lightcurve.read_lightcurve(path)
    for name in ('TIME', 'CADENCENO', 'QUALITY'):
        assert np.array_equal(found.columns[name], content.columns[name])
    assert np.allclose(found.columns['FLUX'], content.columns['FLUX'], rtol=1e-6)
    assert np.isnan(found.columns['FLUX_BKG']).all()
    assert np.allclose(found.sumimage, content.sumimage, rtol=1e-6)
    assert found.primary['TICID'] == 25155310 and found.table['BJDREFI'] == 2457000


def test_the_wcs_of_the_stamp_points_where_that_of_the_frame_does(path):
    whole = WCS(fits.Header.fromstring(simulated.flat_wcs(Stamp(290, 330, 490, 530))))
    with fits.open(path) as hdus:
        stamp, physical = WCS(hdus['APERTURE'].header), WCS(hdus['APERTURE'].header, key='P')
    assert np.allclose(stamp.all_pix2world(2, 3, 0), whole.all_pix2world(502, 303, 0), rtol=1e-12)
    assert np.allclose(physical.all_pix2world(2, 3, 0), (503, 304))


def test_bytes_depend_on_the_content_alone(content, monkeypatch):
    fresh, used = LightcurveWriter(source_date_epoch=5), LightcurveWriter(source_date_epoch=5)
    used.encode(dataclasses.replace(content, primary={'SECTOR': True, 'CAMERA': 2.0, 'CCD': '3'},
                                    sumimage=np.zeros((2, 3)), extra={'NOTE': 'other'}))
    assert fresh.encode(content) == used.encode(content) == used.encode(content)
    monkeypatch.setenv('SOURCE_DATE_EPOCH', '5')
    assert LightcurveWriter().encode(content) == fresh.encode(content)


def test_compressed_files_have_no_time_stamp(tmp_path, content):
    for name in ('a.fits.gz', 'b.fits.gz'):
        LightcurveWriter(compress=True, source_date_epoch=5).write(tmp_path / name, content)
    assert (tmp_path / 'a.fits.gz').read_bytes() == (tmp_path / 'b.fits.gz').read_bytes()
    assert lightcurve.read_lightcurve(tmp_path / 'a.fits.gz').primary['TICID'] == 25155310


def test_a_flipped_bit_is_found(path):
    data = bytearray(path.read_bytes())
    start = data.index(b"EXTNAME = 'LIGHTCURVE'")
    data[start + 2880 * 3 + 1000] ^= 4
    path.write_bytes(data)
    with pytest.raises(InputBadError, match='DATASUM'):
        lightcurve.read_lightcurve(path)


def test_a_changed_header_is_a_warning(path, caplog):
    data = path.read_bytes()
    path.write_bytes(data.replace(b"OBJECT  = 'TIC 25155310'", b"OBJECT  = 'TIC 25155311'", 1))
    with caplog.at_level(logging.WARNING):
        assert lightcurve.read_lightcurve(path).columns['FLUX'].size == TIMES
    assert 'CHECKSUM' in caplog.text


@pytest.mark.parametrize('damage', [lambda data: b'', lambda data: data[:5000], lambda data: b'x' * 9000])
def test_damaged_files_are_named(path, damage):
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputBadError, match=path.name):
        lightcurve.read_lightcurve(path)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 30000), bit=st.integers(0, 7), cut=st.booleans(), packed=st.booleans())
def test_wild_damage_is_refused_or_harmless(content, tmp_path, place, bit, cut, packed):
    path = tmp_path / ('wild.fits.gz' if packed else 'wild.fits')
    LightcurveWriter(compress=packed, source_date_epoch=5).write(path, content)
    data = bytearray(path.read_bytes())
    place %= len(data)
    data[place] ^= 1 << bit
    path.write_bytes(data[:place + 1] if cut else data)
    try:
        found = lightcurve.read_lightcurve(path)
    except (InputBadError, IncompatibleError):
        return
    assert np.allclose(found.columns['FLUX'], content.columns['FLUX'], rtol=1e-6)


def test_keywords_have_at_most_eight_letters(content):
    with pytest.raises(ValueError, match='KEYWORDXY'):
        LightcurveWriter().encode(dataclasses.replace(content, extra={'KEYWORDXY': 1}))


def test_missing_files_are_named(tmp_path):
    with pytest.raises(InputMissingError, match='nowhere'):
        lightcurve.read_lightcurve(tmp_path / 'nowhere.fits')


def test_an_output_that_cannot_be_written_is_explained(tmp_path, content):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match='not a directory'):
        LightcurveWriter().write(tmp_path / 'file' / 'c1800' / 'tess.fits', content)


def test_the_established_layout(tmp_path, content):
    path = tmp_path / 'tasoc.fits'
    LightcurveWriter(layout='tasoc').write(path, content)
    found = lightcurve.read_lightcurve(path)
    assert list(found.columns) == [
        'TIME', 'TIMECORR', 'CADENCENO', 'FLUX_RAW', 'FLUX_RAW_ERR', 'FLUX_BKG', 'FLUX_CORR',
        'FLUX_CORR_ERR', 'QUALITY', 'PIXEL_QUALITY', 'MOM_CENTR1', 'MOM_CENTR2', 'POS_CORR1', 'POS_CORR2']
    assert not found.columns['QUALITY'].any()
    assert np.array_equal(found.columns['PIXEL_QUALITY'], content.columns['QUALITY'])
    assert abs(np.median(found.columns['FLUX_CORR'])) < 1000


@pytest.fixture
def rich(content):
    """A light curve with all that is optional."""
    names = ('MOM_CENTR1_ERR', 'MOM_CENTR2_ERR', 'PSF_CHI2', 'FLUX_APERTURE', 'FLUX_APERTURE_ERR')
    more = {name: np.full(TIMES, float(number)) for number, name in enumerate(names)}
    neighbours = {'STARID': np.array([2 ** 40, 0]), 'TMAG': np.array([9.5, np.nan]),
                  'ROW': np.array([303.25, 304]), 'LIGHT': np.array([0.3, 1e-4]), 'FLAGS': np.array([1, 2])}
    return dataclasses.replace(content, columns=content.columns | more, neighbours=neighbours,
                               weightmap=np.ones(content.sumimage.shape))


def test_what_is_optional_comes_back(tmp_path, rich):
    path = tmp_path / 'rich.fits'
    LightcurveWriter(source_date_epoch=5).write(path, rich)
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with fits.open(path, checksum=True) as hdus:
            hdus.verify('exception')
            assert [hdu.name for hdu in hdus] == ['PRIMARY', 'LIGHTCURVE', 'SUMIMAGE', 'APERTURE',
                                                  'WEIGHTMAP', 'NEIGHBOURS']
            assert hdus[0].header['NEXTEND'] == 5 and hdus[0].header['SCHEMA'] == '1.3'
            assert all(hdu.verify_datasum() == hdu.verify_checksum() == 1 for hdu in hdus)
    found = lightcurve.read_lightcurve(path)
    assert list(found.columns)[-5:] == ['MOM_CENTR1_ERR', 'MOM_CENTR2_ERR', 'PSF_CHI2', 'FLUX_APERTURE',
                                        'FLUX_APERTURE_ERR']
    assert (found.columns['FLUX_APERTURE'] == 3).all() and (found.weightmap == 1).all()
    assert found.neighbours['STARID'].tolist() == [2 ** 40, 0] and np.isnan(found.neighbours['FLUX']).all()
    assert found.neighbours['ROW'].tolist() == [303.25, 304] and found.neighbours['FLAGS'].tolist() == [1, 2]


def test_no_neighbour_is_an_empty_table(tmp_path, rich):
    path = tmp_path / 'a.fits'
    LightcurveWriter().write(path, dataclasses.replace(rich, neighbours={'STARID': np.array([], 'i8')}))
    assert all(values.size == 0 for values in lightcurve.read_lightcurve(path).neighbours.values())


def test_unknown_columns_are_refused(rich):
    with pytest.raises(ValueError, match='no column FLUXX'):
        LightcurveWriter().encode(
            dataclasses.replace(rich, columns=rich.columns | {'FLUXX': np.zeros(TIMES)}))


def test_the_established_layout_has_nothing_optional(tmp_path, rich):
    path = tmp_path / 'tasoc.fits'
    LightcurveWriter(layout='tasoc').write(path, rich)
    found = lightcurve.read_lightcurve(path)
    assert len(found.columns) == 14 and found.neighbours is None and (found.weightmap == 1).all()


def test_files_of_the_first_schema_are_read(tmp_path, content, monkeypatch):
    monkeypatch.setattr(lightcurve.lightcurve_schema, 'VERSION', '1.0')
    LightcurveWriter().write(tmp_path / 'old.fits', content)
    monkeypatch.undo()
    found = lightcurve.read_lightcurve(tmp_path / 'old.fits')
    assert found.primary['SCHEMA'] == '1.0' and found.neighbours is found.weightmap is None
    assert np.array_equal(found.columns['TIME'], content.columns['TIME'])


@pytest.mark.parametrize(('value', 'text'), [
    (True, '                   T'), (3, '                   3'), (1.5, '                 1.5'),
    (1e-05, '             1.0E-05'), (None, ''), (float('nan'), ''), (float('inf'), '')])
def test_cards_follow_the_standard(value, text):
    card = fits_text.card('KEY', value)
    assert len(card) == 80 and card[10:].rstrip() == text.rstrip()
    fits.Card.fromstring(card).verify('exception')


@pytest.mark.filterwarnings('ignore::UserWarning')
def test_lightkurve_reads_our_flux_with_its_mask(path, content):
    import lightkurve
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        found = lightkurve.read(path)
    assert type(found).__name__ == 'TessLightCurve'
    assert found.meta['TARGETID'] == 25155310
    assert (found.meta['SECTOR'], found.meta['CAMERA'], found.meta['CCD']) == (5, 2, 3)
    kept = content.columns['QUALITY'] == 0
    assert np.allclose(found.flux.value, content.columns['FLUX'][kept], rtol=1e-6)
    assert found.flux.unit == 'electron / s' and found.time.format == 'btjd' and found.time.scale == 'tdb'


@pytest.mark.filterwarnings('ignore::UserWarning')
def test_our_own_reader_names_the_author_and_the_column(path, content):
    import lightkurve
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        from photometry.files import lightkurve_reader
        lightkurve_reader.register()
        found = lightkurve.LightCurve.read(path, format='tessphot', flux_column='sap_flux',
                                           quality_bitmask='none')
    assert found.meta['AUTHOR'] == 'tessphot' and found.meta['TARGETID'] == 25155310
    assert np.allclose(found.flux.value, content.columns['SAP_FLUX'], rtol=1e-6)


@pytest.mark.filterwarnings('ignore::UserWarning')
@pytest.mark.parametrize(('layout', 'column', 'source', 'unit'), [
    ('tessphot', None, 'FLUX', 'electron / s'), ('tessphot', 'FLUX_BKG', 'FLUX_BKG', 'electron / s'),
    ('tessphot', 'mom_centr1', 'MOM_CENTR1', 'pix'), ('tasoc', None, 'FLUX_CORR', 'ppm'),
    ('tasoc', 'flux_raw', 'FLUX_RAW', 'electron / s')])
def test_our_own_reader_gives_any_column_in_its_unit(layout, column, source, unit, tmp_path, content):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        from photometry.files import lightkurve_reader
    path = tmp_path / 'a.fits'
    LightcurveWriter(layout=layout).write(path, content)
    found = lightkurve_reader.read(path, column, quality_bitmask='default')
    kept = content.columns['QUALITY'] == 0
    assert np.array_equal(found.flux.value, lightcurve.read_lightcurve(path).columns[source][kept],
                          equal_nan=True)
    assert str(found.flux.unit) == unit and found.meta['FLUX_ORIGIN'] == source.lower()
    assert found['timecorr'].unit == 'd' and len(found['centroid_col']) == kept.sum()
    with pytest.raises(KeyError, match='has no column pdcsap_flux'):
        lightkurve_reader.read(path, 'pdcsap_flux')


@pytest.mark.filterwarnings('ignore::UserWarning')
def test_our_own_reader_takes_the_flux_of_another_method(tmp_path, rich):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        from photometry.files import lightkurve_reader
    LightcurveWriter().write(tmp_path / 'a.fits', rich)
    found = lightkurve_reader.read(tmp_path / 'a.fits', 'flux_aperture')
    assert (found.flux.value == 3).all() and (found.flux_err.value == 4).all()
    assert str(found.flux.unit) == 'electron / s' and found.meta['FLUX_ORIGIN'] == 'flux_aperture'
    assert (found['psf_chi2'] == 2).all()


def test_wild_text_stays_within_the_standard(tmp_path, content):
    wild = 'two\nlines\tand \u00e9' + "'" * 70 + '\x7f'
    LightcurveWriter().write(tmp_path / 'a.fits', dataclasses.replace(content, extra={'REMARKS': wild}))
    with fits.open(tmp_path / 'a.fits') as hdus:
        hdus.verify('exception')
        assert hdus[0].header['REMARKS'] == 'two lines and ?' + "'" * 70
