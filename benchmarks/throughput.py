#!/usr/bin/env python
"""Throughput: what a frame, a star, a stamp, a file and the start of a process cost, and their floors.

    python benchmarks/throughput.py [--only ROW ...] [--quick] [--output FILE]

`make bench` runs it, in less than ten minutes on two cores. Every row is measured in one process with
BLAS held to one thread. A floor is the same of a program that reads and writes as many bytes and does
nothing else (`benchmarks/floors.py`), clocked in turn with the thing itself, as the pinned kernel is
in whose CPU time each row is given as well: ratios survive another or a busy machine, times do not.
Frames, fields and stars are simulated. --quick takes few of them and only shows that all runs.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import contextlib
import logging
import tempfile
import time

from throughput_rows import HEAD

DENSITIES = ('typical', 'crowded')
METHODS = ('aperture', 'linpsf', 'automatic', 'psf')
ROWS = ('prepare', 'stamp', 'file', *METHODS, 'halo', 'first', 'help')


def arguments(words=None):
    parser = record.parser(__doc__, 'throughput')
    parser.add_argument('--only', nargs='+', default=ROWS, choices=ROWS, metavar='ROW',
                        help=f'some of: {", ".join(ROWS)}')
    parser.add_argument('--quick', action='store_true', help='few frames and small fields')
    parser.add_argument('--folder', help='where to make the files (default: the system\'s for such)')
    return parser.parse_args(words)


def measured(chosen):
    """All rows that were asked for, one after the other."""
    if 'prepare' in chosen.only:
        import throughput_prepare
        yield from throughput_prepare.rows(chosen.quick, chosen.folder)
    for density in DENSITIES:
        yield from of_field(chosen, density)
    if 'halo' in chosen.only:
        import throughput_stars
        with made(chosen, 'sparse', added=(4, 1.7, 5.6), bright=7.0, catalog_error=0.05) as field:
            yield from throughput_stars.halo_rows(field, rounds(chosen))
    if 'help' in chosen.only:
        import throughput_start
        yield from throughput_start.help_rows(times(chosen))


def of_field(chosen, density):
    """Rows for which a field is simulated; what does not depend on the density comes with the first."""
    methods = [name for name in METHODS if name in chosen.only]
    once = density == DENSITIES[0] and {'stamp', 'file', 'first'} & set(chosen.only)
    if not methods and not once:
        return
    import throughput_stars
    import throughput_start
    with made(chosen, density) as field:
        if once and 'stamp' in chosen.only:
            yield from throughput_stars.stamp_rows(field)
        if once and 'file' in chosen.only:
            yield from throughput_stars.file_rows(field)
        yield from throughput_stars.method_rows(field, density, methods, rounds(chosen))
        if once and 'first' in chosen.only:
            yield from throughput_start.first_star_rows(field, times(chosen))


def rounds(chosen):
    """How often photometry is repeated."""
    return 1 if chosen.quick else 3


def times(chosen):
    """How often processes are started."""
    return 1 if chosen.quick else 5


@contextlib.contextmanager
def made(chosen, density, **more):
    """A field, removed at the end."""
    from throughput_stars import A_TILE, FRAMES, QUICK, SIZE, Field
    size = 72 if chosen.quick else SIZE
    if density == 'typical':
        more['number'] = round(A_TILE * (size / 64) ** 2)
    with tempfile.TemporaryDirectory(prefix='tessphot-', dir=chosen.folder) as folder:
        yield Field.made(folder, density, QUICK if chosen.quick else FRAMES, size, **more)


def main(words=None):
    """Print the table and write it as JSON; 1 when a goal is missed."""
    logging.getLogger('photometry').setLevel(logging.ERROR)  # a few simulated frames are bad
    chosen, rows, started = arguments(words), [], time.perf_counter()
    print(HEAD)
    for row in measured(chosen):
        rows.append(row)
        print(row, flush=True)
    spent = time.perf_counter() - started
    passed = all(row.met for row in rows)
    print(f'{spent:.0f} s')
    record.save(chosen.output, {'rows': {row.what: row.as_dict() for row in rows}, 'quick': chosen.quick,
                                'seconds': spent, 'passed': passed})
    return 0 if passed else 1


if __name__ == '__main__':
    raise SystemExit(main())
