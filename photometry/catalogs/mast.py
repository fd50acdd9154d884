"""Stars from the TESS Input Catalog at MAST."""

from __future__ import annotations

from photometry.catalogs.archive import ArchiveCatalog
from photometry.core.errors import ArchiveError
from photometry.files import table_formats, tic_service
from photometry.files.table_formats import RawTable

_BRIGHTEST = -5.0


class MastCatalog(ArchiveCatalog):
    """Rows of the TIC by MAST's documented Mashup interface, in pages of cones.

    The interface is spoken to directly rather than by astroquery, whose answers are either all in memory
    or lost: here each page is verified and kept before the next one is asked for, a request is tried
    again when that may help, the size of an answer is bounded, and the address is a setting.
    """

    name = 'mast'
    title = 'MAST (TIC)'

    def read_cell(self, cell, faint_limit):
        """All pages of a cone."""
        pages = [self._page(cell, faint_limit, 1)]
        pages += [self._page(cell, faint_limit, number) for number in range(2, pages[0].pages + 1)]
        rows = sum(page.rows for page in pages)
        if rows != pages[0].total:
            for number in range(1, len(pages) + 1):
                self.archives.cache.drop(tic_service.ARCHIVE, self._query(cell, faint_limit, number))
            raise ArchiveError('MAST sent {} of {} rows around RA {:.3f}, Dec {:.3f} deg; give the same '
                               'command again later.'.format(rows, pages[0].total, *cell.centre))
        return table_formats.joined(page.table for page in pages)

    def _page(self, cell, faint_limit, number):
        return tic_service.kept(self.archives, self._query(cell, faint_limit, number))

    def is_at_hand(self, cell, faint_limit):
        """Whether the first page lies in the cache."""
        return self.archives.cache.has(tic_service.ARCHIVE, self._query(cell, faint_limit, 1))

    def _query(self, cell, faint_limit, number):
        ra, dec = cell.centre
        return tic_service.request(tic_service.SERVICE, {'Tmag': (_BRIGHTEST, faint_limit)}, number,
                                   ra=ra, dec=dec, radius=cell.radius)

    def finished(self, table):
        """Remember the newest row."""
        columns = dict(table.columns)
        self._ticver = max(columns.pop('version').tolist(), default='')
        return RawTable(columns)
