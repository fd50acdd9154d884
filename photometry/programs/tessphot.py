"""Command line that measures stars."""

import argparse
import logging
import os
import sys
from dataclasses import replace

from photometry import cli, signals
from photometry.core import ranks, starids
from photometry.core.threads import ONE_THREAD

logger = logging.getLogger(__name__)

EXAMPLES = """\
  run_tessphot.py data/ --all                  every star that waits in data/todo.sqlite
  run_tessphot.py data/ --all --workers 8      the same with eight processes
  run_tessphot.py data/ --starid 139469999     one star
  run_tessphot.py data/ --random --plot        one of those that wait, with pictures
  run_tessphot.py data/ --all --retry-errors   those that failed, once more
  run_tessphot.py data/ --status               how it stands
  mpiexec -n 9 python -m mpi4py run_tessphot.py data/ --all      eight workers on any number of nodes"""


def main(words=None):
    """Parse the command line and measure the stars; under mpiexec all ranks but the first serve that one."""
    os.environ.update(ONE_THREAD)
    rank = ranks.rank(os.environ)
    if rank.size == 1 and 'mpi4py' not in sys.modules:
        return _run(words)
    from photometry.todo.workers import mpi
    if rank.number:
        signals.ignore()
    try:
        world = mpi.join(rank)
    except mpi.NoMpiError as error:
        return _run(words, rank=rank, why=str(error))
    if world is None:
        return _run(words)
    if world.rank:
        cli.configure_logging(quiet=True)
    return world.run(lambda: _run(words, world=world))


def _run(words, **among):
    return cli.run(lambda arguments: _measure(arguments, **among), _parser().parse_args(words))


def _parser():
    made = cli.parser('run_tessphot.py', 'Measure the light curves of the stars in the todo list. A run that '
                      'was stopped or killed continues when the same command is given again.', EXAMPLES)
    made.add_argument('input', nargs='?', metavar='INPUT', help='directory with cubes, catalogues and the '
                      'todo list (default: TESSPHOT_INPUT)')
    _add_choice(made)
    _add_filters(made)
    _add_options(made)
    return made


def _add_choice(made):
    group = made.add_argument_group('which stars (one of these)')
    choice = group.add_mutually_exclusive_group()
    choice.add_argument('--all', action='store_true', help='every star that waits, the brightest first')
    choice.add_argument('--starid', type=star_number, metavar='TIC', help='this star; with --camera, --ccd '
                        'and --datasource ffi, or --datasource tpf, also without a todo list')
    choice.add_argument('--priority', type=cli.positive, metavar='N', help='this row of the todo list')
    choice.add_argument('--random', nargs='?', type=seed, const=-1, metavar='SEED',
                        help='one of those that wait; prints seed and priority')
    choice.add_argument('--status', action='store_true', help='say how the todo list stands, also while '
                        'another process works on it')


def _add_filters(made):
    cli.add_ccd_filters(made)
    made.add_argument('--cadence', type=cli.positive, action='append', metavar='S',
                      help='only this cadence in s (may be repeated)')
    made.add_argument('--datasource', type=data_source, action='append', metavar='ffi|tpf|tpf:TIC',
                      help='only this source of pixels (may be repeated): cubes, target pixel files, or '
                      'other stars in the target pixel file of a star')
    cli.add_targets(made, 'only these stars')
    made.add_argument('--tmag-min', type=cli_magnitude, metavar='MAG', help='only stars as faint as this')
    made.add_argument('--tmag-max', type=cli_magnitude, metavar='MAG', help='only stars as bright as this')


def _add_options(made):
    made.add_argument('--method', metavar='NAME', help='photometric method instead of the automatic one')
    made.add_argument('--output', metavar='DIR', help='directory of light curves (default: TESSPHOT_OUTPUT '
                      'or INPUT/lightcurves)')
    made.add_argument('--todo', metavar='FILE', help='the list (default: TESSPHOT_TODO or INPUT/todo.sqlite)')
    made.add_argument('--version', type=data_version, metavar='N', help='data version in the names of files')
    made.add_argument('--format', choices=('tessphot', 'tasoc', 'hlsp'), help='layout of the light curves: '
                      'our own, the established one, or as MAST takes them (default: lightcurve.layout)')
    made.add_argument('--moving-objects', metavar='FILE', help='table of asteroids and comets with their '
                      'places, time by time, whose crossings are flagged (default: flags.moving_objects)')
    made.add_argument('--plot', action='store_true', help='save pictures of every star')
    made.add_argument('--workers', type=workers, default=0, metavar='N', help='children, under mpiexec '
                      'those of each rank but the first (default: work in this process, under mpiexec 1)')
    made.add_argument('--retry-errors', action='store_true', help='measure those with status ERROR again')
    made.add_argument('--overwrite', action='store_true', help='measure all selected stars again')


def _bounded(text, least, most, what):
    number = int(text)
    if not least <= number <= most:
        raise argparse.ArgumentTypeError(f'{text} is not {what} between {least} and {most}')
    return number


def seed(text) -> int:
    """Argument type: a seed."""
    return _bounded(text, 0, 2 ** 63 - 1, 'a seed')


def star_number(text) -> int:
    """Argument type: a TIC number, or the negative local number of a star without one."""
    number = _bounded(text, starids.LEAST, starids.MOST_TIC, 'the number of a star')
    if not number:
        raise argparse.ArgumentTypeError('no star has the number 0')
    return number


def data_source(text) -> str:
    """Argument type: a source of pixels."""
    kind, colon, number = text.partition(':')
    if kind not in ('ffi', 'tpf') or colon and not (kind == 'tpf' and number.isascii() and number.isdigit()):
        raise argparse.ArgumentTypeError(f'{text!r} is no source of pixels: ffi, tpf or tpf:TIC')
    return text


def data_version(text) -> int:
    """Argument type: a data version."""
    return _bounded(text, 0, 99, 'a data version')


def workers(text) -> int:
    """Argument type: a number of processes."""
    return _bounded(text, 1, 1024, 'a number of processes')


def cli_magnitude(text) -> float:
    """Argument type: a magnitude."""
    number = float(text)
    if not -30 <= number <= 40:
        raise argparse.ArgumentTypeError(f'{text} is not a magnitude')
    return number


def _measure(arguments, world=None, rank=None, why=None):
    from photometry.core.errors import ExitCode, UsageError
    from photometry.files import paths
    folder = paths.input_directory(arguments.input, os.environ)
    from photometry.stages import run_tessphot, todo_status
    from photometry.todo import places
    todo = places.named(arguments.todo, os.environ, folder)
    if rank is not None and not _works_without_mpi(arguments, todo, rank, why):
        return ExitCode.DONE
    if arguments.status:
        sys.stdout.writelines(line + '\n' for line in todo_status.status_lines(todo))
        return ExitCode.DONE
    if not (arguments.all or arguments.starid or arguments.priority or arguments.random is not None):
        raise UsageError('Say which stars: --all, --starid TIC, --priority N, --random or --status.')
    if arguments.random is not None and (arguments.overwrite or arguments.retry_errors):
        raise UsageError('--random draws from the stars that wait; leave out --overwrite and --retry-errors.')
    job = _job(arguments, folder, todo)
    if run_tessphot.goes_without_queue(job):
        return run_tessphot.run_without_queue(job, say=_say)
    return run_tessphot.run(job, say=_say, world=world)


def _works_without_mpi(arguments, todo, rank, why):
    """Whether a process that MPI left alone has something to do."""
    if not todo.is_file:
        logger.warning('%s; each of the %d processes works by itself.', why, rank.size)
        return True
    if rank.number:
        return False
    if arguments.workers == 0:
        arguments.workers = max(1, min(rank.size - 1, os.cpu_count()))
    logger.warning('%s; the first of the %d processes works alone, with %d children.', why, rank.size,
                   arguments.workers)
    return True


def _job(arguments, folder, todo):
    from photometry import settings as settings_module
    from photometry.core import plugins
    from photometry.files import paths
    from photometry.methods.context import JobOptions
    from photometry.stages import run_tessphot
    from photometry.stages import targets as targets_stage
    from photometry.todo.selection import Selection
    settings = settings_module.load(arguments.settings)
    if arguments.format:
        settings = replace(settings, lightcurve=replace(settings.lightcurve, layout=arguments.format))
    if arguments.moving_objects:
        settings = replace(settings, flags=replace(settings.flags, moving_objects=arguments.moving_objects))
    _check(settings)
    for method in filter(None, (arguments.method, settings.todo.method)):
        plugins.check(plugins.METHODS, method)
    options = JobOptions(
        str(folder), str(paths.output_directory(arguments.output, os.environ, folder)), settings,
        plot=arguments.plot, overwrite=arguments.overwrite, source_date_epoch=_epoch(os.environ),
        **({} if arguments.version is None else {'version': arguments.version}))
    targets = cli.read_targets(arguments)
    selection = Selection(
        arguments.starid, arguments.priority, *(tuple(getattr(arguments, name) or ()) for name in
                                                ('sector', 'camera', 'ccd', 'cadence', 'datasource')),
        arguments.tmag_min, arguments.tmag_max,
        None if targets is None else targets_stage.star_numbers(folder, targets), arguments.targets)
    asked = arguments.random is not None
    drawn_with = arguments.random if asked and arguments.random >= 0 else None
    return run_tessphot.Job(
        todo, options, selection, random=asked, seed=drawn_with,
        method=arguments.method, workers=arguments.workers, retry_errors=arguments.retry_errors,
        overwrite=arguments.overwrite, log=(arguments.debug, arguments.quiet, arguments.log_file))


def _check(settings):
    """Find now what would fail with the first star, and what an archive will ask for that is left open."""
    from photometry.files import moving_objects
    if settings.flags.moving_objects:
        moving_objects.read_moving_objects(settings.flags.moving_objects)
    missing = settings.hlsp.missing()
    if settings.lightcurve.layout == 'hlsp' and missing:
        logger.warning('Light curves for an archive should name their collection; set %s in section [hlsp] '
                       'of the settings.', ', '.join(missing))


def _epoch(environment):
    from photometry.core.errors import UsageError
    text = environment.get('SOURCE_DATE_EPOCH')
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise UsageError(f'SOURCE_DATE_EPOCH is {text!r}, not a number of seconds.')
    return int(text)


def _say(line):
    sys.stdout.write(line + '\n')
    sys.stdout.flush()


if __name__ == '__main__':
    raise SystemExit(main())
