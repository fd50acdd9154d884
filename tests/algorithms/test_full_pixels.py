"""Full pixels and those that hold their charge are told from bright ones that are linear."""

import numpy as np

from photometry.algorithms import full_pixels, masks

WELL = 1e5


def bled(spill=0.0):
    """A column whose middle is full, with charge in the pixels beyond: (model, peak)."""
    model = np.full((15, 9), 50.0)
    model[:, 4] = [50, 60, 200, 1000, 5000, 2e4, 6e4, 3e5, 6e4, 2e4, 5000, 1000, 200, 60, 50]
    peak = model.copy()
    peak[5:10, 4] = WELL
    peak[4, 4] += spill
    return model, peak


def spoilt(model, peak, slopes=None, shift=0.0, **options):
    slopes = np.zeros((2, *model.shape)) if slopes is None else slopes
    return full_pixels.truly_spoilt(peak, model, slopes, np.full((4, 2), shift), np.full(model.shape, 4.0),
                                    **options)


def test_full_pixels_are_left_out_and_linear_ones_kept():
    model, peak = bled()
    found = spoilt(model, peak)
    expected = np.zeros_like(found)
    expected[5:10, 4] = True
    np.testing.assert_array_equal(found, expected)
    assert full_pixels.spoilt(peak).sum() == 5 + 2 * masks.BLEED_REACH


def test_charge_beyond_the_run_is_seen():
    model, peak = bled(spill=300.0)
    assert spoilt(model, peak, excess=0.02)[4, 4]
    assert not spoilt(model, peak)[4, 4]  # six percent may be an error of the model
    assert spoilt(*bled(spill=3000.0))[4, 4]


def test_what_the_motion_brings_is_no_charge():
    model, peak = bled(spill=300.0)
    slopes = np.zeros((2, *model.shape))
    slopes[0, 4, 4] = -3000.0
    assert not spoilt(model, peak, slopes, shift=0.1, excess=0.02)[4, 4]


def test_other_columns_are_left_alone():
    model, peak = bled()
    peak[6, 7] = 4e4
    assert not spoilt(model, peak)[6, 7]


def test_nothing_is_full():
    model = np.full((5, 5), 1e3)
    assert not spoilt(model, 1.5 * model).any()


def test_the_highest_value_of_bright_pixels():
    image = np.full((9, 9), 100.0)
    image[4, 4] = 5e4
    images = np.repeat(image[:, :, None], 6, axis=2)
    images[4, 4, 2], images[4, 4, 3], images[0, 0, 2] = 9.9e4, np.nan, 1e6
    good = np.arange(6) != 5
    images[4, 4, 5] = 2e5
    made = full_pixels.highest(images, image, good)
    assert made[4, 4] == 9.9e4 and made[0, 0] == 100.0
    assert full_pixels.highest(images, image, np.zeros(6, dtype=bool))[4, 4] == 5e4
    assert full_pixels.highest(images[..., :2], np.full((9, 9), np.nan), good[:2]).max() == 0
