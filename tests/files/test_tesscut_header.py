"""The headers of TESSCut files tell the same as the whole files."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from photometry.core.errors import InputBadError, InputMissingError
from photometry.files import tesscut, wcs

CUTS = Path(__file__).parents[1] / 'input' / 'tesscut'


@pytest.mark.parametrize('name', ['tess-s0005-2-2_80.369500_-22.674300_13x13_astrocut.fits.gz',
                                  'tess-s0002-1-2_0.000000_-20.000000_10x15_astrocut.fits'])
def test_headers_and_whole_files_agree(name):
    header, cut = tesscut.read_tesscut_header(CUTS / name), tesscut.read_tesscut(CUTS / name)
    frame = cut.frames[0]
    assert header.stamp == cut.stamp and header.ccd_key == (frame.sector, frame.camera, frame.ccd)
    outlines = [wcs.footprint(wcs.wcs_from_text(text), cut.stamp) for text in (header.wcs_text, cut.wcs_text)]
    assert np.allclose(*outlines, atol=1e-5)
    assert header.time_start == pytest.approx(frame.time_start, abs=0.02)
    assert header.time_stop == pytest.approx(cut.frames[-1].time_stop, abs=0.02)
    assert header.size == frame.size


def test_bad_files_are_named(tmp_path):
    with pytest.raises(InputMissingError):
        tesscut.read_tesscut_header(tmp_path / 'none')
    source = CUTS / 'tess-s0002-1-2_0.000000_-20.000000_10x15_astrocut.fits'
    for content in (b'', b'junk' * 2000, source.read_bytes()[:100_000]):
        path = tmp_path / source.name
        path.write_bytes(content)
        with pytest.raises(InputBadError, match='cannot be used'):
            tesscut.read_tesscut_header(path)
    with fits.open(source) as file:
        for unit in file:
            unit.header.pop('TSTART', None)
        file.writeto(path, overwrite=True)
    with pytest.raises(InputBadError, match='no TSTART'):
        tesscut.read_tesscut_header(path)
