"""Light curves for an archive have the names and keywords that MAST asks for."""

import re
import warnings

import pytest
from astropy.io import fits
from astropy.time import Time
from light_curves import content_of

from photometry.core import starids
from photometry.files import hlsp, lightcurve, paths
from photometry.files.lightcurve_writer import LightcurveWriter

COLLECTION = hlsp.Collection('my-stars', 'All my stars', 'Maria Mitchell', '10.17909/abcd-ef01',
                             '2026arXiv260100001M')

REQUIRED = ('DATE-BEG', 'DATE-END', 'MJD-BEG', 'MJD-END', 'DOI', 'HLSPID', 'HLSPLEAD', 'HLSPNAME', 'HLSPTARG',
            'HLSPVER', 'INSTRUME', 'LICENSE', 'LICENURL', 'OBSERVAT', 'PROPOSID', 'REFERENC', 'TELAPSE',
            'TELESCOP', 'TIMESYS', 'XPOSURE')
"""Of the primary header: the page *Common Metadata* of MAST."""

OF_THE_TABLE = ('RA_TARG', 'DEC_TARG', 'RADESYS', 'FILTER', 'DETECTOR', 'BUNIT')
"""Of the table: the page *Light-curve Metadata*."""


@pytest.fixture
def content():
    return content_of({'FILEVER': '3'},
                      {'TSTART': 1440.0, 'TSTOP': 1466.25, 'TELAPSE': 26.25, 'EXPOSURE': 20.0})


@pytest.fixture
def path(content, tmp_path):
    made = tmp_path / hlsp.file_name('my-stars', 25155310, 5, 2, 3, 1800, 3)
    LightcurveWriter(layout='hlsp', source_date_epoch=1700000000, collection=COLLECTION).write(made, content)
    return made


@pytest.mark.parametrize(('starid', 'target'), [
    (25155310, '0000000025155310'), (-4689637789433087488, 'gaia4689637789433087488'), (-7, 'local7'),
    (int(starids.of_position(83.6331, -22.0145)), 'position83.63310-22.01450')])
def test_names_follow_the_convention(starid, target):
    name = hlsp.file_name('my-stars', starid, 5, 2, 3, 1800, 3, 'tpf')
    assert name == f'hlsp_my-stars_tess_tpf_s0005-2-3-{target}-c1800_tess_v03_lc.fits'
    stem, _, end = name.rpartition('.')
    assert end == 'fits' and len(stem.split('_')) == 8 and len(name) <= 90
    assert re.fullmatch(r'[a-z0-9_.+-]+', name)
    assert paths.star_of(name) == target


def test_the_header_has_what_the_archive_requires(path):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        with fits.open(path, checksum=True) as hdus:
            hdus.verify('exception')
            primary, table = hdus[0].header, hdus['LIGHTCURVE'].header
    assert not [name for name in REQUIRED if primary.get(name) in (None, '')]
    assert not [name for name in OF_THE_TABLE if table.get(name) in (None, '')]
    assert primary['RADESYS'] == 'ICRS' and 'EQUINOX' not in primary
    assert (primary['HLSPID'], primary['HLSPVER'], primary['HLSPTARG']) == ('MY-STARS', 'v03', 'TIC 25155310')
    assert (primary['HLSPLEAD'], primary['DOI'], primary['LICENSE']) == (
        'Maria Mitchell', '10.17909/abcd-ef01', 'CC BY 4.0')
    assert (table['RA_TARG'], table['DEC_TARG'], table['DETECTOR']) == (80.0, -45.0, '2-3')


def test_dates_are_those_of_the_first_and_last_cadence(path):
    primary = lightcurve.read_lightcurve(path).primary
    for word, btjd in (('BEG', 1440.0), ('END', 1466.25)):
        expected = Time(2457000 + btjd, format='jd', scale='tdb')
        assert primary[f'MJD-{word}'] == pytest.approx(expected.mjd, abs=1e-8)
        assert abs((Time(primary[f'DATE-{word}'], scale='tdb') - expected).sec) < 1e-3
    assert primary['TELAPSE'] == pytest.approx(primary['MJD-END'] - primary['MJD-BEG'])
    assert (primary['TIMESYS'], primary['TIMEUNIT'], primary['XPOSURE']) == ('TDB', 'd', 20.0)


def test_columns_and_pixels_are_those_of_our_own_layout(path, content, tmp_path):
    LightcurveWriter().write(tmp_path / 'own.fits', content)
    there, own = (lightcurve.read_lightcurve(name) for name in (path, tmp_path / 'own.fits'))
    assert there.layout == 'hlsp' and list(there.columns) == list(own.columns)
    assert all((there.columns[name] == own.columns[name]).all() for name in ('TIME', 'FLUX', 'QUALITY'))
    assert (there.sumimage == own.sumimage).all()


@pytest.mark.filterwarnings('ignore::UserWarning')
def test_lightkurve_opens_it(path):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        import lightkurve
        found = lightkurve.read(path)
    assert found.meta['TARGETID'] == 25155310 and found.meta['HLSPID'] == 'MY-STARS'
    assert str(found.flux.unit) == 'electron / s' and found.time.format == 'btjd'


def test_what_is_not_known_yet_is_a_keyword_without_a_value(content, tmp_path):
    LightcurveWriter(layout='hlsp').write(tmp_path / 'a.fits', content)
    primary = lightcurve.read_lightcurve(tmp_path / 'a.fits').primary
    assert primary['HLSPID'] == 'TESSPHOT' and primary['DOI'] is None and primary['HLSPLEAD'] is None
    assert hlsp.Collection().missing() == ['name', 'lead', 'doi'] and not COLLECTION.missing()
