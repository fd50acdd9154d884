"""Schedulers in processes of their own, for tests that kill, stop and double them."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import fake_work

_SCRIPT = Path(__file__).with_name('scheduler.py')
_STARTED = []


def start(todo, workers=2, pause=0.0, faults=None, folder=None, lease=60.0):
    """A scheduler as a child of this test, in a process group of its own."""
    words = [sys.executable, _SCRIPT, todo, folder or todo.parent, workers, pause, json.dumps(faults or {})]
    _STARTED.append(subprocess.Popen([str(word) for word in words], start_new_session=True, text=True,
                                     env=os.environ | {'FAKE_LEASE': str(lease)},
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE))
    return _STARTED[-1]


def end(process, timeout=60):
    """(exit code, what it said)."""
    said = ''.join(process.communicate(timeout=timeout))
    return process.returncode, said


def kill_all():
    """Leave no scheduler behind."""
    for process in _STARTED:
        if process.poll() is None:
            process.kill()
        process.communicate()
    _STARTED.clear()


def wait_for(condition, process, seconds=30):
    """Wait until something has come true while a scheduler runs."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until and process.poll() is None, end(process)
        time.sleep(0.01)


def alive(pid):
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        os.kill(pid, 0)
        return Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()[0] != 'Z'
    except (ProcessLookupError, FileNotFoundError):
        return False


def wait_until_gone(pids):
    """Children die with their scheduler: nobody writes any more."""
    until = time.monotonic() + 20
    while any(map(alive, pids)):
        assert time.monotonic() < until
        time.sleep(0.01)


def begins(folder):
    """How many stars were begun."""
    return sum(word == 'begin' for word, *_ in fake_work.log(folder))
