"""Command line that makes the report of a run, pages that open from disk."""

import os
import sys

from photometry import cli

EXAMPLES = """\
  run_report.py data/                              data/report/index.html
  run_report.py data/ --report sector5 --sector 5
  run_report.py data/ --starid 139419999           bring the light curve of a star to that report"""


def main(words=None):
    """Parse the command line and make the report."""
    made = cli.parser('run_report.py', 'Make the report of a run: what became of the stars, how precise they '
                      'are, a table of all of them and a page for each, as files that a browser opens from '
                      'disk.', EXAMPLES)
    made.add_argument('input', nargs='?', metavar='INPUT', help='directory with catalogues, cubes and the '
                      'todo list (default: TESSPHOT_INPUT)')
    cli.add_ccd_filters(made)
    made.add_argument('--output', metavar='DIR', help='directory of light curves (default: TESSPHOT_OUTPUT '
                      'or INPUT/lightcurves)')
    made.add_argument('--todo', metavar='FILE', help='the list, or its database URL (default: TESSPHOT_TODO '
                      'or INPUT/todo.sqlite)')
    made.add_argument('--report', metavar='DIR', help='folder of the pages (default: INPUT/report)')
    made.add_argument('--curves', type=_number, metavar='N', help='light curves that come along (default: '
                      '500); the page of any other star draws its file when that is dropped on it')
    made.add_argument('--starid', type=_star, action='append', metavar='N', help='bring the light curve of '
                      'this star to a report that stands (may be repeated)')
    made.add_argument('--overwrite', action='store_true', help='replace a report that exists')
    return cli.run(_make, made.parse_args(words))


def _number(text):
    return 0 if text == '0' else cli.positive(text)


def _star(text):
    return -cli.positive(text[1:]) if text.startswith('-') else cli.positive(text)


def _make(arguments):
    from pathlib import Path

    from photometry.files import paths
    from photometry.stages import report
    from photometry.todo import places
    from photometry.todo.selection import Selection
    folder = paths.input_directory(arguments.input, os.environ)
    todo = places.named(arguments.todo, os.environ, folder)
    output = paths.output_directory(arguments.output, os.environ, folder)
    pages = Path(arguments.report or folder / 'report')
    filters = {name: tuple(getattr(arguments, name) or ()) for name in ('sector', 'camera', 'ccd')}
    if arguments.starid:
        chosen = Selection(**filters, starids=frozenset(arguments.starid))
        number = report.add_stars(folder, todo, output, pages, chosen)
        said = f'{pages}: {number} light curves added.'
    else:
        curves = report.CURVES if arguments.curves is None else arguments.curves
        counts = report.make_report(folder, todo, output, pages, Selection(**filters), curves=curves,
                                    overwrite=arguments.overwrite)
        words = ', '.join(f'{number} {name}' for name, number in counts.most_common())
        said = f'{pages / "index.html"}: {counts.total()} stars ({words}).'
    if not arguments.quiet:
        sys.stdout.write(said + '\n')


if __name__ == '__main__':
    raise SystemExit(main())
