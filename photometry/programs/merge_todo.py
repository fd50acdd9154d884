"""Command line that makes one todo list of several."""

import sys

from photometry import cli

EXAMPLES = """\
  run_merge_todo.py all.sqlite camera1/todo.sqlite camera2/todo.sqlite
  run_merge_todo.py sector5.sqlite copy1.sqlite copy2.sqlite   one list, worked on in two copies"""


def main(words=None):
    """Parse the command line and merge the lists."""
    made = cli.parser('run_merge_todo.py', 'Make one todo list of several. Where a star stands in more than '
                      'one, the row with a light curve counts, then one with an error. Paths of light curves '
                      'stay as they are: gather the files below one directory.', EXAMPLES)
    made.add_argument('target', metavar='NEW', help='the list to make, a file or database URL')
    made.add_argument('sources', nargs='+', metavar='LIST', help='lists to read, files or database URLs')
    return cli.run(_merge, made.parse_args(words))


def _merge(arguments):
    from photometry.todo import merging, places
    counts = merging.merge(arguments.target, arguments.sources)
    if not arguments.quiet:
        for name, number in counts.items():
            sys.stdout.write(f'{name:>28} {number:9d}\n')
        sys.stdout.write(f'The list is {places.place(arguments.target)}.\n')


if __name__ == '__main__':
    raise SystemExit(main())
