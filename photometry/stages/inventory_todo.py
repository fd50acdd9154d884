"""How the todo list of a directory stands, CCD by CCD where nobody works on it."""

from __future__ import annotations

from dataclasses import dataclass, field

from photometry.core.errors import TessphotError
from photometry.todo import opening, owner, results, summary
from photometry.todo.places import ListMissingError


@dataclass(frozen=True)
class Todo:
    """A todo list."""

    place: str
    counts: dict[str, int] = field(default_factory=dict)
    """Stars by status, as words; while a scheduler works on a file, those that it selected."""
    owner: str | None = None
    """Who works on it now, in words; None: nobody, or a list on a server, which many may share."""
    by_ccd: dict = field(default_factory=dict, repr=False)
    """(sector, camera, ccd) -> stars by status; empty while it is worked on."""
    problem: str | None = None

    @property
    def left(self) -> int:
        """Stars that wait or are being measured."""
        return self.counts.get('waiting', 0) + self.counts.get('started', 0)


def read(place) -> Todo | None:
    """How a list stands; None where there is none.

    Parameters
    ----------
    place : photometry.todo.places.Place
    """
    if place.is_file and owner.is_held(place.path):
        facts = summary.read(place.path) or {}
        counts = facts.get('counts')
        return Todo(str(place), counts if isinstance(counts, dict) else {},
                    owner.describe(owner.holder(place.path)))
    try:
        with opening.readonly(place) as (_, connection):
            found = results.counts_by_ccd(connection)
    except ListMissingError:
        return None
    except (TessphotError, OSError) as error:
        return Todo(str(place), problem=str(error))
    total = {}
    for counts in found.values():
        for status, number in counts.items():
            total[status] = total.get(status, 0) + number
    by_ccd = {key: summary.named(counts) for key, counts in found.items()
              if all(type(number) is int for number in key)}
    return Todo(str(place), summary.named(total), None, by_ccd)
