"""Workers that die in every way, at any moment."""

import os
import random
import signal
import time

import chaos
import mpi_jobs
import psutil
import pytest


def kill_now_and_then(trial, chance, seconds, kinds, wait_to_wake=1.0):
    """Send signals to workers at work at random moments, the kinds in turn; how many of each.

    A star that was already charged is spared: three deaths by chance would end it as they should.
    """
    sent = dict.fromkeys(kinds, 0)
    stopped = {}
    while trial.running:
        time.sleep(min(chance.expovariate(1 / seconds), 10 * seconds))
        _wake(stopped, wait_to_wake)
        victims = [pid for pid, (_, attempt) in trial.log.at_work().items()
                   if attempt == 0 and pid not in stopped]
        if not victims or not trial.running:
            continue
        victim, kind = chance.choice(victims), kinds[sum(sent.values()) % len(kinds)]
        try:
            os.kill(victim, kind)
        except ProcessLookupError:
            continue
        sent[kind] += 1
        if kind == signal.SIGSTOP:
            stopped[victim] = time.monotonic()
    _wake(stopped, 0)
    return sent


def _wake(stopped, seconds):
    """Let those go on that have been stopped for long enough, if they are still there."""
    for pid in [pid for pid, since in stopped.items() if time.monotonic() - since >= seconds]:
        del stopped[pid]
        if chaos.alive(pid):
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize('transport', ['local', 'mpi'])
@pytest.mark.parametrize('seconds', chaos.size([0.3], [0.5, 5.0]))
def test_killed_now_and_then(trial, peace, figures, seconds, transport):
    """Row 1."""
    number = chaos.size(400, 10_000)
    run = trial(number, pause=0.004, **chaos.TRANSPORTS[transport]).start()
    sent = kill_now_and_then(run, random.Random(1), seconds, [signal.SIGKILL])
    code, said = run.end()
    assert code == 0, said
    figures |= run.check(peace(number), killed=sum(sent.values()))
    assert figures['killed'] and figures['most attempts'] <= 3
    assert figures['begun twice'] <= figures['killed']


def test_deaths_of_four_kinds(trial, peace, figures):
    """Row 2: SIGKILL, SIGSEGV and SIGSTOP from outside at random moments, ``_exit(0)`` from inside."""
    number, chance = chaos.size(300, 5_000), random.Random(2)
    leavers = dict.fromkeys(chance.sample(range(1, number + 1), number // 100), 'leave_once')
    limit, asleep = chaos.size((0.7, 1.5), (5, 30))
    run = trial(number, pause=chaos.size(0.02, 0.004), faults=leavers, FAKE_TIMEOUT=limit).start()
    sent = kill_now_and_then(run, random.Random(3), chaos.size(0.15, 0.5),
                             [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP], asleep)
    code, said = run.end()
    assert code == 0, said
    figures |= run.check(peace(number), left=len(leavers), **{kind.name: n for kind, n in sent.items()})
    assert all(sent.values()) and figures['most attempts'] <= 3
    assert figures['begun twice'] <= sum(sent.values()) + len(leavers)


def test_killed_helpers(trial, peace, figures):
    """The processes that multiprocessing keeps beside the workers may die, too."""
    number, killed = chaos.size(300, 3_000), 0
    run = trial(number, pause=0.01).start()
    while run.wait_for_stars(number // 5):
        for child in psutil.Process(run.process.pid).children():
            child.kill()
            killed += 1
    code, said = run.end()
    assert code == 0, said
    figures |= run.check(peace(number), killed=killed)
    assert killed >= 4


def test_lost_ranks(trial, peace, figures):
    """Ranks of a fault-tolerant MPI job may die until one is left beside the first."""
    number, ranks = chaos.size((300, 3), (5_000, 6))
    run = trial(number, workers=0, ranks=ranks + 1, options=('--with-ft', 'ulfm'), pause=0.01).start()
    for rank in range(ranks, 1, -1):
        assert run.wait_for_stars(number // ranks // 2)
        run.look_at_committed()
        os.kill(mpi_jobs.ranks(run.process)[rank], signal.SIGKILL)
    code, said = run.end()
    assert code == 0 and said.count('ranks go on') == ranks - 1, said
    figures |= run.check(peace(number), killed=ranks - 1)
    assert figures['charged'] <= ranks - 1
