"""Command line that fetches images and rows of the TIC from the archives."""

from __future__ import annotations

import argparse
import os
import re
import sys

from photometry import cli

DESCRIPTION = '''\
Fetch calibrated full-frame images (ffi, tica), cutouts (tesscut), target pixel files (tpf, fast-tpf) or
rows of the TESS Input Catalog (tic) from MAST and its public cloud copy. What stands and is sound is not
fetched again; a run that was stopped or killed is continued by the same command.'''

EXAMPLES = """\
  run_fetch.py ffi DATA --sector 5 --camera 2 --ccd 2       the images of one CCD
  run_fetch.py ffi DATA --sector 5 --dry-run                how many there are, and how large
  run_fetch.py tesscut DATA --targets stars.csv --sector 5  cutouts around stars (TIC numbers or ra, dec)
  run_fetch.py tesscut DATA --position 80.3695 -22.6743 --size 21
  run_fetch.py tpf DATA --sector 27 --targets stars.csv
  run_fetch.py tic DATA --sector 5 --camera 2 --ccd 2       stars for run_make_catalog.py without a network"""

_WORDS = {'ffi': 'full-frame images', 'tica': 'full-frame images of TICA', 'tesscut': 'cutouts',
          'tpf': 'target pixel files', 'fast-tpf': 'fast target pixel files', 'tic': 'cells of the TIC'}


def main(words=None):
    """Parse the command line and fetch."""
    made = cli.parser('run_fetch.py', DESCRIPTION, EXAMPLES)
    made.add_argument('what', choices=tuple(_WORDS), metavar='WHAT', help=', '.join(_WORDS))
    made.add_argument('input', nargs='?', metavar='INPUT', help='directory for the files, made where it is '
                      'missing (default: TESSPHOT_INPUT)')
    cli.add_ccd_filters(made)
    cli.add_targets(made, 'what shows them')
    made.add_argument('--position', nargs=2, type=float, metavar=('RA', 'DEC'), help='a place, deg')
    made.add_argument('--size', type=_size, default=(13, 13), metavar='N|ROWSxCOLUMNS',
                      help='pixels of cutouts (default 13)')
    made.add_argument('--faint-limit', type=float, metavar='MAG', help='Tmag of the faintest star, for tic')
    made.add_argument('--buffer', type=float, metavar='DEG', help='width of the rim around images, for tic')
    made.add_argument('--parallel', type=cli.positive, metavar='N', help='requests at a time (default: from '
                      'the settings, 4)')
    made.add_argument('--dry-run', action='store_true', help='print numbers and sizes, fetch nothing')
    made.add_argument('--overwrite', action='store_true',
                      help='fetch again what stands, lists and answers, too')
    return cli.run(_fetch, made.parse_args(words))


def _size(text):
    match = re.fullmatch(r'(\d{1,3})(?:x(\d{1,3}))?', text)
    size = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not 1 <= min(size) <= max(size) <= 300:
        raise argparse.ArgumentTypeError(f'{text!r} is no size; write 13 or 21x31 (rows x columns), to 300')
    return size


def _fetch(arguments):
    import dataclasses

    from photometry import settings
    from photometry.files import archives, atomic, paths
    from photometry.stages import fetch
    loaded = settings.load(arguments.settings)
    chosen = arguments.input or os.environ.get('TESSPHOT_INPUT')
    folder = atomic.make_directory(chosen) if chosen else paths.input_directory(None, os.environ)
    reached = archives.Archives.reached(loaded.fetch, folder, os.environ, anew=arguments.overwrite)
    if arguments.parallel:
        reached = dataclasses.replace(reached, parallel=min(arguments.parallel, 64))
    choice = _choice(arguments)
    if arguments.what == 'tic':
        given = {'faint_limit': arguments.faint_limit, 'buffer': arguments.buffer}
        limits = dataclasses.replace(loaded.catalog, **{key: value for key, value in given.items()
                                                        if value is not None})
        report = fetch.fetch_stars(folder, reached, choice, limits, dry_run=arguments.dry_run)
    else:
        report = fetch.fetch(folder, reached, choice, dry_run=arguments.dry_run,
                             overwrite=arguments.overwrite)
    if arguments.dry_run or not arguments.quiet:
        _print(report, _WORDS[arguments.what], arguments.dry_run)
    return report.exit_code


def _choice(arguments):
    import math

    from photometry.core.errors import UsageError
    from photometry.stages.fetch_items import EVERY, Choice
    starids, places = (), ()
    targets = cli.read_targets(arguments)
    if targets is not None:
        starids, places = targets.numbers_without_place, targets.places
        if min(starids, default=1) < 1:
            raise UsageError(f'{arguments.targets} holds {min(starids)}, which is no TIC number; give such '
                             'stars by their places, in columns ra and dec.')
    if arguments.position:
        ra, dec = arguments.position
        if not (math.isfinite(ra) and -360 <= ra <= 360 and abs(dec) <= 90):
            raise UsageError(f'--position {ra:g} {dec:g} is no place on the sky in degrees.')
        places = (*places, (ra % 360, dec))
    sectors = tuple(sorted(set(arguments.sector or ())))
    return Choice(arguments.what, sectors, tuple(arguments.camera or EVERY), tuple(arguments.ccd or EVERY),
                  starids, places, *arguments.size)


def _print(report, words, dry_run):
    write = sys.stdout.write
    for label, number in sorted(report.found.items()):
        write(f'{number:9d}  {label}\n')
    every = f'{sum(report.found.values())} {words}'
    size = '' if report.expected in (None, 0) else f', about {report.expected / 1e9:.3g} GB'
    if dry_run:
        write(f'{every}: {report.missing} to be fetched{size}, {report.stood} stand and are sound. '
              'Nothing was fetched.\n')
        return
    came = f' ({report.bytes / 1e9:.3g} GB over the network)' if report.bytes else ''
    failed = f', {len(report.problems)} could not be fetched' if report.problems else ''
    write(f'{every}: {report.fetched} fetched{came}, {report.stood} stood already{failed}.\n')


if __name__ == '__main__':
    raise SystemExit(main())
