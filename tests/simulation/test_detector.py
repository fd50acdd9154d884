"""The noise that is drawn is that of reads, clipped on board; charge is conserved."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from photometry.simulation import cosmic
from photometry.simulation.noise import INT_TIME, Detector, clipping_factor, read_by_read
from photometry.simulation.saturation import bleed

QUIET = Detector(1800, readnoise=(8.0,) * 4, gain=(0.0,) * 4)


@pytest.mark.parametrize('block', [3, 10, 40])
def test_clipping_factor_of_normal_reads(block):
    reads = np.random.default_rng(block).standard_normal((200_000, block))
    kept = (reads.sum(axis=1) - reads.min(axis=1) - reads.max(axis=1)) / (block - 2)
    assert kept.std() * np.sqrt(block) == pytest.approx(clipping_factor(block), rel=0.007)


def test_clipping_factor_limits():
    assert clipping_factor(2) == 1
    assert 1.02 < clipping_factor(10) < 1.03


@pytest.mark.parametrize('rate', [50.0, 1000.0, 50_000.0])
@pytest.mark.parametrize('crmiten', [True, False])
def test_frames_have_the_noise_of_single_reads(rate, crmiten):
    detector = Detector(120, crmiten, readnoise=QUIET.readnoise, gain=QUIET.gain)
    reads = read_by_read(np.full(20_000, rate), 8.0, detector, np.random.default_rng(4))
    expected = np.sqrt(detector.variance(rate, np.array([100]))[0])
    assert reads.std() == pytest.approx(expected, rel=0.02)
    # Reads are a little skewed: what is clipped is not quite symmetric.
    assert abs(reads.mean() - rate) < 0.06 + 4 * expected / np.sqrt(reads.size)
    frame = np.full((200, 100), rate, dtype='float32')
    drawn, _ = detector.expose(frame, np.arange(100, 200), np.random.default_rng(5))
    assert drawn.std() == pytest.approx(reads.std(), rel=0.03)


def test_read_noise_differs_between_outputs():
    detector = Detector(1800, readnoise=(2.0, 4.0, 8.0, 16.0), gain=(0.0,) * 4)
    column = np.repeat([50, 600, 1100, 2000], 100)
    image, _ = detector.expose(np.zeros((500, 400), dtype='float32'), column, np.random.default_rng(1))
    measured = image.reshape(500, 4, 100).std(axis=(0, 2))
    np.testing.assert_allclose(measured / measured[0], [1, 2, 4, 8], rtol=0.02)


def test_stated_uncertainty_is_that_of_the_reads_kept():
    stated = QUIET.uncertainty(np.full((1, 2), 150.0, dtype='float32'), np.array([44, 45]))
    np.testing.assert_allclose(stated, np.sqrt(150 * 1425.6 + 720 * 64) / 1425.6, rtol=1e-6)
    assert QUIET.n_readout == 720 and QUIET.deadc == pytest.approx(0.792)


def test_reads_of_short_cadences():
    assert Detector(20, crmiten=False).n_readout == 10
    assert Detector(158).num_frm == 79 and Detector(158).n_readout == 79 - 16


def test_bleeding_conserves_charge():
    image = np.random.default_rng(1).uniform(0, 10, (400, 7))
    image[200, 3] += 5000
    image[202, 3] += 3000
    image[50, 5] += 90
    before = image.sum(axis=0)
    columns = bleed(image, 100.0)
    assert list(columns) == [3]
    np.testing.assert_allclose(image.sum(axis=0), before)
    assert image.max() <= 100
    full = np.flatnonzero(image[:, 3] == 100)
    assert np.array_equal(full, np.arange(full[0], full[-1] + 1))
    assert abs(full.mean() - 201) < 2


@given(arrays('float64', st.tuples(st.integers(1, 30), st.integers(1, 3)),
              elements=st.floats(0, 1e4, allow_subnormal=False)), st.floats(1, 1e4))
def test_bleeding_makes_and_hides_nothing(image, full):
    before = image.copy()
    bleed(image, full)
    assert (image <= full * (1 + 1e-12)).all() and (image >= np.minimum(before, full) * (1 - 1e-12)).all()
    assert (image.sum(axis=0) <= before.sum(axis=0) * (1 + 1e-9)).all()
    untouched = (before <= full).all(axis=0)
    np.testing.assert_array_equal(image[:, untouched], before[:, untouched])


def test_charge_leaves_at_the_edges_only():
    image = np.zeros((10, 1))
    image[0] = 500
    bleed(image, 100.0)
    # Half of the excess runs up and stays, half runs down and out.
    np.testing.assert_allclose(image[:, 0], [100, 100, 100] + [0] * 7)


def test_a_saturated_star_keeps_its_light():
    rate = np.full((300, 9), 100.0, dtype='float32')
    rate[150, 4] = 2.5e6
    column = np.arange(100, 109)
    frames = []
    for seed in range(60):
        image, saturated = QUIET.expose(rate.copy(), column, np.random.default_rng(seed))
        assert saturated[150, 4] and not saturated[:, :4].any()
        assert image.max() < QUIET.full_well / INT_TIME * 1.001
        frames.append(image.sum(dtype='f8'))
    total = float(rate.sum(dtype='f8'))
    expected = np.sqrt(QUIET.variance(rate, column).sum())
    assert np.mean(frames) == pytest.approx(total, abs=4 * expected / np.sqrt(60))
    assert np.std(frames) == pytest.approx(expected, rel=0.35)


def test_cosmic_rays_are_clipped_on_board():
    hits = {clipped: cosmic.add_hits(np.zeros((300, 300), dtype='f4'), Detector(1800, clipped),
                                     np.random.default_rng(1)) for clipped in (True, False)}
    image = np.zeros((300, 300), dtype='f4')
    assert cosmic.add_hits(image, Detector(20, False), np.random.default_rng(1)) > 5
    assert hits[False] > 100 * hits[True] and image.max() > 1
