"""Answers of archives kept on disk, so that nothing is asked twice."""

from __future__ import annotations

import gzip
import hashlib
import json
import logging
import zlib
from pathlib import Path

from photometry.files import atomic

logger = logging.getLogger(__name__)

FOLDER = 'queries'
"""Where answers lie below INPUT unless TESSPHOT_QUERIES names another directory."""

_MAX_BYTES = 1 << 30


class QueryCache:
    """A directory of answers, each found by the question.

    A file is a gzip stream of a line with the question and the answer as it
    came. It is written whole or not at all, and believed only when its sums
    fit and its question is the one that is asked; else the archive is asked
    again.

    Parameters
    ----------
    folder : path-like
        Made when the first answer comes.
    since : float
        Answers that are older (Unix time) are not believed.
    """

    def __init__(self, folder, since=0.0):
        self.folder, self._since = Path(folder), since

    def path(self, archive, query) -> Path:
        """Where the answer to a question lies or would lie.

        Parameters
        ----------
        archive : str
            A word for who is asked, such as ``'mast'``.
        query : dict
            Plain values.
        """
        return self.folder / archive / (digest(query)[:40] + '.gz')

    def get(self, archive, query) -> bytes | None:
        """The answer to a question, None when it is not there or damaged."""
        path = self.path(archive, query)
        if not self.has(archive, query):
            return None
        try:
            with gzip.open(path) as file:
                content = file.read(_MAX_BYTES + 1)
        except (OSError, EOFError, zlib.error) as error:
            logger.warning('%s is damaged (%s) and is asked for again.', path, error)
            return None
        question, _, answer = content.partition(b'\n')
        if question != _text(query) or len(content) > _MAX_BYTES:
            logger.warning('%s answers another question and is asked for again.', path)
            return None
        return answer

    def put(self, archive, query, answer):
        """Keep an answer.

        Raises
        ------
        OutputError
        """
        path = self.path(archive, query)
        atomic.make_directory(path.parent)
        content = gzip.compress(_text(query) + b'\n' + answer, compresslevel=5, mtime=0)
        atomic.write_bytes(path, content)

    def drop(self, archive, query):
        """Forget an answer."""
        self.path(archive, query).unlink(missing_ok=True)

    def has(self, archive, query) -> bool:
        """Whether an answer lies there, without looking into it."""
        try:
            return self.path(archive, query).stat().st_mtime >= self._since
        except OSError:
            return False


def digest(query) -> str:
    """SHA-256 of a question, or of several."""
    return hashlib.sha256(_text(query)).hexdigest()


def _text(query):
    return json.dumps(query, sort_keys=True, separators=(',', ':')).encode()
