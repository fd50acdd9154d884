"""File systems without locks, and clocks that jump."""

import errno
import fcntl
import itertools
import random
import shutil
import subprocess
import time

import chaos
import fake_work
import pytest
import todo_files

from photometry.core.errors import OutputError
from photometry.todo.dispatch import dispatch
from photometry.todo.manager import TaskManager
from photometry.todo.workers.inline import InlineWorkers

JUMPS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <time.h>

static long jump(void)
{
    static atomic_uint calls;
    return (long)((++calls * 2654435761u) >> 8) % 172800 - 86400;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(id, now);
    if (id == CLOCK_REALTIME) now->tv_sec += jump();
    return done;
}

int gettimeofday(struct timeval *now, void *zone)
{
    int (*real)(struct timeval *, void *) = dlsym(RTLD_NEXT, "gettimeofday");
    int done = real(now, zone);
    now->tv_sec += jump();
    return done;
}

time_t time(time_t *place)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (place) *place = now.tv_sec;
    return now.tv_sec;
}
"""
"""The clock of the day, up to a day wrong at every look; the monotonic one is right."""


# Row 17

def refused_by_the_kernel(run, call):
    """(exit code, sentence) of a scheduler whose system call fails for want of locks."""
    if shutil.which('strace') is None:
        pytest.skip('strace is not there; test_no_locks holds the same')
    words = ['strace', '-f', '-qq', '-o', '/dev/null', '-e', f'trace={call}', '-e',
             f'inject={call}:error=ENOLCK', '-P', run.todo, '-P', f'{run.todo}.owner', *run.command()]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=chaos.PATIENCE)
    if 'ptrace' in done.stderr:
        pytest.skip('tracing is not permitted here; test_no_locks holds the same')
    return done.returncode, done.stderr


@pytest.mark.parametrize(('call', 'sentence'), [
    ('flock', 'owner: No locks available; put the todo file on a local disk'), ('fcntl', 'todo.sqlite')])
def test_no_locks_in_the_kernel(trial, call, sentence):
    run = trial(20)
    code, said = refused_by_the_kernel(run, call)
    assert code == 4 and sentence in said and 'Traceback' not in said, said
    assert run.log.begins() == 0


def test_no_locks(todo_of_ten, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOLCK, 'No locks available')
    monkeypatch.setattr(fcntl, 'flock', refuse)
    with pytest.raises(OutputError, match='No locks available; put the todo file on a local disk'):
        TaskManager(todo_of_ten).__enter__()


# Row 18

@pytest.fixture
def jumping_clock(tmp_path):
    """Environment in which every look at the clock of the day is wrong in another way."""
    compiler = shutil.which('cc')
    if compiler is None:
        pytest.skip('no compiler is there; test_clock_that_jumps_in_one_process holds the same')
    source, library = tmp_path / 'jumps.c', tmp_path / 'jumps.so'
    source.write_text(JUMPS)
    subprocess.run([compiler, '-shared', '-fPIC', '-O1', '-o', library, source, '-ldl'], check=True)
    return {'LD_PRELOAD': library}


@pytest.mark.parametrize('transport', chaos.TRANSPORTS)
def test_clock_that_jumps(trial, peace, figures, jumping_clock, transport):
    number = chaos.size(100, 3000)
    run = trial(number, **chaos.TRANSPORTS[transport], pause=0.002, **jumping_clock)
    assert run.finish() == 0
    figures |= run.check(peace(number))
    assert figures['begun twice'] == 0


def test_clocks_of_three_nodes(trial, peace, figures, jumping_clock, schema):
    """Leases go by the clock of the database, so that nobody takes over what another one holds."""
    number = chaos.size(200, 3000)
    run = trial(number, place=schema, workers=1, pause=0.02, FAKE_LEASE=10, **jumping_clock)
    ended = [one.communicate(timeout=chaos.PATIENCE) for one in [run.start().process for _ in range(3)]]
    assert [one.returncode for one in run.processes] == [0, 0, 0], ended
    figures |= run.check(peace(number), schedulers=3)
    assert figures['begun twice'] == 0


def test_clock_that_jumps_in_one_process(todo_of_ten, tmp_path, monkeypatch):
    chance, count = random.Random(8), itertools.count()
    monkeypatch.setattr(time, 'time', lambda: 1.8e9 + next(count) + chance.uniform(-1e9, 1e9))
    with TaskManager(todo_of_ten) as manager, InlineWorkers(fake_work.FakeWorker(str(tmp_path))) as workers:
        dispatch(manager, workers)
    assert fake_work.begun(tmp_path) == dict.fromkeys(range(1, 11), 1)


@pytest.fixture
def todo_of_ten(tmp_path):
    """A list with ten stars."""
    return todo_files.fill(tmp_path / 'todo.sqlite')
