"""What sources of stars in the network share: one cell of the sky after the other, each kept on disk."""

from __future__ import annotations

import logging
from abc import abstractmethod
from pathlib import Path

from photometry.algorithms import sky_cells
from photometry.algorithms.sky import Region
from photometry.catalogs.base import MOVED, CatalogSource
from photometry.core.errors import UsageError
from photometry.files import query_cache, schema, star_table, table_formats
from photometry.files.table_formats import RawTable

logger = logging.getLogger(__name__)


class ArchiveCatalog(CatalogSource):
    """Stars from an archive, asked for the cells of a fixed grid that a region touches.

    A subclass has ``name``, ``title`` (what messages call it) and writes `read_cell` and `is_at_hand`.
    What a killed run has read is not asked for again.

    Parameters
    ----------
    archives : photometry.files.archives.Archives
    """

    title = ''

    def __init__(self, archives):
        super().__init__()
        self.archives = archives
        self._ticver = ''

    @classmethod
    def opened(cls, path, archives):
        """Without a path, there being no file."""
        if path is not None:
            raise UsageError(f'The source {cls.name} is in the network; leave out --catalog, or name the '
                             'source table or tic-csv.')
        return cls(archives)

    @property
    def label(self):
        """What messages call the source."""
        return self.title

    @property
    def ticver(self):
        """Date of the newest row of the TIC that was read; '' before, and where there is none."""
        return self._ticver

    def query(self, region, faint_limit):
        """Stars of the region that are bright enough, those of every cell once."""
        cells = self.cells(region)
        missing = sum(not self.is_at_hand(cell, faint_limit) for cell in cells)
        logger.info('%s: %d cells of the sky, %d of them to be asked for.', self.title, len(cells), missing)
        parts = self.archives.all_of(lambda cell: self._inside(cell, faint_limit), cells)
        return star_table.from_columns(Path(self.title), self.finished(table_formats.joined(parts)))

    def cells(self, region):
        """The cells that hold every star that may be in a region when it is observed."""
        return sky_cells.cells_of(Region(region.polygons, region.buffer + MOVED))

    def _inside(self, cell, faint_limit):
        """The rows of a cell without those of its neighbours, which the cone around it shows, too."""
        table = self.read_cell(cell, faint_limit)
        inside = cell.contains(*(table.columns[name].filled(float('nan')) for name in ('ra', 'dec')))
        return RawTable({name: values[inside] for name, values in table.columns.items()}, table.units,
                        table.meta)

    def inputs(self, region):
        """The archive, with how many cells were asked for and the SHA-256 of their places."""
        places = [(*cell.centre, cell.radius) for cell in self.cells(region)]
        return (schema.InputFile(self.title, len(places), query_cache.digest(places)),)

    def finished(self, table):
        """The rows of all cells, before they are read as a table of stars."""
        return table

    @abstractmethod
    def read_cell(self, cell, faint_limit) -> RawTable:
        """Rows in the cone around a cell, with columns ``ra`` and ``dec``, from the cache or the archive."""

    @abstractmethod
    def is_at_hand(self, cell, faint_limit) -> bool:
        """Whether `read_cell` will find (the beginning of) its answer in the cache."""
