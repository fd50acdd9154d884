"""Mean images of fields whose PRF is known, drawn by the simulator's own renderer."""

from types import SimpleNamespace

import numpy as np

from photometry.core.stamp import Stamp
from photometry.files.prf import load_prf
from photometry.simulation import saturation
from photometry.simulation.noise import INT_TIME
from photometry.simulation.render import Renderer, WingShape
from photometry.simulation.scene import Starlight
from photometry.simulation.shape import Shape
from photometry.simulation.stars import draw_stars

FRAMES, LIVE = 1300, 1425.6
SKY = 100.0
ORIGIN = 900, 950


def mean_image(seed, size=128, density='isolated', *, number=None, width=1.0, asymmetry=0.0, scatter=0.0,
               catalog_error=0.05, faint=15.0, listed=15.0, wing=0.03, exponent=3.0, steps=12, samples=None):
    """The mean of many frames of a moving field, with its catalogue and what it was made from.

    ``samples`` are the true ones where they are not the official ones.
    """
    rng = np.random.default_rng(seed)
    stamp = Stamp(ORIGIN[0], ORIGIN[0] + size, ORIGIN[1], ORIGIN[1] + size)
    stars = draw_stars(rng, stamp, preset=density, number=number, faint=faint)
    official = load_prf(5, 2, 2)
    true = samples or official
    renderer = Renderer(true.samples, true.row, true.column, WingShape(wing, exponent),
                        Shape(width, asymmetry))
    light = Starlight(renderer, stamp, stars['row'], stars['column'], stars['flux'])
    shift = np.outer(np.linspace(-0.06, 0.06, steps), (1, 0.7)) + scatter * rng.standard_normal((steps, 2))
    shift -= shift.mean(axis=0)
    image = 0.0
    for step in shift:
        frame = light.render(step).astype('f8')
        saturation.bleed(frame, 2e5 / INT_TIME)
        image = image + light.crop(frame) / steps
    image += rng.standard_normal(image.shape) * np.sqrt((image + SKY) / LIVE / FRAMES)
    kept = stars[stars['tmag'] < listed]
    row, column = (kept[name] + catalog_error * rng.standard_normal(kept.size) for name in ('row', 'column'))
    covariance = np.cov(shift.T, bias=True)
    return SimpleNamespace(
        image=image, stamp=stamp, row=row, column=column, tmag=kept['tmag'], stars=kept, samples=official,
        renderer=renderer, exposure=LIVE * FRAMES,
        blur=(covariance[0, 0], covariance[0, 1], covariance[1, 1]))


def errors(field, prf, stars=150, seed=1):
    """How far a PRF is from the true one.

    Returns
    -------
    rms : float
        Over the 13 x 13 px and phases, relative to the peak; a common shift does not count.
    bias : float
        Flux that a fit with photon weights and some sky finds, less the true one, relative.
    """
    rng = np.random.default_rng(seed)
    row, column = (rng.uniform(low + 20, high - 20, stars)
                   for low, high in (field.stamp[:2], field.stamp[2:]))
    true, row0, column0 = field.renderer.stamps(row, column)
    shift = np.zeros(2)
    for _ in range(3):
        model, first, left = prf.render_at(row + shift[0], column + shift[1], 9, derivatives=1)
        same = (first == row0) & (left == column0)
        value, *slopes = (image[same] for image in model)
        slopes, rest = np.stack(slopes), true[same] - value
        weight = 1 / (true[same] + 0.01)
        shift += np.linalg.solve(np.einsum('anij,bnij,nij->ab', slopes, slopes, weight),
                                 np.einsum('anij,nij,nij->a', slopes, rest, weight))
    core = rest[:, 3:16, 3:16]
    bias = (weight * value * true[same]).sum(axis=(1, 2)) / (weight * value ** 2).sum(axis=(1, 2)) - 1
    return float(np.sqrt(np.mean(core ** 2)) / true.max(axis=(1, 2)).mean()), float(np.mean(bias))
