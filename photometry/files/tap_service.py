"""Run a query as an asynchronous job of a TAP service (IVOA TAP 1.1, UWS 1.1)."""

from __future__ import annotations

import contextlib
import logging
from itertools import count
from urllib.parse import urljoin, urlsplit

from photometry.core.errors import ArchiveError, DrainedError
from photometry.files.web import PassingError, place

logger = logging.getLogger(__name__)

MAX_ROWS = 300_000
"""Rows that are asked for at most; a service may give fewer, and says so."""

_LONGEST_JOB = 1800.0
"""Seconds after which a job that still runs is given up."""

_RUNNING = frozenset(('PENDING', 'QUEUED', 'EXECUTING', 'SUSPENDED', 'HELD', 'UNKNOWN'))


def ask(web, service, query, parse):
    """The answer to a query.

    A job rather than a synchronous request, since the archive of Gaia cuts the latter off after 2000 rows.

    Parameters
    ----------
    web : photometry.files.web.Web
    service : str
        Address of the service, without a slash at the end.
    query : str
        ADQL.
    parse : callable
        Takes the VOTable as bytes; raises ValueError when it is not what was expected.

    Returns
    -------
    body : bytes
    parsed

    Raises
    ------
    ArchiveError, DrainedError
    """
    job = web.repeated(lambda: _begin(web, service, query), service)
    try:
        _wait(web, job)
        return web.ask(f'{job}/results/result', parse, what='the VOTable')
    finally:
        _forget(web, job)


def _begin(web, service, query):
    """Address of a new job that runs."""
    words = {'REQUEST': 'doQuery', 'LANG': 'ADQL', 'FORMAT': 'votable', 'MAXREC': str(MAX_ROWS),
             'QUERY': query, 'PHASE': 'RUN'}
    with web.opened(f'{service}/async', data=words, redirect=False) as answer:
        where = answer.headers.get('Location', '')
    job = urljoin(f'{service}/async', where).rstrip('/')
    moved = answer.status in (301, 302, 303, 307) and where
    if not moved or urlsplit(job).scheme not in ('http', 'https'):
        raise ArchiveError(f'{place(service)} does not take jobs as TAP services do (it answers '
                           f'{answer.status}); look whether it is one, and whether it is open.')
    return job


def _wait(web, job):
    """Return when the job has ended well."""
    waited = 0.0
    for number in count(1):
        _, phase = web.ask(f'{job}/phase', _phase, what='a phase of a job', max_bytes=10_000)
        if phase == 'COMPLETED':
            return
        if phase not in _RUNNING:
            reason = _reason(web, job) if phase == 'ERROR' else ''
            raise ArchiveError(f'{place(job)} ended in {phase}{reason}; try again later.')
        if waited > _LONGEST_JOB:
            raise ArchiveError(f'{place(job)} has not ended in {_LONGEST_JOB:g} s; try again later.')
        pause = min(web.pause * number / 2, 15.0)
        waited += max(pause, 0.1)
        web.stop.wait(pause)


def _phase(body):
    text = body[:40].decode('ascii').strip().upper()
    if not text.isalpha():
        raise ValueError(f'it is {text!r}')
    return text


def _reason(web, job):
    """What a job that failed says about it, for messages."""
    from photometry.files.votable_answers import read_votable
    try:
        web.ask(f'{job}/error', lambda body: read_votable(body, ()), what='a VOTable', max_bytes=1 << 20)
    except ArchiveError as error:
        words = str(error).partition('it says ')[2].partition(' (tries')[0]
        return f' ({words})' if words else ''
    return ''


def _forget(web, job):
    """Leave no job behind; where that fails, the service removes it in its time."""
    with contextlib.suppress(PassingError, ArchiveError, DrainedError), web.opened(job, method='DELETE',
                                                                                  redirect=False):
        pass
