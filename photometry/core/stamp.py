"""The stamp: a rectangle of CCD pixels."""

from __future__ import annotations

from typing import NamedTuple


class Stamp(NamedTuple):
    """Half-open rectangle of zero-based pixels, counted on the whole FFI row.

    Columns include the 44 collateral columns before the science image.
    """

    row_min: int
    row_max: int
    col_min: int
    col_max: int

    @property
    def height(self) -> int:
        """Number of rows."""
        return self.row_max - self.row_min

    @property
    def width(self) -> int:
        """Number of columns."""
        return self.col_max - self.col_min

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        return self.height, self.width

    @classmethod
    def around(cls, row: float, column: float, height: int, width: int) -> Stamp:
        """Stamp of the given size whose middle lies nearest to a position."""
        row_min = int(round(row - (height - 1) / 2))
        col_min = int(round(column - (width - 1) / 2))
        return cls(row_min, row_min + height, col_min, col_min + width)

    def clipped(self, limits: Stamp) -> Stamp:
        """The part that lies inside ``limits`` (may be empty)."""
        row_min = max(self.row_min, limits.row_min)
        col_min = max(self.col_min, limits.col_min)
        return Stamp(row_min, max(row_min, min(self.row_max, limits.row_max)),
                     col_min, max(col_min, min(self.col_max, limits.col_max)))

    def lies_in(self, limits: Stamp) -> bool:
        """Whether all pixels lie inside ``limits``."""
        return (self.row_min >= limits.row_min and self.row_max <= limits.row_max
                and self.col_min >= limits.col_min and self.col_max <= limits.col_max)

    def grown(self, down: int = 0, up: int = 0, left: int = 0, right: int = 0) -> Stamp:
        """Stamp extended by so many pixels on each side (down = towards row 0)."""
        return Stamp(self.row_min - down, self.row_max + up,
                     self.col_min - left, self.col_max + right)

    def contains(self, row: float, column: float) -> bool:
        """Whether a position lies on one of the pixels."""
        return (self.row_min - 0.5 <= row < self.row_max - 0.5
                and self.col_min - 0.5 <= column < self.col_max - 0.5)

    def slices(self, origin: tuple[int, int] = (0, 0)) -> tuple[slice, slice]:
        """Index of the stamp in an array whose first pixel is ``origin`` (row, column)."""
        row, column = origin
        return (slice(self.row_min - row, self.row_max - row),
                slice(self.col_min - column, self.col_max - column))
