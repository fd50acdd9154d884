"""The stage that measures many stars: select, dispatch, record."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from photometry import cli
from photometry.core import starids
from photometry.core.errors import ExitCode, InputBadError, InputMissingError, Reason, UsageError
from photometry.core.status import STATUS
from photometry.core.task import Task
from photometry.files import atomic, paths
from photometry.stages import workforce
from photometry.stages.todo_status import in_words as in_numbers
from photometry.todo import owner, places, stopping, summary
from photometry.todo.dispatch import dispatch
from photometry.todo.manager import TaskManager
from photometry.todo.places import ListMissingError
from photometry.todo.selection import Selection

if TYPE_CHECKING:
    from photometry.methods.context import JobOptions

logger = logging.getLogger(__name__)

SECTIONS = ('photometry', 'aperture', 'times', 'lightcurve')
"""Settings on which light curves depend."""

_NOT_THERE = {Reason.NOT_IN_CATALOG, Reason.OFF_SILICON}

@dataclass(frozen=True)
class Job:
    """What a command line asks for."""

    todo: places.Place | str
    options: JobOptions
    selection: Selection = Selection()
    random: bool = False
    seed: int | None = None
    method: str | None = None
    workers: int = 0
    """Children; 0 works in this process."""
    retry_errors: bool = False
    overwrite: bool = False
    log: tuple = (False, False, None)
    """debug, quiet and log file, for the children."""


def run(job, *, say=logger.info, open_worker=None, world=None) -> ExitCode:
    """Measure the selected stars that wait and record what comes of them.

    Parameters
    ----------
    job : Job
    say : callable
        Takes a line for the person at the terminal.
    open_worker : callable, optional
        Another work than photometry.
    world : photometry.todo.workers.mpi.World, optional
        The other ranks of an MPI job, which do the work.

    Returns
    -------
    ExitCode
        As in docs/programs.md.
    """
    check_output(job.options.output_folder)
    limits = job.options.settings.limits
    with TaskManager(job.todo, job.selection, attempts=limits.attempts,
                     lease=job.options.settings.queue.lease, folder=job.options.output_folder,
                     clear=lambda found: clear_left_behind(job.options.output_folder, found)) as manager:
        _refuse_empty(manager, job)
        manager.begin(cli.version(), job.options.settings.sections(*SECTIONS), overwrite=job.overwrite)
        manager.reset(everything=job.overwrite, errors=job.retry_errors)
        _choose(manager, job, say)
        _miss(manager, job.options.output_folder)
        if not manager.waiting() and not manager.others_at_work():
            say(f'Nothing is left to do: {in_numbers(manager.counts())}.')
            if manager.selection.names_a_star:
                _tell(manager, say)
            return _exit_code(manager, None)
        return _exit_code(manager, _dispatch(manager, job, open_worker, world), say)


def _dispatch(manager, job, open_worker, world):
    with (_stop(manager, job) as stop, _bar(manager) as looked,
          workforce.workers(job, open_worker, world, stop) as workers):
        def look():
            looked()
            return stop()
        return dispatch(manager, workers, stop=look, change=_with_method(job.method),
                        clear=lambda starids: clear_left_behind(job.options.output_folder, starids))


def _stop(manager, job):
    """What stops this run: the file beside its own list, or one for all that share a list and an output."""
    if manager.place.is_file:
        return stopping.Stop(stopping.stop_path(manager.place.path))
    return stopping.Stop(Path(job.options.output_folder) / 'tessphot.stop', shared=True)


def _with_method(method):
    return (lambda task: replace(task, method=method)) if method else None


def clear_left_behind(output_folder, starids):
    """Remove the half-written files of stars whose worker was killed or could not write.

    Returns
    -------
    bool
        Whether that was possible: a disk that cannot be written now may be so later.
    """
    if not Path(output_folder).is_dir():
        return False
    starids = [starid for starid in starids if type(starid) is int]
    numbers = {f'{starid:011d}' for starid in starids}
    names = {name for starid in starids for name in paths.star_names(starid)}
    left = []
    for start in {number[:5] for number in numbers}:
        for folder in Path(output_folder).glob(f'c*/{start}'):
            left += [path for path in folder.glob('.*.tmp') if paths.star_of(path.name[1:]) in names]
            left += [path for number in numbers for path in folder.glob(f'plots/{number}/.*.tmp')]
    try:
        for path in left:
            path.unlink(missing_ok=True)
    except OSError as error:
        logger.debug('Half-written files stay for now: %s', error)
        return False
    return True


def _miss(manager, output_folder):
    """Warn when light curves that the list knows are not where they would be written now."""
    listed = [row.lightcurve for row in manager.results() if row.lightcurve]
    missing = [name for name in listed if not (Path(output_folder) / name).is_file()]
    if missing:
        logger.warning('%d of the first %d light curves listed in %s are not in %s; name their directory by '
                       '--output or make them again with --overwrite.', len(missing), len(listed),
                       manager.place, output_folder)


def _choose(manager, job, say):
    if job.random:
        import numpy as np
        seed = int(np.random.SeedSequence().entropy % 2 ** 32) if job.seed is None else job.seed
        priority = manager.draw(seed)
        say(f'seed {seed}, priority {priority}')
        manager.narrow(replace(job.selection, priority=priority))
    elif job.selection.names_a_star:
        manager.reopen_skipped()


def _refuse_empty(manager, job):
    if not sum(manager.counts().values()):
        raise InputMissingError(_why_empty(manager, job))


def _why_empty(manager, job):
    where = f'No row of {manager.place} matches {job.selection.describe()}'
    starid = job.selection.starid
    if starid is None:
        return f'{where}; see what it holds with --status.'
    if job.selection != Selection(starid=starid) and sum(manager.counts(Selection(starid=starid)).values()):
        return f'{where}, but other rows hold {starids.name(starid)}; leave out a filter.'
    from photometry.files import catalog
    found = paths.find_catalogs(job.options.input_folder)
    if any(catalog.read_star(item.path, starid) is not None for item in found):
        return (f'{where}: the star is in a catalogue, but off silicon, excluded or fainter than the limit; '
                f'add it with run_make_todo.py --targets.')
    return f'{where}: {starids.name(starid)} is in no catalogue below {job.options.input_folder}.'


def _exit_code(manager, outcome, say=logger.info):
    if outcome is not None and outcome.stopped:
        rest = outcome.sentence or f'{manager.waiting()} stars wait'
        logger.warning('Stopped early: %s; the same command (without --overwrite) continues.',
                       rest.rstrip('.'))
        keyboard = outcome.stopped is stopping.Request.KEYBOARD
        return ExitCode.INTERRUPTED if keyboard else ExitCode.RESUMABLE
    counts = manager.counts()
    if outcome is not None:
        _tell(manager, say)
    if not counts[int(STATUS.ERROR)]:
        return ExitCode.DONE
    for reason, number, sentence in manager.failures():
        _blame(reason, number, sentence)
    reasons = {row.reason for row in manager.results() if row.status == STATUS.ERROR}
    if manager.selection.names_a_star and reasons <= _NOT_THERE:
        return ExitCode.INPUT_MISSING
    return ExitCode.FAILED_TASKS


def _blame(reason, number, sentence):
    """Say why stars failed, in one line for each reason."""
    who = '1 star failed (%s): ' if number == 1 else f'{number} stars failed (%s), such as: '
    words = ' '.join((sentence or '').split()) or 'the table diagnostics does not say why'
    advice = ' Run it again with --debug and report the traceback.' if reason == Reason.BUG else ''
    logger.error(f'{who}%s%s', reason or 'unknown', words, advice)


def _tell(manager, say):
    """Say what became of a few stars one by one, of many by their number."""
    if sum(manager.counts().values()) > 10:
        say(f'Finished: {in_numbers(manager.counts())}.')
        return
    for row in manager.results():
        say(in_words(row.starid, row.status, row.lightcurve, row.errors))


def in_words(starid, status, lightcurve, errors):
    """One line about a star."""
    words = [f'{starids.name(starid)}: {summary.status_name(status)}', lightcurve,
             (errors or '').replace('\n', ' ')]
    return ', '.join(word for word in words if word)


def check_output(folder):
    """Make the output directory and try to write there.

    Raises
    ------
    OutputError
        Before any work has begun.
    """
    folder = atomic.make_directory(folder)
    with atomic.explained_output(folder), tempfile.NamedTemporaryFile(dir=folder, prefix='.probe-') as probe:
        probe.write(b'0' * 4096)
        probe.flush()
        os.fsync(probe.fileno())


@contextlib.contextmanager
def _bar(manager):
    """A function to call often: moves a bar on a terminal, logs a line every half minute elsewhere."""
    import time

    from tqdm import tqdm
    bar = tqdm(total=manager.waiting(), unit='star', disable=not sys.stderr.isatty(), leave=False)
    state = {'next': time.monotonic() + 30}

    def look():
        done = manager.progress.finished
        if not bar.disable:
            bar.update(done - bar.n)
        elif time.monotonic() > state['next']:
            state['next'] = time.monotonic() + 30
            facts = manager.progress.facts()
            logger.info('%s of %s stars, %.1f/s', done, bar.total, facts['rate'])
    with contextlib.closing(bar):
        yield look


def goes_without_queue(job) -> bool:
    """Whether a star whose pixels are named is to be measured although no free queue lists it."""
    wanted = job.selection
    located = wanted.camera and wanted.ccd or all(map(_of_target, wanted.datasource))
    if wanted.starid is None or not (located and wanted.datasource):
        return False
    place = places.place(job.todo)
    if place.is_file and owner.is_held(place.path):
        logger.warning('%s is in use by %s.', place, owner.describe(owner.holder(place.path)))
        return True
    try:
        return not sum(TaskManager.peek(place, wanted).values())
    except ListMissingError:
        return True


def _of_target(datasource):
    return datasource.partition(':')[0] == 'tpf'


def run_without_queue(job, *, say=logger.info, open_worker=None) -> ExitCode:
    """Measure one star of a CCD or target pixel file that is named; no STATUS is recorded."""
    check_output(job.options.output_folder)
    task = _with_brighter(_task_without_queue(job), job.options)
    with (open_worker or workforce.OpenWorker(job.options))() as work:
        result = work(task)
    say(in_words(task.starid, result.status, result.lightcurve, '\n'.join(result.errors)))
    say('No STATUS was recorded: the star was measured without the queue.')
    if result.status != STATUS.ERROR:
        return ExitCode.DONE
    _blame(result.reason, 1, '; '.join(result.errors))
    not_there = result.reason in {*_NOT_THERE, Reason.INPUT_BAD}
    return ExitCode.INPUT_MISSING if not_there else ExitCode.FAILED_TASKS


def _task_without_queue(job) -> Task:
    wanted, folder = job.selection, job.options.input_folder
    if len(wanted.datasource) > 1:
        raise UsageError('Without a queue, name a single --datasource.')
    if _of_target(wanted.datasource[0]):
        return _target_without_queue(job)
    found = paths.find_cubes(folder, wanted.sector, wanted.camera, wanted.ccd)
    if not found:
        raise InputMissingError(f'No cube below {folder} matches {wanted.describe()}.')
    keys = {item.ccd_key for item in found}
    if len(keys) > 1:
        raise UsageError(f'{len(keys)} CCDs and sectors below {folder} match; name one by --sector, --camera '
                         'and --ccd.')
    cubes = [(item, _cadence(item.path)) for item in found]
    cubes = [pair for pair in cubes if not wanted.cadence or pair[1] in wanted.cadence]
    cadences = sorted({cadence for _, cadence in cubes})
    if len(cadences) != 1:
        raise UsageError(f'The cubes that match have the cadences {cadences}; name one by --cadence.')
    cube = cubes[0][0].path.relative_to(folder).as_posix() if len(cubes) == 1 else None
    return Task(wanted.starid, *keys.pop(), cadences[0], 'ffi', cube=cube, method=job.method)


def _target_without_queue(job) -> Task:
    """The task of a star in a target pixel file."""
    from photometry.files import tpf
    from photometry.methods import finding
    wanted, folder = job.selection, Path(job.options.input_folder)
    one = {name: _only(wanted, name) for name in ('sector', 'camera', 'ccd', 'cadence')}
    task = Task(wanted.starid, **one, datasource=wanted.datasource[0], method=job.method)
    path = finding.target_path(folder, task)
    header = tpf.read_tpf_header(folder / path)
    return Task(wanted.starid, *header.ccd_key, header.cadence, task.datasource, cube=path, method=job.method)


def _only(selection, name):
    """The one value of a filter, or None."""
    values = getattr(selection, name)
    if len(values) > 1:
        raise UsageError(f'Without a queue, name a single --{name}.')
    return values[0] if values else None


def _with_brighter(task, options):
    """The task, knowing the brighter star that would deliver it in a list."""
    from photometry.stages import make_todo
    if task.datasource == 'tpf':
        return task  # the target itself is always measured
    choice = make_todo.choice_from(options.settings.todo)
    try:
        brighter = make_todo.delivered_by(options.input_folder, (task.sector, task.camera, task.ccd),
                                          task.starid, choice,
                                          task.cube if _of_target(task.datasource) else None)
    except (InputMissingError, InputBadError) as error:
        logger.debug('%s', error)  # the photometry says it better
        return task
    return replace(task, skipped_by=brighter)


def _cadence(path):
    from photometry.files.cube import CubeFile
    with CubeFile(path) as cube:
        return cube.info.cadence
