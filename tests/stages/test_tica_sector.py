"""Images of TICA go through the whole pipeline and give the light curves that those of SPOC give."""

import shutil

import numpy as np
import pytest
from astropy.io import fits
from scipy.interpolate import CubicSpline
from stages import small_sector

from photometry.algorithms import timing
from photometry.core.errors import UsageError
from photometry.core.stamp import Stamp
from photometry.files import catalog, cube, ephemeris, paths, truth
from photometry.files.lightcurve import read_lightcurve
from photometry.programs import make_catalog, make_todo, prepare_photometry, tessphot
from photometry.stages.simulate import catalogue

PLAN = small_sector.plan(size=40, frames=24, sector=35, cadence=600, number=14, wing=0.004)
CUBE = paths.cube_name(35, 2, 2)


def measure(folder, write, *options):
    """A small sector through all programs; returns the simulation and the light curves by star."""
    def with_flags(folder, made, index):
        kinds = {5: {'quality': 32}, 9: {'quality': 4}, 11: {'quality': 2048},
                 14: {'change': lambda image: 0 * image}}
        return write(folder, made, index, **kinds.get(index, {}))

    made, _ = small_sector.make(folder, PLAN, write=with_flags)
    (folder / paths.catalog_name(35, 2, 2)).unlink()
    truth.write_stars(folder / 'stars.ecsv', catalogue(made))
    assert make_catalog.main(['35', str(folder), '-q', '--catalog', str(folder / 'stars.ecsv')]) == 0
    assert prepare_photometry.main([str(folder), '-q', *options]) == 0
    assert make_todo.main([str(folder), '-q']) == 0
    stars = made.stars[np.argsort(made.stars['tmag'])]
    inner = PLAN.stamp.grown(-8, -8, -8, -8)
    inside = [inner.contains(*place) for place in zip(stars['row'], stars['column'], strict=True)]
    for star in stars['starid'][inside][:2]:
        assert tessphot.main([str(folder), '-q', '--starid', str(star), '--method', 'aperture']) == 0
    found = {path.name[4:15]: path for path in sorted(folder.rglob('*_lc.fits'))}
    assert len(found) == 2
    return made, found


@pytest.fixture(scope='module')
def both(tmp_path_factory):
    """The same sector as SPOC and as TICA give it: (folder, simulation, light curves) of each."""
    return [(folder, *measure(folder, write)) for folder, write in (
        (tmp_path_factory.mktemp('spoc'), small_sector.write_frame),
        (tmp_path_factory.mktemp('tica'), small_sector.write_tica))]


def test_cube_says_which_product_it_is_of(both):
    with cube.CubeFile(both[0][0] / CUBE) as spoc, cube.CubeFile(both[1][0] / CUBE) as tica:
        assert (spoc.info.product, tica.info.product) == ('spoc', 'tica')
        assert tica.info.procver == 'tica-tessphot-simulation' and tica.info.data_rel == 0
        assert (tica.timecorr == 0).all() and (tica.info.cadence, tica.info.crmiten) == (600, True)
        np.testing.assert_allclose(tica.time, spoc.time - spoc.timecorr, atol=1e-9)
        np.testing.assert_array_equal(tica.cadenceno, spoc.cadenceno)
        assert all(name.startswith('hlsp_tica') for name in tica.imagespaths)


def test_pixels_are_the_same(both):
    with cube.CubeFile(both[0][0] / CUBE) as spoc, cube.CubeFile(both[1][0] / CUBE) as tica:
        np.testing.assert_allclose(tica.read('images'), spoc.read('images'), rtol=1e-4, atol=0.02)
        light = np.arange(24) != 14
        np.testing.assert_allclose(tica.read('images_err')[..., light], spoc.read('images_err')[..., light],
                                   rtol=0.02)


def test_flags_are_those_that_tica_tells(both):
    with cube.CubeFile(both[0][0] / CUBE) as spoc, cube.CubeFile(both[1][0] / CUBE) as tica:
        np.testing.assert_array_equal(tica.quality, spoc.quality)
        # the last is a frame of zeros, which nobody flags
        assert {frame: tica.quality[frame] for frame in np.flatnonzero(tica.quality)} == {
            5: 32, 9: 4, 11: 2048, 14: 128}


def test_light_curves_are_the_same(both):
    spoc, tica = both[0][2], both[1][2]
    assert spoc.keys() == tica.keys()
    for star in spoc:
        one, two = read_lightcurve(spoc[star]), read_lightcurve(tica[star])
        good = np.isfinite(one.columns['FLUX'])
        np.testing.assert_allclose(two.columns['FLUX'][good], one.columns['FLUX'][good], rtol=3e-4)
        np.testing.assert_allclose(two.columns['FLUX_ERR'][good], one.columns['FLUX_ERR'][good], rtol=0.02)
        # to two microseconds, though one cube holds times of the CCD's centre, the other the spacecraft's
        np.testing.assert_allclose(two.columns['TIME'], one.columns['TIME'], atol=2e-11)
        assert (one.primary['FFI_TYPE'], two.primary['FFI_TYPE']) == ('SPOC', 'TICA')


def test_fluxes_are_those_of_the_truth(both):
    _, made, found = both[1]
    for star, path in found.items():
        row = np.flatnonzero(made.stars['starid'] == int(star))[0]
        lightcurve = read_lightcurve(path)
        ratio = np.nanmedian(lightcurve.columns['FLUX']) / made.stars['flux'][row]
        assert ratio == pytest.approx(1, abs=0.01)


def test_times_are_the_stars_own_to_a_millisecond(both):
    _, made, found = both[1]
    table = ephemeris.load_ephemeris()
    for star, path in found.items():
        row = made.stars[made.stars['starid'] == int(star)][0]
        lightcurve = read_lightcurve(path)
        spacecraft = made.schedule.middle
        node = table.jd_tdb - timing.BTJD
        near = np.abs(node - spacecraft.mean()) < 3
        place = CubicSpline(node[near], table.position[near])(spacecraft).T
        ra, decl = np.deg2rad([row['ra'], row['decl']])
        star_vector = np.array([np.cos(decl) * np.cos(ra), np.cos(decl) * np.sin(ra), np.sin(decl)])
        expected = spacecraft + star_vector @ place * timing.LIGHT_DAYS_PER_AU
        assert np.abs(lightcurve.columns['TIME'] - expected).max() * 86400 < 1e-3
        np.testing.assert_allclose(lightcurve.columns['TIME'] - lightcurve.columns['TIMECORR'], spacecraft,
                                   atol=1e-3 / 86400)


@pytest.fixture
def mixed(tmp_path):
    """A directory with images of both products of one CCD."""
    plan = small_sector.plan(size=32, frames=4, number=12)
    made, spoc = small_sector.make(tmp_path, plan)
    tica = [small_sector.write_tica(tmp_path, made, index) for index in range(4)]
    return made, tmp_path, spoc, tica


def test_both_products_of_a_ccd_are_refused_until_one_is_chosen(mixed, capsys):
    _, folder, _, _ = mixed
    name = folder / paths.cube_name(5, 2, 2)
    assert prepare_photometry.main([str(folder), '-q']) == 2
    words = capsys.readouterr().err
    assert words.count('\n') == 1 and not name.exists()
    assert '4 of SPOC and 4 of TICA; choose one with --product.' in words
    assert prepare_photometry.main([str(folder), '-q', '--product', 'tica']) == 0
    with cube.CubeFile(name) as made:
        assert made.info.product == 'tica'
    # the same question has the same answer, the other one needs --overwrite
    assert prepare_photometry.main([str(folder), '-q', '--product', 'tica']) == 0
    assert prepare_photometry.main([str(folder), '-q', '--product', 'spoc']) == 2
    assert prepare_photometry.main([str(folder), '-q', '--product', 'spoc', '--overwrite']) == 0


def test_the_settings_choose_too(mixed, tmp_path):
    _, folder, spoc, tica = mixed
    chosen = tmp_path / 'mine.toml'
    chosen.write_text('[prepare]\nproduct = "spoc"\n')
    assert prepare_photometry.main([str(folder), '-q', '--settings', str(chosen)]) == 0
    for path in tica:
        path.unlink()
    # now that there is but one product, nothing needs to be chosen, and the cube stands
    assert prepare_photometry.main([str(folder), '-q']) == 0


def test_a_product_that_is_not_there(mixed, capsys):
    _, folder, spoc, _ = mixed
    for path in spoc:
        path.unlink()
    assert prepare_photometry.main([str(folder), '-q', '--product', 'spoc']) == 4
    assert 'has no FFIs of SPOC, but 4 of TICA; choose another --product.' in capsys.readouterr().err


def test_either_product_serves_the_catalogue(mixed):
    made, folder, spoc, tica = mixed
    stars = folder / 'stars.ecsv'
    truth.write_stars(stars, catalogue(made))
    name = folder / paths.catalog_name(5, 2, 2)
    found = []
    for gone in ([], tica, spoc):
        for path in gone:
            path.rename(path.with_suffix('.away'))
        name.unlink(missing_ok=True)
        assert make_catalog.main(['5', str(folder), '-q', '--catalog', str(stars)]) == 0
        found.append(catalog.read_catalog(name))
        for path in gone:
            path.with_suffix('.away').rename(path)
    for other in found[1:]:
        np.testing.assert_array_equal(other.stars['starid'], found[0].stars['starid'])
        assert other.info.reference_time == pytest.approx(found[0].info.reference_time, abs=0.01)
    # where both lie there, SPOC's are asked: a catalogue made of them stays when TICA's come
    assert found[0].info.footprint == found[1].info.footprint


def test_the_late_clock_of_early_releases_is_not_mended_in_images_of_tica(mixed):
    from photometry.pixels.ffi import CubeSource
    _, folder, _, _ = mixed
    assert prepare_photometry.main([str(folder), '-q', '--product', 'tica']) == 0
    path = folder / paths.cube_name(5, 2, 2)
    with cube.CubeFile(path) as made:
        assert timing.release_offset(5, made.info.data_rel) != 0
        source = CubeSource(path)
        np.testing.assert_array_equal(source.time, made.time)
        source.close()


def test_one_frame_without_wcs_and_one_damaged(mixed, caplog):
    made, folder, spoc, tica = mixed
    for path in spoc:
        path.unlink()
    small_sector.write_tica(folder, made, 1, wcs_text=lambda old: '')
    tica[3].write_bytes(tica[3].read_bytes()[:20000])
    assert prepare_photometry.main([str(folder), '-q']) == 0
    with cube.CubeFile(folder / paths.cube_name(5, 2, 2)) as found:
        assert [bool(text) for text in found.wcs_texts] == [True, False, True]
        assert np.isfinite(found.movement_kernel).all()


def test_simulated_whole_frames(tmp_path):
    from photometry.programs import simulate
    words = '--sector 35 --frames 1 --cadence 600 --stars 5 --background quiet --product tica'
    assert simulate.main([str(tmp_path), '-q', *words.split()]) == 0
    found, = paths.find_ffis(tmp_path)
    assert paths.product_of(found.path) == 'tica' and found.ccd_key == (35, 2, 2)
    with fits.open(found.path, checksum=True) as hdus:
        assert hdus[0].data.shape == (2078, 2136) and len(hdus) == 1
        assert hdus[0].header['UNITS'] == 'electrons'


def test_only_whole_ccds_are_simulated_as_tica(tmp_path):
    from photometry.simulation.plan import SectorPlan
    from photometry.stages.simulate import simulate
    with pytest.raises(UsageError, match='Only whole CCDs'):
        simulate(tmp_path, SectorPlan(stamp=PLAN.stamp), product='tica')
    assert not list(tmp_path.iterdir())


def test_simulations_of_two_products_do_not_mix(mixed, tmp_path_factory):
    from photometry.simulation.plan import SectorPlan
    from photometry.stages.simulate import simulate
    _, _, _, tica = mixed
    folder = tmp_path_factory.mktemp('other')
    shutil.copy(tica[0], folder)
    with pytest.raises(UsageError, match='holds another simulation'):
        simulate(folder, SectorPlan(frames=1, number=0))


def test_cutouts_of_two_products_are_refused_until_one_is_chosen(tmp_path, capsys):
    plan = small_sector.plan(frames=3, stamp=Stamp(700, 716, 900, 916), number=8)
    _, path = small_sector.make_cutout(tmp_path, plan)
    with fits.open(path) as hdus:
        hdus[1].data['FLUX'] *= 1425.6
        hdus[1].data['TIME'] -= hdus[1].data['TIMECORR']
        hdus[1].data['TIMECORR'] = 0
        hdus[0].header['FFI_TYPE'] = 'TICA'
        hdus.writeto(path.with_name('tica' + path.name[4:]), checksum=True)
    assert prepare_photometry.main([str(tmp_path), '-q']) == 2
    assert 'are of two products; choose one with --product.' in capsys.readouterr().err
    images = []
    for product in paths.PRODUCTS:
        assert prepare_photometry.main([str(tmp_path), '-q', '--product', product, '--overwrite']) == 0
        with cube.CubeFile(paths.find_cubes(tmp_path)[0].path) as found:
            assert found.info.product == product
            images.append(found.read('images'))
    np.testing.assert_allclose(*images, rtol=1e-4, atol=0.02)
