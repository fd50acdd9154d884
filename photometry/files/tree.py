"""Everything below a directory by name and size, in one pass and whatever lies there."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from photometry.files import fits_checks


@dataclass(frozen=True, order=True)
class Entry:
    """A file of which only the directory has been read."""

    path: Path
    size: int
    """Bytes."""


def walk(folder, wanted, blame):
    """Yield the files below a directory whose names are wanted, those of a directory sorted by name.

    Links to files are followed, links to directories are not: no program finds files behind them, and
    they may go in circles.

    Parameters
    ----------
    folder : path-like
    wanted : callable
        Takes the name of a file; only those for which it is true are looked at.
    blame : callable
        Takes a sentence about what cannot be looked at: closed directories, links to directories and to
        nothing, pipes under a wanted name.

    Yields
    ------
    Entry
    """
    waiting = [os.fspath(folder)]
    while waiting:
        directory = waiting.pop()
        try:
            with os.scandir(directory) as found:
                inside = sorted(found, key=lambda entry: entry.name)
        except OSError as error:
            blame(f'{directory} cannot be looked into: {fits_checks.words(error)}.')
            continue
        for entry in inside:
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif wanted(entry.name):
                yield from _looked_at(entry, blame)
            elif entry.is_symlink() and _leads_to_directory(entry):
                blame(f'{entry.path} is a link to a directory, behind which no program looks; name that as '
                      'INPUT, or link its files.')


def _looked_at(entry, blame):
    try:
        facts = entry.stat()
    except OSError as error:
        reason = fits_checks.words(error)
        blame(f'{entry.path} is a link to nothing.' if isinstance(error, FileNotFoundError) else
              f'{entry.path} cannot be looked at: {reason}.')
        return
    if stat.S_ISREG(facts.st_mode):
        yield Entry(Path(entry.path), facts.st_size)
    else:
        blame(f'{entry.path} has the name of a file, but is none.')


def _leads_to_directory(entry):
    try:
        return entry.is_dir()
    except OSError:
        return True  # a circle of links
