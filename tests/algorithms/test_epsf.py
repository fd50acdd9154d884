"""The effective PRF is found where stars differ from the official one, and left alone where nothing tells."""

import pytest
from epsf_field import ORIGIN, errors, mean_image

from photometry.algorithms import epsf
from photometry.algorithms.prf import PRF


def learn(field, **changes):
    """What is learned from a field."""
    given = {'origin': ORIGIN, 'exposure': field.exposure, 'blur': field.blur} | changes
    return epsf.learn(field.image, field.row, field.column, field.tmag, field.samples, **given)


@pytest.mark.parametrize(('density', 'shape'), [
    ('isolated', {'width': 1.05}), ('isolated', {'width': 0.95}), ('isolated', {'asymmetry': 0.3}),
    ('crowded', {'width': 1.05}), ('crowded', {'asymmetry': 0.3})])
def test_truth_is_found(density, shape):
    field = mean_image(3, 128, density, **shape)
    made = learn(field)
    before, _ = errors(field, PRF(field.samples, made.wing))
    after, bias = errors(field, PRF(made, made.wing))
    assert after < 0.25 * before and abs(bias) < 0.003
    assert made.rms_after < 0.25 * made.rms_before
