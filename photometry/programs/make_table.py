"""Command line that gathers what became of all stars in one table."""

import os
import sys

from photometry import cli

EXAMPLES = """\
  run_make_table.py data/                          data/lightcurves/stars.parquet
  run_make_table.py data/ --table sector5.fits --sector 5
  run_make_table.py data/ --output lightcurves/ --overwrite"""


def main(words=None):
    """Parse the command line and write the table."""
    made = cli.parser('run_make_table.py', 'Gather catalogue, diagnostics and the path of the light curve of '
                      'every star of a todo list in one table, Parquet or FITS.', EXAMPLES)
    made.add_argument('input', nargs='?', metavar='INPUT', help='directory with catalogues and the todo list '
                      '(default: TESSPHOT_INPUT)')
    cli.add_ccd_filters(made)
    made.add_argument('--table', metavar='FILE', help='the table, .parquet or .fits '
                      '(default: stars.parquet among the light curves)')
    made.add_argument('--output', metavar='DIR', help='directory of light curves (default: TESSPHOT_OUTPUT '
                      'or INPUT/lightcurves)')
    made.add_argument('--todo', metavar='FILE', help='the list, or its database URL (default: TESSPHOT_TODO '
                      'or INPUT/todo.sqlite)')
    made.add_argument('--overwrite', action='store_true', help='replace a table that exists')
    return cli.run(_make, made.parse_args(words))


def _make(arguments):
    from photometry.files import paths, results_table
    from photometry.stages import make_table
    from photometry.todo import places
    from photometry.todo.selection import Selection
    folder = paths.input_directory(arguments.input, os.environ)
    todo = places.named(arguments.todo, os.environ, folder)
    output = paths.output_directory(arguments.output, os.environ, folder)
    path = results_table.check_name(arguments.table or output / 'stars.parquet')
    filters = {name: tuple(getattr(arguments, name) or ()) for name in ('sector', 'camera', 'ccd')}
    counts = make_table.make_table(folder, todo, path, Selection(**filters),
                                   overwrite=arguments.overwrite)
    if not arguments.quiet:
        words = ', '.join(f'{number} {name}' for name, number in counts.most_common())
        sys.stdout.write(f'{path}: {counts.total()} stars ({words}).\n')


if __name__ == '__main__':
    raise SystemExit(main())
