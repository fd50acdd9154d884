"""Command line that makes a movie of a CCD, a camera or a star."""

import argparse
import os

from photometry import cli

EXAMPLES = """\
  run_ffimovie.py data/ --sector 5 --camera 2 --ccd 3         sector005_camera2_ccd3.mp4
  run_ffimovie.py data/ --sector 5 --camera 2 --show images backgrounds flags --jobs 4
  run_ffimovie.py data/ --camera 2 --stride 10 --output camera2.gif
  run_ffimovie.py data/ --starid 139419999 --output star.gif  its stamp, its mask, its motion"""


def main(words=None):
    """Parse the command line and make the movie."""
    made = cli.parser('run_ffimovie.py', 'Make a movie (MP4 or GIF) of a CCD or of the CCDs of a camera, or '
                      'of the stamp of one star, from the cubes in INPUT.', EXAMPLES)
    made.add_argument('input', nargs='?', metavar='INPUT',
                      help='directory with cubes (default: TESSPHOT_INPUT)')
    cli.add_ccd_filters(made)
    made.add_argument('--cadence', type=cli.positive, metavar='S', help='only cubes of this cadence, s')
    made.add_argument('--cube', metavar='FILE', help='this very cube, of several of the same CCD')
    made.add_argument('--starid', type=_starid, metavar='TIC',
                      help='the stamp of this star, with the mask of its light curve')
    made.add_argument('--lightcurves', metavar='DIR', help='where light curves lie (default: TESSPHOT_OUTPUT '
                      'or INPUT/lightcurves)')
    made.add_argument('--show', nargs='+', choices=('images', 'raw', 'backgrounds', 'flags'),
                      default=['images'], help='side by side: images less background, images with it, '
                      'backgrounds, flags of the pixels (default: images)')
    made.add_argument('--cadences', type=_range, metavar='A:B',
                      help='from one cadence number to another, both included')
    made.add_argument('--stride', type=cli.positive, default=1, metavar='N',
                      help='every N-th cadence (default 1)')
    made.add_argument('--size', type=_limited(64, 4096), default=512, metavar='PX',
                      help='dots along the longer side of an image (default 512)')
    made.add_argument('--fps', type=_limited(1, 100), default=20, metavar='N',
                      help='frames a second (default 20)')
    made.add_argument('--jobs', type=_limited(1, 1024), default=1, metavar='N', help='processes (default 1)')
    made.add_argument('--output', metavar='FILE', help='movie, ending in .mp4 or .gif (default: in the '
                      'working directory, named after what it shows)')
    made.add_argument('--overwrite', action='store_true', help='make a movie that stands again')
    return cli.run(_make, made.parse_args(words))


def _starid(text):
    try:
        return int(text[:20])
    except ValueError:
        raise argparse.ArgumentTypeError(f'{text!r} is no number of a star') from None


def _range(text):
    first, _, last = text.partition(':')
    known = all(end.isascii() and end.isdigit() and len(end) < 19 for end in (first, last))
    if not known or int(first) > int(last):
        raise argparse.ArgumentTypeError(f'{text!r} is not like 4697:5200')
    return int(first), int(last)


def _limited(least, most):
    """Argument type: a whole number within limits."""
    def number(text):
        value = cli.positive(text)
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f'{text} is not from {least} to {most}')
        return value
    return number


def _make(arguments):
    from photometry.files import paths
    from photometry.signals import StopSignals
    from photometry.stages import ffimovie
    folder = paths.input_directory(arguments.input, os.environ)
    with StopSignals(_stop):
        path = ffimovie.make_movie(
            folder, arguments.output, sector=arguments.sector, camera=arguments.camera, ccd=arguments.ccd,
            cadence=arguments.cadence, cube=arguments.cube, starid=arguments.starid,
            lightcurves=paths.output_directory(arguments.lightcurves, os.environ, folder),
            show=arguments.show, cadences=arguments.cadences, stride=arguments.stride, size=arguments.size,
            fps=arguments.fps, jobs=arguments.jobs, overwrite=arguments.overwrite)
    cli.logger.info('%s is there.', path)


def _stop(number):
    """End at once, so that nothing half-written stays behind."""
    import signal

    from photometry.core.errors import DrainedError
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise DrainedError('Stopped; the same command begins the movie again.')


if __name__ == '__main__':
    raise SystemExit(main())
