"""Command line that makes the catalogues of a sector."""

import argparse
import math
import os

from photometry import cli
from photometry.programs import launch

EXAMPLES = """\
  run_make_catalog.py 5 DATA                              all CCDs with images in DATA, stars from MAST
  run_make_catalog.py 5 DATA --catalog stars.csv          stars from a table
  run_make_catalog.py 5 --camera 2 --ccd 2 --catalog tic.parquet --faint-limit 15
  run_make_catalog.py 60 DATA --source table --catalog gaia.fits --buffer 0.1 --overwrite
  run_make_catalog.py 5 DATA --targets places.csv         places without a star enter what stands"""


def main(words=None):
    """Parse the command line and make the catalogues."""
    made = cli.parser('run_make_catalog.py', 'Make the catalogue of the stars on each CCD of a sector, '
                      'around what the images in INPUT show, else around where the CCDs pointed.', EXAMPLES)
    made.add_argument('sector', type=cli.positive, metavar='SECTOR', help='number of the sector')
    made.add_argument('input', nargs='?', metavar='INPUT',
                      help='directory of images and catalogues (default: TESSPHOT_INPUT)')
    cli.add_ccd_filters(made, sector=False)
    made.add_argument('--source', metavar='NAME', help='where stars come from: auto, mast, gaia, table, '
                      'tic-csv or the name of an installed source (default: from the settings, auto)')
    made.add_argument('--catalog', metavar='PATH', help='table of stars (CSV, ECSV, FITS or '
                      'Parquet), or the directory of the TIC as strips tic_dec*.csv.gz')
    made.add_argument('--buffer', type=_within(0, 20), metavar='DEG',
                      help='width of the rim around the images')
    made.add_argument('--faint-limit', type=_within(-5, 30), metavar='MAG', help='Tmag of the faintest star')
    cli.add_targets(made, 'positions without a star enter the catalogues')
    made.add_argument('--overwrite', action='store_true', help='replace catalogues that stand')
    cli.add_part(made)
    return launch.with_others(lambda: cli.run(_make, made.parse_args(words)))


def _within(low, high):
    def number(text):
        value = float(text)
        if not (math.isfinite(value) and low <= value <= high):
            raise argparse.ArgumentTypeError(f'{text} is not between {low} and {high}')
        return value
    return number


def _make(arguments):
    import dataclasses

    from photometry import settings
    from photometry.core import plugins
    from photometry.files import archives, paths
    from photometry.stages import make_catalog
    from photometry.stages import targets as targets_stage
    given = {'source': arguments.source, 'buffer': arguments.buffer, 'faint_limit': arguments.faint_limit}
    loaded = settings.load(arguments.settings)
    chosen = dataclasses.replace(loaded.catalog,
                                 **{key: value for key, value in given.items() if value is not None})
    folder = paths.input_directory(arguments.input, os.environ)
    targets, rank = cli.read_targets(arguments), cli.share(arguments, os.environ)
    ccds = {'camera': arguments.camera, 'ccd': arguments.ccd}
    only_enter = targets is not None and not (arguments.catalog or arguments.source or arguments.overwrite)
    if only_enter and targets_stage.enter_where_catalogs_stand(folder, arguments.sector, targets, **ccds,
                                                               rank=rank):
        return
    network = archives.Archives.reached(loaded.fetch, folder, os.environ)
    source, *instead = [plugins.load(plugins.CATALOGS, name).opened(catalog, network)
                        for name, catalog in _sources(chosen.source, arguments.catalog, folder)]
    make_catalog.make_catalog(folder, arguments.sector, source, chosen, instead=instead, **ccds,
                              targets=targets, overwrite=arguments.overwrite, rank=rank)


def _sources(name, catalog, folder):
    """Names and paths of the sources that are asked in turn.

    ``auto`` is what --catalog names, else strips of the TIC in INPUT, else the archives in the network.
    """
    import logging
    from pathlib import Path

    from photometry.files import tic_strips
    say = logging.getLogger(__name__).info
    if name != 'auto':
        return [(name, catalog)]
    if catalog is not None:
        strips = Path(catalog).is_dir() or tic_strips.is_strip(catalog)
        kind = 'strips of the TIC in' if strips else 'the table'
        say('Stars come from %s %s, as --catalog says.', kind, catalog)
        return [('tic-csv' if strips else 'table', catalog)]
    if any(map(tic_strips.is_strip, Path(folder).glob('tic_dec*'))):
        say('Stars come from the strips of the TIC in %s.', folder)
        return [('tic-csv', folder)]
    say('No --catalog, and no strips of the TIC in %s: stars come from MAST or, if it does not answer, '
        'from Gaia.', folder)
    return [('mast', None), ('gaia', None)]


if __name__ == '__main__':
    raise SystemExit(main())
