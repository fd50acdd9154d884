"""The stage that tells what lies in a directory and what is missing for the next step."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from photometry.core.errors import InputMissingError, TessphotError
from photometry.files import catalog, cube_state, fits_checks, frame_journal, paths, tesscut, tpf, tree
from photometry.files.cube_writer import work_path
from photometry.stages import inventory_frames, inventory_next, inventory_todo
from photometry.stages.inventory_frames import Damaged, Frames

SCHEMA = '1.0'
"""Of the facts as JSON: a key is never given another meaning within a major version."""

MOST_CUTOUTS = 200
"""TESSCut files of a CCD whose headers are read."""

MOST_TARGETS = 2000
"""Target pixel files of a sector whose headers are read; of the others the CCD stays unknown."""

_PART = '.part'
"""Ends the name of a download in work."""


@dataclass(frozen=True)
class Cutouts:
    """TESSCut files of one CCD and product."""

    product: str
    files: int
    headers_read: int
    first: float | None
    """First and last time that the headers read state, BTJD."""
    last: float | None


@dataclass(frozen=True)
class Catalog:
    """The catalogue of a CCD."""

    file: str
    stars: int | None
    """None where it cannot be used."""
    faint_limit: float | None
    """Tmag; None for a catalogue made elsewhere."""
    source: str | None
    schema: str | None
    problem: str | None = None


@dataclass(frozen=True)
class Cube:
    """A cube of a CCD or of a cutout of it."""

    file: str
    """Name of the finished cube, also while there is none."""
    state: str
    """finished; in work (blocks are written); begun (only frames are learned); unusable."""
    at_work: bool
    """Whether a run has it in hand now."""
    is_cutout: bool
    product: str | None = None
    cadence: int | None = None
    frames: int | None = None
    rows: int | None = None
    columns: int | None = None
    blocks: int | None = None
    blocks_done: int | None = None
    frames_learned: int | None = None
    """In the journal beside it; None without one."""
    schema: str | None = None
    schema_is_older: bool = False
    """Whether an earlier version laid it out; it is used all the same."""
    left_over: tuple[str, ...] = ()
    """Files of a run that is gone beside a finished cube: its work, its journal."""
    problem: str | None = None


@dataclass
class Ccd:
    """What lies there of one CCD."""

    sector: int
    camera: int | None
    """None, as ccd, of target pixel files that were not looked into."""
    ccd: int | None
    frames: list[Frames] = field(default_factory=list)
    cutouts: list[Cutouts] = field(default_factory=list)
    targets: dict[str, int] = field(default_factory=dict)
    """Target pixel files: number by kind, ``tpf`` (120 s) and ``fast-tpf`` (20 s)."""
    catalog: Catalog | None = None
    cubes: list[Cube] = field(default_factory=list)
    todo: dict[str, int] = field(default_factory=dict)
    """Stars of the todo list by status."""
    damaged: list[Damaged] = field(default_factory=list)
    next: str = ''
    """What is missing for the next step, with the command that makes it."""

    @property
    def key(self):
        """(sector, camera, ccd)."""
        return self.sector, self.camera, self.ccd


@dataclass
class Inventory:
    """What lies below a directory."""

    input: str
    ccds: list[Ccd] = field(default_factory=list)
    todo: inventory_todo.Todo | None = None
    problems: list[str] = field(default_factory=list)
    """Sentences about what could not be looked at."""
    downloads_in_work: int = 0
    other_files: int = 0

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that any program reads."""
        return not (self.ccds or self.todo)


def take_inventory(folder, todo, *, sector=None, camera=None, ccd=None) -> Inventory:
    """Tell what lies below a directory; nothing is written.

    Names and sizes tell most of it. Of full-frame images three headers a CCD and cadence are read and
    those of files of an unusual size; pixels never are. So a zipped image that is cut off passes for
    whole, as does one with a flipped bit.

    Parameters
    ----------
    folder : path-like
    todo : photometry.todo.places.Place
        The list of stars.
    sector, camera, ccd : sequence of int, optional
        Filters.

    Raises
    ------
    InputMissingError
        When there is nothing that any program reads, or nothing that passes the filters.
    """
    made = Inventory(str(folder))
    found = _sorted_out(Path(folder), made, (sector, camera, ccd))
    made.ccds = [_one_ccd(Path(folder), key, kinds) for key, kinds in sorted(found.items(), key=_in_order)]
    made.todo = inventory_todo.read(todo)
    _enter_todo(made, (sector, camera, ccd))
    if made.is_empty:
        raise InputMissingError(_why_empty(made))
    for one in made.ccds:
        one.next = inventory_next.step(one, made)
    return made


def as_json(made) -> str:
    """An inventory as JSON; docs/programs.md tells its keys."""
    facts = dataclasses.asdict(dataclasses.replace(made, todo=None))
    if made.todo:
        facts['todo'] = {name: value for name, value in vars(made.todo).items() if name != 'by_ccd'}
    return json.dumps({'schema': SCHEMA, **facts}, indent=1)


def _in_order(item):
    return [-1 if number is None else number for number in item[0]]


def _why_empty(made):
    if made.problems:
        return made.problems[0]
    return (f'{made.input} holds nothing that tessphot reads and that passes the filters; fetch images with '
            f'run_fetch.py ffi {made.input} --sector S, or name another directory.')


def _sorted_out(folder, made, filters):
    """The files by CCD and kind: lists of `tree.Entry`."""
    found = defaultdict(lambda: defaultdict(list))

    def wanted(name):
        known = paths.kind_of(name)[0] is not None
        made.downloads_in_work += name.endswith(_PART)
        made.other_files += not known
        return known

    targets = defaultdict(dict)
    for entry in tree.walk(folder, wanted, made.problems.append):
        kind, item = paths.recognised(entry.path)
        if kind == paths.TARGET:
            targets[item.sector].setdefault(entry.path.name.removesuffix('.gz'), entry)
        elif all(map(paths.selected, item.ccd_key, filters)):
            found[item.ccd_key][kind].append(entry)
    for sector, entries in targets.items():
        if sector is None or paths.selected(sector, filters[0]):
            _sort_targets(sector, list(entries.values()), found, filters, made)
    return found


def _sort_targets(sector, entries, found, filters, made):
    """Target pixel files by the CCD that their headers tell."""
    for entry in entries[:MOST_TARGETS]:
        try:
            key = tpf.read_tpf_key(entry.path)
        except TessphotError as error:
            made.problems.append(str(error))
            continue
        if all(map(paths.selected, key, filters)):
            found[key][paths.TARGET].append(entry)
    if entries[MOST_TARGETS:] and not any(filters[1:]):
        found[sector or 0, None, None][paths.TARGET] += entries[MOST_TARGETS:]


def _one_ccd(folder, key, kinds):
    def name(path):
        return path.relative_to(folder).as_posix()

    made = Ccd(*key)
    for product, images in _by_product(kinds[paths.FFI]):
        groups, damaged = inventory_frames.describe(product, images, name)
        made.frames += groups
        made.damaged += damaged
    for product, cutouts in _by_product(kinds[paths.TESSCUT]):
        made.cutouts.append(_cutouts(product, cutouts, made.damaged, name))
    made.targets = dict(sorted(Counter(
        'fast-tpf' if 'fast' in entry.path.name else 'tpf' for entry in kinds[paths.TARGET]).items()))
    for entry in sorted(kinds[paths.CATALOG])[:1]:
        made.catalog = _catalog(entry.path, name)
    cubes = {entry.path.with_name(entry.path.name.partition('.hdf5')[0] + '.hdf5')
             for kind in (paths.CUBE, paths.WORK, paths.JOURNAL) for entry in kinds[kind]}
    made.cubes = [_cube(path, name) for path in sorted(cubes)]
    return made


def _by_product(entries):
    found = defaultdict(list)
    for entry in entries:
        found[paths.product_of(entry.path)].append(entry)
    return [(product, found[product]) for product in paths.PRODUCTS if product in found]


def _cutouts(product, entries, damaged, name):
    headers = []
    for number, entry in enumerate(entries):
        try:
            if not entry.size:
                damaged.append(Damaged(name(entry.path), f'{entry.path} is empty; fetch it again.'))
            elif number < MOST_CUTOUTS:
                headers.append(tesscut.read_tesscut_header(entry.path))
        except TessphotError as error:
            damaged.append(Damaged(name(entry.path), str(error)))
    first = min((one.time_start for one in headers), default=None)
    last = max((one.time_stop for one in headers), default=None)
    return Cutouts(product, len(entries), len(headers), first, last)


def _catalog(path, name):
    try:
        catalog.read_info(path)
        notes = catalog.read_provenance(path)
        stars = catalog.count_stars(path)
    except (TessphotError, OSError) as error:
        return Catalog(name(path), None, None, None, None, _sentence(path, error))
    made_with = _settings(notes)
    limit, source = made_with.get('faint_limit'), made_with.get('source')
    return Catalog(name(path), stars, limit if isinstance(limit, (int, float)) else None,
                   source if isinstance(source, str) else None, notes.get('schema'))


def _settings(notes):
    """The section [catalog] of the settings that a catalogue was made with; empty where it tells none."""
    try:
        found = json.loads(notes['settings'])['catalog']
    except (KeyError, ValueError, TypeError):
        return {}
    return found if isinstance(found, dict) else {}


def _cube(path, name):
    """How far a cube is, by itself or by what lies beside its name."""
    journal, work = path.with_name(f'{path.name}.{paths.JOURNAL}'), work_path(path)
    learned, at_work = _journal(journal)
    is_cutout = paths.recognised(path)[1].is_cutout
    source = next((some for some in (path, work) if some.exists()), None)
    if source is None:
        return Cube(name(path), 'begun', at_work, is_cutout, frames_learned=learned)
    try:
        found = cube_state.read_state(source)
        if source == path and not found.finished:
            raise InputMissingError(f'{path} is not finished; make it again with --overwrite.')
    except (TessphotError, OSError) as error:
        return Cube(name(path), 'unusable', at_work, is_cutout, frames_learned=learned,
                    problem=_sentence(source, error))
    info = found.info
    beside = () if at_work or source == work else tuple(name(one) for one in (work, journal) if one.exists())
    return Cube(name(path), 'finished' if source == path else 'in work', at_work, is_cutout, info.product,
                info.cadence, info.times, info.rows, info.columns, info.blocks, found.blocks_done, learned,
                found.schema, found.is_older, beside)


def _journal(path):
    """Records of a journal, None without one, and whether a run has it open."""
    try:
        return frame_journal.state(path)
    except OSError:
        return None, False


def _sentence(path, error):
    if isinstance(error, TessphotError):
        return str(error)
    return f'{path} cannot be read: {fits_checks.words(error)}.'


def _enter_todo(made, filters):
    """Give each CCD its part of the todo list."""
    if made.todo is None:
        return
    ccds = {one.key: one for one in made.ccds}
    for key, counts in sorted(made.todo.by_ccd.items()):
        if all(map(paths.selected, key, filters)):
            one = ccds.setdefault(key, Ccd(*key))
            one.todo = counts
    made.ccds = [one for _, one in sorted(ccds.items(), key=_in_order)]
