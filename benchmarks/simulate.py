#!/usr/bin/env python
"""CPU time of the simulator: a full frame with noise and file, a field in memory.

    python benchmarks/simulate.py [--frames 6] [--output benchmark-output/simulate.json]

The bound is 1 s for a full frame with 3,000 stars; what is done once for a
sector (the table of the PRF, far wings, pointing) stands beside it.
"""

import record  # isort: skip  (holds BLAS to one thread, before numpy)

import tempfile
import time

from photometry.files import simulated_ffi
from photometry.simulation.field import simulate_field
from photometry.simulation.plan import SectorPlan
from photometry.simulation.pointing import Sky
from photometry.simulation.sector import Simulation
from photometry.stages.simulate import frame_facts

BOUND = 1.0


def full_frames(frames, stars):
    """CPU seconds to prepare, for the first frame and for each further one."""
    marks = [time.process_time()]
    plan = SectorPlan(seed=1, frames=frames, number=stars, faint=16.0, variables=0.02)
    simulation = Simulation(plan, Sky(plan.sector, plan.camera, plan.ccd))
    assert simulation.starlight is not None and simulation.timecorr is not None
    marks.append(time.process_time())
    with tempfile.TemporaryDirectory() as folder:
        for frame in range(frames):
            made = simulation.frame(frame)
            text = simulation.sky.frame_text(simulation.motion, frame, plan.rng('pointing', frame))
            facts = frame_facts(simulation, frame)
            simulated_ffi.write_ffi(folder, facts, made.image, made.uncertainty, text)
            marks.append(time.process_time())
    steps = [after - before for before, after in zip(marks, marks[1:], strict=False)]
    return steps[0], steps[1], sum(steps[2:]) / len(steps[2:]), max(steps[1:])


def field(density, frames):
    """CPU seconds of a field of 256 x 256 px."""
    start = time.process_time()
    simulate_field(1, 256, 256, frames, density=density, background='tess')
    return time.process_time() - start


def main():
    """Print the table and write it as JSON."""
    parser = record.parser(__doc__, 'simulate')
    parser.add_argument('--frames', type=int, default=6)
    parser.add_argument('--stars', type=int, default=3000)
    chosen = parser.parse_args()
    once, first, further, worst = full_frames(max(chosen.frames, 2), chosen.stars)
    result = {'stars': chosen.stars, 'once_s': once, 'first_frame_s': first, 'further_frame_s': further,
              'worst_frame_s': worst, 'field_crowded_300_s': field('crowded', 300),
              'field_isolated_300_s': field('isolated', 300),
              'peak_rss_mb': record.peak_mb()}
    passed = record.show('CPU of simulated frames: 2078 x 2136 px with noise, uncertainty, sums, written',
                         result, {'worst_frame_s': BOUND})
    record.save(chosen.output, result | {'bound_s': BOUND, 'passed': passed})
    return 0 if passed else 1


if __name__ == '__main__':
    raise SystemExit(main())
