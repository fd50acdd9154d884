"""Which rows of the todo list a command is about."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from photometry.files.todo_tables import todolist


@dataclass(frozen=True)
class Selection:
    """Filters on the todo list; what is None or empty lets everything pass."""

    starid: int | None = None
    priority: int | None = None
    sector: tuple[int, ...] = ()
    camera: tuple[int, ...] = ()
    ccd: tuple[int, ...] = ()
    cadence: tuple[int, ...] = ()
    datasource: tuple[str, ...] = ()
    """``ffi`` or ``tpf``; the latter includes the secondary targets ``tpf:<TIC>``."""
    tmag_min: float | None = None
    tmag_max: float | None = None
    starids: frozenset[int] | None = None
    """Stars of a list of targets."""
    targets: str | None = None
    """Its name."""

    @property
    def names_a_star(self) -> bool:
        """Whether single stars are asked for by name."""
        return self.starid is not None or self.priority is not None

    def clauses(self) -> list:
        """Conditions on the columns of ``todolist``, with bound values."""
        found = [todolist.c[name] == value for name, value in
                 (('starid', self.starid), ('priority', self.priority)) if value is not None]
        found += [todolist.c[name].in_(getattr(self, name)) for name in
                  ('sector', 'camera', 'ccd', 'cadence') if getattr(self, name)]
        if self.starids is not None:
            # integers written into the statement: no database takes a million bound values
            listed = sa.bindparam('starids', sorted(self.starids), expanding=True, literal_execute=True)
            found.append(todolist.c.starid.in_(listed))
        if self.datasource:
            found.append(sa.or_(*map(_from_source, self.datasource)))
        if self.tmag_min is not None:
            found.append(todolist.c.tmag >= self.tmag_min)
        if self.tmag_max is not None:
            found.append(todolist.c.tmag <= self.tmag_max)
        return found

    def describe(self) -> str:
        """The filters in words, as the options of the command line."""
        words = []
        for name, value in vars(self).items():
            if name == 'starids':
                continue
            values = value if isinstance(value, tuple) else () if value is None else (value,)
            words += [f'--{name.replace("_", "-")} {one}' for one in values]
        return ' '.join(words) or 'no filter'


def _from_source(datasource):
    column = todolist.c.datasource
    if datasource == 'tpf':
        return sa.or_(column == 'tpf', column.startswith('tpf:', autoescape=True))
    return column == datasource
