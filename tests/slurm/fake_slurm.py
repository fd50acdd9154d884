"""A cluster of one machine: sbatch, srun and scontrol, by the name under which this file is called.

sbatch runs the script at once, as real SLURM would when its dependencies are fulfilled, and again for as
long as it puts itself back into the queue. In the environment: FAKE_SLURM, a directory for what was seen;
FAKE_NTASKS, FAKE_CPUS and FAKE_ARRAY instead of the numbers that the scripts ask for; FAKE_USR1, a file
on whose appearance the script of the running job gets its warning.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

SEEN = Path(os.environ['FAKE_SLURM'])


def note(**facts):
    """Append a line to what was seen."""
    with open(SEEN / 'log', 'a', encoding='utf-8') as file:
        file.write(json.dumps(facts) + '\n')


def requests(script):
    """The options in the head of a script; a typing error in one ends the job, as sbatch would."""
    found = re.findall(r'^#SBATCH --([a-z-]+)(?:=(\S+))?$', Path(script).read_text(), re.M)
    assert len(found) == Path(script).read_text().count('#SBATCH'), script
    known = {'job-name', 'nodes', 'ntasks', 'ntasks-per-node', 'cpus-per-task', 'mem', 'mem-per-cpu', 'time',
             'signal', 'requeue', 'open-mode', 'array'}
    assert {name for name, _ in found} <= known, found
    return dict(found)


def sbatch(words):
    options = [word for word in words if word.startswith('--')]
    script, *arguments = [word for word in words if not word.startswith('--')]
    number = str(101 + len(list(SEEN.glob('job*'))))
    needed = [word.rpartition(':')[2] for word in options if word.startswith('--dependency=afterok:')]
    ready = all((SEEN / f'job{job}').read_text() == '0' for job in needed)
    asked = requests(script)
    (SEEN / f'job{number}').write_text('never')
    note(job=number, script=script, needed=needed, ready=ready, asked=asked)
    if ready:
        elements = range(1, 1 + int(os.environ['FAKE_ARRAY'])) if 'array' in asked else [None]
        jobs = [Job(number, script, arguments, element, asked) for element in elements]
        while any([job.turn() for job in jobs]):
            time.sleep(0.02)
        (SEEN / f'job{number}').write_text(str(max(job.code for job in jobs)))
    sys.stdout.write(number + '\n')
    return 0


class Job:
    """A job, or an element of an array."""

    def __init__(self, number, script, arguments, element, asked):
        self.words = ['bash', script, *arguments]
        self.number = number if element is None else f'{number}{element:02d}'
        self.environment = {
            **os.environ, 'SLURM_JOB_ID': self.number, 'SLURM_SUBMIT_DIR': os.getcwd(),
            'SLURM_NTASKS': os.environ['FAKE_NTASKS'], 'SLURM_CPUS_PER_TASK': os.environ['FAKE_CPUS'],
            'SLURM_PROCID': '0'}
        if element is not None:
            self.environment |= {'SLURM_ARRAY_JOB_ID': number, 'SLURM_ARRAY_TASK_ID': str(element)}
        self.warned = asked.get('signal') != 'B:USR1@120'
        self.restarts, self.code = 0, None
        self.start()

    def start(self):
        with open(SEEN / f'out{self.number}', 'a', encoding='utf-8') as out:
            self.process = subprocess.Popen(self.words, stdout=out, stderr=out, env=self.environment)

    def turn(self):
        """Look after it; whether it still goes on."""
        trigger = os.environ.get('FAKE_USR1')
        if trigger and not self.warned and Path(trigger).exists():
            self.warned = True
            self.process.send_signal(signal.SIGUSR1)
        code = self.process.poll()
        if code is None:
            return True
        if self.code is None and (SEEN / f'requeue{self.number}').exists():
            (SEEN / f'requeue{self.number}').unlink()
            note(requeued=self.number, code=code)
            self.environment['SLURM_RESTART_COUNT'] = '1'
            self.start()
            return True
        self.code = code
        return False


def srun(words):
    while words[0].startswith('-'):
        words = words[1:]
    size = os.environ['SLURM_NTASKS']
    tasks = [subprocess.Popen(words, env={**os.environ, 'SLURM_PROCID': str(number),
                                          'SLURM_STEP_NUM_TASKS': size}) for number in range(int(size))]
    signal.signal(signal.SIGUSR1, lambda number, frame: [task.send_signal(number) for task in tasks])
    return max(task.wait() for task in tasks)


def scontrol(words):
    assert words[0] == 'requeue'
    (SEEN / f'requeue{words[1]}').touch()
    return 0


if __name__ == '__main__':
    raise SystemExit(globals()[Path(sys.argv[0]).name](sys.argv[1:]))
