"""Command line that tells what lies in a directory and what is missing."""

import os
import sys

from photometry import cli

EXAMPLES = """\
  run_inventory.py data/                        images, catalogues, cubes, todo list, and what is next
  run_inventory.py data/ --sector 5 --camera 2
  run_inventory.py data/ --json > inventory.json"""


def main(words=None):
    """Parse the command line and tell."""
    made = cli.parser('run_inventory.py', 'Tell what lies below a directory and what is missing for the next '
                      'step. It reads names, sizes and a few headers, and writes nothing.', EXAMPLES)
    made.add_argument('input', nargs='?', metavar='INPUT', help='directory with images, catalogues, cubes '
                      '(default: TESSPHOT_INPUT)')
    cli.add_ccd_filters(made)
    made.add_argument('--todo', metavar='FILE', help='the list of stars, or its database URL (default: '
                      'TESSPHOT_TODO or INPUT/todo.sqlite)')
    made.add_argument('--json', action='store_true', help='tell it in JSON, for programs')
    return cli.run(_tell, made.parse_args(words))


def _tell(arguments):
    from photometry.files import paths
    from photometry.stages import inventory, inventory_words
    from photometry.todo import places
    folder = paths.input_directory(arguments.input, os.environ)
    made = inventory.take_inventory(folder, places.named(arguments.todo, os.environ, folder),
                                    sector=arguments.sector, camera=arguments.camera, ccd=arguments.ccd)
    told = [inventory.as_json(made)] if arguments.json else inventory_words.lines(made)
    sys.stdout.writelines(line + '\n' for line in told)


if __name__ == '__main__':
    raise SystemExit(main())
