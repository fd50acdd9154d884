"""Command line of run_simulate.py: a seeded sector whose truth is known."""

from __future__ import annotations

import argparse
import re

from photometry import cli

EXAMPLES = """\
  run_simulate.py sky --size 256 --frames 300 --density crowded --seed 1
  run_simulate.py sky --frames 3 --stars 3000                 three full-frame images
  run_simulate.py sky --frames 3 --sector 35 --cadence 600 --product tica
  run_simulate.py sky --size 100x150 --row 700 --column 900 --cadence 200 --frames 500
  run_simulate.py sky --size 64 --cadence 120 --frames 300 --tpf 5   target pixel files of five stars
"""


def arguments():
    """Parser of the command line."""
    made = cli.parser('run_simulate.py', 'Simulate a sector of one CCD: full-frame images, a TESSCut cube or '
                      'target pixel files, '
                      'the catalogue of its stars (stars.ecsv) and everything that a measurement '
                      'should find (truth.hdf5).', EXAMPLES)
    made.add_argument('output', metavar='OUT', help='directory for the files')
    made.add_argument('--sector', type=int, default=5)
    made.add_argument('--camera', type=int, default=2)
    made.add_argument('--ccd', type=int, default=2)
    made.add_argument('--frames', type=int, default=3, help='number of cadences (default 3)')
    made.add_argument('--cadence', type=int, default=1800, metavar='S',
                      help='20, 120, 158, 200, 475, 600 or 1800 s (default 1800)')
    made.add_argument('--size', type=_size, default=None, metavar='N|ROWSxCOLUMNS',
                      help='a cutout of this size, written as TESSCut does; otherwise the full CCD as FFIs')
    made.add_argument('--row', type=int, help='first row of the cutout, from 0 (default: in the middle)')
    made.add_argument('--column', type=int, help='first column, from 44 on the science pixels')
    made.add_argument('--tesscut', action='store_true', help='a TESSCut file of the full CCD, too')
    made.add_argument('--tpf', type=int, default=0, metavar='N', help='target pixel files of the N brightest '
                      'stars instead of images (with a --cadence of 20 or 120)')
    made.add_argument('--product', choices=('spoc', 'tica'), default='spoc',
                      help='images like those of the mission or of TICA (default spoc)')
    made.add_argument('--stars', type=int, metavar='N', help='stars on the pixels, instead of --density')
    made.add_argument('--density', default='typical', metavar='WORD',
                      help='sparse, typical, crowded, isolated or bright (default typical)')
    made.add_argument('--faint-limit', type=float, default=16.0, metavar='MAG', help='(default 16)')
    made.add_argument('--background', default='tess', metavar='WORD',
                      help='quiet, gradient, glow, straps, glow60 or tess: all but the last (default)')
    made.add_argument('--variables', type=float, default=0.05, metavar='PART',
                      help='part of the stars that vary (default 0.05)')
    made.add_argument('--jitter', type=float, default=0.003, metavar='PX', help='rms (default 0.003)')
    made.add_argument('--drift', type=float, default=0.15, metavar='PX',
                      help='over the run, less if it is short (default 0.15)')
    made.add_argument('--wing', type=float, metavar='PART',
                      help="part of a star's light beyond 13 x 13 px (default: drawn, 0.02 to 0.05)")
    made.add_argument('--prf-width', type=float, default=1.0, metavar='FACTOR',
                      help='stars wider or narrower than the official responses (default 1)')
    made.add_argument('--prf-asymmetry', type=float, default=0.0, metavar='PX',
                      help='length of a one-sided tail of every star (default 0)')
    made.add_argument('--pointing-scatter', type=float, default=0.0, metavar='PX',
                      help='rms that every frame is off on top of jitter and drift (default 0)')
    made.add_argument('--catalog-error', type=float, default=0.0, metavar='PX',
                      help='rms that the catalogue is off the true places (default 0)')
    made.add_argument('--catalog-limit', type=float, metavar='MAG',
                      help='fainter stars shine without an entry in the catalogue')
    made.add_argument('--no-faults', action='store_true', help='no flagged, empty or missing frames')
    made.add_argument('--no-gap', action='store_true', help='no pause in the middle of the sector')
    made.add_argument('--cosmic-rays', action='store_true', help='add what hits are left')
    made.add_argument('--seed', type=int, default=0, help='the same seed makes the same bytes')
    return made


def _size(text):
    match = re.fullmatch(r'(\d+)(?:x(\d+))?', text)
    if not match:
        raise argparse.ArgumentTypeError(f'{text!r} is no size; write 256 or 100x150 (rows x columns)')
    return int(match[1]), int(match[2] or match[1])


def main(argv=None):
    """Entry point; returns the exit code."""
    return cli.run(simulate, arguments().parse_args(argv))


def simulate(chosen):
    """Body of the program."""
    from photometry.core.coordinates import SCIENCE
    from photometry.simulation.plan import SectorPlan
    from photometry.simulation.sector import stamp_of_size
    from photometry.stages.simulate import simulate as run
    stamp = SCIENCE if chosen.size is None else stamp_of_size(*chosen.size, chosen.row, chosen.column)
    plan = SectorPlan(
        seed=chosen.seed, sector=chosen.sector, camera=chosen.camera, ccd=chosen.ccd, frames=chosen.frames,
        cadence=chosen.cadence, stamp=stamp, preset=chosen.density, number=chosen.stars,
        faint=chosen.faint_limit, background=chosen.background, wing=chosen.wing, jitter=chosen.jitter,
        drift=chosen.drift, variables=chosen.variables, gap=not chosen.no_gap, faults=not chosen.no_faults,
        cosmic_rays=chosen.cosmic_rays, prf_width=chosen.prf_width, prf_asymmetry=chosen.prf_asymmetry,
        pointing_scatter=chosen.pointing_scatter, catalog_error=chosen.catalog_error,
        catalog_limit=chosen.catalog_limit)
    run(chosen.output, plan, tesscut=chosen.tesscut, tpf=chosen.tpf, product=chosen.product)
