"""The target pixel files below INPUT by the CCD that they show, which their names do not tell."""

from __future__ import annotations

import logging

from photometry.core.errors import InputBadError
from photometry.files import paths, tpf

logger = logging.getLogger(__name__)


def by_ccd(folder, sector=None, camera=None, ccd=None, blame=None) -> dict:
    """Target pixel files that pass the filters.

    Parameters
    ----------
    folder : path-like
    sector, camera, ccd : int or sequence of int, optional
    blame : callable, optional
        Takes the error of each file that cannot be used; by default they are logged.

    Returns
    -------
    dict
        (sector, camera, ccd) -> list of pathlib.Path by name, sorted by the former.
    """
    found = {}
    for item in paths.find_targets(folder, sector):
        try:
            key = tpf.read_tpf_key(item.path)
        except InputBadError as error:
            (blame or _log)(error)
            continue
        if all(map(paths.selected, key, (sector, camera, ccd))):
            found.setdefault(key, []).append(item.path)
    return dict(sorted(found.items()))


def headers(files, blame=None):
    """Yield `photometry.files.tpf.TargetHeader` of the files that can be used.

    Parameters
    ----------
    files : iterable of path-like
    blame : callable, optional
        As for `by_ccd`.
    """
    for path in files:
        try:
            yield tpf.read_tpf_header(path)
        except InputBadError as error:
            (blame or _log)(error)


def _log(error):
    logger.warning('%s', error)
