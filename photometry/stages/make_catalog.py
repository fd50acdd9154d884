"""The stage that makes the catalogue of each CCD."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path

from photometry import cli
from photometry.algorithms.sky import Region
from photometry.core import ranks
from photometry.core.errors import ArchiveError, IncompatibleError, TessphotError
from photometry.files import catalog as catalog_file
from photometry.files import paths
from photometry.files.identity import Identity
from photometry.stages import catalog_fields
from photometry.stages import targets as targets_stage

logger = logging.getLogger(__name__)


def make_catalog(input_folder, sector, source, settings, *, instead=(), camera=None, ccd=None,
                 targets=None, overwrite=False, rank=ranks.ALONE):
    """Make the catalogues of the CCDs of a sector.

    A catalogue that stands and was made from the same inputs with the same
    settings stays, as does one that was made elsewhere.

    Parameters
    ----------
    input_folder : path-like
        Directory of the images, where the catalogues go.
    sector : int
    source : photometry.catalogs.base.CatalogSource
    settings : photometry.settings.CatalogSettings
    instead : sequence of photometry.catalogs.base.CatalogSource
        Sources that are asked in turn when the archive behind the one before does not answer. A catalogue
        that stands may be from any of them.
    camera, ccd : int or sequence of int, optional
        Filters.
    targets : photometry.files.targets.Targets, optional
        Positions without a star enter the catalogues, too.
    overwrite : bool
    rank : photometry.core.ranks.Rank
        Which share of the CCDs this process takes.

    Returns
    -------
    list of pathlib.Path
        One file a CCD.

    Raises
    ------
    TessphotError
        The first problem of any CCD, after the catalogues of the others have
        been written.
    """
    made, problems, sources = [], [], _Sources([source, *instead])
    for field in catalog_fields.find_fields(input_folder, sector, camera, ccd, rank):
        try:
            made.append(_make_one(Path(input_folder), field, sources, settings, overwrite))
            if targets is not None:
                targets_stage.enter_positions(made[-1], targets)
        except TessphotError as error:
            problems.append(error)
    for error in problems[1:]:
        logger.error('%s', error)
    if problems:
        raise problems[0]
    return made


class _Sources:
    """Where stars come from: the first source that answers."""

    def __init__(self, every):
        self.every, self._answering = every, list(every)

    def stars(self, *asked):
        """The source and its stars.

        Raises
        ------
        ArchiveError
            When none answers; with several sources it names the cures.
        """
        problems = []
        while True:
            source = self._answering[0]
            try:
                return source, source.stars(*asked)
            except ArchiveError as error:
                if len(self.every) == 1:
                    raise
                problems.append(str(error).partition(';')[0].rstrip('.'))
                if len(self._answering) == 1:
                    names = ' and '.join(source.label for source in self.every)
                    raise ArchiveError(
                        f'{names} have no stars now ({problems[0]}): name a table of stars or the directory '
                        'of the strips tic_dec*.csv.gz with --catalog, put those strips into INPUT, or let '
                        'run_fetch.py tic ask where there is a network, and give the same command '
                        'again.') from error
                self._answering.pop(0)
                logger.warning('%s Stars come from %s instead.', error, self._answering[0].label)


def _make_one(folder, field, sources, settings, overwrite):
    """The catalogue of one CCD; returns its path."""
    region = Region(field.polygons, settings.buffer)
    present = paths.find_catalogs(folder, *field.ccd_key)
    path = present[0].path if present else folder / paths.catalog_name(*field.ccd_key)
    if present and not overwrite:
        _keep(path, [_identity(source, settings, region, field) for source in sources.every])
        return path
    middle = (field.start + field.end) / 2
    epoch = julian_year(middle)
    source, stars = sources.stars(region, epoch, settings.faint_limit, field.words)
    info = catalog_file.CatalogInfo(*field.ccd_key, source.ticver, middle, epoch, settings.buffer,
                                    *field.camera_centre, catalog_file.footprint_text(field.polygons))
    catalog_file.write_catalog(path, info, stars, overwrite,
                               _identity(source, settings, region, field).attributes())
    logger.info('%s: stars: %d, faintest Tmag: %.1f.', path, stars.size, stars['tmag'].max())
    return path


def _identity(source, settings, region, field):
    """By what a catalogue from this source is known again."""
    chosen = dataclasses.asdict(settings) | {'source': source.name}
    return Identity(cli.version(), {'catalog': chosen}, source.inputs(region) + field.inputs)


def _keep(path, identities):
    """Say why a standing catalogue stays, or that it fits none of the sources."""
    found = catalog_file.read_provenance(path)
    catalog_file.read_info(path)
    if 'settings_sha256' not in found:
        logger.info('%s was made elsewhere and is used as it is.', path)
        return
    problems = []
    for identity in identities:
        try:
            identity.check(path, found)
        except IncompatibleError as error:
            problems.append(error)
    if len(problems) == len(identities):
        raise problems[0]
    logger.info('%s stands already.', path)


def julian_year(jd) -> float:
    """Julian year of a Julian date."""
    return 2000.0 + (jd - 2451545.0) / 365.25
