"""Stars that crash, hang and devour memory cost themselves three attempts and nobody else anything."""

import contextlib
import os
import time
from pathlib import Path

import pytest
from todo_files import query

from photometry.core.status import STATUS

BAD = {4: 'segfault', 11: 'leave', 18: 'suicide', 25: 'hog', 32: 'hang', 39: 'spin', 40: 'dark', 41: 'bug'}
REASONS = {'segfault': 'crash', 'leave': 'crash', 'suicide': 'crash', 'hog': 'memory', 'hang': 'timeout',
           'spin': 'timeout', 'gorge': 'crash', 'dark': 'no_flux', 'bug': 'bug'}


def check_bad(run, bad):
    """Each of them has ended for its reason, after three attempts where these may help."""
    rows = query(run.todo, 'SELECT starid, attempts, reason FROM todolist JOIN diagnostics USING (priority) '
                 'WHERE status = ?', int(STATUS.ERROR))
    assert {star: reason for star, _, reason in rows} == {star: REASONS[kind] for star, kind in bad.items()}
    assert all(attempts == (1 if reason in ('no_flux', 'bug') else 3) for _, attempts, reason in rows)


def test_every_kind_in_one_list(trial, peace, figures):
    """Rows 6, 7 and 8."""
    run = trial(60, faults=BAD, FAKE_TIMEOUT=1, FAKE_MEMORY=256).start()
    code, said = run.end()
    assert code == 3 and 'star failed' in said and 'such as' in said
    check_bad(run, BAD)
    figures |= run.check(peace(60), but=BAD, bad=len(BAD))
    assert run.finish() == 3 and run.log.begun()[4] == 3  # the dead stay dead until --retry-errors


@pytest.mark.parametrize('kind', ['hang', 'spin'])
def test_worker_slot_comes_back(trial, figures, kind):
    """Row 7: neither a blocked signal nor a loop in C keeps the only worker."""
    run = trial(5, workers=1, faults={2: kind}, FAKE_TIMEOUT=0.5, FAKE_ATTEMPTS=1).start()
    run.wait_for(lambda: run.log.begun()[2])
    since = time.monotonic()
    run.wait_for(lambda: run.log.begun()[3])
    figures['seconds'] = round(time.monotonic() - since, 1)
    assert run.end()[0] == 3
    assert query(run.todo, 'SELECT COUNT(*) FROM todolist WHERE status = 1') == [(4,)]


@contextlib.contextmanager
def memory_group(megabytes):
    """A control group with a limit of memory: the file that takes its processes, None where none can be."""
    for limit in ('memory/{}/memory.limit_in_bytes', '{}/memory.max'):
        limit = Path('/sys/fs/cgroup') / limit.format(f'tessphot-{os.getpid()}')
        folder = limit.parent
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            limit.write_text(str(megabytes << 20))
            yield folder / 'cgroup.procs'
            return
        except OSError:
            continue
        finally:
            _remove(folder)
    yield None


def _remove(folder):
    """Remove a control group as soon as the last of its processes is gone."""
    until = time.monotonic() + 30
    while folder.exists():
        try:
            folder.rmdir()
        except OSError:
            assert time.monotonic() < until, (folder / 'cgroup.procs').read_text()
            time.sleep(0.05)


def test_kernel_kills_the_greedy_one(trial, peace, figures):
    """Row 8: the limit of the machine itself, when ours is larger than what there is."""
    bad = {7: 'gorge'}
    with memory_group(300) as group:
        if group is None:
            pytest.skip('no control group can be made here; the limit of the address space is tested above')
        run = trial(40, faults=bad, FAKE_MEMORY=0, prepare=lambda: group.write_text(str(os.getpid())))
        code, said = run.start().end()
    assert code == 3 and 'SIGKILL' in said
    check_bad(run, bad)
    figures |= run.check(peace(40), but=bad, bad=1)
