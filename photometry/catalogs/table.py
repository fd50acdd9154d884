"""Stars from a table that somebody has: CSV, ECSV, FITS or Parquet."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from photometry.catalogs.base import CatalogSource
from photometry.core.errors import InputMissingError, UsageError
from photometry.files import schema, star_table


class TableCatalog(CatalogSource):
    """Any table with positions and magnitudes (see `photometry.files.star_table`)."""

    name = 'table'

    def __init__(self, path=None):
        if path is None:
            raise UsageError('The source table needs --catalog with the path of the table.')
        super().__init__(Path(path))
        if not self.path.is_file():
            raise InputMissingError(f'The table {path} given by --catalog does not exist.')

    @cached_property
    def _table(self):
        return star_table.read_star_table(self.path)

    @property
    def ticver(self):
        """Version of the TIC as the table tells it."""
        return self._table.ticver

    def query(self, region, faint_limit):
        """The whole table: it is in memory."""
        return self._table

    @cached_property
    def _input(self):
        return schema.input_file(self.path)

    def inputs(self, region):
        """The table with its SHA-256, whatever the region."""
        return (self._input,)
