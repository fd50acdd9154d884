"""Command line that lists which stars are to be measured."""

import argparse
import os
import sys

from photometry import cli

EXAMPLES = """\
  run_make_todo.py data/                              every star of every cube below data/
  run_make_todo.py data/ --sector 5 --faint-limit 13  only the bright ones of sector 5
  run_make_todo.py data/ --targets mine.csv           only these TIC numbers
  run_make_todo.py data/ --dry-run                    tell how many stars of each CCD, write nothing"""


def main(words=None):
    """Parse the command line and make the todo list."""
    made = cli.parser('run_make_todo.py', 'List the stars of all cubes in order of brightness. What an '
                      'existing list holds stays: new stars are added.', EXAMPLES)
    made.add_argument('input', nargs='?', metavar='INPUT', help='directory with cubes and catalogues '
                      '(default: TESSPHOT_INPUT)')
    cli.add_ccd_filters(made)
    made.add_argument('--faint-limit', type=magnitude, metavar='MAG', help='Tmag of the faintest star')
    cli.add_targets(made, 'only these enter, whatever their magnitude')
    made.add_argument('--exclusions', metavar='FILE', help='ECSV with starid, sector, datasource, reason')
    made.add_argument('--methods', metavar='FILE', help='ECSV with starid, sector, datasource, method')
    made.add_argument('--todo', metavar='FILE', help='the list (default: TESSPHOT_TODO or INPUT/todo.sqlite)')
    made.add_argument('--dry-run', action='store_true', help='tell what would be listed, write nothing')
    made.add_argument('--overwrite', action='store_true', help='forget the results of these stars')
    return cli.run(_make, made.parse_args(words))


def magnitude(text) -> float:
    """Argument type: a magnitude from -5 to 30."""
    number = float(text)
    if not -5 <= number <= 30:
        raise argparse.ArgumentTypeError(f'{text} is not a magnitude between -5 and 30')
    return number


def _make(arguments):
    from photometry import settings as settings_module
    from photometry.core.errors import ExitCode
    from photometry.files import paths
    from photometry.stages import make_todo
    from photometry.todo import places
    settings = settings_module.load(arguments.settings)
    folder = paths.input_directory(arguments.input, os.environ)
    todo = places.named(arguments.todo, os.environ, folder)
    choice = make_todo.choice_from(settings.todo, faint_limit=arguments.faint_limit,
                                   targets=cli.read_targets(arguments), exclusions=arguments.exclusions,
                                   methods=arguments.methods)
    report = make_todo.make_todo(
        folder, todo, choice, sections=settings.sections('todo'), sector=arguments.sector,
        camera=arguments.camera, ccd=arguments.ccd, dry_run=arguments.dry_run, overwrite=arguments.overwrite)
    if arguments.dry_run or not arguments.quiet:
        _print(report, 'Nothing was written.' if arguments.dry_run else f'The list is {todo}.')
    return ExitCode.INPUT_MISSING if report.problems else ExitCode.DONE


def _print(report, where):
    from photometry.stages import todo_counts
    sys.stdout.writelines(line + '\n' for line in todo_counts.table(report.by_ccd))
    for name, number in report.counts.items():
        sys.stdout.write(f'{name:>28} {number:9d}\n')
    sys.stdout.write(f'{where}\n')


if __name__ == '__main__':
    raise SystemExit(main())
