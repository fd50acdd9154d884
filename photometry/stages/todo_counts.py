"""How many stars a todo list would have of each CCD, cadence and kind of pixels, and why not more."""

from __future__ import annotations

import numpy as np

_PLACE = ('sector', 'camera', 'ccd', 'cadence')

AUTOMATIC = 'automatic'
"""How a method is called that is chosen for every star as it is measured."""


def by_ccd(found, words) -> list[dict]:
    """Counts of stars for every CCD, cadence and kind of pixels.

    Parameters
    ----------
    found : ndarray of `photometry.todo.building.ROW`
        All catalogue stars on pixels with data, those left out of the list as well.
    words : list of str
        Names of methods, as ``method`` counts them; the empty one is `AUTOMATIC`.

    Returns
    -------
    list of dict
        With sector, camera, ccd, cadence, pixels (ffi or tpf) and the numbers of stars: ``on silicon`` is the
        sum of ``listed``, ``excluded``, ``left out`` (fainter than the limit, or no target) and ``no
        magnitude`` (left out for want of one). Of the listed ones ``skipped`` are delivered by a brighter
        star, and ``methods`` counts them by method.
    """
    places = np.stack([found[name] for name in _PLACE] + [found['target'] != 0], axis=1)
    made = []
    for place in np.unique(places, axis=0):
        made.append(dict(zip(_PLACE, place.tolist(), strict=False)) | {'pixels': ('ffi', 'tpf')[place[-1]]}
                    | _counts(found[(places == place).all(axis=1)], words))
    return made


def _counts(stars, words):
    wanted, excluded = stars['wanted'], stars['excluded']
    left_out = ~wanted & ~excluded
    unknown = left_out & np.isnan(stars['tmag'])
    skipped = wanted & (stars['skipped_by'] != 0) & np.isin(stars['skipped_by'], stars['starid'][wanted])
    numbers = np.bincount(stars['method'][wanted], minlength=len(words)).tolist()
    counts = {'on silicon': len(stars), 'listed': wanted, 'skipped': skipped, 'excluded': excluded,
              'left out': left_out & ~unknown, 'no magnitude': unknown}
    return {name: int(np.sum(value)) for name, value in counts.items()} | {
        'methods': {word or AUTOMATIC: number for word, number in zip(words, numbers, strict=True) if number}}


def table(rows) -> list[str]:
    """Such counts as lines of a table, with a heading."""
    if not rows:
        return []
    names = [name for name in rows[0] if name != 'methods']
    cells = [[*names, 'methods']] + [
        [*(str(row[name]) for name in names),
         ', '.join(f'{number} {word}' for word, number in row['methods'].items())] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)][:-1]
    return ['  '.join([*(cell.rjust(width) for cell, width in zip(line, widths, strict=False)), line[-1]])
            .rstrip() for line in cells]
