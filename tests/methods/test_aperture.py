"""Aperture photometry gives the true flux, with true errors, or says why not."""

import dataclasses

import numpy as np
import pytest
import simulated

from photometry import STATUS, settings
from photometry.algorithms import metrics
from photometry.core.errors import FluxOnEdgeError, NoFluxError
from photometry.core.stamp import Stamp
from photometry.files.lightcurve import read_lightcurve
from photometry.methods import sap
from photometry.methods.aperture import AperturePhotometry
from photometry.stages import tessphot

FRAMES = 150
STAMP = Stamp(1000, 1060, 700, 760)


@pytest.fixture(scope='module')
def crowd():
    rng = np.random.default_rng(12)
    row, column = rng.uniform(1004, 1056, (2, 40)) - [[0], [300]]
    tmag = np.concatenate([[8.0, 9.5], rng.uniform(10.5, 15, 38)])
    return simulated.simulate(row, column, tmag, stamp=STAMP, frames=FRAMES, jitter=0.02, catalog_error=0.1)


def measured(sector, folder, starid, **options):
    with simulated.worker(sector, folder, **options) as context:
        context.close = lambda: None
        photometry = AperturePhotometry.from_task(simulated.task(starid), context)
        photometry.photometry()
        return photometry


def flux_of(photometry):
    return np.asarray(photometry.lightcurve['flux'])[photometry.source.pixels.good]


@pytest.mark.parametrize('tmag', [7.5, 10.0, 12.5, 14.5])
def test_isolated_stars(tmag, tmp_path):
    sector = simulated.simulate([1028.3], [731.4], [tmag], stamp=STAMP, frames=300, jitter=0.02,
                                seed=int(10 * tmag))
    photometry = measured(sector, tmp_path, 1000)
    flux = flux_of(photometry)
    error = np.median(photometry.lightcurve['flux_err'])
    stated = error / np.sqrt(len(flux)) / sector.flux[0]
    assert np.mean(flux) / sector.flux[0] == pytest.approx(1, abs=2e-3 + 4 * stated)
    # The double draws the noise that images_err states; FLUX_ERR allows for on-board clipping.
    assert np.std(flux) == pytest.approx(error / sap.noise_gain(photometry), rel=0.15)
    assert abs(photometry.details['contamination']) < 1e-9 and photometry.status is STATUS.OK


def test_a_crowd_with_wrong_magnitudes(crowd, tmp_path):
    bias, ratio = [], []
    with simulated.worker(crowd, tmp_path) as context:
        context.close = lambda: None
        for number, starid in enumerate(crowd.starids):
            near = np.hypot(crowd.row - crowd.row[number], crowd.column - crowd.column[number])
            if np.sort(near)[1] < 2:
                continue
            photometry = AperturePhotometry.from_task(simulated.task(starid), context)
            photometry.photometry()
            flux = flux_of(photometry)
            bias.append(np.median(flux) / crowd.flux[number] - 1)
            error = np.median(photometry.lightcurve['flux_err']) / sap.noise_gain(photometry)
            ratio.append(metrics.mad(flux) / error)
    assert len(bias) > 20 and abs(np.median(bias)) < 0.01
    assert np.median(ratio) == pytest.approx(1, abs=0.1)


def test_motion_does_not_show_in_the_corrected_flux(tmp_path):
    sector = simulated.simulate([1028.3], [731.4], [8.0], stamp=STAMP, frames=100, jitter=0.1, noise=False)
    photometry = measured(sector, tmp_path, 1000)
    raw = np.asarray(photometry.lightcurve['sap_flux'])[photometry.source.pixels.good]
    assert np.std(flux_of(photometry)) / sector.flux[0] < 2e-4 < np.std(raw) / sector.flux[0]


@pytest.mark.parametrize(('tmag', 'sky'), [(9.0, 0.0), (13.0, 0.5)])
def test_a_variable_star_keeps_its_amplitude(tmag, sky, tmp_path):
    sector = simulated.simulate([1028.3], [731.4], [tmag], stamp=STAMP, frames=100, noise=False)
    wave = 1 + 0.05 * np.sin(np.arange(100) / 3)
    errors = np.random.default_rng(4).normal(0, sky, 100)
    sector.source.layers['images'] = (sector.source.layers['images'] * wave + errors).astype('f4')
    sector.source.__post_init__()
    flux = flux_of(measured(sector, tmp_path, 1000))
    assert np.polyfit(wave[sector.source.good], flux / sector.flux[0], 1)[0] == pytest.approx(1, abs=0.01)


def test_errors_of_the_background_are_found_in_the_stamp(tmp_path):
    sector = simulated.simulate([1028.3], [731.4], [13.5], stamp=STAMP, frames=200)
    errors = np.random.default_rng(4).normal(0, 0.3, 200)
    sector.source.layers['images'] += errors.astype('f4')
    scatter = {}
    for local_sky in (True, False):
        aperture = dataclasses.replace(settings.load().aperture, local_sky=local_sky)
        chosen = dataclasses.replace(settings.load(), aperture=aperture)
        photometry = measured(sector, tmp_path, 1000, settings=chosen)
        error = np.median(photometry.lightcurve['flux_err']) / sap.noise_gain(photometry)
        scatter[local_sky] = metrics.mad(flux_of(photometry)) / error
    assert scatter[True] == pytest.approx(1, abs=0.15) and scatter[False] > 1.5


def test_saturated_stars_keep_their_charge(tmp_path):
    sector = simulated.simulate([1030.2], [730.1], [5.6], stamp=STAMP, frames=40)
    photometry = measured(sector, tmp_path, 1000)
    assert (sector.source.layers['pixel_flags'] & 16).any(), 'the star should saturate'
    assert np.median(flux_of(photometry)) / sector.flux[0] == pytest.approx(1, abs=0.01)
    trail = photometry.final_phot_mask[:, 730 - photometry.stamp.col_min]
    assert trail.sum() > 8
    assert np.asarray(photometry.lightcurve['pixel_quality']).max() & 16


def test_saturated_trails_make_the_stamp_grow(tmp_path):
    sector = simulated.simulate([1030.2], [730.1], [6.0], stamp=STAMP, frames=20)
    small = type('Small', (AperturePhotometry,), {'default_stamp': lambda self: (7, 7)})
    with simulated.worker(sector, tmp_path) as context:
        photometry = small.from_task(simulated.task(1000), context)
        photometry.photometry()
    assert photometry.details['stamp_resizes'] >= 1
    assert photometry.details['stamp_height'] > 7 and photometry.status is STATUS.OK
    assert np.median(flux_of(photometry)) / sector.flux[0] == pytest.approx(1, abs=0.01)


def test_stamps_grow_as_often_as_the_settings_say(tmp_path):
    sector = simulated.simulate([1030.2], [730.1], [6.0], stamp=STAMP, frames=20)
    small = type('Small', (AperturePhotometry,), {'default_stamp': lambda self: (5, 5)})
    chosen = settings.load()
    chosen = dataclasses.replace(chosen, aperture=dataclasses.replace(
        chosen.aperture, stamp_growth=1, stamp_growths=1))
    with simulated.worker(sector, tmp_path, settings=chosen) as context:
        photometry = small.from_task(simulated.task(1000), context)
        with pytest.raises(FluxOnEdgeError, match='after 1 growths; allow more by aperture.stamp_growths'):
            photometry.photometry()


def test_a_star_at_the_edge_is_a_warning(tmp_path):
    sector = simulated.simulate([1001.2], [730.1], [10.0], stamp=STAMP, frames=40)
    photometry = measured(sector, tmp_path, 1000)
    assert photometry.status is STATUS.WARNING and 'edge' in photometry.errors[0]
    assert photometry.details['edge_flux'] > 0
    assert np.median(flux_of(photometry)) / sector.flux[0] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize('row', [999.6, 1000.0, 1000.4])
def test_a_star_cut_in_two_by_the_edge_is_measured(row, tmp_path):
    sector = simulated.simulate([row], [730.1], [10.0], stamp=STAMP, frames=60)
    photometry = measured(sector, tmp_path, 1000)
    assert photometry.status is STATUS.WARNING
    assert np.median(flux_of(photometry)) / sector.flux[0] == pytest.approx(1, abs=0.02)


def test_a_faint_star_keeps_out_of_the_trail_of_a_bright_one(tmp_path):
    sector = simulated.simulate([1030.2, 1041.4], [730.1, 731.2], [4.0, 11.0], stamp=STAMP, frames=20)
    photometry = measured(sector, tmp_path, 1001)
    trail = photometry.sumimage > 7.5e4
    assert trail.any() and not (photometry.final_phot_mask & trail).any()


def test_a_star_beside_a_saturated_one_is_a_warning(tmp_path):
    sector = simulated.simulate([1030.2, 1030.2], [730.1, 730.8], [4.0, 13.0], stamp=STAMP, frames=20)
    photometry = measured(sector, tmp_path, 1001)
    assert photometry.status is STATUS.WARNING and 'Neighbours give' in ' '.join(photometry.errors)


def test_a_star_under_a_saturated_one_cannot_be_measured(tmp_path, monkeypatch):
    monkeypatch.setattr('photometry.methods.sap.LEAST_LIGHT', 0.9)
    sector = simulated.simulate([1030.2, 1030.2], [730.1, 730.3], [4.0, 13.0], stamp=STAMP, frames=20)
    with pytest.raises(NoFluxError, match='enough light'):
        measured(sector, tmp_path, 1001)


def test_charge_that_leaves_the_pixels_is_an_error(tmp_path):
    sector = simulated.simulate([1003.2], [730.1], [4.5], stamp=STAMP, frames=20)
    with pytest.raises(FluxOnEdgeError, match='bleeds'):
        measured(sector, tmp_path, 1000)


def test_a_star_without_pixels(tmp_path):
    sector = simulated.simulate([1030.2], [730.1], [10.0], stamp=STAMP, frames=40)
    sector.source.layers['images_err'][:] = np.nan
    with pytest.raises(NoFluxError, match='no pixel'):
        measured(sector, tmp_path, 1000)


def test_flux_does_not_depend_on_order_or_company(crowd, tmp_path):
    some = list(crowd.starids[:6])
    found = []
    for order in (some, some[::-1], some[2:3]):
        with simulated.worker(crowd, tmp_path / str(len(found)), cache='none') as context:
            context.close = lambda: None
            done = {starid: tessphot.process(simulated.task(starid, method='aperture'), context)
                    for starid in order}
        found.append({starid: (tmp_path / str(len(found)) / result.lightcurve).read_bytes()
                      for starid, result in done.items()})
    assert found[0] == found[1]
    assert found[2][some[2]] == found[0][some[2]]


def test_the_file_holds_what_was_measured(crowd, tmp_path):
    with simulated.worker(crowd, tmp_path) as context:
        context.close = lambda: None
        result = tessphot.process(simulated.task(1003, priority=3, method='aperture'), context)
    found = read_lightcurve(tmp_path / result.lightcurve)
    assert result.status is STATUS.OK and result.method_used == 'aperture' and result.reason is None
    assert np.median(found.columns['FLUX'][crowd.source.good]) == pytest.approx(
        result.details['mean_flux'], rel=1e-5)
    assert found.primary['AP_CONT'] == pytest.approx(result.details['contamination'])
    assert (found.aperture & 2 > 0).sum() == result.details['mask_size']
    assert found.primary['STATUS'] == 'OK' and found.primary['REMARKS'] is None
    row, column = (np.median(found.columns[name]) for name in ('MOM_CENTR2', 'MOM_CENTR1'))
    assert abs(row - result.details['pos_row']) < 1 and abs(column - result.details['pos_column']) < 1
    assert set(tessphot.DIAGNOSTICS) == set(result.details)


@pytest.mark.parametrize(('missing', 'words'), [
    (slice(10, 13), None), (slice(10, 30), 'only 49 % of the good'), (slice(None), 'No motion')])
def test_motion_that_was_not_measured_is_told(missing, words, tmp_path):
    sector = simulated.simulate([1028.3], [731.4], [10.0], stamp=STAMP, frames=40)
    sector.source.movement_kernel[missing] = np.nan
    photometry = measured(sector, tmp_path, 1000)
    assert np.isfinite(photometry.lightcurve['flux']).all()
    assert (photometry.status is STATUS.OK) == (words is None)
    assert (words or '') in ' '.join(photometry.errors)


def test_a_variable_star_keeps_its_amplitude_among_others(tmp_path):
    wave = 1 + 0.05 * np.sin(np.arange(100) / 3)
    places = np.array([[1028.3, 731.4], [1031.5, 733.0], [1020.0, 738.0]]), [13.0, 11.5, 9.0]
    sector = simulated.simulate(*places[0].T, places[1], stamp=STAMP, frames=100, noise=False)
    alone = simulated.simulate(*places[0][:1].T, places[1][:1], stamp=STAMP, frames=100, noise=False)
    errors = np.random.default_rng(4).normal(0, 0.3, 100)
    sector.source.layers['images'] += (alone.source.layers['images'] * (wave - 1) + errors).astype('f4')
    sector.source.__post_init__()
    flux = flux_of(measured(sector, tmp_path, 1000))
    assert np.polyfit(wave[sector.source.good], flux / sector.flux[0], 1)[0] == pytest.approx(1, abs=0.015)


@pytest.mark.parametrize('catalog_error', [0.0, 0.2])
def test_a_variable_neighbour_does_not_leak(catalog_error, tmp_path):
    eclipse = np.where(np.abs(np.arange(200) % 70 - 35) < 5, -0.3, 0.0)
    places, tmag = np.array([[1028.3, 731.4], [1030.1, 732.3], [1020.0, 738.0]]), [13.0, 12.0, 9.0]
    sector = simulated.simulate(*places.T, tmag, stamp=STAMP, frames=200, catalog_error=catalog_error)
    alone = simulated.simulate(*places[1:2].T, tmag[1:2], stamp=STAMP, frames=200, noise=False)
    sector.source.layers['images'] += (alone.source.layers['images'] * eclipse).astype('f4')
    sector.source.__post_init__()
    photometry = measured(sector, tmp_path, 1000)
    flux, good = flux_of(photometry), sector.source.good
    depth = np.median(flux[eclipse[good] == 0]) - np.mean(flux[eclipse[good] < 0])
    assert photometry.details['contamination'] > 0.2
    assert abs(depth) < 0.02 * sector.flux[0] * 10 ** 0.4 * 0.3 + 4 * np.std(flux) / np.sqrt(25)
    assert np.std(flux) * sap.noise_gain(photometry) == pytest.approx(
        np.median(photometry.lightcurve['flux_err']), rel=0.2)


def test_a_faint_star_in_the_core_of_a_bright_one_does_not_seem_to_vary(tmp_path):
    """Where the image of the bright star is a little wider than its PRF, motion moves light about."""
    from scipy.ndimage import gaussian_filter
    sector = simulated.simulate([1028.3, 1028.9, 1020.0], [731.4, 732.1, 738.0], [7.3, 14.3, 9.5],
                                stamp=STAMP, frames=200, jitter=0.04, noise=False)
    images, errors = (sector.source.layers[layer] for layer in ('images', 'images_err'))
    images[:] = gaussian_filter(images, 0.25, axes=(0, 1))
    images += (errors * np.random.default_rng(8).normal(size=errors.shape)).astype('f4')
    sector.source.__post_init__()
    photometry = measured(sector, tmp_path, 1000)
    photons = np.sqrt(sector.flux[0] / simulated.EXPOSURE)
    assert metrics.mad(flux_of(photometry)) < 1.05 * photons
    assert np.median(photometry.lightcurve['flux_err']) < 1.05 * photons


def test_frames_in_which_the_star_is_elsewhere_have_no_flux(tmp_path):
    sector = simulated.simulate([1028.3], [731.4], [10.0], stamp=STAMP, frames=40)
    sector.source.movement_kernel[5, :2] = 8.0
    sector.source.layers['images'][28, 31, 6] = np.inf
    flux = np.asarray(measured(sector, tmp_path, 1000).lightcurve['flux'])
    assert np.isnan(flux[[5, 6]]).all() and np.isfinite(np.delete(flux, [5, 6])).all()


def test_stars_without_a_magnitude_are_measured(tmp_path):
    sector = simulated.simulate([1028.3, 1034.0], [731.4, 737.3], [11.0, 11.5], stamp=STAMP, frames=40)
    sector.catalog.stars['tmag'] = np.nan
    for number, starid in enumerate(sector.starids):
        flux = flux_of(measured(sector, tmp_path, starid))
        assert np.median(flux) / sector.flux[number] == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize(('layout', 'compress', 'end', 'column'), [
    ('tasoc', False, 'tasoc_lc.fits.gz', 'FLUX_CORR'), ('tessphot', True, 'tessphot_lc.fits.gz', 'FLUX'),
    ('tessphot', False, 'tessphot_lc.fits', 'FLUX')])
def test_layout_and_compression_follow_the_settings(layout, compress, end, column, crowd, tmp_path):
    chosen = dataclasses.replace(settings.load(), lightcurve=dataclasses.replace(
        settings.load().lightcurve, layout=layout, compress=compress))
    with simulated.worker(crowd, tmp_path, settings=chosen, version=4) as context:
        context.close = lambda: None
        context.options = dataclasses.replace(context.options, output_folder=str(tmp_path / 'out'))
        result = tessphot.process(simulated.task(1003, method='aperture'), context)
    assert result.lightcurve.endswith('c1800-dr07-v04-' + end)
    assert result.lightcurve.startswith('out/') == (layout == 'tasoc')
    found = read_lightcurve(tmp_path / ('' if layout == 'tasoc' else 'out') / result.lightcurve)
    assert found.layout == layout and np.isfinite(found.columns[column]).all()


@pytest.mark.parametrize(('layout', 'asked'), [('tessphot', True), ('tasoc', False)])
def test_a_picture_is_drawn_where_plots_are_wanted(layout, asked, crowd, tmp_path):
    chosen = dataclasses.replace(settings.load(), lightcurve=dataclasses.replace(
        settings.load().lightcurve, layout=layout, plots=not asked))
    with simulated.worker(crowd, tmp_path, settings=chosen, plot=asked) as context:
        context.close = lambda: None
        result = tessphot.process(simulated.task(1003, method='aperture'), context)
    assert result.status is STATUS.OK, result.errors
    made = (tmp_path / result.lightcurve).parent / 'plots' / '00000001003'
    name = result.lightcurve.rpartition('/')[2].partition('.')[0] + '.png'
    assert [path.name for path in made.iterdir()] == [name]
    assert (made / name).read_bytes().startswith(b'\x89PNG') and (made / name).stat().st_size > 20000


def test_k2p2_masks_measure_the_same(crowd, tmp_path):
    chosen = dataclasses.replace(settings.load(), aperture=dataclasses.replace(
        settings.load().aperture, mask='k2p2'))
    bias = []
    with simulated.worker(crowd, tmp_path, settings=chosen) as context:
        context.close = lambda: None
        for number, starid in enumerate(crowd.starids[:12]):
            near = np.hypot(crowd.row - crowd.row[number], crowd.column - crowd.column[number])
            if np.sort(near)[1] > 3:
                photometry = AperturePhotometry.from_task(simulated.task(starid), context)
                photometry.photometry()
                bias.append(np.median(flux_of(photometry)) / crowd.flux[number] - 1)
                assert photometry.additional_headers['AP_MASK'][0] == 'k2p2'
    assert len(bias) > 5 and np.abs(np.median(bias)) < 0.01 and np.abs(bias).max() < 0.05


def test_k2p2_masks_follow_bleeding_charge(tmp_path):
    sector = simulated.simulate([1030.2], [730.1], [5.0], stamp=STAMP, frames=20)
    chosen = dataclasses.replace(settings.load(), aperture=dataclasses.replace(
        settings.load().aperture, mask='k2p2'))
    photometry = measured(sector, tmp_path, 1000, settings=chosen)
    assert np.median(flux_of(photometry)) / sector.flux[0] == pytest.approx(1, abs=0.01)
    full = photometry.sumimage > 7.5e4
    assert full.sum() > 5 and photometry.final_phot_mask[full].all()


def test_a_star_without_a_cluster_is_a_warning(tmp_path):
    sector = simulated.simulate([1028.3], [731.4], [15.5], stamp=STAMP, frames=40)
    chosen = dataclasses.replace(settings.load(), aperture=dataclasses.replace(
        settings.load().aperture, mask='k2p2', k2p2_threshold=500.0))
    photometry = measured(sector, tmp_path, 1000, settings=chosen)
    assert photometry.status is STATUS.WARNING and 'No cluster' in photometry.errors[0]
    assert photometry.final_phot_mask.sum() == 4
    assert np.median(flux_of(photometry)) / sector.flux[0] == pytest.approx(1, abs=0.05)


def test_sap_flux_is_the_plain_sum(crowd, tmp_path):
    photometry = measured(crowd, tmp_path, crowd.starids[5])
    expected = photometry.images_cube[photometry.final_phot_mask].sum(axis=0, dtype='f8')
    assert np.allclose(photometry.lightcurve['sap_flux'], expected)
    assert np.allclose(photometry.lightcurve['flux_background'],
                       simulated.SKY * photometry.details['mask_size'])


@pytest.mark.parametrize(('error', 'reason'), [
    (NoFluxError('x'), 'no_flux'), (FluxOnEdgeError('x'), 'flux_on_edge'), (MemoryError(), 'memory'),
    (OSError(28, 'full'), 'io'), (ZeroDivisionError('x'), 'bug')])
def test_failures_become_reasons(error, reason, crowd, tmp_path, monkeypatch):
    def fail(self):
        raise error
    monkeypatch.setattr(AperturePhotometry, 'do_photometry', fail)
    with simulated.worker(crowd, tmp_path) as context:
        context.close = lambda: None
        result = tessphot.process(simulated.task(1003, method='aperture'), context)
    assert result.status is STATUS.ERROR and result.reason == reason
    assert result.lightcurve is None and len(result.errors) == 1 and result.errors[0]
    assert not list(tmp_path.rglob('*.fits'))


@pytest.mark.parametrize('words', ['TIC 1003: it is dark.', 'it is dark.'])
def test_a_failure_names_its_star_once(words, crowd, tmp_path, monkeypatch, caplog):
    def fail(self):
        raise NoFluxError(words)
    monkeypatch.setattr(AperturePhotometry, 'do_photometry', fail)
    with simulated.worker(crowd, tmp_path) as context, caplog.at_level('INFO'):
        context.close = lambda: None
        tessphot.process(simulated.task(1003, method='aperture'), context)
    assert [record.getMessage() for record in caplog.records] == ['TIC 1003: it is dark.']
