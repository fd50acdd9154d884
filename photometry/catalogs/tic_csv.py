"""Stars from the bulk download of the TIC: strips of declination as CSV (MAST)."""

from __future__ import annotations

import logging
import math
from functools import cache
from pathlib import Path

from photometry.algorithms.sky import Region
from photometry.catalogs.base import MOVED, CatalogSource
from photometry.core.errors import InputBadError, InputMissingError, UsageError
from photometry.files import schema, star_table, table_formats, tic_strips

logger = logging.getLogger(__name__)


class TicCsvCatalog(CatalogSource):
    """``tic_dec*.csv.gz`` as MAST offers them; of a CCD only the strips that it touches are read.

    Parameters
    ----------
    path : path-like
        Directory of the strips, or one file.
    """

    name = 'tic-csv'

    def __init__(self, path=None):
        if path is None:
            raise UsageError('The source tic-csv needs --catalog with the directory of the files '
                             'tic_dec*.csv.gz.')
        super().__init__(Path(path))
        self._strips = tic_strips.find_strips(self.path)
        self._input = cache(schema.input_file)

    def query(self, region, faint_limit):
        """Stars of the region that are bright enough, read block by block."""
        wide = Region(region.polygons, region.buffer + MOVED)
        low, high = wide.declinations()

        def chosen(ra, dec, tmag):
            some = (dec >= low) & (dec <= high) & ~(tmag > faint_limit)
            some[some] = wide.contains(ra[some], dec[some])
            return some
        parts = []
        for strip in self._touched(region):
            part, rows = tic_strips.read_strip(strip.path, chosen)
            parts.append(part)
            logger.info('%s: %d of %d stars.', strip.path.name, len(part.columns['ID']), rows)
        table = table_formats.joined(parts)
        if not len(table.columns['ID']):
            raise InputBadError(f'{self.path} has no star brighter than Tmag {faint_limit:g} on the region; '
                                'raise --faint-limit, or name the strips of that part of the sky.')
        return star_table.from_columns(self.path, table)

    def inputs(self, region):
        """The strips that the region touches, with their SHA-256."""
        return tuple(self._input(strip.path) for strip in self._touched(region))

    def _touched(self, region):
        low, high = region.declinations()
        gaps = tic_strips.outside(low, high, self._strips)
        if gaps:
            wanted = ', '.join(f'{math.floor(first):+d} to {math.ceil(last):+d} deg' for first, last in gaps)
            raise InputMissingError(f'{self.path} lacks the strips of declination {wanted}; download those '
                                    'from MAST (tic_dec*.csv.gz), too.')
        return [strip for strip in self._strips if strip.high > low and strip.low < high]
