"""The small tables of a report: stars by status, failures by reason, time by method."""

from __future__ import annotations

from collections import Counter

import numpy as np

from photometry.core import starids
from photometry.report.stars import FAILED

LINKED = 12
"""Failed stars of a reason that are linked one by one; the table of all stars shows the others."""

_ORDER = 'ok', 'warning', 'error', 'skipped', 'waiting'


def statuses(stars) -> list[str]:
    """The statuses that occur, the usual ones first."""
    there = set(stars['status'])
    return [name for name in _ORDER if name in there] + sorted(there - set(_ORDER))


def by_group(stars) -> list:
    """(sector, camera, ccd, cadence), number of its stars, Counter by status; in order."""
    return [(key, len(index), Counter(stars['status'][index].tolist()))
            for key, index in stars.groups.items()]


def by_method(stars) -> list:
    """Method, number of its stars, Counter by status; the commonest first, '' for stars without one."""
    methods = stars['method_used']
    return [(name, number, Counter(stars['status'][methods == name].tolist()))
            for name, number in Counter(methods.tolist()).most_common()]


def failures(stars) -> list:
    """Reasons of failure, the commonest first.

    Returns
    -------
    list of dict
        ``reason``, ``number``, ``sentence`` of the brightest star, ``stars`` (priority and name of
        the brightest ones).
    """
    failed = stars.where(stars['status'] == FAILED)
    made = []
    for reason, number in Counter(failed['reason'].tolist()).most_common():
        some = failed.where(failed['reason'] == reason)
        first = zip(some['priority'][:LINKED].tolist(), map(starids.name, some['starid'][:LINKED].tolist()),
                    strict=True)
        made.append({'reason': reason, 'number': number, 'sentence': some['errors'][0], 'stars': list(first)})
    return made


def times(stars) -> list:
    """Time by method, the longest in all first.

    Returns
    -------
    list of dict
        ``method``, ``stars``, ``total``, ``median``, ``most`` (95 % are quicker) and ``longest``, s.
    """
    took = stars['elaptime']
    made = []
    for method in sorted(set(stars['method_used'])):
        some = took[(stars['method_used'] == method) & np.isfinite(took)]
        if some.size:
            made.append({'method': method, 'stars': some.size, 'total': some.sum(),
                         'median': np.median(some), 'most': np.percentile(some, 95), 'longest': some.max()})
    return sorted(made, key=lambda one: -one['total'])


def throughput(stars) -> dict | None:
    """How fast one worker was.

    Returns
    -------
    dict or None
        ``stars`` tried, ``spent`` on photometry and ``waited`` by workers without a star (s), ``a_second``
        (stars of a worker, waiting included); None where no star was tried.
    """
    took, waited = stars['elaptime'], stars['worker_wait_time']
    tried = np.isfinite(took)
    spent, idle = took[tried].sum(), np.nansum(waited[tried])
    if not spent > 0:
        return None
    return {'stars': int(tried.sum()), 'spent': spent, 'waited': idle,
            'a_second': tried.sum() / (spent + idle)}


def duration(seconds) -> str:
    """A time in words, three digits and the unit that fits."""
    for unit, length in (('d', 86400), ('h', 3600), ('min', 60)):
        if seconds >= 3 * length:
            return f'{seconds / length:.3g} {unit}'
    return f'{seconds:.3g} s' if seconds >= 0.1 else f'{1e3 * seconds:.3g} ms'
