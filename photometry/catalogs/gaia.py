"""Stars from Gaia DR3."""

from __future__ import annotations

import contextlib
import logging

from photometry.catalogs.archive import ArchiveCatalog
from photometry.core.errors import ArchiveError
from photometry.files import table_formats, tap_service
from photometry.files.star_table import GAIA_COLOURS, GAIA_TO_TMAG, GREATEST_SHIFT
from photometry.files.table_formats import RawTable
from photometry.files.votable_answers import read_votable
from photometry.files.web import PassingError

logger = logging.getLogger(__name__)

COLUMNS = ('source_id', 'ra', 'dec', 'ref_epoch', 'pmra', 'pmdec', 'phot_g_mean_mag', 'phot_bp_mean_mag',
           'phot_rp_mean_mag', 'teff_gspphot')
"""Of the table ``gaiadr3.gaia_source``, which all services call so."""

_SMALLEST = 0.01
"""deg; a cell of which a service cuts rows off is asked for in quarters down to this height."""

_LIMIT = 2 ** 63 - 1
"""Gaia's numbers end before it; a number that does not fit 63 bits reads as this one."""

_OVERFLOW = b'OVERFLOW'


class GaiaCatalog(ArchiveCatalog):
    """Sources of Gaia DR3 by TAP, from the first of several services that answers.

    They have no TIC number: a star is called by minus its Gaia number, which no other star has and which
    stays the same for ever.
    """

    name = 'gaia'
    title = 'Gaia DR3'

    def __init__(self, archives):
        super().__init__(archives)
        self._services = list(archives.gaia)

    def read_cell(self, cell, faint_limit):
        """Rows of a cone, or of those of its quarters when there are too many for one query."""
        query, cache = {'query': _adql(cell, faint_limit)}, self.archives.cache
        answer = cache.get(self.name, query)
        found = None
        if answer is not None and answer != _OVERFLOW:
            with contextlib.suppress(ValueError, PassingError):
                found = read_votable(answer, COLUMNS)
        if found is None and answer != _OVERFLOW:
            answer, found = self._ask(query['query'])
            cache.put(self.name, query, _OVERFLOW if found.overflow else answer)
        if found is None or found.overflow:
            return self._quartered(cell, faint_limit)
        return _usable(found.table)

    def _quartered(self, cell, faint_limit):
        if cell.high - cell.low < _SMALLEST:
            raise ArchiveError('Gaia has more stars around RA {:.3f}, Dec {:.3f} deg than its service gives; '
                               'choose a brighter --faint-limit.'.format(*cell.centre))
        return table_formats.joined(self._inside(part, faint_limit) for part in cell.quarters())

    def _ask(self, query):
        """Try the services in turn; one that fails is asked last from then on."""
        problems = []
        for service in tuple(self._services):
            try:
                return tap_service.ask(self.archives.web, service, query,
                                       lambda body: read_votable(body, COLUMNS))
            except ArchiveError as error:
                logger.info('%s', error)
                problems.append(str(error).partition(';')[0].rstrip('.'))
                if self._services[0] == service:
                    self._services = [*self._services[1:], service]
        raise ArchiveError(f'None of {len(problems)} services of Gaia has an answer ({", ".join(problems)}); '
                           'give the same command again later.')

    def is_at_hand(self, cell, faint_limit):
        """Whether the answer lies in the cache, or that it takes quarters."""
        return self.archives.cache.has(self.name, {'query': _adql(cell, faint_limit)})


def _adql(cell, faint_limit):
    """The query for a cone, limited by the TESS magnitude that follows from Gaia's."""
    terms = zip(GAIA_TO_TMAG, reversed(range(len(GAIA_TO_TMAG))), strict=True)
    shift = ' '.join(f'{value:+.8f}{" * bp_rp" * power}' for value, power in terms)
    (low, high), (ra, dec) = GAIA_COLOURS, cell.centre
    return (f'SELECT {", ".join(COLUMNS)} FROM gaiadr3.gaia_source WHERE 1 = CONTAINS('
            f"POINT('ICRS', ra, dec), CIRCLE('ICRS', {ra:.8f}, {dec:.8f}, {cell.radius:.4f})) "
            f'AND phot_g_mean_mag <= {faint_limit + GREATEST_SHIFT:.3f} AND (bp_rp IS NULL '
            f'OR bp_rp <= {low:.3f} OR bp_rp >= {high:.3f} OR phot_g_mean_mag {shift} <= {faint_limit:.3f})')


def _usable(table):
    """Rows without those whose number is none."""
    numbers = table.columns['source_id']
    if numbers.dtype.kind not in 'iu':
        raise ArchiveError('Gaia answers with numbers of sources that are no integers; look at the services '
                           'in section [fetch] of the settings.')
    numbers = numbers.filled(0)
    keep = (numbers > 0) & (numbers < _LIMIT)
    if not keep.all():
        logger.warning('Gaia DR3: %d of %d rows left out, without a number.', (~keep).sum(), keep.size)
    return RawTable({name: values[keep] for name, values in table.columns.items()}, table.units, table.meta)
