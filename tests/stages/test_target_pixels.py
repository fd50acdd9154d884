"""From target pixel files to light curves: listing, measuring, times, headers."""

import dataclasses
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import target_pixels
import todo_rows
from astropy.table import Table

from photometry import STATUS, AperturePhotometry, settings
from photometry.core import quality
from photometry.core.errors import InputBadError, OffSiliconError
from photometry.core.task import Task
from photometry.files import paths, tpf
from photometry.files.lightcurve import read_lightcurve
from photometry.files.truth import read_truth
from photometry.methods import context as context_module
from photometry.methods import open_source
from photometry.methods.context import JobOptions, WorkerContext
from photometry.programs import make_todo, tessphot
from photometry.simulation.plan import SectorPlan
from photometry.simulation.pointing import Sky
from photometry.simulation.sector import stamp_of_size
from photometry.stages import simulate
from photometry.stages import tessphot as stage

PLAN = SectorPlan(seed=3, frames=120, cadence=120, stamp=stamp_of_size(32, 32), number=8, bright=9.5,
                  faint=12.5, background='quiet', wing=0.001)
TARGETS = 3
KEY = PLAN.sector, PLAN.camera, PLAN.ccd


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """INPUT with the files of three stars at 120 s and one of them at 20 s, its list measured."""
    folder, other = tmp_path_factory.mktemp('targets'), tmp_path_factory.mktemp('fast')
    target_pixels.simulated_folder(folder, PLAN, TARGETS)
    fast, = simulate.simulate(other, dataclasses.replace(PLAN, cadence=20, frames=90), tpf=1)[2:]
    (folder / 'fast').mkdir()
    shutil.move(fast, folder / 'fast')
    assert make_todo.main([str(folder), '-q']) == 0
    assert tessphot.main([str(folder), '--all', '-q']) == 0
    return SimpleNamespace(folder=folder, truth=read_truth(folder / 'truth.hdf5'),
                           fast=read_truth(other / 'truth.hdf5'), rows=rows(folder))


def rows(folder):
    """Rows of the list with what came of them."""
    names = 'starid datasource cadence tmag status cube tile lightcurve reason errors'.split()
    found = todo_rows.query(folder / 'todo.sqlite', f'SELECT {", ".join(names)} FROM todolist '
                            'LEFT JOIN diagnostics USING (priority) ORDER BY priority')
    return [SimpleNamespace(**dict(zip(names, row, strict=True))) for row in found]


def curve(made, row):
    return read_lightcurve(made.folder / 'lightcurves' / row.lightcurve)


def star_of(truth, starid):
    return int(np.flatnonzero(truth.stars['starid'] == starid)[0])


def test_targets_are_listed_and_the_stars_beside_them(made):
    targets = [row for row in made.rows if row.datasource == 'tpf']
    headers = {item.path.relative_to(made.folder).as_posix(): tpf.read_tpf_header(item.path)
               for item in paths.find_targets(made.folder)}
    assert len(headers) == len(targets) == TARGETS + 1
    for row in made.rows:
        header = headers[row.cube]
        assert row.cadence == header.cadence
        assert row.datasource == ('tpf' if row.starid == header.starid else f'tpf:{header.starid}')
    per_star = {(row.starid, row.cadence) for row in made.rows}
    assert len(per_star) == len(made.rows)
    fast = [row for row in targets if row.cadence == 20]
    assert len(fast) == 1 and fast[0].starid in [row.starid for row in targets if row.cadence == 120]


def test_every_star_of_the_catalogue_on_the_pixels_has_a_row(made):
    stars, listed = made.truth.stars, {row.starid for row in made.rows if row.cadence == 120}
    on = set()
    for item in paths.find_targets(made.folder):
        header = tpf.read_tpf_header(item.path)
        if header.cadence == 120:
            on |= {int(star['starid']) for star in stars
                   if header.stamp.contains(star['row'], star['column'])}
    assert listed == on and len(on) > TARGETS


def test_fluxes_are_those_of_the_truth(made):
    measured = 0
    for row in made.rows:
        truth = made.fast if row.cadence == 20 else made.truth
        star = truth.stars[star_of(truth, row.starid)]
        found = curve(made, row)
        good = quality.good(found.columns['QUALITY'])
        flux, error = (found.columns[name][good] for name in ('FLUX', 'FLUX_ERR'))
        assert row.status in (STATUS.OK, STATUS.WARNING), row.errors
        noise = np.median(error)
        assert np.std(flux) / noise == pytest.approx(1.0, abs=0.25), row
        tolerance = 0.005 * star['flux'] + 5 * noise / np.sqrt(good.sum())
        assert abs(np.median(flux) - star['flux']) < tolerance, row
        measured += 1
    assert measured > TARGETS + 1


def test_times_are_those_of_each_star(made):
    sky = Sky(*KEY)
    for row in made.rows:
        truth = made.fast if row.cadence == 20 else made.truth
        columns, star = curve(made, row).columns, truth.stars[star_of(truth, row.starid)]
        frames = np.searchsorted(truth.frames['cadenceno'], columns['CADENCENO'])
        assert np.array_equal(truth.frames['cadenceno'][frames], columns['CADENCENO'])
        middle = truth.frames['time'][frames] - truth.frames['timecorr'][frames]
        correction = sky.correction(middle, star['ra'], star['decl'])
        np.testing.assert_allclose(columns['TIME'], middle + correction, atol=2e-8)
        np.testing.assert_allclose(columns['TIMECORR'], correction, rtol=1e-5)
        lost = truth.frames['missing'] | truth.frames['zero']
        assert not lost[frames].any() and len(frames) == np.count_nonzero(~lost)


def test_headers_and_names_tell_the_cadence(made):
    for row in made.rows:
        found, fast = curve(made, row), row.cadence == 20
        assert row.lightcurve.startswith('c0020/' if fast else 'c0120/')
        assert f'-c{row.cadence:04d}-' in row.lightcurve
        primary, table = found.primary, found.table
        assert primary['CRMITEN'] is not fast and primary['CRSPOC'] is fast
        assert primary['DATASRC'] == row.datasource
        assert (primary['SECTOR'], primary['CAMERA'], primary['CCD'], primary['DATA_REL']) == (*KEY, 60)
        assert primary['CUBE'] == row.cube.rpartition('/')[2] and primary['PRFMODEL'] == 'prf'
        reads = 10 if fast else 48
        assert (table['NUM_FRM'], table['NREADOUT']) == (10 if fast else 60, reads)
        assert table['TIMEDEL'] * 86400 == pytest.approx(row.cadence)
        assert table['INT_TIME'] * 86400 == pytest.approx(1.98)
        assert table['EXPOSURE'] * 86400 == pytest.approx(reads * 1.98 * len(found.columns['TIME']))


def one_star(made, row, folder, *words):
    """Exit code of the command that measures one star, without a list."""
    return tessphot.main([str(made.folder), '--starid', str(row.starid), '--datasource', row.datasource, '-q',
                          '--todo', str(folder / 'none.sqlite'), '--output', str(folder), *words])


def test_one_star_without_a_list(made, tmp_path, capsys):
    row = next(row for row in made.rows if row.datasource == 'tpf' and row.cadence == 120)
    second = next(row for row in made.rows if row.datasource.startswith('tpf:'))
    for wanted in (row, second):
        assert one_star(made, wanted, tmp_path, '--cadence', str(wanted.cadence)) == 0
        assert 'No STATUS was recorded' in capsys.readouterr().out
        alone = read_lightcurve(tmp_path / wanted.lightcurve)
        for name, values in curve(made, wanted).columns.items():
            np.testing.assert_array_equal(alone.columns[name], values, err_msg=name)


def test_of_several_cadences_one_must_be_named(made, tmp_path, capsys):
    twice = next(row for row in made.rows if row.cadence == 20 and row.datasource == 'tpf')
    assert one_star(made, twice, tmp_path) == 2 and 'observed more than once' in capsys.readouterr().err
    with pytest.raises(ValueError, match='sector 5 at 20 s, sector 5 at 120 s'):
        AperturePhotometry(twice.starid, made.folder, tmp_path, datasource='tpf')
    with AperturePhotometry(twice.starid, made.folder, tmp_path, datasource='tpf', cadence=20) as star:
        assert star.cadence == 20 and star.stamp == star.source.pixels.limits


def test_the_documented_class_takes_targets_and_their_neighbours(made, tmp_path):
    second = next(row for row in made.rows if row.datasource.startswith('tpf:') and row.cadence == 120)
    words = {'datasource': second.datasource, 'cadence': 120}
    with AperturePhotometry(second.starid, made.folder, tmp_path, **words) as star:
        assert star.photometry() in (STATUS.OK, STATUS.WARNING) and star.datasource == second.datasource
        assert star.source.pixels.starid != star.starid
    for word, kind, message in ((f'tpf:{second.starid}', FileNotFoundError, 'No target pixel file'),
                                ('tpf:x', ValueError, 'no source of pixels'),
                                ('ffi:3', ValueError, 'no source of pixels')):
        with pytest.raises(kind, match=message):
            AperturePhotometry(second.starid, made.folder, tmp_path, datasource=word, camera=2, ccd=2)
    far = next(star for star in made.truth.stars if star['starid'] not in [row.starid for row in made.rows])
    with pytest.raises(OffSiliconError, match='outside the pixels|far from the pixels'):
        AperturePhotometry(int(far['starid']), made.folder, tmp_path, **words)


def test_the_mask_of_the_mission_where_it_is_asked_for(tmp_path):
    folder = target_pixels.real_folder(tmp_path)
    chosen = settings.load()
    chosen = dataclasses.replace(chosen, aperture=dataclasses.replace(chosen.aperture, mask='official'))
    task = Task(target_pixels.STARID, 1, 4, 1, 120, 'tpf', method='aperture')
    with WorkerContext(JobOptions(str(folder), str(tmp_path / 'out'), chosen)) as context:
        result = stage.process(task, context)
    found = read_lightcurve(tmp_path / 'out' / result.lightcurve)
    official = Table.read(target_pixels.OFFICIAL)
    np.testing.assert_allclose(found.columns['SAP_FLUX'], official['SAP_FLUX'], rtol=1e-6)
    np.testing.assert_allclose(found.columns['FLUX_BKG'], official['SAP_BKG'], rtol=1e-6)
    np.testing.assert_allclose(found.columns['FLUX_BKG_ERR'], official['SAP_BKG_ERR'], rtol=1e-6)
    np.testing.assert_allclose(86400 * (found.columns['TIME'] - official['TIME']), -1.979, atol=0.01)
    assert found.primary['AP_MASK'] == 'official' and found.primary['AP_NPIX'] == 9
    expected = 10 ** (0.4 * (20.44 - 10.555))
    assert np.median(found.columns['FLUX']) == pytest.approx(expected, rel=0.1)


def test_others_have_no_mask_of_the_mission(made, tmp_path):
    chosen = settings.load()
    chosen = dataclasses.replace(chosen, aperture=dataclasses.replace(chosen.aperture, mask='official'))
    with WorkerContext(JobOptions(str(made.folder), str(tmp_path), chosen)) as context:
        for row in made.rows:
            result = stage.process(Task(row.starid, *KEY, row.cadence, row.datasource, cube=row.cube,
                                        method='aperture'), context)
            mask = read_lightcurve(tmp_path / result.lightcurve).primary['AP_MASK']
            assert mask == ('official' if row.datasource == 'tpf' else 'snr')


def test_few_files_stay_in_memory(made, tmp_path, monkeypatch):
    monkeypatch.setattr(context_module, 'TARGETS', 2)
    with WorkerContext(JobOptions(str(made.folder), str(tmp_path))) as context:
        for row in made.rows * 2:
            context.source(Task(row.starid, *KEY, row.cadence, row.datasource, cube=row.cube))
            assert len(context._sources) <= 2 and row.cube in context._sources


def test_a_file_of_another_star_is_not_taken_for_it(made, tmp_path):
    row = next(row for row in made.rows if row.datasource == 'tpf')
    with WorkerContext(JobOptions(str(made.folder), str(tmp_path))) as context:
        with pytest.raises(InputBadError, match=f'of TIC {row.starid}, not of TIC 5'):
            context.source(Task(5, *KEY, row.cadence, 'tpf', cube=row.cube))


def measured_alone(folder, starid, output, **words):
    """Result of the aperture photometry of a simulated file's star."""
    with WorkerContext(JobOptions(str(folder), str(output))) as context:
        return stage.process(Task(starid, *KEY, 120, 'tpf', method='aperture', **words), context)


@pytest.fixture
def spoilt(made, tmp_path):
    """INPUT with a copy of one file, its catalogue, and a way to write another version of that file."""
    row = next(row for row in made.rows if row.datasource == 'tpf' and row.cadence == 120)
    for path in made.folder.glob('catalog_*'):
        shutil.copy(path, tmp_path)
    path = shutil.copy(made.folder / row.cube, tmp_path)

    def change(column, value):
        from astropy.io import fits
        with fits.open(path) as hdus:
            hdus[1].data[column] = value(hdus[1].data[column])
            hdus.writeto(path, overwrite=True, checksum=True)
    return SimpleNamespace(folder=tmp_path, starid=row.starid, change=change, path=path)


def test_a_file_without_good_cadences(spoilt, tmp_path):
    spoilt.change('QUALITY', lambda quality: quality | 128)
    result = measured_alone(spoilt.folder, spoilt.starid, tmp_path)
    assert (result.status, result.reason) == (STATUS.ERROR, 'no_good_cadences')
    assert 'has only 0 good cadences' in result.errors[0]


@pytest.mark.parametrize('nothing', [0.0, np.nan])
def test_without_motion_a_reader_is_told(spoilt, tmp_path, nothing):
    for name in ('POS_CORR1', 'POS_CORR2'):
        spoilt.change(name, lambda values: values * 0 + nothing)
    result = measured_alone(spoilt.folder, spoilt.starid, tmp_path)
    assert result.status is STATUS.WARNING
    assert 'No motion of the stars was measured' in ' '.join(result.errors)


def test_a_damaged_file_fails_its_stars_and_no_others(made, tmp_path):
    shutil.copytree(made.folder, tmp_path / 'in', ignore=shutil.ignore_patterns('lightcurves'))
    row = next(row for row in made.rows if row.datasource.startswith('tpf:'))
    path = tmp_path / 'in' / row.cube
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)
    assert tessphot.main([str(tmp_path / 'in'), '--all', '-q', '--overwrite']) == 3
    for found in rows(tmp_path / 'in'):
        if found.cube == row.cube:
            assert (found.status, found.reason) == (STATUS.ERROR, 'input_bad') and 'DATASUM' in found.errors
        else:
            assert found.status in (STATUS.OK, STATUS.WARNING)


def test_the_catalogue_of_another_sky_fails_the_star(spoilt, tmp_path):
    path, = spoilt.folder.glob('catalog_*')
    todo_rows.change(path, 'UPDATE catalog SET ra = ra + 40')
    todo_rows.change(path, "UPDATE settings SET footprint = '((1,1),(2,1),(2,2))'")
    result = measured_alone(spoilt.folder, spoilt.starid, tmp_path)
    assert result.reason == 'input_bad' and 'another part of the sky' in result.errors[0]
    path.unlink()
    result = measured_alone(spoilt.folder, spoilt.starid, tmp_path)
    assert result.reason == 'input_bad' and 'No catalogue' in result.errors[0]


def test_the_wing_is_that_of_a_cube_of_the_ccd(made, tmp_path, monkeypatch):
    for path in (*made.folder.glob('catalog_*'), *made.folder.glob('*_tp.fits')):
        shutil.copy(path, tmp_path)
    row = next(row for row in made.rows if row.datasource == 'tpf' and row.cadence == 120)
    bare = measured_alone(tmp_path, row.starid, tmp_path / 'bare')
    for name in ('sector005_camera2_ccd2_c1044r1000_64x64.hdf5', 'sector005_camera2_ccd2.hdf5'):
        (tmp_path / name).write_bytes(b'')
    result = measured_alone(tmp_path, row.starid, tmp_path / 'broken')
    assert result.details['mean_flux'] == bare.details['mean_flux']
    opened = []

    class Cube:
        star_wing = (0.03, 3.0, 60.0)

        def __init__(self, path):
            opened.append(path.name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass
    monkeypatch.setattr(open_source.cube, 'CubeFile', Cube)
    result = measured_alone(tmp_path, row.starid, tmp_path / 'out')
    assert opened == ['sector005_camera2_ccd2.hdf5']
    assert result.details['mean_flux'] == pytest.approx(bare.details['mean_flux'] / 0.97, rel=2e-3)
    primary = read_lightcurve(tmp_path / 'out' / result.lightcurve).primary
    assert 'sector005_camera2_ccd2.hdf5' in primary['MANIFEST'] and primary['PRFMODEL'] == 'prf'
