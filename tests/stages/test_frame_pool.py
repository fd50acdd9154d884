"""Processes that work on frames: results in order, deaths told, nobody left behind."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from photometry.core.errors import DrainedError
from photometry.stages.prepare.pool import FramePool


def add(context, item):
    return context + item


def die_at_three(context, item):
    if item == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return item


class Deadly:
    """Kills the process that receives it."""

    def __reduce__(self):
        return os._exit, (9,)


@pytest.fixture(autouse=True)
def alarm():
    """Fail instead of waiting for ever."""
    def ring(number, frame):
        raise TimeoutError('a pool hangs')
    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_results_come_in_order():
    with FramePool(add, 10, workers=2) as pool:
        assert list(pool.map(range(20))) == [(item, 10 + item) for item in range(20)]


def test_a_killed_worker_is_told():
    with pytest.raises(DrainedError, match='killed'), FramePool(die_at_three, None, workers=2) as pool:
        list(pool.map(range(8)))


def test_a_worker_killed_while_its_context_travels():
    # larger than what a pipe holds, so that the parent still writes when the process dies
    context = Deadly(), np.zeros(3_000_000)
    with pytest.raises(DrainedError, match='killed'), FramePool(add, context, workers=2) as pool:
        list(pool.map(range(4)))


SCRIPT = '''
import os, sys, time
from photometry.stages.prepare import pool
def wait(context, item):
    print(os.getpid(), flush=True)
    time.sleep(60)
if __name__ == '__main__':
    with pool.FramePool(wait, None, workers=2) as workers:
        list(workers.map(range(2)))
'''


def alive(pid):
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read().rpartition(')')[2].split()[0] != 'Z'
    except FileNotFoundError:
        return False


@pytest.mark.skipif(not os.path.isdir('/proc/self'), reason='looks at /proc')
def test_workers_end_with_their_parent(tmp_path):
    script = tmp_path / 'waiting.py'
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        pids = [int(parent.stdout.readline()) for _ in range(2)]
        assert all(map(alive, pids))
        parent.kill()
        while any(map(alive, pids)):
            time.sleep(0.1)
