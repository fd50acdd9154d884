"""Simulated FFIs and cutouts look like real ones, to astropy and to our own readers."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import target_pixels
from astropy.io import fits

from photometry.core.stamp import Stamp
from photometry.files import ffi, simulated_ffi, simulated_tesscut, tesscut, wcs
from photometry.simulation.pointing import Sky

INPUT = Path(__file__).parents[1] / 'input'
REAL_FFI = INPUT / 'ffic' / 'tess2018206192942-s0001-1-4-0120-s_ffic.fits'
REAL_CUT = INPUT / 'tesscut' / 'tess-s0002-1-2_0.000000_-20.000000_10x15_astrocut.fits'
NOT_IN_OURS = {'TMOFST14', 'MEANBLCA', 'MEANBLCB', 'MEANBLCC', 'MEANBLCD', 'A_DMAX', 'B_DMAX', 'RA_NOM',
               'DEC_NOM', 'ROLL_NOM'}
FACTS = simulated_ffi.FrameFacts(
    1, 1, 4, 1800, 4697, 1325.313100604524, 1325.333933937857, 5.6780875e-3, 32, (10., 7., 7.5, 9.),
    (5.3, 5.2, 5.1, 5.4), True, 10, 900, 720, 60)


@pytest.fixture(scope='module')
def written(tmp_path_factory):
    rng = np.random.default_rng(1)
    image = rng.normal(100, 3, (2048, 2048)).astype('f4')
    text = wcs.wcs_to_text(Sky(1, 1, 4).wcs)
    folder = tmp_path_factory.mktemp('ffi')
    path = simulated_ffi.write_ffi(folder, FACTS, image, np.full_like(image, 0.3), text)
    return path, image


def test_name_and_shape(written):
    path, image = written
    assert path.name == 'tess2018206192942-s0001-1-4-0000-s_ffic.fits'
    with fits.open(path, checksum=True) as hdus:
        hdus.verify('exception')
        names = [hdu.header['EXTNAME'] for hdu in hdus]
        assert names == ['PRIMARY', 'CAMERA.CCD 1.4 cal', 'CAMERA.CCD 1.4 uncert']
        for hdu in hdus[1:]:
            assert hdu.data.shape == (2078, 2136) and hdu.header['BITPIX'] == -32
        np.testing.assert_array_equal(hdus[1].data[:2048, 44:2092], image)
        assert np.abs(hdus[1].data[:2048, :30]).max() < 2 and hdus[1].data[5, 35] > 1000


def test_keywords_are_those_of_a_real_image(written):
    with fits.open(REAL_FFI) as real, fits.open(written[0]) as ours:
        for there, here in zip(real, ours, strict=True):
            wanted = {name for name in there.header if name[:2] not in ('A_', 'B_', 'AP', 'BP')}
            missing = wanted - set(here.header) - NOT_IN_OURS - {'CD1_1', 'CD1_2', 'CD2_1', 'CD2_2'}
            assert not missing
            for name in wanted & set(here.header):
                assert type(there.header[name]) is type(here.header[name]), name
        for name in ('TSTART', 'TSTOP', 'EXPOSURE', 'BARYCORR', 'NREADOUT', 'DEADC'):
            assert ours[1].header[name] == pytest.approx(real[1].header[name], abs=2e-8)
        assert ours[0].header['FFIINDEX'] == 4697 and 'SECTOR' not in ours[0].header
    late = dataclasses.replace(FACTS, sector=30)
    assert 'SECTOR  =                   30' in simulated_ffi.primary_cards(late)


def test_our_reader_reads_it(written):
    path, image = written
    header, found, uncertainty = ffi.read_ffi(path)
    np.testing.assert_array_equal(found, image)
    assert (uncertainty == np.float32(0.3)).all()
    assert (header.sector, header.camera, header.ccd, header.cadenceno) == (1, 1, 4, 4697)
    assert header.quality == 32 and header.readnoise == FACTS.readnoise and header.gain == FACTS.gain
    assert header.time - header.timecorr == pytest.approx(1325.32351727, abs=1e-8)
    assert header.exposure == pytest.approx(1425.6) and header.crmiten and header.cadence == 1800


def test_an_empty_frame_is_all_zero(tmp_path):
    empty = np.zeros((2048, 2048), dtype='f4')
    with fits.open(simulated_ffi.write_ffi(tmp_path, FACTS, empty, empty, '')) as hdus:
        assert not hdus[1].data.any() and 'CTYPE1' not in hdus[1].header


STAMP = Stamp(992, 1005, 1200, 1211)


@pytest.fixture
def cutout(tmp_path):
    rng = np.random.default_rng(2)
    cube = rng.normal(100, 3, (5, *STAMP.shape)).astype('f4')
    facts = [dataclasses.replace(FACTS, sector=5, camera=2, ccd=2, cadenceno=9958 + frame, quality=frame,
                                 start=1434.9 + frame / 48, stop=1434.9 + (frame + 1) / 48)
             for frame in range(5)]
    frames = zip(cube, cube / 100, strict=True)
    cards = Sky(5, 2, 2).cutout_cards(STAMP)
    path = simulated_tesscut.write_tesscut(tmp_path, STAMP, (80.3695, -22.6743), facts, frames, cards)
    return path, cube, facts


def test_cutout_has_the_structure_of_a_real_one(cutout):
    path, cube, facts = cutout
    assert path.name == 'tess-s0005-2-2_80.369500_-22.674300_11x13_astrocut.fits'
    with fits.open(REAL_CUT) as real, fits.open(path, checksum=True) as ours:
        ours.verify('exception')
        assert ours[1].columns.names == real[1].columns.names
        for there, here in zip(real[1].columns, ours[1].columns, strict=True):
            assert there.format.lstrip('0123456789') == here.format.lstrip('0123456789')
        for name in real[1].header:
            if name[1:5] in ('CRV4', 'CTY4', 'CUN4', 'CDL4', 'CRP4') or name.startswith('TTYPE'):
                assert name in ours[1].header, name
        table = ours[1].data
        np.testing.assert_array_equal(table['FLUX'], cube)
        assert (table['RAW_CNTS'] == -1).all() and not table['POS_CORR1'].any()
        assert table['FFI_FILE'][0] == simulated_ffi.ffi_name(facts[0])[:38]
        assert table['FFI_FILE'][0].endswith('s_ffi')
        # One-based: TESSCut names the column and the row of the first pixel.
        assert (ours[1].header['1CRV4P'], ours[1].header['2CRV4P']) == (1201, 993)
        assert ours[2].data.shape == STAMP.shape
        # lightkurve looks for this word.
        assert 'targetpixel' in ours[0].header['CREATOR'].lower() and ours[0].header['TELESCOP'] == 'TESS'


def test_our_reader_reads_the_cutout(cutout):
    path, cube, facts = cutout
    found = tesscut.read_tesscut(path)
    assert found.stamp == STAMP and not found.dropped and not found.quantised
    np.testing.assert_array_equal(found.flux, cube)
    for frame, fact in zip(found.frames, facts, strict=True):
        assert frame.time - frame.timecorr == pytest.approx((fact.start + fact.stop) / 2, abs=1e-6)
        assert frame.quality == fact.quality and frame.readnoise == fact.readnoise
    made = wcs.wcs_from_text(found.wcs_text)
    row, column = wcs.sky_to_pixel(made, *Sky(5, 2, 2).radec([995., 1004.], [1200., 1207.]))
    np.testing.assert_allclose([row, column], [[995, 1004], [1200, 1207]], atol=0.01)


TARGET_NOT_IN_OURS = {
    'LOGG', 'MH', 'PMTOTAL', 'RADIUS', 'CDPP0_5', 'CDPP1_0', 'CDPP2_0', 'CROWDSAP', 'FLFRCSAP', 'NPIXMISS',
    'TMOFST41', 'DATE-OBS', 'DATE-END', 'EXTVER', 'INSTRUME', 'SIMDATA', 'TELESCOP', *NOT_IN_OURS}


def test_target_pixel_files_are_like_a_real_one(tmp_path):
    path = target_pixels.write(tmp_path)
    with fits.open(target_pixels.REAL) as real, fits.open(path, checksum=True) as ours:
        ours.verify('exception')
        assert [hdu.name for hdu in ours] == [hdu.name for hdu in real][:3]
        for there, here in zip(real, ours, strict=False):
            missing = set(there.header) - set(here.header) - TARGET_NOT_IN_OURS
            assert not {name for name in missing if not name.startswith('TDISP') and not name.endswith('P')}
            for name in set(there.header) & set(here.header) - {''}:
                assert type(there.header[name]) is type(here.header[name]), name
        assert real[1].columns.names == ours[1].columns.names
        assert real[1].columns.formats == ours[1].columns.formats
