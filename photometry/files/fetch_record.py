"""Remember which files have been verified, so that they are not read again."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from photometry.files import atomic

NAME = 'fetched.jsonl'
_MAX_BYTES = 1 << 30


class FetchRecord:
    """``fetched.jsonl`` in INPUT: a line of JSON a file that was found sound.

    A file whose size or time differ from its line is not known. A line that a
    killed run has left unfinished does not count.

    Parameters
    ----------
    folder : path-like
        INPUT.
    """

    def __init__(self, folder):
        self.folder = Path(folder)
        self.path = self.folder / NAME
        self._known = self._read()
        self._lock = threading.Lock()

    def _read(self):
        if not self.path.is_file() or self.path.stat().st_size > _MAX_BYTES:
            return {}
        known = {}
        for line in self.path.read_bytes().splitlines():
            try:
                name, size, moment = json.loads(line)
            except (ValueError, TypeError, RecursionError):
                continue
            if isinstance(name, str):
                known[name] = (size, moment)
        return known

    def knows(self, path) -> bool:
        """Whether a file is as it was when it was verified."""
        name, *facts = self._facts(path)
        return self._known.get(name) == tuple(facts)

    def add(self, path):
        """Note that a file is sound.

        Raises
        ------
        OutputError
        """
        name, *facts = self._facts(path)
        with self._lock, atomic.explained_output(self.path), open(self.path, 'ab') as file:
            # Whatever a kill has left of a line before must not swallow this one.
            file.write(b'\n' + json.dumps([name, *facts]).encode() + b'\n')
            self._known[name] = tuple(facts)

    def _facts(self, path):
        stat = path.stat()
        return path.relative_to(self.folder).as_posix(), stat.st_size, stat.st_mtime_ns
