"""Few stars correct the official PRF where they differ from it, and leave it alone where they do not."""

from types import SimpleNamespace

import numpy as np
import pytest
from epsf_field import ORIGIN, errors, mean_image

from photometry.algorithms import epsf
from photometry.algorithms.prf import PRF
from photometry.core.stamp import Stamp
from photometry.files.prf import load_prf

WIDER = Stamp(ORIGIN[0], ORIGIN[0] + 128, ORIGIN[1], ORIGIN[1] + 128)


def learn(field, stars=slice(None), **changes):
    given = {'image': field.image, 'official': field.samples, 'origin': ORIGIN, 'exposure': field.exposure,
             'blur': field.blur} | changes
    return epsf.learn(row=field.row[stars], column=field.column[stars], tmag=field.tmag[stars], **given)


def off(field, prf):
    """Error of a PRF over the phases and bias of the flux; see `epsf_field.errors`."""
    return errors(SimpleNamespace(renderer=field.renderer, stamp=WIDER), prf, 40)


def small(seed, size=13, **changes):
    """A small field of few stars whose light is all in the core."""
    return mean_image(seed, size, 'isolated', **{'number': 4, 'steps': 3, 'wing': 0.0} | changes)


@pytest.mark.parametrize('size', [13, 32])
@pytest.mark.parametrize('seed', range(4))
def test_stars_like_the_official_ones_teach_nothing(size, seed):
    field = small(seed, size, number=size // 3)
    for stars in (slice(None), [field.tmag.argmin()]):
        made = learn(field, stars)
        assert made is None or abs(off(field, PRF(made, made.wing))[1]) < 0.002


@pytest.mark.parametrize('shape', [{'width': 1.05}, {'width': 0.95}, {'asymmetry': 0.3}])
def test_truth_is_approached(shape):
    field = small(3, 40, number=10, catalog_error=0.1, **shape)
    made = learn(field)
    before, after = (off(field, PRF(one)) for one in (field.samples, made))
    assert made.degree == 0 and 0 < made.stars < epsf.LEAST_STARS and made.rms_after < made.rms_before
    assert after[0] < 0.3 * before[0] and abs(after[1]) < 0.004


def test_a_single_known_star_of_a_cutout():
    field = next(field for field in (small(seed, width=1.05, number=3) for seed in range(20))
                 if learn(field) is not None)
    brightest = [field.tmag.argmin()]
    before, after = (off(field, PRF(one)) for one in (field.samples, learn(field, brightest)))
    assert after[0] < 0.5 * before[0] and abs(after[1]) < 0.01


def test_a_catalogue_without_stars():
    field = small(3, 40, number=10, width=1.05)
    made = learn(field, slice(0))
    assert off(field, PRF(made))[0] < 0.3 * off(field, PRF(field.samples))[0]


def test_samples_have_the_form_of_the_official_ones():
    field = small(3, 40, number=10, width=1.05)
    made = learn(field)
    assert made.samples.shape == (4, 117, 117) and made.samples.dtype == np.float32
    np.testing.assert_allclose(made.samples.sum(axis=(1, 2), dtype='f8'), 81, rtol=1e-5)
    assert made.samples.min() >= 0


def test_two_stars_in_one_are_no_prf():
    official, stamp = load_prf(5, 2, 2), Stamp(900, 913, 950, 963)
    row, column = np.array([906.1, 906.95]), np.array([956.3, 957.4])
    image = np.tensordot([6e3, 2e3], PRF(official).render(row, column, stamp), 1)
    assert epsf.learn(image, row[:1], column[:1], [10.5], official, origin=ORIGIN) is None


@pytest.mark.parametrize('image', [
    np.full((13, 13), np.nan), np.zeros((13, 13)), np.zeros((10, 40)), np.zeros((13, 120)),
    np.full((13, 13), 3e5)])
def test_nothing_to_learn_from(image):
    assert epsf.learn(image, [906.0], [956.0], [10.0], load_prf(5, 2, 2), origin=ORIGIN) is None
    none = np.zeros(0)
    assert epsf.learn(image, none, none, none, load_prf(5, 2, 2), origin=ORIGIN) is None
