"""Schedulers that are killed, at work or while they recover, and too many of them."""

import random
import time

import chaos
import pytest

from photometry.todo import owner

TRANSPORTS = pytest.mark.parametrize('workers', [0, 2], ids=['inline', 'local'])


@TRANSPORTS
def test_killed_at_random_moments(trial, peace, figures, workers):
    """Row 3."""
    number, kills, chance = *chaos.size((300, 4), (3000, 20)), random.Random(4)
    run = trial(number, workers=workers, pause=0.003)
    for _ in range(kills):
        assert run.start().wait_for_stars(chance.randint(1, number // kills)), run.end()
        run.kill()
    assert run.finish() == 0
    figures |= run.check(peace(number), kills=run.kills)
    assert figures['charged'] <= (kills if workers == 0 else 0)


@TRANSPORTS
def test_killed_while_it_recovers(trial, peace, figures, workers):
    """Row 4: within 200 ms after it took hold of the list.

    A scheduler that works itself cannot tell a star that kills it from a kill by others.
    """
    number, kills, chance = *chaos.size((120, 4), (1000, 60)), random.Random(5)
    run = trial(number, workers=workers, pause=0.002, FAKE_ATTEMPTS=3 if workers else 100)
    assert run.start().wait_for_stars(number // 3)
    run.kill()
    for _ in range(kills):
        run.start().wait_for(lambda: owner.holder(run.todo).get('pid') == run.process.pid)
        time.sleep(chance.uniform(0, 0.2))
        run.kill()
    assert run.finish() == 0
    figures |= run.check(peace(number), kills=run.kills)
    assert figures['charged'] <= (run.kills if workers == 0 else 0)


def test_many_at_once(trial, peace, figures):
    """Row 5: one works, the others end at once and say who holds the list."""
    run = trial(100, pause=0.01)
    others = [run.start().process for _ in range(chaos.size(3, 12))]
    ended = [(one.communicate(timeout=chaos.PATIENCE)[1], one.returncode) for one in others]
    assert sorted(code for _, code in ended) == [0, *[75] * (len(others) - 1)]
    assert all('is in use by' in said for said, code in ended if code)
    figures |= run.check(peace(100), schedulers=len(others))
    assert figures['begun twice'] == 0
