"""Code on the pages works as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest
import simulated
from light_curves import TIMES, content_of

from photometry import STATUS
from photometry.algorithms.sky import Region
from photometry.core import quality
from photometry.core.errors import NoFluxError
from photometry.files.lightcurve_writer import LightcurveWriter
from photometry.pixels.base import PixelSource

DOCS = Path(__file__).parents[2] / 'docs'
_BLOCK = re.compile(r'^```python\n(.*?)^```$', re.DOTALL | re.MULTILINE)


def defined(page):
    """Names that the Python of a page defines."""
    names = {'__name__': page}
    for block in _BLOCK.findall((DOCS / page).read_text()):
        exec(compile(block, page, 'exec'), names)
    return names


@pytest.fixture(scope='module')
def sector():
    return simulated.simulate([1015.0, 1030.0], [716.0, 730.0], [9.0, 9.5], frames=40)


def test_the_method_measures_the_star(sector, tmp_path):
    method = defined('howto/add_method.md')['Brightest']
    with simulated.worker(sector, tmp_path) as context:
        photometry = method.from_task(simulated.task(1000), context)
        assert photometry.photometry() in (STATUS.OK, STATUS.WARNING)
        good = quality.good(photometry.columns['quality'])
        flux, error = (photometry.columns[name][good] for name in ('flux', 'flux_err'))
        assert np.median(flux) == pytest.approx(sector.flux[0], rel=0.02)
        assert np.isfinite(error).all() and photometry.method == 'brightest'


def test_the_method_refuses_the_pixel_of_another_star(tmp_path):
    sector = simulated.simulate([1020.0, 1020.0], [716.0, 720.0], [12.0, 9.0], frames=10)
    method = defined('howto/add_method.md')['Brightest']
    with simulated.worker(sector, tmp_path) as context, pytest.raises(NoFluxError, match='another star'):
        method.from_task(simulated.task(1000), context).photometry()


def test_the_catalogue_gives_stars_of_a_region():
    source = defined('howto/add_catalogue.md')['GridCatalog']()
    outline = np.array([[10.05, -25.05], [10.95, -25.05], [10.95, -24.05], [10.05, -24.05]])
    stars = source.stars(Region((outline,), 0.0), 2018.9, 16)
    assert len(stars) == 9 * 10 and (stars['tmag'] == 10).all()
    assert source.inputs(None)[0].name == 'a grid of my own'


def test_the_source_begins_what_a_source_must_have():
    source = defined('howto/add_source.md')['MySource']('x')
    wanted = set(PixelSource.__annotations__) | {'read', 'sumimage', 'close'}
    said = (DOCS / 'howto' / 'add_source.md').read_text()
    assert 'photometry/pixels/base.py' in said
    assert {name for name in dir(source) if not name.startswith('_')} <= wanted


@pytest.mark.filterwarnings('ignore')
def test_sectors_are_stitched(tmp_path):
    page, wave = defined('howto/stitch_sectors.md'), np.sin(np.arange(TIMES) / 5)
    for sector, level in ((5, 1000.0), (6, 900.0), (33, 950.0)):
        content = content_of({'SECTOR': sector, 'PHOTMET': 'linpsf'})
        content.columns['FLUX'] = level * (1 + 0.01 * wave)
        content.columns['FLUX'][7] = np.nan
        content.columns['TIME'] = content.columns['TIME'] + 27 * (sector - 5)
        name = f'tess00025155310-s{sector:03d}-2-3-c1800-dr07-v01-tessphot_lc.fits'
        LightcurveWriter().write(tmp_path / 'c1800' / '00025' / name, content)
    curves = page['sectors_of'](tmp_path, 25155310)
    assert [curve.meta['SECTOR'] for curve in curves] == [5, 6, 33]
    assert np.allclose(page['levels'](curves)[:, 0], [1000, 900, 950], rtol=0.003)
    found, good = page['joined'](curves), quality.good(content.columns['QUALITY'])
    good[7] = False
    assert len(found) == 3 * good.sum() and (np.diff(found.time.value) > 0).all()
    assert np.allclose(found.flux.value, np.tile(1 + 0.01 * wave[good], 3), atol=0.003)
    assert len(page['sectors_of'](tmp_path, 25155310, SECTOR=6)) == 1
