"""Make one cube, from its frames to the finished file, going on where an earlier run stopped."""

from __future__ import annotations

import dataclasses
import itertools
import logging
from pathlib import Path

import numpy as np

from photometry import cli
from photometry.algorithms import background_smoothing, backgrounds
from photometry.core import quality
from photometry.core.errors import InputBadError
from photometry.files import catalog, cube, cube_schema, frame_journal, paths
from photometry.files.cube_writer import CubeTables, CubeWriter, work_path
from photometry.files.identity import Identity
from photometry.stages.prepare import field, frames, movement, preflight, psf
from photometry.stages.prepare.pool import FramePool
from photometry.stages.prepare.sources import Subset

logger = logging.getLogger(__name__)

_SMALL = 10 ** 8
"""Pixels in all frames below which worker processes cost more than they save."""


_VERIFIED = 2 << 30
"""Bytes of a finished cube up to which its checksums are verified when it is found again."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How cubes are made."""

    folder: Path
    settings: object
    workers: int = 1
    overwrite: bool = False


def cube_path(folder, source, key) -> Path:
    """Where the cube of a source lies."""
    return Path(folder) / paths.cube_name(*key, source.limits if source.is_cutout else None)


def make_cube(job, source, options, drain) -> Path:
    """Make the cube of one source.

    Parameters
    ----------
    job : photometry.stages.prepare.selection.Job
    source : photometry.stages.prepare.sources.FrameSource
    options : Options
    drain : photometry.stages.prepare.drain.Drain

    Returns
    -------
    pathlib.Path
        The finished cube.

    Raises
    ------
    TessphotError
    """
    path = cube_path(options.folder, source, job.key)
    catalog_path, catalog = field.find_catalog(options.folder, job.key)
    identity = _identity(source, catalog_path, options)
    if _stands(path, identity, options):
        frame_journal.remove_idle(_journal_path(path))
        return path
    workers = _workers(source, options)
    _require(job, source, options, workers, path)
    known = field.look(source, catalog, options.settings.prepare, job, workers, catalog_path)
    with frame_journal.FrameJournal(_journal_path(path), identity, 2 * known.survey.layout.size,
                                    fresh=options.overwrite) as journal:
        # only who holds the journal may touch what lies beside it
        if _stands(path, identity, options):
            journal.remove()
            return path
        if options.overwrite:
            work_path(path).unlink(missing_ok=True)
        context = _context(job, source, known)
        drain.check()
        _fit_all(context, journal, workers, drain)
        _write(path, job, known, context, journal, identity, options, workers, drain)
        journal.remove()
    logger.info('%s is complete.', path)
    return path


def _stands(path, identity, options):
    """Whether the cube is there already, made from the same things."""
    if options.overwrite or not path.exists():
        return False
    _check_finished(path, identity)
    logger.info('%s is there already.', path)
    return True


def _journal_path(path):
    return Path(f'{path}.journal')


def _identity(source, catalog_path, options):
    stars = catalog.manifest_entry(catalog_path, catalog_path.relative_to(options.folder).as_posix())
    sections = options.settings.sections('prepare')
    # which product was asked for does not matter: the names of the inputs tell which it is
    del sections['prepare']['product']
    return Identity(cli.version(), sections, (*source.inputs(), stars))


def _check_finished(path, identity):
    with cube.CubeFile(path) as made:
        identity.check(path, made.attributes, software=False)
        damaged = made.verify_blocks() if path.stat().st_size <= _VERIFIED else []
        if damaged:
            raise InputBadError(f'{path} is damaged ({damaged[0]}); make it again with --overwrite.')
        if made.attributes['software'] != identity.software:
            logger.info('%s was made by version %s.', path, made.attributes['software'])


def _workers(source, options):
    total = source.limits.height * source.limits.width * len(source.frames)
    return 1 if total < _SMALL else max(1, min(options.workers, len(source.frames)))


def _require(job, source, options, workers, path):
    shape, times = source.limits.shape, len(source.frames)
    chunks = cube_schema.chunk_shape(*shape, times)
    block = _block(source, options.settings.prepare.block)
    needed = preflight.cost(shape, times, chunks, block, workers, source.is_cutout)
    logger.info('%s', needed.sentence(f'{job.label}, {times} frames', workers))
    work = work_path(path)
    preflight.require(needed, options.folder, work.stat().st_blocks * 512 if work.exists() else 0)


def _block(source, wanted):
    """Cadences of a block: whole chunks, as many as wanted for FFIs, as many pixels for a cutout."""
    times = len(source.frames)
    if source.is_cutout:
        wanted = max(wanted, preflight.FULL_BLOCK // (source.limits.height * source.limits.width))
    chunk = cube_schema.even(times, cube_schema.TIME_CHUNK)
    return chunk * max(1, min(wanted, times + chunk - 1) // chunk)


def _context(job, source, known):
    survey = known.survey
    sky = backgrounds.evaluate(survey.layout, survey.fit.parameters)
    return frames.FrameContext(source, job.key, survey.layout, survey.mask, survey.light, known.saturated,
                               known.image - sky)


def _fit_all(context, journal, workers, drain):
    """First pass: the background of every frame, into the journal."""
    waiting = [index for index in range(len(context.source.frames)) if index not in journal.records]
    with FramePool(frames.fit, context, workers if len(waiting) > 1 else 1) as pool:
        for index, made in cli.progress(pool.map(waiting), len(waiting), 'backgrounds'):
            journal.add(index, made.status, made.quality, made.text, made.numbers)
            drain.check()


def _write(path, job, known, context, journal, identity, options, workers, drain):
    """Second and third pass: pixels block by block, then what needs them all."""
    kept = _kept(context.source, journal)
    source = Subset(context.source, tuple(kept))
    known = known.subset(kept)
    tables = _tables(source, known, context.layout, journal, kept)
    info = _info(job, source, known, tables, options.settings.prepare.block)
    context = dataclasses.replace(context, source=source)
    writer = (CubeWriter.resume(path, identity, info, tables)
              or CubeWriter.create(path, info, tables, identity, psf.places(info.limits, job.key)))
    with writer:
        _subtract_all(writer, context, tables, workers, drain)
        sumimage = writer.sumimage()
        drain.check()
        good, wanted = quality.good(tables.quality), options.settings.prepare.motion
        moved = movement.measure(writer, tables, known, wanted)
        learned, official = psf.learn(writer, sumimage, moved, known, good), known
        if learned is not None:
            # the motion was as wrong as the PRF that it was measured with; a third round changes nothing
            known = dataclasses.replace(known, prf=psf.model(learned))
            moved = movement.measure(writer, tables, known, wanted)
        writer.finish(sumimage, moved.kernel, moved.warpmode,
                      movement.star_wing(sumimage, moved, info, official, good), learned)


def _kept(source, journal):
    """Frames that enter the cube; the others are named in the log."""
    kept = []
    for index, name in enumerate(source.names):
        record = journal.records[index]
        text = record['text'].decode()
        if record['status'] == frames.REJECTED:
            logger.warning('Frame left out: %s', text)
            continue
        if text:
            logger.warning('Frame %s is flagged: %s.', name, text)
        kept.append(index)
    if not kept:
        raise InputBadError(f'None of the {len(source.names)} frames in {source.folder} can be used; '
                            'the log names each with its fault.')
    return kept


def _tables(source, known, layout, journal, kept):
    """Everything per frame, with the background smoothed over all frames at once."""
    headers = source.frames
    column = {name: np.array([getattr(header, name) for header in headers])
              for name in ('time_start', 'time', 'time_stop', 'timecorr', 'cadenceno', 'quality')}
    records = [journal.records[index] for index in kept]
    column['quality'] = column['quality'] | np.array([record['quality'] for record in records])
    numbers = np.array([record['numbers'] for record in records])
    smoothed = background_smoothing.smooth(
        layout, numbers[:, :layout.size], numbers[:, layout.size:], column['time'],
        quality.good(column['quality']), background_smoothing.reach(headers[0].cadence))
    return CubeTables(**column, wcs=list(known.wcs_texts), imagespaths=list(source.names),
                      background_parameters=smoothed)


def _info(job, source, known, tables, block):
    header = source.frames[known.ref_frame]
    limits, times = source.limits, len(source.frames)
    layout = known.survey.layout
    wing = known.survey.wing
    facts = {name: getattr(header, name) for name in (
        'cadence', 'data_rel', 'readnoise', 'gain', 'n_readout', 'num_frm', 'int_time', 'frame_time',
        'exposure', 'deadc', 'crmiten', 'crblksz', 'crspoc', 'procver', 'product')}
    return cube_schema.CubeInfo(
        *job.key, rows=limits.height, columns=limits.width, times=times, row_offset=limits.row_min,
        column_offset=limits.col_min, is_cutout=source.is_cutout, ref_frame=known.ref_frame,
        block=_block(source, block),
        background_mesh=layout.mesh, background_centre=layout.camera_centre or (),
        background_straps=tuple(int(column) for column in layout.strap_columns),
        wing=() if wing is None else (wing.fraction, wing.exponent, wing.radius), **facts)


def _subtract_all(writer, context, tables, workers, drain):
    """Second pass: the missing blocks."""
    info, pending = writer.info, writer.pending
    with FramePool(frames.subtract, context, workers if pending else 1) as pool:
        items = ((index, tables.background_parameters[index]) for block in pending
                 for index in range(*info.block_range(block).indices(info.times)))
        results = pool.map(items)
        for block in cli.progress(pending, len(pending), 'blocks'):
            writer.write_block(block, _collect(results, info, block))
            drain.check()


def _collect(results, info, block):
    """Layers of one block, each a list of images (rows, columns), from the next results."""
    layers = {column.name: [] for column in cube_schema.LAYERS}
    cadences = info.block_range(block)
    for _, made in itertools.islice(results, cadences.stop - cadences.start):
        for images, values in zip(layers.values(), made, strict=True):
            images.append(values)
    return layers
