"""run_prepare_photometry.py: make cubes of FFIs and TESSCut files."""

from __future__ import annotations

import os

from photometry import cli
from photometry.core.threads import ONE_THREAD
from photometry.programs import launch

DESCRIPTION = '''\
Subtract the background of calibrated full-frame images and TESSCut files, measure
how the stars move, and keep all pixels of a CCD or cutout in one cube. A run that
was stopped or killed is continued by the same command.'''

EXAMPLES = """\
  run_prepare_photometry.py INPUT                         every CCD and cutout below INPUT
  run_prepare_photometry.py INPUT --camera 1 --workers 8  one camera, eight processes
  run_prepare_photometry.py INPUT --sector 30 --cadence 600 --overwrite
  run_prepare_photometry.py INPUT --product tica          of CCDs with images of SPOC and TICA, those of TICA
  mpiexec -n 16 run_prepare_photometry.py INPUT           a process for each CCD, on any number of nodes
  run_prepare_photometry.py INPUT --part 3/16             the third of sixteen jobs that share the CCDs
"""


def main(arguments=None) -> int:
    """Parse the command line and prepare what it selects."""
    parser = cli.parser('run_prepare_photometry.py', DESCRIPTION, EXAMPLES)
    parser.add_argument('input', nargs='?', metavar='INPUT', help='directory with the files (TESSPHOT_INPUT)')
    cli.add_ccd_filters(parser)
    parser.add_argument('--cadence', type=cli.positive, action='append', metavar='S',
                        help='only frames of this cadence in seconds (may be repeated)')
    parser.add_argument('--product', choices=('spoc', 'tica'),
                        help='whose full-frame images, where a CCD has those of both (default: from the '
                             'settings, auto)')
    cli.add_targets(parser, 'only CCDs whose catalogue holds one of them')
    parser.add_argument('--workers', type=cli.positive, default=1, metavar='N', help='processes (default: 1)')
    parser.add_argument('--overwrite', action='store_true', help='make cubes anew')
    cli.add_part(parser)
    return launch.with_others(lambda: cli.run(_main, parser.parse_args(arguments)))


def _main(arguments):
    import dataclasses

    os.environ.update(ONE_THREAD)
    from photometry import settings
    from photometry.files import paths
    from photometry.stages.prepare_photometry import prepare_photometry
    folder = paths.input_directory(arguments.input, os.environ)
    chosen = settings.load(arguments.settings)
    if arguments.product:
        chosen = dataclasses.replace(
            chosen, prepare=dataclasses.replace(chosen.prepare, product=arguments.product))
    report = prepare_photometry(
        folder, chosen, sector=arguments.sector, camera=arguments.camera,
        ccd=arguments.ccd, cadence=arguments.cadence, targets=cli.read_targets(arguments),
        workers=arguments.workers, overwrite=arguments.overwrite, rank=cli.share(arguments, os.environ))
    return report.exit_code
