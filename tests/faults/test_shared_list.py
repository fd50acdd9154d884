"""Independent schedulers on one list of a PostgreSQL server: killed, stopped, without their server."""

import os
import random
import signal
import time

import chaos
import pytest
from postgres_server import PostgresServer

LEASE = 3


@pytest.fixture
def shared(trial, schema):
    """Make a trial whose list three schedulers can share."""
    def make(number, **options):
        return trial(number, place=schema, FAKE_LEASE=LEASE, **options)
    return make


def end_all(processes):
    """Wait for schedulers to end by themselves; what they said."""
    ended = [(one, ''.join(one.communicate(timeout=chaos.PATIENCE))) for one in processes]
    assert all(one.returncode == 0 for one, _ in ended), [(one.returncode, said) for one, said in ended]
    return ' '.join(said for _, said in ended)


@pytest.mark.parametrize('workers', [0, 1], ids=['inline', 'local'])
def test_killed_one_after_the_other(shared, peace, figures, workers):
    """Row 3, without a restart of the others; killing a scheduler that works itself charges a star."""
    number, kills, chance = *chaos.size((300, 3), (5000, 20)), random.Random(6)
    run = shared(number, workers=workers, pause=0.01, FAKE_ATTEMPTS=100)
    living = [run.start().process for _ in range(3)]
    for _ in range(kills):
        run.wait_for_stars(chance.randint(1, number // kills // 2))
        victim = living.pop(chance.randrange(3))
        assert victim.poll() is None
        victim.kill()
        victim.communicate()
        run.look_at_committed()
        living.append(run.start().process)
    end_all(living)
    figures |= run.check(peace(number), kills=kills, schedulers=3)
    assert figures['charged'] <= kills * max(1, workers)


def test_stopped_longer_than_the_lease(shared, peace, figures):
    """Row 2: others take over, and what the sleeper brings when it wakes is refused."""
    number, naps = chaos.size((200, 1), (2000, 6))
    run = shared(number, workers=1, pause=0.02)
    sleepy, *others = [run.start().process for _ in range(3)]
    for _ in range(naps):
        run.wait_for_stars(20)
        at_work = {pid for pid in run.log.at_work() if os.getpgid(pid) == sleepy.pid}
        os.killpg(sleepy.pid, signal.SIGSTOP)
        time.sleep(2 * LEASE)
        run.look_at_committed()
        os.killpg(sleepy.pid, signal.SIGCONT)
    said = end_all([sleepy, *others])
    figures |= run.figures() | {'asleep at work': len(at_work)}
    figures['in vain'] = figures.pop('run again')  # until the sleeper has asked whose its batch is
    assert (figures['lost'], figures['invalid']) == (0, 0) and figures['in vain'] <= 4 * naps
    assert chaos.differences(chaos.table(run.todo), peace(number)) == []
    assert 'refused' in said or not at_work


def test_server_that_crashes(trial, peace, figures, tmp_path):
    """Row 16, of a server: schedulers wait until it is back, and what was committed stands."""
    number, crashes = chaos.size((300, 1), (3000, 6))
    with PostgresServer() as server:
        run = trial(number, workers=1, pause=0.02, place=server.url(), FAKE_LEASE=LEASE)
        living = [run.start().process for _ in range(2)]
        for _ in range(crashes):
            run.wait_for_stars(number // crashes // 3)
            server.stop(signal.SIGQUIT)
            time.sleep(1)
            server.start()
            run.look_at_committed()
        end_all(living)
        figures |= run.check(peace(number), crashes=crashes)
