"""Workers that live long, programs that start often."""

import json
import os
import subprocess
import sys
from pathlib import Path

import chaos
import long_life

ROOT = Path(__file__).parents[2]


def test_nothing_grows(sector, figures):
    """Row 20: real photometry in one worker; the first quarter fills caches and pools."""
    number = chaos.size(240, 2000)
    done = subprocess.run([sys.executable, long_life.__file__, sector, str(number)], text=True, check=True,
                          stdout=subprocess.PIPE, timeout=chaos.PATIENCE)
    marks = [json.loads(line) for line in done.stdout.splitlines()]
    early, late = marks[len(marks) // 4], marks[-1]
    figures |= {'stars': late['stars'], **{f'{name} more': late[name] - early[name] for name in (
        'descriptors', 'threads')}, 'memory more %': round(100 * (late['memory'] / early['memory'] - 1), 2)}
    assert late['stars'] == number
    assert figures['descriptors more'] < 5 and figures['threads more'] <= 0 and figures['memory more %'] < 5


def test_many_start_at_once(figures):
    """Row 23: processor time of one --help among many."""
    programs = sorted(ROOT.glob('run_*.py'))
    number = chaos.size(10, 50)
    started = [subprocess.Popen([sys.executable, programs[count % len(programs)], '--help'],
                                stdout=subprocess.DEVNULL) for count in range(number)]
    times = []
    for process in started:
        _, code, usage = os.wait4(process.pid, 0)
        process.returncode = code
        assert code == 0
        times.append(usage.ru_utime + usage.ru_stime)
    figures |= {'processes': number, 'longest s': round(max(times), 3),
                'median s': round(sorted(times)[number // 2], 3)}
    assert figures['median s'] < 0.3
