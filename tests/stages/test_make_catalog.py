"""The stage that makes catalogues: fields from images, pointings and what goes wrong."""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import target_pixels
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from photometry.catalogs.table import TableCatalog
from photometry.core.errors import IncompatibleError, InputBadError, InputMissingError
from photometry.files import catalog, paths, wcs
from photometry.programs import make_catalog as program
from photometry.settings import CatalogSettings
from photometry.stages import catalog_fields
from photometry.stages.make_catalog import make_catalog

CUTS = Path(__file__).parents[1] / 'input' / 'tesscut'
SETTINGS = CatalogSettings('table', 16.0, 0.2)


def celestial(ra, dec, roll):
    """A WCS like that of an FFI, its reference pixel in the middle of the CCD."""
    made = WCS(naxis=2)
    turn, scale = np.deg2rad(roll), 21 / 3600
    made.wcs.ctype = ['RA---TAN', 'DEC--TAN']
    made.wcs.crval, made.wcs.crpix = [ra, dec], [1045, 1001]
    made.wcs.cd = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return made


def write_ffi(path, where=None, start=1683.35, size=(2078, 2136)):
    """A file like an FFI as far as its headers go; pixels are few unless the whole is asked for."""
    image = fits.ImageHDU(np.zeros(size, dtype='f4'))
    if where is not None:
        image.header.update(where.to_header())
    image.header.update({'TSTART': start, 'TSTOP': start + 1800 / 86400, 'BARYCORR': 0.003, 'DQUALITY': 0,
                         'CAMERA': 1, 'CCD': 4})
    primary = fits.PrimaryHDU()
    primary.header.update({'SECTOR': 14, 'CAMERA': 1, 'CCD': 4})
    fits.HDUList([primary, image]).writeto(path, overwrite=True)
    return path


def ffi_name(number):
    return f'tess2019{number:09d}-s0014-1-4-0150-s_ffic.fits'


def write_table(path, ra, dec, tmag=10.0):
    rows = [f'{k + 1},{right},{up},{tmag}' for k, (right, up) in enumerate(zip(ra, dec, strict=True))]
    path.write_text('\n'.join(['ID,ra,dec,Tmag', *rows]) + '\n')
    return path


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from([0.0, 359.99, 180.0]) | st.floats(0, 360),
       st.sampled_from([90.0, -90.0, 89.0]) | st.floats(-90, 90), st.floats(0, 360))
def test_stars_on_the_silicon_and_no_others(tmp_path_factory, ra, dec, roll):
    folder = tmp_path_factory.mktemp('ffi')
    where = celestial(ra, dec, roll)
    size = (600, 700)
    write_ffi(folder / ffi_name(1), where, size=size)
    rng = np.random.default_rng(1)
    row, column = rng.uniform(-400, 1000, 400), rng.uniform(-356, 1100, 400)
    sky = wcs.pixel_to_sky(where, row, column)
    table = write_table(folder / 'stars.csv', *sky)
    made, = make_catalog(folder, 14, TableCatalog(table), CatalogSettings('table', 16.0, 0.0))
    found = catalog.read_catalog(made)
    inside = (row > -0.5) & (row < 599.5) & (column > 43.5) & (column < 699.5)
    # Great circles between the points of the outline and the rows of pixels differ by some 0.01 px.
    doubtful = ((abs(row + 0.5) < 0.05) | (abs(row - 599.5) < 0.05)
                | (abs(column - 43.5) < 0.05) | (abs(column - 699.5) < 0.05))
    assert set(found.stars['starid']) - set(np.flatnonzero(doubtful) + 1) == set(
        np.flatnonzero(inside & ~doubtful) + 1)
    assert 2019.5 < found.info.epoch < 2019.7


def test_what_the_catalogue_says(tmp_path):
    where = celestial(10, 20, 30)
    for number in range(4):
        write_ffi(tmp_path / ffi_name(number), where, start=1683.35 + number * 1800 / 86400, size=(300, 300))
    sky = wcs.pixel_to_sky(where, np.array([100.0, 200]), np.array([100.0, 200]))
    table = write_table(tmp_path / 'stars.csv', *sky)
    made, = make_catalog(tmp_path, 14, TableCatalog(table), SETTINGS)
    assert made == tmp_path / 'catalog_sector014_camera1_ccd4.sqlite'
    found = catalog.read_catalog(made)
    middle = 2457000 + 1683.35 + 2 * 1800 / 86400
    assert found.info.ccd_key == (14, 1, 4) and found.info.coord_buffer == 0.2
    assert found.info.reference_time == pytest.approx(middle, abs=1e-6)
    assert found.info.epoch == pytest.approx(2000 + (middle - 2451545) / 365.25)
    assert found.info.footprint.startswith('((') and found.info.footprint.endswith('))')
    names = [entry['name'] for entry in json.loads(found.provenance['manifest'])]
    assert names == ['stars.csv', ffi_name(0), ffi_name(2), ffi_name(3)] and found.provenance['software']
    assert json.loads(found.provenance['settings']) == {
        'catalog': {'source': 'table', 'faint_limit': 16.0, 'buffer': 0.2}}


def test_again_changes_nothing_unless_something_changed(tmp_path):
    where = celestial(10, 20, 30)
    write_ffi(tmp_path / ffi_name(0), where, size=(300, 300))
    sky = wcs.pixel_to_sky(where, np.array([100.0, 200]), np.array([100.0, 200]))
    table = write_table(tmp_path / 'stars.csv', *sky)
    made, = make_catalog(tmp_path, 14, TableCatalog(table), SETTINGS)
    content, moment = made.read_bytes(), made.stat().st_mtime_ns
    assert make_catalog(tmp_path, 14, TableCatalog(table), SETTINGS) == [made]
    assert (made.read_bytes(), made.stat().st_mtime_ns) == (content, moment)
    with pytest.raises(IncompatibleError, match='catalog.faint_limit = 16.0, not 12.0.*--overwrite'):
        make_catalog(tmp_path, 14, TableCatalog(table), CatalogSettings('table', 12.0, 0.2))
    write_table(table, *sky, tmag=9)
    with pytest.raises(IncompatibleError, match='another version of stars.csv'):
        make_catalog(tmp_path, 14, TableCatalog(table), SETTINGS)
    assert made.read_bytes() == content
    make_catalog(tmp_path, 14, TableCatalog(table), SETTINGS, overwrite=True)
    assert catalog.read_catalog(made).stars['tmag'].tolist() == [9, 9]


def test_made_elsewhere_is_used_as_it_is(tmp_path):
    write_ffi(tmp_path / ffi_name(0), celestial(10, 20, 30), size=(300, 300))
    table = write_table(tmp_path / 'stars.csv', [10], [20])
    elsewhere = tmp_path / 'old'
    elsewhere.mkdir()
    path = elsewhere / paths.catalog_name(14, 1, 4)
    catalog.write_catalog(path, catalog.CatalogInfo(14, 1, 4), np.zeros(1, catalog.STAR_DTYPE))
    content = path.read_bytes()
    assert make_catalog(tmp_path, 14, TableCatalog(table), SETTINGS) == [path]
    assert path.read_bytes() == content and len(paths.find_catalogs(tmp_path)) == 1
    path.write_bytes(b'junk')
    with pytest.raises(InputBadError, match='no usable catalogue'):
        make_catalog(tmp_path, 14, TableCatalog(table), SETTINGS)


def test_union_of_cutouts(tmp_path):
    for path in CUTS.glob('tess-s0007-*'):
        shutil.copy(path, tmp_path)
    made = make_catalog(tmp_path, 7, TableCatalog(CUTS / 'stars.ecsv'), SETTINGS)
    assert [path.name for path in made] == [paths.catalog_name(7, 2, ccd) for ccd in (2, 4)]
    found = catalog.read_catalog(made[0])
    assert found.stars['starid'].tolist() == [126199999, 146619999]
    assert found.info.footprint.count(';') == 1
    assert found.info.camera_centre_ra == pytest.approx(113.26, abs=0.05)
    assert make_catalog(tmp_path, 7, TableCatalog(CUTS / 'stars.ecsv'), SETTINGS, ccd=[4]) == made[1:]


def test_pointing_serves_where_there_is_no_image(tmp_path):
    targets = CUTS.parent / 'catalogs' / 'targets_s0002.csv'
    made, = make_catalog(tmp_path, 2, TableCatalog(targets), CatalogSettings('table', 16.0, 0.0),
                         camera=[3], ccd=[2])
    found = catalog.read_catalog(made)
    assert found.stars.size == 50 and found.info.ccd_key == (2, 3, 2)
    assert found.info.reference_time == pytest.approx(2458367, abs=1)
    with pytest.raises(InputMissingError, match='sector 92 is known from its images only'):
        make_catalog(tmp_path, 92, TableCatalog(targets), SETTINGS)


def test_bad_images_are_left_out(tmp_path, caplog):
    where = celestial(10, 20, 30)
    (tmp_path / ffi_name(0)).write_bytes(b'')
    write_ffi(tmp_path / ffi_name(1), where, start=1690.0, size=(300, 300))
    (tmp_path / ffi_name(2)).write_bytes(b'junk' * 1000)
    sky = wcs.pixel_to_sky(where, np.array([100.0]), np.array([100.0]))
    table = write_table(tmp_path / 'stars.csv', *sky)
    made, = make_catalog(tmp_path, 14, TableCatalog(table), SETTINGS)
    assert catalog.read_info(made).reference_time == pytest.approx(2458690 + 900 / 86400)
    assert sum(ffi_name(k) in caplog.text for k in range(3)) == 2
    (tmp_path / ffi_name(1)).write_bytes(b'')
    with pytest.raises(InputBadError, match='None of the 3 images of sector 14, camera 1, CCD 4'):
        make_catalog(tmp_path, 14, TableCatalog(table), SETTINGS, overwrite=True)


def test_frames_without_a_wcs(tmp_path):
    where = celestial(10, 20, 30)
    for number in range(6):
        write_ffi(tmp_path / ffi_name(number), where if number == 4 else None, size=(300, 300))
    field, = catalog_fields.find_fields(tmp_path, 14)
    row, column = wcs.sky_to_pixel(where, *field.polygons[0].T)
    assert np.allclose([row.min(), column.min()], [-0.5, 43.5], atol=0.01)
    (tmp_path / ffi_name(4)).unlink()
    field, = catalog_fields.find_fields(tmp_path, 14)
    made = catalog_fields.pointed_field((14, 1, 4))
    assert np.allclose(field.polygons[0][0], made.polygons[0][0])


def test_one_empty_ccd_does_not_stop_the_others(tmp_path):
    for path in CUTS.glob('tess-s0007-*'):
        shutil.copy(path, tmp_path)
    table = write_table(tmp_path / 'stars.csv', [105.314], [-9.97697])
    with pytest.raises(InputBadError, match='stars.csv has no star on sector 7, camera 2, CCD 2'):
        make_catalog(tmp_path, 7, TableCatalog(table), SETTINGS)
    assert [item.ccd_key for item in paths.find_catalogs(tmp_path)] == [(7, 2, 4)]


def test_program(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv('TESSPHOT_INPUT', raising=False)
    shutil.copy(next(CUTS.glob('tess-s0009-*')), tmp_path)
    stars = str(CUTS / 'stars.ecsv')
    chosen = ['--buffer', '0.5', '--faint-limit', '15']
    assert program.main(['9', str(tmp_path), '--catalog', stars, *chosen]) == 0
    info = catalog.read_info(tmp_path / paths.catalog_name(9, 3, 1))
    assert info.coord_buffer == 0.5
    assert program.main(['9', str(tmp_path), '--catalog', stars]) == 2
    assert '--overwrite' in capsys.readouterr().err
    assert program.main(['9', str(tmp_path), '--catalog', stars, '--overwrite']) == 0
    assert program.main(['9', str(tmp_path)]) == 2
    assert 'table' in capsys.readouterr().err
    assert program.main(['9', str(tmp_path), '--source', 'nonsense', '--catalog', stars]) == 2
    assert program.main(['9', str(tmp_path / 'none'), '--catalog', stars]) == 4
    assert program.main(['9', str(tmp_path), '--catalog', 'none.csv']) == 4
    assert program.main(['9', '--catalog', stars]) == 4
    monkeypatch.setenv('TESSPHOT_INPUT', str(tmp_path))
    assert program.main(['9', '--catalog', stars]) == 0
    assert 'Traceback' not in capsys.readouterr().err


@pytest.mark.parametrize('words', [['x'], ['0'], ['5', '--buffer', 'nan'], ['5', '--camera', '5'],
                                   ['5', '--faint-limit', '99'], []])
def test_wrong_words(words):
    with pytest.raises(SystemExit) as caught:
        program.main(words)
    assert caught.value.code == 2


def test_help_imports_nothing_heavy():
    code = ('import sys\nfrom photometry.programs import make_catalog\n'
            'try:\n    make_catalog.main(["--help"])\nexcept SystemExit:\n    pass\n'
            'heavy = {"numpy", "astropy", "scipy", "h5py", "pyarrow"} & set(sys.modules)\n'
            'sys.exit(f"imported {heavy}" if heavy else 0)')
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 'examples' in done.stdout


def test_target_pixel_files_are_covered(tmp_path):
    from photometry.core.stamp import Stamp
    from photometry.simulation.pointing import Sky
    sky, other = Sky(5, 2, 2), Sky(5, 2, 3)
    places = [(1005, 905), (1805, 1905)]
    for number, (row, column) in enumerate(places, 70):
        target_pixels.write(tmp_path, starid=number, stamp=Stamp(row - 5, row + 6, column - 5, column + 6),
                            wcs_cards=sky.cutout_cards(Stamp(row - 5, row + 6, column - 5, column + 6)))
    target_pixels.write(tmp_path, dataclasses.replace(target_pixels.FACTS, ccd=3), starid=90,
                        wcs_cards=other.cutout_cards(target_pixels.STAMP))
    (tmp_path / 'bad_tp.fits').write_bytes(b'SIMPLE  =' * 400)
    directions = [sky.radec(*place) for place in (*places, (1400, 1400))] + [other.radec(1005, 905)]
    ra, dec = ([float(direction[axis]) for direction in directions] for axis in (0, 1))
    table = write_table(tmp_path / 'stars.csv', ra, dec)
    made = make_catalog(tmp_path, 5, TableCatalog(table), SETTINGS)
    found = [catalog.read_catalog(path) for path in made]
    assert [item.info.ccd_key for item in found] == [(5, 2, 2), (5, 2, 3)]
    assert [item.stars['starid'].tolist() for item in found] == [[1, 2], [4]]
    assert found[0].info.footprint.count(';') == 1
    manifest = json.loads(found[0].provenance['manifest'])
    assert sum('_tp.fits' in entry['name'] for entry in manifest) == 2
    assert make_catalog(tmp_path, 5, TableCatalog(table), SETTINGS) == made
    target_pixels.write(tmp_path, starid=95)
    with pytest.raises(IncompatibleError, match='1 input files fewer'):
        make_catalog(tmp_path, 5, TableCatalog(table), SETTINGS)
