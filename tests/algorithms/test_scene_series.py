"""The series of a scene returns the light curves that were put in, with errors that can be believed."""

import numpy as np
import pytest
from small_scenes import PLAIN, STAMP, WINGED, SmallScene, make, places

from photometry.algorithms import metrics, scene, scene_design, scene_series


def variable(number, times, seed=6, amplitude=0.1):
    """Light curves (stars, times) of stars that vary, each in its own way."""
    rng = np.random.default_rng(seed)
    phase = np.linspace(0, 1, times) * rng.uniform(1, 9, (number, 1)) + rng.random((number, 1))
    level = 10 ** rng.uniform(2.3, 4.5, (number, 1))
    return level * (1 + amplitude * np.sin(2 * np.pi * phase))


def well_inside(field, margin=3):
    inner = STAMP.grown(*[-margin] * 4)
    return np.array([star for star, place in enumerate(zip(field.row, field.column, strict=True))
                     if inner.contains(*place)])


def drift(times, reach=0.08, jitter=0.004, seed=8):
    along = np.linspace(-reach, reach, times)
    return np.stack([along, -0.4 * along], axis=1) + np.random.default_rng(seed).normal(0, jitter, (times, 2))


@pytest.fixture(scope='module')
def field():
    row, column = places(40, apart=1.6)
    return make(row, column, variable(40, 80), drift(80), prf=WINGED, noise=False)


def test_light_curves_come_back_through_the_motion(field):
    series, some = field.series(), well_inside(field)
    found, truth = series.flux[some], field.flux[some]
    error = (found - truth) / truth.mean(axis=1, keepdims=True)
    assert np.abs(error.mean(axis=1)).max() < 2e-3
    # Apart from a constant factor the curves are those of the stars, whatever their neighbours do.
    gain = (found * truth).sum(axis=1) / (truth * truth).sum(axis=1)
    shape = found / gain[:, None] - truth
    shape = np.abs(shape).max(axis=1) / truth.mean(axis=1)
    bright = truth.mean(axis=1) > 1000
    assert shape[bright].max() < 2e-3 and shape.max() < 6e-3
    assert np.abs(series.sky).max() < 0.3 and series.stamp == series.window == STAMP


def test_errors_are_the_scatter():
    row, column = places(30, seed=4, apart=1.2)
    flux = 10 ** np.random.default_rng(3).uniform(2, 4, 30)
    field = make(row, column, flux, np.zeros((600, 2)), prf=PLAIN)
    series, some = field.series(), well_inside(field)
    scatter = series.flux[some].std(axis=1)
    assert np.median(series.flux_err[some].mean(axis=1) / scatter) == pytest.approx(1, abs=0.02)
    assert np.abs(series.flux_err[some].mean(axis=1) / scatter - 1).max() < 0.12
    template = series.mean.layout.template[some]
    expected = np.sqrt(np.diag(series.covariance))[template]
    assert np.allclose(expected, series.flux_err[some].mean(axis=1), rtol=0.03)
    assert np.median(series.chi2[some]) == pytest.approx(1, abs=0.05)
    close = np.corrcoef(series.flux[some])
    known = series.covariance[np.ix_(template, template)] / np.outer(expected, expected)
    assert np.abs(close - known).max() < 0.2 and known.min() < -0.1


def test_errors_follow_those_of_each_frame():
    field = make([1020.3], [720.2], [300.0], np.zeros((100, 2)))
    field.errors[..., 50:] *= 2
    error = field.series().flux_err[0]
    assert np.allclose(error[50:] / error[:50], 2, rtol=1e-3)


def brute_force(field, mean, frame, missing):
    """Weighted least squares of one frame without motion: star fluxes."""
    values = PLAIN.render(field.row, field.column, STAMP)[np.argsort(mean.layout.template)]
    sky = scene_design.sky_basis(STAMP.shape)
    design = np.concatenate([values, sky]).reshape(len(values) + 6, -1)
    weight = np.where(missing, 0.0, 1 / field.errors[..., frame].astype('f8') ** 2).ravel()
    data = np.where(missing, 0.0, field.images[..., frame]).ravel().astype('f8')
    prior = np.zeros(len(design))
    prior[-6:] = 0.1 ** 2
    start = np.concatenate([mean.template_flux, mean.sky])
    normal = (design * weight) @ design.T + np.diag(prior)
    found = np.linalg.solve(normal, design @ (weight * (data - start @ design)))
    return (start + found)[mean.layout.template]


def test_missing_pixels_are_left_out_exactly():
    row, column = places(24, seed=2)
    seen = [star for star in range(24) if STAMP.contains(row[star], column[star])][:20]
    row, column = row[seen], column[seen]
    flux = np.random.default_rng(3).uniform(500, 3000, row.size)
    field = make(row, column, flux, np.zeros((30, 2)))
    field.errors[:] = field.errors.mean(axis=-1, keepdims=True)
    mean = field.mean(refine=False)
    rng = np.random.default_rng(7)
    middles = np.round([row - STAMP.row_min, column - STAMP.col_min]).astype(int).clip(0, 43).T
    gaps = {3: [(20, 20)], 4: [tuple(place) for place in rng.integers(0, 44, (8, 2))],
            9: [tuple(place) for place in middles[:12]],
            11: [(i, j) for i in range(10, 22) for j in range(10, 22)]}
    for frame, some in gaps.items():
        for place in some:
            field.images[(*place, frame)] = np.nan
    field.errors[5, 5, 17] = np.nan
    gaps[17], gaps[20] = [(5, 5)], []
    series = field.series(mean)
    for frame, some in gaps.items():
        missing = np.zeros(STAMP.shape, dtype=bool)
        for place in some:
            missing[place] = True
        known = np.isfinite(series.flux[:, frame])
        expected = brute_force(field, mean, frame, missing)
        assert known.sum() >= 12
        assert np.allclose(series.flux[known, frame], expected[known], rtol=1e-5)
    typical = series.flux_err[:, 20]
    assert (series.flux_err[:, 9] >= 0.999 * typical).sum() > 15
    assert np.nanmax(series.flux_err[:, 9] / typical) > 1.2


def test_missing_pixels_and_motion():
    row, column = places(30, apart=1.6)
    field = make(row, column, variable(30, 60), drift(60), prf=WINGED, noise=False)
    mean = field.mean()
    whole = field.series(mean)
    for frame, place in enumerate(np.random.default_rng(1).integers(0, 44, (60, 2))):
        field.images[place[0]:place[0] + 3, place[1], frame] = np.nan
    some = well_inside(field)
    change = field.series(mean).flux[some] - whole.flux[some]
    assert np.nanmax(np.abs(change) / whole.flux[some]) < 3e-3


@pytest.mark.parametrize('masked', [False, True])
def test_stars_that_a_frame_does_not_show(masked):
    field = make([1010.1, 1030.2], [710.3, 730.4], [900, 700], times=20)
    if masked:
        field.images[24:37, 24:37, 5] = np.nan
    field.images[..., 8] = np.nan
    field.shift[11] = np.nan
    series = field.series(field.mean())
    gone = np.isnan(series.flux)
    assert gone[:, [8, 11]].all() and gone[1, 5] == masked and gone.sum() == 4 + masked
    assert np.array_equal(gone, np.isnan(series.flux_err))
    assert np.allclose(series.flux[0][~gone[0]], 900, rtol=0.05)


def test_pixels_that_never_give_a_number():
    field = make([1010.1, 1030.2], [710.3, 730.4], [900, 700], times=20)
    field.images[24:37, 24:37] = np.nan
    field.images[10, :, :15] = np.nan
    with pytest.warns(RuntimeWarning, match='empty slice'):
        mean = field.mean()
    series = field.series(mean)
    assert np.isnan(series.flux[1]).all() and np.isfinite(series.flux[0]).all()
    assert series.seen[mean.layout.template[1]] < 0.02 < series.seen[mean.layout.template[0]] < 0.99


def test_no_pixel_at_all():
    field = make([1010.1], [710.3], [900], times=12)
    mean = field.mean()
    field.images[:] = np.nan
    series = field.series(mean)
    assert np.isnan(series.flux).all() and np.isnan(series.chi2).all()


@pytest.mark.parametrize('leave_out', [(), (7,)])
def test_the_model_is_the_images(field, leave_out):
    series = field.series()
    stamp = STAMP.grown(-4, -10, -3, -8)
    part = stamp.slices(STAMP[::2])
    light = np.zeros_like(field.clean)
    for star in leave_out:
        about = field.row[star:star + 1], field.column[star:star + 1]
        for frame, (down, right) in enumerate(field.shift):
            light[..., frame] += field.flux[star, frame] * field.prf.render(about[0] + down, about[1] + right,
                                                                            STAMP, about=about)[0]
    found = series.model(stamp, leave_out)
    assert found.dtype == 'f4' and found.shape == field.clean[part].shape
    scale = 0.3 + 2e-3 * field.clean[part]
    assert (np.abs(found - (field.clean - light)[part]) < scale).mean() > 0.99


def test_large_motions_are_expanded_in_groups():
    row, column = places(30, apart=1.6)
    rng = np.random.default_rng(2)
    shift = np.concatenate([rng.normal(0, 0.1, (80, 2)), [[1.3, -0.7], [0.6, 0.2]]])
    field = make(row, column, variable(30, 82), shift, prf=WINGED, noise=False)
    groups = scene_series.frame_groups(field.shift)
    assert len(groups) > 5 and sorted(np.concatenate([frames for frames, _ in groups])) == list(range(82))
    assert all(np.abs(field.shift[frames] - middle).max() < 0.2 for frames, middle in groups)
    found, some = field.series().flux, well_inside(field)
    rest = found[some] / field.flux[some]
    rest /= np.median(rest, axis=1, keepdims=True)
    assert np.abs(rest[:, :80] - 1).max() < 4e-3 and np.abs(rest[:, 80:] - 1).max() < 0.1
    bright = field.flux[some].mean(axis=1) > 5000
    assert np.abs(rest[bright, :80] - 1).max() < 1e-3


def test_frames_whose_refinement_does_not_converge(monkeypatch):
    row, column = places(60, seed=5, apart=0.9)
    monkeypatch.setattr(scene_series, 'REACH', 0.5)
    shift = np.random.default_rng(2).normal(0, 0.12, (40, 2))
    field = make(row, column, variable(60, 40), shift, noise=False)
    some = well_inside(field)
    rest = field.series().flux[some] / field.flux[some]
    assert np.abs(rest - 1).max() < 0.2 and np.median(np.abs(rest - 1)) < 5e-3


def test_pairs_are_measured_as_their_sum():
    field = make([1020.3, 1020.6, 1030.0], [720.0, 720.1, 731.0], [3000, 1000, 500], times=300)
    series = field.series(field.mean([2000, 2000, 500]))
    assert np.array_equal(series.flux[0], series.flux[1])
    one = make([1020.37], [720.03], [4000], times=300)
    assert np.median(series.flux[0]) == pytest.approx(4000, rel=3e-3)
    assert metrics.mad(series.flux[0]) == pytest.approx(metrics.mad(one.series().flux[0]), rel=0.1)
    assert np.median(series.flux_err[0]) == pytest.approx(metrics.mad(series.flux[0]), rel=0.1)


def test_a_window_of_the_region(field):
    mean = field.mean()
    window = STAMP.grown(-9, -9, -8, -10)
    part = window.slices(STAMP[::2])
    series = scene.fit_series(field.images[part], field.errors[part], mean, field.shift, field.good,
                              stamp=window)
    whole = field.series(mean)
    inner = window.grown(*[-3] * 4)
    some = [star for star in range(40) if inner.contains(field.row[star], field.column[star])]
    assert len(some) > 3 and series.window == window and series.stamp == STAMP
    assert np.allclose(series.flux[some], whole.flux[some], rtol=2e-3)
    around = window.grown(*[9] * 4)
    far = [star for star in range(40) if not around.contains(field.row[star], field.column[star])]
    assert np.isnan(series.flux[far]).all()


def test_saturated_pixels_are_left_out():
    field = make([1020.3, 1030.0], [720.0, 729.0], [3e5, 800], times=60, prf=WINGED)
    full = field.images.mean(axis=-1) > 2e4
    assert 3 < full.sum() < 20
    field.images[full] *= 0.7
    image, variance = field.images.mean(axis=-1), np.where(full, np.inf, field.errors.mean(axis=-1) ** 2)
    mean = scene.fit_mean(image, variance, WINGED, field.row, field.column, [2.5e5, 900], STAMP,
                          blur=scene.Blur.of(field.shift))
    series = field.series(mean)
    assert np.median(series.flux[0]) == pytest.approx(3e5, rel=5e-3)
    assert np.median(series.flux[1]) == pytest.approx(800, rel=0.01)
    assert metrics.mad(series.flux[0]) == pytest.approx(np.median(series.flux_err[0]), rel=0.3)
    assert series.seen[0] < 0.7


def test_everything_missing_in_time_or_stars():
    field = make([1020.3], [720.0], [3000], times=3)
    field.shift[:] = np.nan
    assert np.isnan(field.series(field.mean()).flux).all()
    nobody = SmallScene(PLAIN, np.zeros(0), np.zeros(0), np.zeros((0, 12)), np.zeros((12, 2)), None,
                        np.zeros((44, 48, 12), 'f4'), np.ones((44, 48, 12), 'f4'))
    assert nobody.series().flux.shape == (0, 12) and np.isfinite(nobody.series().sky).all()
