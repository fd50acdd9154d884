"""Code on the pages works as it stands there."""

import re
from pathlib import Path

import numpy as np
import pytest
import simulated

from photometry import STATUS
from photometry.algorithms.sky import Region
from photometry.core import quality
from photometry.core.errors import NoFluxError
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
