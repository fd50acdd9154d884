"""A cutout whose WCS contradicts the catalogue is refused, with as many or as few stars as it has."""

import numpy as np
import pytest
from stages import small_sector

from photometry import settings
from photometry.core.coordinates import SCIENCE
from photometry.core.stamp import Stamp
from photometry.files import paths, simulated_tesscut
from photometry.simulation.pointing import Sky
from photometry.simulation.sector import Simulation
from photometry.stages.prepare_photometry import prepare_photometry
from photometry.stages.simulate import frame_facts


def cutout(folder, size, number, shift=(0, 0), listed=slice(None), seed=1, **changes):
    """A TESSCut file whose WCS is off by some rows and columns, and the catalogue of some of its stars."""
    stamp = changes.pop('stamp', Stamp(700, 700 + size, 900, 900 + size))
    plan = small_sector.plan(frames=4, stamp=stamp, number=number, seed=seed, **changes)
    made = Simulation(plan, Sky(5, 2, 2))
    cards = made.sky.cutout_cards(stamp)
    cards['CRPIX1'] += shift[1]
    cards['CRPIX2'] += shift[0]
    images = ((frame.image, frame.uncertainty) for frame in made.frames(range(4)))
    facts = [frame_facts(made, index) for index in range(4)]
    path = simulated_tesscut.write_tesscut(folder, stamp, (80., -20.), facts, images, cards)
    small_sector.write_catalog(folder, made, listed)
    return made, path


def failure_of(folder):
    """The message of the one failure, or nothing."""
    failures = prepare_photometry(folder, settings.load()).failures
    assert all(failure.exit_code == 4 for failure in failures)
    return str(failures[0]) if failures else ''


@pytest.mark.parametrize('shift', [(0.2, 0.1), (1, 0), (-2, 3)])
def test_a_cutout_with_many_stars(tmp_path, shift):
    cutout(tmp_path, 32, 16, shift)
    words = failure_of(tmp_path)
    assert ('The WCS of' in words and 'astrocut' in words) == (np.hypot(*shift) > 0.5)


def one_star(tmp_path, shift=(0, 0), listed=slice(None), **changes):
    """A cutout around one bright star, 1.1 px from the middle."""
    made, _ = cutout(tmp_path, 15, 0, shift, listed, added=(1, 9.0, 9.5), seed=39, **changes)
    return made.stars


@pytest.mark.parametrize('shift', [(0, 0), (0.6, -0.4), (2, 0), (-3, 2)])
def test_a_cutout_around_one_star(tmp_path, shift):
    stars = one_star(tmp_path, shift)
    assert len(stars) == 1
    assert ('The WCS of' in failure_of(tmp_path)) == (np.hypot(*shift) > 1)


def test_a_catalogue_that_lacks_the_brighter_star_accuses_nobody(tmp_path):
    made, _ = cutout(tmp_path, 15, 0, added=(3, 8.0, 11.0), seed=7)
    faintest = np.argmax(made.stars['tmag'])
    cutout(tmp_path, 15, 0, added=(3, 8.0, 11.0), seed=7, listed=slice(faintest, faintest + 1))
    assert failure_of(tmp_path) == ''


@pytest.mark.parametrize(('stamp', 'expected'), [
    (Stamp(100, 124, 30, 60), Stamp(100, 124, 44, 60)),
    (Stamp(2030, 2060, 2080, 2100), Stamp(2030, 2048, 2080, 2092))])
def test_a_cutout_over_the_edge_of_silicon_keeps_the_pixels_on_it(tmp_path, stamp, expected):
    """TESSCut gives collateral pixels as they are, and NaN beyond the image."""
    from photometry.files import cube
    inner = stamp.clipped(SCIENCE)
    assert inner == expected
    made, path = cutout(tmp_path, 0, 2, stamp=inner)
    path.unlink()
    cards = made.sky.cutout_cards(stamp)
    rows, columns = inner.slices((stamp.row_min, stamp.col_min))

    def whole(values, outside):
        image = np.full(stamp.shape, outside, 'f4')
        image[rows, columns] = values
        image[:, :max(0, 33 - stamp.col_min)] = np.nan
        return image

    frames = ((whole(frame.image, 3000.), whole(frame.uncertainty, 0.1)) for frame in made.frames(range(4)))
    facts = [frame_facts(made, index) for index in range(4)]
    simulated_tesscut.write_tesscut(tmp_path, stamp, (80., -20.), facts, frames, cards)
    assert failure_of(tmp_path) == ''
    found, = paths.find_cubes(tmp_path)
    assert paths.cube_name(5, 2, 2, expected) == found.path.name
    with cube.CubeFile(found.path) as result:
        assert result.limits == expected
        images = result.read('images')
        assert np.isfinite(images).all()
        truth = np.stack([made.frame(index).image for index in range(4)], axis=2)
        sky = truth - images
        assert sky.max() - sky.min() < 20
