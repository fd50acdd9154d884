"""Masks that are made together are those that each star would get by itself."""

import numpy as np
import pytest
import simulated

from photometry.core.stamp import Stamp
from photometry.methods import sap
from photometry.methods.aperture import AperturePhotometry
from photometry.pixels.base import LAYERS

STAMP = Stamp(1000, 1060, 700, 760)
PLACES = np.array([[1028.3, 731.4], [1031.5, 733.0], [1004.1, 712.0], [1044.1, 725.8], [1040.0, 750.0]])
TMAG = [12.0, 13.5, 12.0, 13.0, 7.5]


@pytest.fixture(scope='module')
def sector():
    return simulated.simulate(*PLACES.T, TMAG, stamp=STAMP, frames=60, jitter=0.03, wing=0.03)


def chosen(sector, folder, together):
    """Apertures of all stars, and how many were made together."""
    found, ready = [], 0
    with simulated.worker(sector, folder) as context:
        context.close = lambda: None  # the sector is measured twice
        for starid in range(1000, 1000 + len(TMAG)):
            photometry = AperturePhotometry.from_task(simulated.task(starid), context)
            for layer in LAYERS if together else ():
                photometry.tile.pixels.load(layer)
            ready += sap._ready(photometry) is not None
            found.append(sap.choose_mask(photometry))
    return found, ready


def test_together_or_alone(sector, tmp_path):
    together, ready = chosen(sector, tmp_path, True)
    alone, none = chosen(sector, tmp_path, False)
    assert ready >= 3 and none == 0
    for one, other in zip(together, alone, strict=True):
        assert one.jitter == other.jitter and one.light.stamp == other.light.stamp
        for name in ('mask', 'weights', 'trail'):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
        np.testing.assert_array_equal(one.light.template, other.light.template)
