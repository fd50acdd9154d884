"""What the command lines share: common arguments, logging, exit codes."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

from photometry.core import ranks
from photometry.core.errors import ExitCode, OutputError, TessphotError

logger = logging.getLogger(__name__)

VERSION_FILE = Path(__file__).with_name('VERSION')


def version() -> str:
    """Version of the program."""
    return VERSION_FILE.read_text().strip()


def parser(program, description, examples) -> argparse.ArgumentParser:
    """An argument parser with the options that all programs know.

    Parameters
    ----------
    program : str
        Name of the program, such as ``run_make_catalog.py``.
    description : str
        What the program does, in a sentence or two.
    examples : str
        Command lines shown below the options.
    """
    made = argparse.ArgumentParser(
        prog=program, description=description, epilog='examples:\n' + examples,
        formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    common = made.add_argument_group('common options')
    common.add_argument('-d', '--debug', action='store_true', help='log everything, show tracebacks')
    common.add_argument('-q', '--quiet', action='store_true', help='log only warnings and errors')
    common.add_argument('--settings', metavar='FILE', help='TOML file that overrides settings')
    common.add_argument('--log-file', metavar='FILE', help='append the log to a file as well')
    common.add_argument('-V', '--version-info', action='version', version=f'tessphot {version()}',
                        help='print the version of the program')
    return made


def add_ccd_filters(made, *, sector=True):
    """Options --sector, --camera and --ccd, each of which may be given several times."""
    if sector:
        made.add_argument('--sector', type=positive, action='append', metavar='S',
                          help='only this sector (may be repeated)')
    made.add_argument('--camera', type=int, choices=(1, 2, 3, 4), action='append',
                      help='only this camera (may be repeated)')
    made.add_argument('--ccd', type=int, choices=(1, 2, 3, 4), action='append',
                      help='only this CCD (may be repeated)')


def add_targets(made, meaning):
    """Option --targets, with what it means for a program."""
    made.add_argument('--targets', metavar='FILE', help='text or CSV with TIC numbers, or with columns ra '
                      f'and dec (deg): {meaning}')


def read_targets(arguments):
    """The list that --targets names, a `photometry.files.targets.Targets`, or None."""
    from photometry.files import targets
    return None if arguments.targets is None else targets.read_targets(arguments.targets)


def add_part(made):
    """Option --part, for jobs that share the CCDs."""
    made.add_argument('--part', type=_part, metavar='I/N', help='of N jobs that share the CCDs, this is '
                      'number I, from 1 on (default: rank and ranks under mpiexec or srun, else all)')


def _part(text):
    number, _, size = text.partition('/')
    if not (number.isascii() and number.isdigit() and size.isascii() and size.isdigit()
            and 1 <= int(number) <= int(size) <= 10 ** 6):
        raise argparse.ArgumentTypeError(f'{text!r} is not like 3/16')
    return ranks.Rank(int(number) - 1, int(size))


def share(arguments, environment) -> ranks.Rank:
    """The share of the work that --part or a launcher gives this process."""
    return arguments.part or ranks.rank(environment)


def positive(text) -> int:
    """Argument type: an integer from 1 to 10^11."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:20]) <= 10 ** 11):
        raise argparse.ArgumentTypeError(f'{text!r} is not a whole number from 1 to 10^11')
    return int(text)


def run(main, arguments=None) -> int:
    """Run the body of a program and turn what happens into an exit code.

    Parameters
    ----------
    main : callable
        Takes the parsed arguments, returns an `ExitCode` or None.
    arguments : argparse.Namespace
        With the common options.
    """
    sys.excepthook = _explain_internal
    try:
        configure_logging(arguments.debug, arguments.quiet, arguments.log_file)
        return int(main(arguments) or ExitCode.DONE)
    except TessphotError as error:
        return _complain(error, error.exit_code, arguments.debug)
    except KeyboardInterrupt:
        logger.warning('Interrupted; the same command continues.')
        return int(ExitCode.INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return int(ExitCode.DONE)


def _explain_internal(kind, error, traceback):
    """What an unexpected exception leaves on the terminal; Python then exits with 1."""
    logger.debug('Traceback', exc_info=(kind, error, traceback))
    logger.error('Internal error (%s: %s); run again with --debug and report the traceback.',
                 kind.__name__, error)


def _complain(message, code, traceback):
    logger.error('%s', message, exc_info=traceback)
    return int(code)


def configure_logging(debug=False, quiet=False, log_file=None):
    """Send the log of the package to standard error and, if asked, to a file."""
    level = logging.DEBUG if debug else logging.WARNING if quiet else logging.INFO
    handlers = [logging.StreamHandler()]
    if log_file:
        try:
            handlers.append(logging.FileHandler(log_file))
        except OSError as error:
            configure_logging(debug, quiet)
            raise OutputError(f'Cannot open the log file {log_file}: {error.strerror}; '
                              'name another one.') from error
    root = logging.getLogger('photometry')
    root.setLevel(level)
    for old in root.handlers:
        old.close()
    root.handlers[:] = handlers
    root.propagate = False
    pattern = '%(asctime)s %(levelname)-7s %(name)s: %(message)s' if debug else '%(levelname)s: %(message)s'
    for handler in handlers:
        handler.setFormatter(logging.Formatter(pattern))


def progress(iterable, total=None, label=''):
    """Iterate with a progress bar on a terminal, silently elsewhere."""
    from tqdm import tqdm
    return tqdm(iterable, total=total, desc=label, disable=not sys.stderr.isatty(), leave=False)
