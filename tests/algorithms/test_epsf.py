"""The effective PRF is found where stars differ from the official one, and left alone where nothing tells."""

import numpy as np
import pytest
from epsf_field import ORIGIN, errors, mean_image, pointings

from photometry.algorithms import epsf, epsf_basis, epsf_blocks, epsf_prior, epsf_scene, wing_images
from photometry.algorithms.prf import PRF, Wing
from photometry.core.stamp import Stamp
from photometry.files.prf import PRFSamples, load_prf
from photometry.simulation.shape import Shape


def learn(field, **changes):
    """What is learned from a field."""
    given = {'origin': ORIGIN, 'exposure': field.exposure, 'blur': field.blur, 'image': field.image,
             'official': field.samples} | changes
    return epsf.learn(row=field.row, column=field.column, tmag=field.tmag, **given)


@pytest.fixture(scope='module')
def small():
    """Few steps of a small crowded field of stars 5 % too wide, with what is learned from it."""
    field = mean_image(4, 80, 'crowded', width=1.05, steps=3)
    return field, learn(field)


@pytest.mark.parametrize(('density', 'shape', 'part'), [
    ('isolated', {'width': 1.05}, 0.1), ('isolated', {'asymmetry': 0.3, 'scatter': 0.1}, 0.25),
    ('crowded', {'width': 0.95, 'catalog_error': 0.1}, 0.1)])
def test_truth_is_found(density, shape, part):
    field = mean_image(3, 128, density, **shape)
    made = learn(field)
    before, _ = errors(field, PRF(field.samples, made.wing))
    after, bias = errors(field, PRF(made, made.wing))
    assert after < part * before and abs(bias) < 0.003
    assert made.rms_after < 0.25 * made.rms_before
    assert made.wing.fraction == pytest.approx(0.03, abs=0.003)


def test_samples_have_the_form_of_the_official_ones(small):
    field, made = small
    assert made.samples.shape == (4, 117, 117) and made.samples.dtype == np.float32
    assert set(zip(made.row, made.column, strict=True)) <= set(
        zip(field.samples.row, field.samples.column, strict=True))
    assert made.row.min() <= ORIGIN[0] and made.column.max() >= ORIGIN[1] + 79
    np.testing.assert_allclose(made.samples.sum(axis=(1, 2), dtype='f8'), 81, rtol=1e-5)
    assert made.samples.min() >= 0 and made.stars >= epsf.LEAST_STARS
    assert isinstance(made.wing, Wing) and made.oversample == 9


def test_stars_without_a_magnitude_or_place_change_nothing(small):
    field, made = small
    more = field.__class__(**vars(field))
    for name, value in (('row', np.nan), ('column', 950.0), ('tmag', 12.0)):
        setattr(more, name, np.append(getattr(field, name), value))
    again = learn(more)
    np.testing.assert_array_equal(again.samples, made.samples)
    assert (made.wing, made.rms_after) == (again.wing, again.rms_after)


def test_identical_places_are_no_singularity(small):
    field, made = small
    more = field.__class__(**vars(field))
    for name in ('row', 'column', 'tmag'):
        values = getattr(field, name)
        setattr(more, name, np.append(values, values[5:8]))
    assert np.abs(learn(more).samples - made.samples).max() < 0.01 * made.samples.max()


def test_blur_of_the_motion_is_taken_out():
    field = mean_image(5, 100, 'isolated', scatter=0.15, width=1.05)
    sharp, blurred = (learn(field, **change) for change in ({}, {'blur': (0.0, 0.0, 0.0)}))
    assert 2 * errors(field, PRF(sharp, sharp.wing))[0] < errors(field, PRF(blurred, blurred.wing))[0]


def test_missing_stars_do_little_harm():
    field = mean_image(4, 128, 'crowded', width=1.05, faint=16.0, listed=15.0)
    made = learn(field, pointings=pointings(field))
    before, _ = errors(field, PRF(field.samples, made.wing))
    after, bias = errors(field, PRF(made, made.wing))
    assert after < 0.2 * before and abs(bias) < 0.01


def test_nothing_better_is_nothing_learned():
    field = mean_image(6, 80, 'crowded', faint=16.0, listed=14.0, steps=3)
    made = learn(field)
    assert made is None or made.rms_after < made.rms_before


def test_change_over_the_field(monkeypatch):
    monkeypatch.setattr(epsf_blocks, 'LINEAR', (100, 50))
    # one scene has one place; the slope shows between several
    monkeypatch.setattr(epsf_blocks, 'WHOLE', 100)
    monkeypatch.setattr(epsf_blocks, 'CELL', 100)
    image = load_prf(5, 2, 2).samples[12].astype('f8')
    row, column = np.repeat([890.0, 1110.0], 2), np.tile([940.0, 1160.0], 2)
    wide, narrow = (Shape(width).applied(image, 58, 9) for width in (1.04, 0.96))
    same = PRFSamples(np.stack(4 * [image]), row, column)
    true = PRFSamples(np.stack([narrow, wide, narrow, wide]), row, column)
    field = mean_image(7, 200, 'crowded', samples=true, steps=3)
    made = learn(field, official=same)
    assert made.degree == 1
    assert errors(field, PRF(made, made.wing))[0] < 0.35 * errors(field, PRF(same, made.wing))[0]
    # the wide end has the lower peak
    peaks = made.samples.max(axis=(1, 2))
    assert (peaks[[0, 2]] > 1.05 * peaks[[1, 3]]).all()


@pytest.mark.parametrize('change', [
    {}, {'image': np.full((128, 128), np.nan)}, {'image': np.zeros((63, 500))},
    {'image': np.zeros((128, 128))}])
def test_too_little_to_learn_from(change):
    assert learn(mean_image(3, 64, 'isolated', number=4, steps=2), **change) is None


def test_wings_by_fourier_transform():
    rng = np.random.default_rng(0)
    stamp = Stamp(100, 160, 300, 380)
    row, column, flux = rng.uniform(60, 200, 30), rng.uniform(260, 420, 30), rng.uniform(1, 2, 30)
    rows = np.broadcast_to(np.arange(100, 160), (30, 60))
    columns = np.broadcast_to(np.arange(300, 380), (30, 80))
    images = wing_images.WingImages(row, column, flux, stamp)
    for exponent in (2.0, 3.0):
        wing = Wing(1.0, exponent)
        expected = np.tensordot(flux, wing.render(row, column, rows, columns)[0], 1)
        # a wing ends 60 px from the star, here from its nearest pixel
        end = 2 * wing.amplitude * 60.0 ** -exponent
        np.testing.assert_allclose(images.image(exponent), expected, rtol=2e-3, atol=3 * end)


def test_splines_give_back_what_they_can():
    coefficients = np.random.default_rng(1).normal(size=epsf_basis.SIZE)
    samples = epsf_basis.to_samples(coefficients)
    np.testing.assert_allclose(epsf_basis.to_samples(epsf_basis.from_samples(samples)), samples, atol=1e-10)
    stamp = Stamp(0, 20, 0, 20)
    made = epsf_basis.design(np.array([9.0]), np.array([10.0]), np.array([2.0]), stamp) @ coefficients
    np.testing.assert_allclose(made.reshape(20, 20)[3:16, 4:17], 2 * samples[4::9, 4::9], atol=1e-12)


def test_prior_holds_sum_and_centre():
    official = load_prf(5, 2, 2).samples[12].astype('f8')
    precision = epsf_prior.precision(official)
    scale = np.sqrt(np.diag(precision))
    assert np.linalg.eigvalsh(precision / scale / scale[:, None]).min() > 0
    rng = np.random.default_rng(2)
    drawn = np.linalg.solve(np.linalg.cholesky(precision).T, rng.normal(size=(epsf_basis.SIZE, 20))).T
    samples = epsf_basis.to_samples(drawn)
    assert np.abs(samples.sum(axis=(1, 2))).max() / 81 < 1e-3 * np.abs(samples).max()


def test_light_is_conserved_at_every_phase():
    official = load_prf(5, 2, 2).samples[12].astype('f8')
    matrix, right = epsf_prior.conservation(official, 3.0)
    matrix[:-1, :-1] += epsf_prior.precision(official)
    matrix[-1, -1] += 1e10
    right[-1] += 1e10 * 0.03
    *coefficients, amount = np.linalg.solve(matrix, right)
    core = (official + epsf_basis.to_samples(np.array(coefficients))).reshape(13, 9, 13, 9).sum(axis=(0, 2))
    pixel = np.arange(-70, 71)[None]
    wing = np.array([[Wing(amount, 3.0).render(np.array([-down]), np.array([-right]), pixel, pixel).sum()
                      for right in np.arange(-4, 5) / 9] for down in np.arange(-4, 5) / 9])
    assert amount == pytest.approx(0.03, rel=0.01)
    before = official.reshape(13, 9, 13, 9).sum(axis=(0, 2))
    assert (core + wing).std() < 0.5 * core.std() < 0.5 * before.std()


def test_parts_of_a_large_field():
    rng = np.random.default_rng(3)
    limits = Stamp(0, 2048, 44, 2092)
    row, column = rng.uniform(0, 2048, 5000), rng.uniform(44, 2092, 5000)
    parts = epsf_blocks.choose(limits, row, column, rng.uniform(6, 15, 5000))
    assert len(parts) == 16 and {part.shape for part in parts} == {(144, 144)}
    assert all(part.clipped(limits) == part for part in parts)
    assert epsf_blocks.choose(Stamp(0, 300, 0, 100), row, column, row) == [Stamp(0, 300, 0, 100)]
    four = epsf_blocks.choose(Stamp(0, 500, 0, 510), row, column, row)
    assert sum(part.height * part.width for part in four) == 500 * 510
    assert [epsf_blocks.degree(Stamp(0, side, 0, side), 1000) for side in (256, 512, 2048)] == [0, 1, 2]
    assert epsf_blocks.degree(limits, 200) == 1


def test_a_part_of_the_field_without_a_star_to_learn_from(small):
    field, _ = small
    prf = PRF(field.samples)
    stamp = Stamp(ORIGIN[0], ORIGIN[0] + field.image.shape[0], ORIGIN[1], ORIGIN[1] + field.image.shape[1])
    scene = epsf_scene.Scene(field.image, stamp, field.row, field.column, field.tmag, field.exposure)
    scene.update_wings()
    scene.render(prf)
    scene.fit()
    assert scene.residuals(np.zeros(0, int), prf).size == 0
    assert scene.residuals(scene.teachers()[:2], prf).size == 2
