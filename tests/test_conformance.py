"""Every registered method and every source of pixels keeps the promises of its kind."""

import dataclasses
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from photometry import STATUS, BasePhotometry, settings
from photometry.catalogs.table import TableCatalog
from photometry.core import plugins, quality
from photometry.core.errors import OffSiliconError
from photometry.core.stamp import Stamp
from photometry.core.task import Task
from photometry.files import paths
from photometry.files.lightcurve import read_lightcurve
from photometry.files.truth import read_truth
from photometry.methods.context import JobOptions, WorkerContext
from photometry.pixels.base import LAYERS, PixelSource
from photometry.simulation.plan import SectorPlan
from photometry.simulation.sector import stamp_of_size
from photometry.stages import make_catalog, prepare_photometry, simulate, tessphot

PLAN = SectorPlan(seed=3, frames=40, stamp=stamp_of_size(64, 64), number=14, bright=9.0, faint=13.0,
                  background='quiet')


def cube_folder(folder, plan):
    """INPUT with the cube of a simulated cutout."""
    chosen = settings.load()
    simulate.simulate(folder, plan)
    make_catalog.make_catalog(folder, plan.sector, TableCatalog(folder / 'stars.ecsv'), chosen.catalog)
    assert not prepare_photometry.prepare_photometry(folder, chosen).failures
    return paths.find_cubes(folder)[0].path


def target_folder(folder, plan):
    """INPUT with a target pixel file of every star but one; the path of that of the first one inside."""
    simulate.simulate(folder, plan, tpf=plan.number - 1)
    make_catalog.make_catalog(folder, plan.sector, TableCatalog(folder / 'stars.ecsv'),
                              settings.load().catalog)
    star = stars_inside(read_truth(folder / 'truth.hdf5'))[0]
    return paths.find_targets(folder, starid=int(star['starid']))[0].path


MAKERS = {'ffi': (cube_folder, PLAN),
          # where hardly any pixel lies outside of the cores no wing can be seen
          'tpf': (target_folder, dataclasses.replace(PLAN, cadence=120, wing=0.001))}
"""How to make a file for each source, and of which plan; a new source adds its maker here."""


@pytest.fixture(scope='module', params=plugins.names(plugins.SOURCES))
def made(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    make, plan = MAKERS[request.param]
    path = make(folder, plan)
    return SimpleNamespace(kind=request.param, folder=folder, path=path, plan=plan,
                           truth=read_truth(folder / 'truth.hdf5'))


@pytest.fixture
def source(made):
    opened = plugins.load(plugins.SOURCES, made.kind)(made.path)
    yield opened
    opened.close()


@pytest.fixture(params=['', *plugins.names(plugins.METHODS)], ids=lambda name: name or 'automatic')
def method(request):
    """Names of all methods; empty for the automatic choice."""
    return request.param


LEVEL = {'halo': 0.03}
"""Part of the flux by which its level may be off; that of a halo rests on the wing, which few stars show."""


def stars_inside(truth, margin=10):
    inner = PLAN.stamp.grown(-margin, -margin, -margin, -margin)
    return [star for star in truth.stars if inner.contains(star['row'], star['column'])]


def task(star, made, **changes):
    plan = made.plan
    return dataclasses.replace(Task(int(star['starid']), plan.sector, plan.camera, plan.ccd, plan.cadence,
                                    made.kind), **changes)


def worker(made, output):
    return WorkerContext(JobOptions(str(made.folder), str(output), source_date_epoch=1700000000))


def test_sources_have_everything(source, made):
    assert isinstance(source, PixelSource) and source.name == made.kind
    times = source.time.size
    for name in ('time_start', 'time_stop', 'timecorr', 'cadenceno', 'quality', 'good'):
        assert getattr(source, name).shape == (times,), name
    assert source.time.dtype == 'f8' and (np.diff(source.time) > 0).all()
    assert (source.time_start < source.time).all() and (source.time < source.time_stop).all()
    assert np.array_equal(source.good, quality.good(source.quality))
    assert source.movement_kernel.shape == (times, 6)
    assert (source.info.sector, source.info.camera, source.info.ccd) == (PLAN.sector, PLAN.camera, PLAN.ccd)


def test_sources_cut_every_layer_alike(source):
    limits = source.limits
    stamp = Stamp(limits.row_min + 3, limits.row_min + 14, limits.col_min + 7, limits.col_min + 30)
    stamp = stamp.clipped(limits)
    for layer in LAYERS:
        whole, part = source.read(layer, limits), source.read(layer, stamp)
        assert part.shape == (*stamp.shape, source.time.size), layer
        assert np.array_equal(part, whole[stamp.slices(limits[::2])], equal_nan=True), layer
    good = source.read('images', stamp)[..., source.good].mean(axis=-1, dtype='f8')
    assert np.allclose(source.sumimage(stamp), good, rtol=1e-5, atol=1e-4)


def test_sources_refuse_pixels_they_do_not_have(source):
    with pytest.raises(OffSiliconError):
        source.read('images', source.limits.grown(down=1))


@pytest.mark.parametrize('method', plugins.names(plugins.METHODS))
def test_methods_are_named_by_their_class(method):
    kind = plugins.load(plugins.METHODS, method)
    assert kind.method == method and issubclass(kind, BasePhotometry)
    assert kind.do_photometry is not BasePhotometry.do_photometry


@pytest.mark.filterwarnings('ignore::UserWarning')
def test_methods_measure_the_truth(method, made, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        import lightkurve
    stars = stars_inside(made.truth)
    with worker(made, tmp_path) as context:
        for star in stars:
            result = tessphot.process(task(star, made, method=method), context)
            assert result.status in (STATUS.OK, STATUS.WARNING), result.errors
            found = read_lightcurve(tmp_path / result.lightcurve)
            good = quality.good(found.columns['QUALITY'])
            flux, err = (found.columns[name][good] for name in ('FLUX', 'FLUX_ERR'))
            assert np.isfinite(flux).all() and (err > 0).all()
            assert found.primary['TICID'] == star['starid']
            assert found.primary['PHOTMET'] == result.method_used == (method or result.method_used)
            assert found.primary['AUTOMETH'] is not bool(method)
            assert result.method_used in result.details['methods_tried']
            near = np.hypot(*(made.truth.stars[axis] - star[axis] for axis in ('row', 'column')))
            if np.sort(near)[1] > 4:
                noise = np.median(err) / star['flux'] / np.sqrt(good.sum())
                tolerance = LEVEL.get(result.method_used, 0.01) + 5 * noise
                assert np.median(flux) == pytest.approx(star['flux'], rel=tolerance)
            assert abs(result.details['pos_row'] - 1 - star['row']) < 0.2
            assert set(result.details) == set(tessphot.DIAGNOSTICS)
    curve = lightkurve.read(tmp_path / result.lightcurve)
    assert curve.meta['TARGETID'] == star['starid']
    assert len(curve) > 30 and np.isin(np.asarray(curve.flux.value), found.columns['FLUX']).all()


def test_one_star_alone_gives_the_same_bytes(method, made, tmp_path):
    star = stars_inside(made.truth)[2]
    with worker(made, tmp_path / 'all') as context:
        for other in stars_inside(made.truth):
            result = tessphot.process(task(other, made, method=method), context)
            if other['starid'] == star['starid']:
                expected = (tmp_path / 'all' / result.lightcurve).read_bytes()
    with worker(made, tmp_path / 'one') as context:
        result = tessphot.process(task(star, made, method=method), context)
    assert (tmp_path / 'one' / result.lightcurve).read_bytes() == expected


def test_the_documented_constructor_measures_the_same(method, made, tmp_path):
    star = stars_inside(made.truth)[1]
    with worker(made, tmp_path) as context:
        expected = tessphot.process(task(star, made, method=method), context).details['mean_flux']
    words = {'datasource': made.kind, 'sector': PLAN.sector, 'camera': PLAN.camera, 'ccd': PLAN.ccd}
    if not method:
        photometry = tessphot.tessphot(None, int(star['starid']), made.folder, tmp_path / 'own', **words)
        assert photometry.details['mean_flux'] == expected
        return
    kind = plugins.load(plugins.METHODS, method)
    with kind(int(star['starid']), made.folder, tmp_path, **words) as photometry:
        photometry.photometry()
        assert photometry.details['mean_flux'] == expected
        assert photometry.save_lightcurve(version=8).endswith('-dr60-v08-tessphot_lc.fits')


def test_the_choice_changes_nothing_of_the_method_it_keeps(made, tmp_path):
    with worker(made, tmp_path / 'auto') as context, worker(made, tmp_path / 'named') as other:
        for star in stars_inside(made.truth)[:6]:
            chosen = tessphot.process(task(star, made), context)
            named = tessphot.process(task(star, made, method=chosen.method_used), other)
            pair = [read_lightcurve(folder / result.lightcurve) for folder, result in
                    ((tmp_path / 'auto', chosen), (tmp_path / 'named', named))]
            for name, values in pair[0].columns.items():
                assert np.array_equal(values, pair[1].columns[name], equal_nan=True), name
            assert np.array_equal(pair[0].aperture, pair[1].aperture)
            for name in ('AP_CONT', 'FLFRCSAP', 'AP_NPIX', 'STATUS', 'REMARKS', 'PSF_CONT'):
                assert pair[0].primary[name] == pair[1].primary[name], name


def test_unknown_stars_are_failures_with_a_reason(method, made, tmp_path):
    pixels = made.kind if made.kind == 'ffi' else f'tpf:{stars_inside(made.truth)[0]["starid"]}'
    with worker(made, tmp_path) as context:
        result = tessphot.process(task({'starid': 3}, made, method=method, datasource=pixels), context)
    assert result.status is STATUS.ERROR and result.reason == 'not_in_catalog'
