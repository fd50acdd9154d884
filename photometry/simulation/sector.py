"""A simulated sector: everything drawn from a plan, frames made on demand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from photometry.core.stamp import Stamp
from photometry.files import prf
from photometry.files.truth import FRAME, Truth
from photometry.simulation.background import make_background
from photometry.simulation.cosmic import add_hits
from photometry.simulation.motion import make_motion, scattered
from photometry.simulation.noise import INT_TIME, Detector
from photometry.simulation.plan import SectorPlan
from photometry.simulation.render import Renderer, WingShape
from photometry.simulation.scene import Starlight
from photometry.simulation.schedule import make_schedule
from photometry.simulation.shape import Shape
from photometry.simulation.stars import catalogued, draw_stars, with_added, with_companions
from photometry.simulation.variability import draw_variables, transits

CCD_CENTRE = (1023.0, 1067.0)
"""Row and column for which headers give barycentric times (BTC_PIX1, BTC_PIX2)."""

BLOCK = 120_000_000
"""Bytes of starlight that are rendered at once."""


@dataclass(frozen=True)
class Frame:
    """One frame as the detector delivers it; arrays of the shape of the stamp, float32, e-/s."""

    image: np.ndarray
    uncertainty: np.ndarray
    saturated: np.ndarray
    """Pixels that were full in every read."""


class Simulation:
    """A sector drawn from a plan.

    Parameters
    ----------
    plan : SectorPlan
    sky : photometry.simulation.pointing.Sky, optional
        Where pixels lie on the sky and when light would reach the barycentre;
        without it stars have no RA and times no correction.
    """

    def __init__(self, plan: SectorPlan, sky=None):
        self.plan = plan
        self.sky = sky
        self.detector = Detector(plan.cadence, plan.clipped)
        self.schedule = make_schedule(plan.rng('schedule'), plan.sector, plan.cadence, plan.frames,
                                      gap=plan.gap, faults=plan.faults,
                                      start=None if sky is None else sky.start)
        self.motion = make_motion(plan.rng('motion'), self.schedule, CCD_CENTRE, jitter=plan.jitter,
                                  drift=plan.drift, roll=plan.roll)
        if plan.pointing_scatter:
            self.motion = scattered(self.motion, plan.rng('scatter'), plan.pointing_scatter)
        self.stars = _stars(plan)
        axis = {} if sky is None else {'axis': sky.axis}
        self.background = make_background(plan.rng('background'), self.schedule, plan.stamp,
                                          preset=plan.background, zodiacal=plan.zodiacal, **axis)
        if sky is not None:
            self.stars['ra'], self.stars['decl'] = sky.radec(self.stars['row'], self.stars['column'])
        times = self.times[[0, -1]]
        injected = transits(plan.rng('transits'), len(self.stars), times, plan.transits)
        chosen = {variable.star for variable in injected}
        drawn = draw_variables(plan.rng('variables'), len(self.stars), times, plan.variables)
        self.variables = [variable for variable in drawn if variable.star not in chosen] + injected

    @cached_property
    def wing(self) -> WingShape:
        """The wing of all stars."""
        drawn = self.plan.rng('wing').uniform(0.02, 0.05)
        return WingShape(drawn if self.plan.wing is None else self.plan.wing, self.plan.exponent)

    @cached_property
    def renderer(self) -> Renderer:
        """Images of stars on this CCD."""
        samples = prf.load_prf(self.plan.sector, self.plan.camera, self.plan.ccd)
        return Renderer(samples.samples, samples.row, samples.column, self.wing,
                        Shape(self.plan.prf_width, self.plan.prf_asymmetry))

    @cached_property
    def starlight(self) -> Starlight:
        """All stars, ready to be rendered."""
        return Starlight(self.renderer, self.plan.stamp, self.stars['row'], self.stars['column'],
                         self.stars['flux'])

    @cached_property
    def timecorr(self):
        """Barycentric correction of mid-exposure for the middle of the CCD, days."""
        if self.sky is None:
            return np.zeros(self.plan.frames)
        ra, decl = self.sky.radec(*map(np.atleast_1d, CCD_CENTRE))
        return self.sky.correction(self.schedule.middle, ra[0], decl[0])

    @cached_property
    def times(self):
        """Mid-exposure, BTJD, for the middle of the CCD."""
        return self.schedule.middle + self.timecorr

    @cached_property
    def relative(self):
        """Light of the variable stars over that at rest, (variables, frames)."""
        made = np.zeros((len(self.variables), self.plan.frames))
        for number, variable in enumerate(self.variables):
            made[number] = variable.relative(self._star_times(variable.star))
        return made

    def _star_times(self, star):
        if self.sky is None:
            return self.schedule.middle
        return self.schedule.middle + self.sky.correction(
            self.schedule.middle, self.stars['ra'][star], self.stars['decl'][star])

    @cached_property
    def _canvas_background(self):
        return self.background.on(self.starlight.canvas)

    def starlight_of(self, frame):
        """Noiseless light of all stars on the canvas, before wells fill up, float32."""
        return self._starlight_of(np.array([frame]))[0]

    def _starlight_of(self, frames):
        row, column = self.stars['row'], self.stars['column']
        offsets = np.stack([self.motion.offsets(frame, row, column) for frame in frames])
        relative = None
        if len(self.variables):
            relative = np.ones((len(frames), len(self.stars)))
            relative[:, [variable.star for variable in self.variables]] = self.relative[:, frames].T
        return self.starlight.render_many(self.motion.shift[frames], offsets, relative)

    def frame(self, frame) -> Frame:
        """One frame with noise."""
        return next(self.frames([frame]))

    def frames(self, frames):
        """Yield frames with noise; their starlight is rendered so many at once as BLOCK allows."""
        canvas = self.starlight.canvas
        count = max(1, BLOCK // (4 * canvas.height * canvas.width))
        for first in range(0, len(frames), count):
            some = np.array(frames[first:first + count])
            for frame, rate in zip(some.tolist(), self._starlight_of(some), strict=True):
                yield self._exposed(frame, rate)

    def _exposed(self, frame, rate):
        if self.schedule.zero[frame]:
            empty = np.zeros(self.plan.stamp.shape, dtype='float32')
            return Frame(empty, empty.copy(), empty.astype(bool))
        canvas = self.starlight.canvas
        column = np.arange(canvas.col_min, canvas.col_max)
        rate += self._canvas_background.frame(frame).astype('float32')
        image, saturated = self.detector.expose(rate, column, self.plan.rng('noise', frame))
        if self.plan.cosmic_rays:
            add_hits(image, self.detector, self.plan.rng('cosmic', frame))
        image, saturated = self.starlight.crop(image), self.starlight.crop(saturated)
        inner = np.arange(self.plan.stamp.col_min, self.plan.stamp.col_max)
        return Frame(image, self.detector.uncertainty(image, inner), saturated)

    @property
    def truth(self) -> Truth:
        """Everything that was drawn."""
        schedule, motion = self.schedule, self.motion
        frames = np.zeros(self.plan.frames, dtype=FRAME)
        for name in ('cadenceno', 'quality', 'zero', 'missing'):
            frames[name] = getattr(schedule, name)
        for name, times in (('start', schedule.start), ('time', schedule.middle), ('stop', schedule.stop)):
            frames[name] = times + self.timecorr
        frames['timecorr'] = self.timecorr
        return Truth(self._facts(), self.stars, frames, motion.shift, motion.matrix, motion.centre,
                     self.background, np.array([v.star for v in self.variables], dtype='i8'),
                     self.relative, tuple(vars(v) for v in self.variables))

    def _facts(self):
        plan, detector = self.plan, self.detector
        chosen = {name: value for name, value in vars(plan).items() if name != 'stamp'}
        return chosen | {
            'stamp': list(plan.stamp), 'added': list(plan.added),
            'transits': [list(entry) for entry in plan.transits],
            'companions': [list(entry) for entry in plan.companions],
            'crmiten': detector.crmiten, 'crblksz': detector.crblksz, 'wing': self.wing.fraction,
            'exponent': self.wing.exponent, 'num_frm': detector.num_frm, 'n_readout': detector.n_readout,
            'int_time': INT_TIME, 'readnoise': list(detector.readnoise), 'gain': list(detector.gain),
            'full_well': detector.full_well,
            'clipping_factor': detector.factor}


def _stars(plan):
    """The stars of a plan with what its catalogue knows of them."""
    drawn = draw_stars(plan.rng('stars'), plan.stamp, preset=plan.preset, number=plan.number,
                       faint=plan.faint, bright=plan.bright)
    if plan.added:
        drawn = with_added(drawn, plan.rng('added'), plan.stamp, *plan.added)
    stars = with_companions(drawn, plan.rng('companions'), plan.companions)
    return catalogued(stars, plan.rng('catalog'), plan.catalog_error, plan.catalog_limit)


def stamp_of_size(rows, columns, row=None, column=None) -> Stamp:
    """Stamp of a size, in the middle of the CCD or from a corner (zero-based, 44 columns leading)."""
    row = (2048 - rows) // 2 if row is None else row
    column = 44 + (2048 - columns) // 2 if column is None else column
    return Stamp(row, row + rows, column, column + columns)
