"""Command line of the demonstration."""

import sys

from photometry import cli

EXAMPLES = """\
  run_demo.py                    everything goes to demo-output/
  run_demo.py /tmp/demo --seed 7"""


def main(words=None):
    """Parse the command line and run the demonstration."""
    made = cli.parser('run_demo.py', 'Run the whole pipeline on real and simulated pixels, '
                      'print a table and draw a picture.', EXAMPLES)
    made.add_argument('output', nargs='?', default='demo-output', metavar='OUT',
                      help='directory that is made anew (default: demo-output)')
    made.add_argument('--seed', type=int, default=1, help='of the simulations (default: 1)')
    return cli.run(_demo, made.parse_args(words))


def _demo(arguments):
    from photometry.stages import demo
    sys.stdout.write(demo.demo(arguments.output, arguments.seed))


if __name__ == '__main__':
    raise SystemExit(main())
