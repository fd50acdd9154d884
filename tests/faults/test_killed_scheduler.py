"""Schedulers that are killed, at work or while they recover, and too many of them."""

import random
import time

import chaos
import mpi_jobs
import pytest

from photometry.todo import owner

TRANSPORTS = pytest.mark.parametrize('transport', chaos.TRANSPORTS)


def part_of_it(run, chance):
    """A process whose death ends the whole run: the scheduler, of an MPI job any rank or mpiexec itself."""
    if not run.ranks:
        return run.process.pid
    return chance.choice([run.process.pid, *mpi_jobs.ranks(run.process).values()])


@TRANSPORTS
def test_killed_at_random_moments(trial, peace, figures, transport):
    """Row 3."""
    number, kills, chance = *chaos.size((240, 3), (3000, 20)), random.Random(4)
    run = trial(number, **chaos.TRANSPORTS[transport], pause=0.003)
    for _ in range(kills):
        assert run.start().wait_for_stars(chance.randint(1, number // kills // 2)), run.end()
        run.kill(part_of_it(run, chance))
    assert run.finish() == 0
    figures |= run.check(peace(number), kills=run.kills)
    assert figures['charged'] <= (kills if transport == 'inline' else 0)


@TRANSPORTS
def test_killed_while_it_recovers(trial, peace, figures, transport):
    """Row 4: within 200 ms after it took hold of the list.

    A scheduler that works itself cannot tell a star that kills it from a kill by others.
    """
    number, kills, chance = *chaos.size((120, 2), (1000, 60)), random.Random(5)
    attempts = 100 if transport == 'inline' else 3
    run = trial(number, **chaos.TRANSPORTS[transport], pause=0.002, FAKE_ATTEMPTS=attempts)
    assert run.start().wait_for_stars(number // 3)
    run.kill()
    for _ in range(kills):
        old = {}, owner.holder(run.todo)
        run.start().wait_for(lambda old=old: owner.holder(run.todo) not in old)
        time.sleep(chance.uniform(0, 0.2))
        run.kill(part_of_it(run, chance))
    assert run.finish() == 0
    figures |= run.check(peace(number), kills=run.kills)
    assert figures['charged'] <= (run.kills if transport == 'inline' else 0)


def test_many_at_once(trial, peace, figures):
    """Row 5: one works, the others end at once and say who holds the list."""
    run = trial(100, pause=0.01)
    others = [run.start().process for _ in range(chaos.size(3, 12))]
    ended = [(one.communicate(timeout=chaos.PATIENCE)[1], one.returncode) for one in others]
    assert sorted(code for _, code in ended) == [0, *[75] * (len(others) - 1)]
    assert all('is in use by' in said for said, code in ended if code)
    figures |= run.check(peace(100), schedulers=len(others))
    assert figures['begun twice'] == 0
