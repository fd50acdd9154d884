"""What is missing for the next step of a CCD, with the command that makes it."""

from __future__ import annotations

import shlex


def label(one) -> str:
    """How messages call a CCD."""
    if one.camera is None:
        return f'sector {one.sector or "unknown"}, CCD unknown'
    return f'sector {one.sector}, camera {one.camera}, CCD {one.ccd}'


def step(one, made) -> str:
    """A sentence about the first thing that is missing.

    Parameters
    ----------
    one : photometry.stages.inventory.Ccd
    made : photometry.stages.inventory.Inventory
    """
    command = _Commands(one, shlex.quote(made.input))
    if one.camera is None:
        missing = ('only part of these target pixel files was looked into; list the stars of all with '
                   f'run_make_todo.py {command.folder} --sector {one.sector}')
    else:
        missing = (_images(one, command) or _catalog(one, command) or _cube(one, command)
                   or _stars(one, made.todo, command))
    return f'{label(one)}: {missing}.'


class _Commands:
    """Command lines for one CCD."""

    def __init__(self, one, folder):
        self.folder, self._place = folder, f'--camera {one.camera} --ccd {one.ccd}'
        self._sector = one.sector

    def catalog(self, *more):
        """Makes its catalogue."""
        return ' '.join([f'run_make_catalog.py {self._sector} {self.folder} {self._place}', *more])

    def of(self, program, *more):
        """Any other program."""
        return ' '.join([f'{program} {self.folder} --sector {self._sector} {self._place}', *more])


def _images(one, command):
    if one.frames or one.cutouts or one.targets or one.cubes:
        return None
    tica = one.damaged and all('hlsp_tica' in item.file for item in one.damaged)
    fetch = command.of(f'run_fetch.py {"tica" if tica else "ffi"}')
    return f'no image that can be used; fetch {"them again" if one.damaged else "some"} with {fetch}'


def _catalog(one, command):
    if one.catalog is None:
        return f'no catalogue; make it with {command.catalog()}'
    if one.catalog.problem:
        return f'its catalogue cannot be used; make it again with {command.catalog("--overwrite")}'
    return None


def _cube(one, command):
    prepare = 'run_prepare_photometry.py'
    for cube in one.cubes:
        if cube.at_work:
            return f'a run has its cube in hand{_how_far(cube)}; wait for its end'
        if cube.state == 'unusable':
            return f'{cube.file} cannot be used; make it again with {command.of(prepare, "--overwrite")}'
        if cube.state != 'finished':
            return f'its cube is begun{_how_far(cube)}; go on with {command.of(prepare, *_choice(one, cube))}'
    whole = [cube for cube in one.cubes if not cube.is_cutout]
    if (one.frames and not whole) or (one.cutouts and not one.frames and not one.cubes):
        choice = _choice(one)
        words = ', and several kinds of images to choose from' if choice else ''
        return f'no cube{words}; make it with {command.of(prepare, *choice)}'
    return None


def _how_far(cube):
    if cube.blocks_done is not None:
        return f' ({cube.blocks_done} of {cube.blocks} blocks)'
    return f' ({cube.frames_learned} frames looked at)' if cube.frames_learned is not None else ''


def _choice(one, cube=None):
    """Options that are needed where there are images of several products or cadences: the cube's, or one."""
    kinds = [(group.product, group.cadence) for group in one.frames]
    products = {product for product, _ in kinds} | {cut.product for cut in one.cutouts}
    product = cube.product if cube and cube.product else max(
        sorted(products), key=lambda name: sum(group.frames for group in one.frames if group.product == name),
        default=None)
    found = [f'--product {product}'] if len(products) > 1 else []
    cadences = {cadence for name, cadence in kinds if name == product and cadence}
    if len(cadences) > 1:
        found.append(f'--cadence {cube.cadence if cube and cube.cadence else min(cadences)}')
    return found


def _stars(one, todo, command):
    if todo and todo.problem:
        return f'the todo list cannot be used: {todo.problem.rstrip(".")}'
    if todo and todo.owner:
        return f'stars are being measured by {todo.owner}; see run_tessphot.py {command.folder} --status'
    if not one.todo:
        return f'its stars are not in the todo list; list them with {command.of("run_make_todo.py")}'
    left = one.todo.get('waiting', 0) + one.todo.get('started', 0)
    if left:
        return f'{left} stars wait; measure them with {command.of("run_tessphot.py", "--all")}'
    failed = one.todo.get('error', 0)
    if failed:
        return (f'all stars are done, {failed} with an error; try those again with '
                f'{command.of("run_tessphot.py", "--all", "--retry-errors")}')
    return 'all stars are done; nothing is missing'
