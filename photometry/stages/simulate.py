"""Simulate a sector of one CCD and write it as files of the mission, a catalogue and the truth."""

from __future__ import annotations

import logging
import shutil
from functools import partial
from pathlib import Path

import numpy as np
from numpy.lib import recfunctions

from photometry import cli
from photometry.core.coordinates import SCIENCE
from photometry.core.errors import OutputError, UsageError
from photometry.files import (
    atomic,
    paths,
    simulated_ffi,
    simulated_tesscut,
    simulated_tica,
    simulated_tpf,
    truth,
)
from photometry.simulation.pointing import Sky
from photometry.simulation.sector import Simulation
from photometry.simulation.targets import BACKGROUND_ERROR, choose_targets, expose

logger = logging.getLogger(__name__)

DATA_RELEASE = 60
"""A number after the releases whose times were wrong."""

J2000 = 2451545.0
FFI_BYTES = {'spoc': 35_550_000, 'tica': 17_780_000}


def simulate(folder, plan, *, tesscut=False, tpf=0, product='spoc'):
    """Write a simulated sector.

    Parameters
    ----------
    folder : path-like
        Made where it is missing.
    plan : photometry.simulation.plan.SectorPlan
    tesscut : bool
        One cutout file instead of full-frame images even for the whole CCD; parts
        of a CCD are always written as a cutout.
    tpf : int
        Target pixel files of so many stars, the brightest ones, instead of images.
    product : str
        Whose images the full-frame images are like: one of `photometry.files.paths.PRODUCTS`.

    Returns
    -------
    list of pathlib.Path
        Everything written: truth.hdf5, stars.ecsv, then the images.

    Raises
    ------
    UsageError, OutputError, InputMissingError
    """
    simulation = Simulation(plan, Sky(plan.sector, plan.camera, plan.ccd))
    known = simulation.truth
    targets = choose_targets(simulation, tpf) if tpf else []
    folder = atomic.make_directory(Path(folder))
    tesscut = tesscut or plan.stamp != SCIENCE
    if tesscut and product != 'spoc':
        raise UsageError('Only whole CCDs are written as images of TICA; leave --size and --tesscut away.')
    _check_alone(folder, known, tesscut, product)
    chosen = np.flatnonzero(~simulation.schedule.missing)
    facts = [frame_facts(simulation, frame) for frame in chosen]
    pixels = sum(target.aperture.size for target in targets) or plan.stamp.height * plan.stamp.width
    size = pixels * 20 if tesscut or targets else FFI_BYTES[product]
    _check_space(folder, len(chosen) * size)
    write = _write_tesscut if tesscut else _write_tica if product == 'tica' else _write_ffis
    if targets:
        write = partial(_write_targets, targets)
    # The truth comes first: whatever lies beside it belongs to it, even after a kill.
    truth.write_truth(folder / truth.NAME, known)
    truth.write_stars(folder / truth.STARS_NAME, catalogue(simulation))
    written = [folder / truth.NAME, folder / truth.STARS_NAME, *write(folder, simulation, chosen, facts)]
    logger.info('Wrote %d frames with %d stars to %s.', len(chosen), len(simulation.stars), folder)
    return written


def _check_alone(folder, known, tesscut, product):
    """Refuse a directory that holds another simulation: images of both would mix."""
    path = folder / truth.NAME
    others = paths.find_ffis(folder) if tesscut else [
        *paths.find_tesscuts(folder),
        *(item for item in paths.find_ffis(folder) if paths.product_of(item.path) != product)]
    if others or (path.exists() and truth.read_truth(path).facts != known.facts):
        raise UsageError(f'{folder} holds another simulation; choose another directory or empty this one.')


def _check_space(folder, needed):
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OutputError(f'The images need {needed / 1e9:.1f} GB in {folder}, where {free / 1e9:.1f} GB '
                          'are free; ask for fewer frames or a smaller size.')


def _write_ffis(folder, simulation, chosen, facts):
    return [simulated_ffi.write_ffi(folder, fact, made.image, made.uncertainty, text)
            for _, fact, made, text in _rendered(simulation, chosen, facts)]


def _write_tica(folder, simulation, chosen, facts):
    half = simulation.plan.frames / 2
    return [simulated_tica.write_tica(folder, fact, made.image, text, 1 + (frame >= half))
            for frame, fact, made, text in _rendered(simulation, chosen, facts)]


def _rendered(simulation, chosen, facts):
    """Number, facts, pixels and WCS of each frame, one by one."""
    for frame, fact, made in cli.progress(zip(chosen, facts, simulation.frames(chosen), strict=True),
                                          total=len(chosen), label='frames'):
        errors = simulation.plan.rng('pointing', int(frame))
        yield int(frame), fact, made, simulation.sky.frame_text(simulation.motion, frame, errors)


def _write_tesscut(folder, simulation, chosen, facts):
    stamp = simulation.plan.stamp
    middle = (stamp.row_min + stamp.row_max - 1) / 2, (stamp.col_min + stamp.col_max - 1) / 2
    ra, decl = (float(value) for value in simulation.sky.radec(*middle))

    def frames():
        for made in cli.progress(simulation.frames(chosen), total=len(chosen), label='frames'):
            yield made.image, made.uncertainty

    return [simulated_tesscut.write_tesscut(folder, stamp, (ra, decl), facts, frames(),
                                            simulation.sky.cutout_cards(stamp))]


def _write_targets(targets, folder, simulation, chosen, facts):
    """Target pixel files with a row for every cadence number from the first to the last."""
    lit = chosen[~simulation.schedule.zero[chosen]]
    series = expose(simulation, targets, lit, partial(cli.progress, total=len(lit), label='frames'))
    number = simulation.schedule.cadenceno
    cadenceno = np.arange(number[0], number[-1] + 1)
    stars = catalogue(simulation)
    return [simulated_tpf.write_target(folder, (facts[0], facts[-1]), _content(
        simulation, target, made, cadenceno, number[lit], stars[stars['starid'] == simulation.stars[
            target.star]['starid']][0])) for target, made in zip(targets, series, strict=True)]


def _content(simulation, target, series, cadenceno, lit, star):
    """What the file of a target holds: its series, spread over all cadence numbers."""
    place = lit - cadenceno[0]

    def spread(values, fill=np.nan):
        made = np.full((len(cadenceno), *values.shape[1:]), fill, dtype=values.dtype)
        made[place] = values
        return made
    schedule = simulation.schedule
    quality = schedule.quality[np.isin(schedule.cadenceno, lit)]
    return simulated_tpf.TargetPixels(
        star, target.stamp, target.aperture, simulation.sky.cutout_cards(target.stamp), cadenceno,
        spread(series.time), spread(series.timecorr), spread(quality, 0), spread(series.pos_corr),
        spread(series.flux), spread(series.flux_err), spread(series.background), BACKGROUND_ERROR)


def frame_facts(simulation, frame):
    """What the header of a frame says."""
    plan, detector, schedule = simulation.plan, simulation.detector, simulation.schedule
    return simulated_ffi.FrameFacts(
        plan.sector, plan.camera, plan.ccd, plan.cadence, int(schedule.cadenceno[frame]),
        float(schedule.start[frame]), float(schedule.stop[frame]), float(simulation.timecorr[frame]),
        int(schedule.quality[frame]), detector.readnoise, detector.gain, detector.crmiten,
        detector.crblksz, detector.num_frm, detector.n_readout, DATA_RELEASE)


def catalogue(simulation):
    """What the catalogue lists: places at J2000, from which proper motion leads to those it believes in."""
    stars = simulation.stars[simulation.stars['listed']]
    if simulation.plan.catalog_error:
        stars['ra'], stars['decl'] = simulation.sky.radec(stars['catalog_row'], stars['catalog_column'])
    years = (simulation.schedule.middle.mean() + 2457000 - J2000) / 365.25
    decl = stars['decl'] - stars['pm_decl'] * years / 3.6e6
    ra = (stars['ra'] - stars['pm_ra'] * years / 3.6e6 / np.cos(np.deg2rad(stars['decl']))) % 360
    return recfunctions.append_fields(stars, ('ra_J2000', 'decl_J2000'), (ra, decl), usemask=False)
