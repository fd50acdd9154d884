"""Forms in which PRFs change: light is stretched, not pixels, and each place has its own."""

import numpy as np
import pytest
from epsf_field import ORIGIN, errors, mean_image
from scipy.special import erf

from photometry.algorithms import epsf, epsf_forms
from photometry.algorithms.prf import PRF
from photometry.core.stamp import Stamp
from photometry.files.prf import PRFSamples, load_prf
from photometry.simulation.shape import Shape

OFFSET = (np.arange(117) - 58) / 9


def gaussian(down, right):
    """Response of pixels to a Gaussian of two widths (px), 81 in sum."""
    axes = [erf((OFFSET + 0.5) / (width * np.sqrt(2))) - erf((OFFSET - 0.5) / (width * np.sqrt(2)))
            for width in (down, right)]
    return np.outer(*axes) / 4


def along_phases(samples):
    """Sum over the pixels at each phase of the star."""
    return samples.reshape(-1, 13, 9, 13, 9).sum(axis=(1, 3))


def test_forms_hold_no_light_and_move_no_star():
    samples = epsf.surrounding(load_prf(5, 2, 2), Stamp(900, 913, 950, 963)).samples
    images, spread = epsf_forms.of(samples), epsf_forms.spreads(0.06, 0.04, 0.04)
    assert images.shape == (epsf_forms.NUMBER, 4, 117, 117) and spread.shape == (epsf_forms.NUMBER,)
    assert np.abs(images.sum(axis=(2, 3))).max() < 1e-9
    # nor light that changes with the star's phase within its pixel
    sums = along_phases(images.reshape(-1, 117, 117)).reshape(len(images), -1)
    assert np.abs(sums * spread[:, None]).max() < 2e-3
    weight = 1 / (np.maximum(samples, 0) + epsf_forms.CENTRE_SKY)
    for slope in np.gradient(samples, axis=(1, 2)):
        assert np.abs((weight * slope * images).sum(axis=(2, 3))).max() < 1e-6


def test_light_is_stretched_and_pixels_are_not():
    samples = gaussian(0.5, 0.6)
    forms = epsf_forms.of(samples[None])[:, 0]
    along_rows, across, turned, along_columns = forms[len(epsf_forms.DERIVATIVES):]
    for axis, form, (down, right) in ((0, along_rows, (1, 0)), (1, along_columns, (0, 1))):
        wide, narrow = (gaussian(0.5 * (1 + step * down), 0.6 * (1 + step * right)) for step in (0.01, -0.01))
        truth = (narrow - wide) / 0.02
        assert np.abs(form - truth).max() < 0.015 * np.abs(truth).max()
        naive = (OFFSET[:, None] if axis == 0 else OFFSET) * np.gradient(samples, 1 / 9, axis=axis)
        assert along_phases(form).std() < 0.25 * along_phases(naive).std()
    # the shears of a Gaussian are one smear along the diagonal, times a width squared each
    core = np.abs(OFFSET) < 4
    across, turned = (form[np.ix_(core, core)] for form in (across / 0.25, turned / 0.36))
    np.testing.assert_allclose(across, turned, atol=0.02 * np.abs(across).max())


@pytest.mark.parametrize('width', [1.02, 0.97])
def test_amounts_of_a_change(width):
    samples = load_prf(5, 2, 2).samples[12].astype('f8')
    found = epsf_forms.amounts(Shape(width).applied(samples, 58, 9) - samples, samples)
    stretches = found[len(epsf_forms.DERIVATIVES):]
    np.testing.assert_allclose(stretches[[0, 3]], 1 - width, atol=0.1 * abs(1 - width))
    np.testing.assert_allclose(np.delete(found, [7, 10]), 0, atol=0.1 * abs(1 - width))


def test_each_place_changes_in_its_own_way(monkeypatch):
    # two kinds of stars whose difference is as that over a CCD, side by side
    image = load_prf(5, 2, 2).samples[12].astype('f8')
    left, right = (Shape(width).applied(image, 58, 9) for width in (0.92, 1.08))
    row, column = np.repeat([890.0, 1110.0], 2), np.tile([940.0, 1090.0], 2)
    official = PRFSamples(np.stack([left, right, left, right]), row, column)
    true = PRFSamples(np.stack([Shape(1.06).applied(one, 58, 9) for one in official.samples]), row, column)
    field = mean_image(3, 128, 'isolated', samples=true, steps=3)

    def error():
        made = epsf.learn(field.image, field.row, field.column, field.tmag, official, origin=ORIGIN,
                          exposure=field.exposure, blur=field.blur)
        return errors(field, PRF(made, made.wing))[0]
    local = error()
    monkeypatch.setattr(epsf_forms, 'amounts', lambda change, samples: np.zeros(epsf_forms.NUMBER))
    assert local < 0.7 * error()
