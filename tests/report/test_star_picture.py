"""The picture of a star shows what its light-curve file holds, whatever that is."""

import dataclasses
import logging

import matplotlib as mpl
import numpy as np
import pytest
import simulated
from matplotlib.figure import Figure

from photometry import STATUS
from photometry.core import quality
from photometry.core.quality import ApertureFlag
from photometry.core.stamp import Stamp
from photometry.files.lightcurve import LightcurveFile, read_lightcurve
from photometry.report import panels, star_panels, star_picture, style
from photometry.stages import pictures, tessphot

STAMP = Stamp(1000, 1050, 700, 750)
COARSE, STRAY = slice(20, 25), slice(60, 63)


@pytest.fixture(scope='module')
def sector():
    """Two stars side by side, one apart; some cadences flagged, of which three have lost light."""
    made = simulated.simulate([1024.3, 1027.1, 1010.0], [722.4, 726.0, 740.2], [9.5, 11.0, 12.0], stamp=STAMP,
                              frames=120, jitter=0.02)
    source = made.source
    source.quality[COARSE], source.quality[STRAY], source.quality[90] = 4, 2048, 32 | 4096
    source.layers['images'][..., 20:23] *= 0.5
    source.__post_init__()
    return made


def process(sector, folder, method, **options):
    with simulated.worker(sector, folder, **options) as context:
        context.close = lambda: None
        return tessphot.process(simulated.task(1000, method=method), context)


def composed(curve, around=None):
    """The figure of a picture by the titles of its panels."""
    with mpl.rc_context(style.STYLE):
        figure = Figure(figsize=(11, 10), layout='constrained')
        star_picture.compose(figure, curve, around or star_picture._named(curve))
        figure.canvas.draw()
    return figure, {axes.get_title(loc='left'): axes for axes in figure.get_axes()}


@pytest.fixture(scope='module')
def psf(sector, tmp_path_factory):
    """A star measured by ``psf``: its photometry, its light-curve file."""
    with simulated.worker(sector, tmp_path_factory.mktemp('psf')) as context:
        context.close = lambda: None
        star = context.method('psf').from_task(simulated.task(1000), context)
        star.photometry()
        return star, read_lightcurve(star.save_lightcurve())


@pytest.mark.parametrize('method', ['aperture', 'linpsf', 'psf', 'halo'])
def test_every_method_draws_and_no_byte_of_the_file_changes(method, sector, tmp_path):
    drawn, plain = (process(sector, tmp_path / name, method, plot=name == 'drawn')
                    for name in ('drawn', 'plain'))
    assert drawn.status is plain.status and not drawn.errors
    files = [(tmp_path / name / drawn.lightcurve).read_bytes() for name in ('drawn', 'plain')]
    assert files[0] == files[1]
    picture, = (tmp_path / 'drawn' / drawn.lightcurve).parent.glob('plots/00000001000/*')
    assert picture.read_bytes().startswith(b'\x89PNG')
    assert not (tmp_path / 'plain' / drawn.lightcurve).parent.joinpath('plots').exists()


def test_what_is_drawn_are_the_data(psf):
    star, curve = psf
    figure, panel = composed(curve, pictures.surroundings(star))
    image, model, rest = (panel[title].images[0].get_array() for title in
                          ('Mean image', 'Model', 'Image less model'))
    assert np.array_equal(image, curve.sumimage) and np.allclose(rest, curve.sumimage - model)
    assert np.abs(rest).max() < 0.01 * image.max() < model.max()
    flux, good = np.asarray(curve.columns['FLUX'], 'f8'), quality.good(curve.columns['QUALITY'])
    relative = 1e3 * (flux / np.median(flux[good]) - 1)
    lines = {line.get_label(): line for line in panel['Light curve, FLUX'].lines}
    flags = curve.columns['QUALITY']
    expected = {'no flag': flags == 0, 'manual exclude: 1': flags == 128, 'desaturation: 1': flags == 4128,
                'straylight, used: 3': flags == 2048, 'coarse point: 5, 3 beyond the panel': flags == 4}
    assert set(lines) == set(expected)
    for label, cadences in expected.items():
        assert np.array_equal(lines[label].get_xdata(), curve.columns['TIME'][cadences]), label
        assert np.allclose(lines[label].get_ydata(), relative[cadences]), label
    assert len({line.get_marker() for line in lines.values()}) == len(lines)
    legend = [text.get_text() for text in figure.subfigs[1].legends[0].get_texts()]
    assert sorted(legend) == sorted(expected)
    for title, names in (('Centroid less its median', 'MOM_CENTR'), ('Motion of the pointing', 'POS_CORR')):
        for line, axis in zip(panel[title].lines, (1, 2), strict=True):
            values = curve.columns[f'{names}{axis}'][good]
            assert np.allclose(np.diff(line.get_ydata()), np.diff(values))


def test_stars_and_mask_stand_where_they_are(psf, sector):
    star, curve = psf
    _, panel = composed(curve, pictures.surroundings(star))
    axes = panel['Mean image']
    outline, stars = axes.collections
    assert np.allclose(stars.get_offsets(), [(sector.column[1] + 1, sector.row[1] + 1)], atol=0.05)
    cross, = axes.lines
    assert np.allclose([cross.get_xdata()[0], cross.get_ydata()[0]],
                       [sector.column[0] + 1, sector.row[0] + 1], atol=0.05)
    corners = np.concatenate(outline.get_segments())
    rows, columns = np.nonzero(star.final_phot_mask)
    assert corners.min(axis=0).tolist() == [star.stamp.col_min + columns.min() + 0.5,
                                            star.stamp.row_min + rows.min() + 0.5]
    assert corners.max(axis=0).tolist() == [star.stamp.col_min + columns.max() + 1.5,
                                            star.stamp.row_min + rows.max() + 1.5]
    assert star_panels.circle([9.0, 12.0, 20.0, np.nan]).tolist() == sorted(
        star_panels.circle([9.0, 12.0, 20.0, np.nan]), reverse=True)


def test_a_file_alone_tells_its_neighbours_and_its_place(psf):
    star, curve = psf
    assert curve.corner == (star.stamp.row_min, star.stamp.col_min)
    _, panel = composed(curve)
    assert len(panel['Mean image'].collections[1].get_offsets()) == len(curve.neighbours['ROW']) == 2
    assert 'Model' not in panel


def test_weights_of_a_halo(tmp_path):
    made = simulated.simulate([1038.3], [734.4], [4.0], stamp=Stamp(1000, 1080, 700, 770), frames=60)
    result = process(made, tmp_path, 'halo', plot=True)
    curve = read_lightcurve(tmp_path / result.lightcurve)
    _, panel = composed(curve)
    assert np.array_equal(panel['Weights of the flux'].images[0].get_array(), curve.weightmap)


@pytest.mark.parametrize(('pixel', 'segments'), [((0, 0), 4), ((2, 3), 4)])
def test_border_of_one_pixel(pixel, segments):
    mask = np.zeros((5, 6), dtype=bool)
    mask[pixel] = True
    found = panels.border(mask)
    assert len(found) == segments
    assert found.min(axis=(0, 1)).tolist() == [pixel[1] - 0.5, pixel[0] - 0.5]
    assert found.max(axis=(0, 1)).tolist() == [pixel[1] + 0.5, pixel[0] + 0.5]


def strange(times=30, **changes):
    """A light curve whose columns and images are as asked for."""
    names = 'TIME', 'FLUX', 'SAP_FLUX', 'MOM_CENTR1', 'MOM_CENTR2', 'POS_CORR1', 'POS_CORR2'
    columns = {name: np.linspace(1, 2, times) for name in names} | {'QUALITY': np.zeros(times, 'i4')}
    aperture = np.zeros((5, 5), 'i4')
    aperture[2, 2] = ApertureFlag.PHOTOMETRY
    primary = {'OBJECT': 'TIC 7', 'SECTOR': 5, 'CAMERA': 1, 'CCD': 1, 'TESSMAG': 10.0, 'PHOTMET': 'aperture'}
    curve = LightcurveFile('x', primary, {}, columns, np.ones((5, 5)), aperture, 'tessphot')
    return dataclasses.replace(curve, primary=primary | changes.pop('primary', {}),
                               columns=columns | changes.pop('columns', {}), **changes)


@pytest.mark.parametrize('curve', [
    strange(1), strange(2, columns={'FLUX': np.zeros(2), 'SAP_FLUX': np.full(2, -1.0)}),
    strange(columns={'FLUX': np.full(30, np.nan), 'SAP_FLUX': np.full(30, np.nan)}),
    strange(columns={'MOM_CENTR1': np.full(30, np.nan), 'POS_CORR2': np.full(30, np.nan)}),
    strange(columns={'QUALITY': np.full(30, 128)}), strange(columns={'QUALITY': np.full(30, -2 ** 31, 'i4')}),
    strange(sumimage=np.full((5, 5), np.nan)), strange(sumimage=np.full((5, 5), -3.0)),
    strange(aperture=np.zeros((5, 5), 'i4')), strange(weightmap=np.full((5, 5), np.nan)),
    strange(sumimage=np.ones((1, 1)), aperture=np.full((1, 1), 2)),
    strange(primary={'OBJECT': r'$\frac{x$ \n _^', 'PHOTMET': '$$', 'TESSMAG': None}),
    strange(primary={'OBJECT': '\x1b[2J\n\u2603' + 'x' * 5000}), strange(primary={'TESSMAG': float('nan')}),
    strange(primary={'AP_CONT': float('inf'), 'FLFRCSAP': 'much'})])
def test_strange_light_curves_are_drawn(curve, tmp_path):
    """Without a warning, which pytest would raise."""
    star_picture.draw(tmp_path / 'a.png', curve)
    assert (tmp_path / 'a.png').read_bytes().startswith(b'\x89PNG')


def test_a_picture_that_fails_costs_no_star(sector, tmp_path, caplog):
    place = tmp_path / 'c1800' / '00000'
    place.mkdir(parents=True)
    (place / 'plots').write_text('in the way')
    with caplog.at_level(logging.WARNING):
        result = process(sector, tmp_path, 'aperture', plot=True)
    assert result.status is STATUS.OK and read_lightcurve(tmp_path / result.lightcurve)
    assert ['TIC 1000 has no picture' in record.message for record in caplog.records] == [True]


def test_flags_in_words():
    assert quality.words(4 | 4096) == ['coarse point', 'scattered light']
    assert quality.words(0) == [] and quality.words(1 << 20) == ['bit 1048576']
    flags = np.array([0, 4 | 1, 2048 | 4096, 2048, 1 << 20])
    assert [(bit, np.flatnonzero(cadences).tolist()) for bit, cadences in star_panels.first_flags(flags)] == [
        (1, [1]), (2048, [3]), (4096, [2]), (1 << 20, [4])]
