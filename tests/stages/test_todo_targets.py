"""Who is listed in which target pixel file."""

from types import SimpleNamespace

import numpy as np
import pytest
import target_pixels
import todo_rows

from photometry.core.errors import InputBadError, InputMissingError
from photometry.core.stamp import Stamp
from photometry.files import catalog, paths, todo_lists
from photometry.programs import make_todo as program
from photometry.simulation.pointing import Sky
from photometry.stages import make_todo
from photometry.stages.make_todo import Choice
from photometry.todo import building

KEY = (5, 2, 2)
SKY = Sky(*KEY)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


class Folder:
    """INPUT to which stars and target pixel files can be added."""

    def __init__(self, path):
        self.path, self.todo = path, path / 'todo.sqlite'

    def stars(self, *places, sky=SKY, key=KEY):
        """A catalogue of (starid, tmag, row, column)."""
        stars = np.zeros(len(places), catalog.STAR_DTYPE)
        for star, (starid, tmag, row, column) in zip(stars, places, strict=True):
            star['starid'], star['tmag'] = starid, tmag
            star['ra'], star['decl'] = sky.radec(row, column)
        catalog.write_catalog(self.path / paths.catalog_name(*key), catalog.CatalogInfo(*key), stars,
                              overwrite=True)

    def target(self, starid, row, column, **changes):
        """The file of a star whose first pixel stands there."""
        stamp = Stamp(row, row + 11, column, column + 11)
        return target_pixels.write(self.path, starid=starid, stamp=stamp, **changes)

    def make(self, **choice):
        return make_todo.make_todo(self.path, self.todo, Choice(**choice))

    @property
    def listed(self):
        """{starid: datasource} in order of priority."""
        return dict(todo_rows.query(self.todo, 'SELECT starid, datasource FROM todolist ORDER BY priority'))


def test_a_secondary_is_taken_from_the_file_in_which_it_lies_deepest(folder):
    folder.stars((1, 9, 1005, 905), (2, 10, 1007, 913), (3, 12, 1006, 909), (4, 13, 1004, 902.2))
    folder.target(1, 1000, 900)
    folder.target(2, 1002, 904)
    folder.make()
    assert folder.listed == {1: 'tpf', 2: 'tpf', 3: 'tpf:2', 4: 'tpf:1'}


def test_depth_counts_collected_pixels(folder):
    folder.stars((1, 9, 1005, 905), (2, 10, 1007, 913), (3, 12, 1006, 907))
    folder.target(1, 1000, 900)
    aperture = target_pixels.content().aperture.copy()
    aperture[:, :3] = 0
    folder.target(2, 1002, 904, aperture=aperture)
    folder.make()
    assert folder.listed[3] == 'tpf:1'
    folder.stars((1, 9, 1005, 905), (2, 10, 1007, 913), (3, 12, 1006, 911))
    folder.make()
    assert folder.listed[3] == 'tpf:2'


def test_stars_on_pixels_that_were_not_collected_are_not_listed(folder):
    folder.stars((1, 9, 1005, 905), (3, 12, 1001, 902), (4, 12, 1001, 908))
    aperture = target_pixels.content().aperture.copy()
    aperture[:3, :5] = 0
    folder.target(1, 1000, 900, aperture=aperture)
    report = folder.make()
    assert folder.listed == {1: 'tpf', 4: 'tpf:1'} and report.counts['without data'] == 1
    assert report.counts['secondary targets'] == 1 and report.counts['target pixel files'] == 1


def test_targets_enter_whatever_their_magnitude_secondaries_down_to_the_limit(folder):
    folder.stars((1, 16.5, 1005, 905), (2, 14.9, 1007, 903), (3, 15.1, 1003, 907))
    folder.target(1, 1000, 900)
    folder.make(faint_limit=15.0)
    assert folder.listed == {2: 'tpf:1', 1: 'tpf'}


def test_a_brighter_secondary_never_displaces_the_target(folder):
    folder.stars((1, 12, 1005, 905), (2, 10, 1005.3, 905), (3, 13, 1005.1, 905.2))
    folder.target(1, 1000, 900)
    folder.make()
    assert folder.listed == {2: 'tpf:1', 1: 'tpf', 3: 'tpf:1'}
    found = todo_rows.query(folder.todo, 'SELECT a.starid, b.starid FROM photometry_skipped JOIN todolist a '
                            'USING (priority) JOIN todolist b ON b.priority = skipped_by ORDER BY a.starid')
    assert found == [(2, 1), (3, 1)]


def test_a_saturated_star_delivers_what_lies_on_its_trail(folder):
    flux = np.full((30, 11, 11), 10, 'f4')
    flux[:, :, 5] = 9.5e4
    folder.stars((1, 4, 1005, 905), (2, 9, 1002, 905), (3, 9, 1002, 902))
    folder.target(1, 1000, 900, flux=flux)
    folder.make()
    statuses = dict(todo_rows.query(folder.todo, 'SELECT starid, status FROM todolist'))
    assert statuses == {1: None, 2: 5, 3: None}


def test_lists_of_people_may_speak_of_target_pixel_files_alone(folder):
    folder.stars((1, 12, 1005, 905), (2, 10, 1007, 903))
    folder.target(1, 1000, 900)
    rules = {word: (todo_lists.StarRule(2, 5, word, 'why'),) for word in ('ffi', 'tpf', '')}
    for word, listed in (('ffi', {1, 2}), ('tpf', {1}), ('', {1})):
        folder.todo.unlink(missing_ok=True)
        folder.make(exclusions=rules[word])
        assert set(folder.listed) == listed


def test_all_of_a_file_share_a_tile_of_the_ccd(folder):
    folder.stars((1, 9, 1023, 900), (2, 10, 1025, 903))
    folder.target(1, 1018, 895)
    folder.make()
    assert todo_rows.query(folder.todo, 'SELECT DISTINCT tile FROM todolist') == [(15 * 32 + 13,)]


def test_a_target_without_a_star_in_the_catalogue_is_named(folder, caplog):
    folder.stars((2, 10, 1007, 903))
    folder.target(1, 1000, 900)
    folder.make()
    assert folder.listed == {2: 'tpf:1'} and 'TIC 1, the target of' in caplog.text


def test_bad_files_are_named_and_the_others_listed(folder, capsys):
    folder.stars((1, 9, 1005, 905), (2, 10, 1107, 913))
    folder.target(1, 1000, 900)
    bad = folder.target(2, 1102, 904)
    bad.write_bytes(bad.read_bytes()[:9000])
    assert program.main([str(folder.path), '-q']) == 4
    assert folder.listed == {1: 'tpf'}
    said = capsys.readouterr().err
    assert said.count('ERROR') == 1 and bad.name in said and 'truncated' in said
    bad.write_bytes(b'')
    report = folder.make()
    assert len(report.problems) == 1 and 'empty' in report.problems[0]


def test_the_catalogue_of_another_sky_is_refused(folder):
    folder.stars((1, 9, 1005, 905), sky=Sky(7, 2, 2))
    path = folder.target(1, 1000, 900)
    with pytest.raises(InputMissingError, match=f'another part of the sky than .*{path.name}'):
        folder.make()


def test_the_catalogue_of_another_sector_is_none(folder):
    folder.stars((1, 9, 1005, 905), key=(6, 2, 2))
    folder.target(1, 1000, 900)
    with pytest.raises(InputMissingError, match='No catalogue catalog_sector005_camera2_ccd2.sqlite'):
        folder.make()
    (folder.path / 'catalog_sector006_camera2_ccd2.sqlite').rename(
        folder.path / 'catalog_sector005_camera2_ccd2.sqlite')
    with pytest.raises((InputMissingError, InputBadError), match='another one than its name says'):
        folder.make()


def test_no_pixels_at_all(tmp_path):
    with pytest.raises(InputMissingError, match=r'No cube .* and no target pixel file'):
        make_todo.make_todo(tmp_path, tmp_path / 'todo.sqlite', Choice())


def test_depth_of_a_whole_rectangle_is_that_of_its_edges():
    stars = SimpleNamespace(row=np.array([1000., 1005., 1010.2]), column=np.array([905., 905., 905.]))
    image = np.zeros((11, 11))
    stamp = Stamp(1000, 1011, 900, 911)
    facts = [building.PixelFacts(0, stamp, 120, False, image, target) for target in (0, 7)]
    plain, target = (building._depth(stars.row, stars.column, stamp, fact) for fact in facts)
    np.testing.assert_allclose(plain, [0, 5, -0.2])
    np.testing.assert_allclose(target, plain)
    image[5, 2] = np.nan
    np.testing.assert_allclose(building._depth(stars.row, stars.column, stamp, facts[1]), [0, 2, -0.2])
