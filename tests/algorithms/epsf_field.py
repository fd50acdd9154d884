"""Mean images of fields whose PRF is known, drawn by the simulator's own renderer."""

from types import SimpleNamespace

import numpy as np

from photometry.algorithms import epsf_slopes
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
               catalog_error=0.05, faint=15.0, listed=15.0, wing=0.03, exponent=3.0, steps=12, samples=None,
               breathing=0.0):
    """The mean of many frames of a moving field, with its catalogue and what it was made from.

    ``samples`` are the true ones where they are not the official ones; ``breathing`` is how much wider stars
    become for a motion of 1 px along rows, as a part of their width.
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
    if breathing:
        wider = Renderer(true.samples, true.row, true.column, WingShape(wing, exponent),
                         Shape(1.005 * width, asymmetry))
        wider = Starlight(wider, stamp, stars['row'], stars['column'], stars['flux'])
    frames = []
    for step in shift:
        frame = light.render(step).astype('f8')
        if breathing:
            frame += breathing * step[0] / 0.005 * (wider.render(step) - frame)
        saturation.bleed(frame, 2e5 / INT_TIME)
        frame = light.crop(frame)
        noise = np.sqrt((frame + SKY) / LIVE / FRAMES * steps)
        frames.append(frame + noise * rng.standard_normal(frame.shape))
    frames = np.array(frames)
    kept = stars[stars['tmag'] < listed]
    row, column = (kept[name] + catalog_error * rng.standard_normal(kept.size) for name in ('row', 'column'))
    covariance = np.cov(shift.T, bias=True)
    return SimpleNamespace(
        image=frames.mean(axis=0), frames=frames, shift=shift, stamp=stamp,
        row=row, column=column, tmag=kept['tmag'], stars=kept, samples=official,
        renderer=renderer, exposure=LIVE * FRAMES,
        blur=(covariance[0, 0], covariance[0, 1], covariance[1, 1]))


def pointings(field, shift=None):
    """Where the frames of a field stood, with another motion than the true one if wanted."""
    kernel = np.zeros((len(field.frames), 6))
    kernel[:, :2] = field.shift if shift is None else shift
    middle = (field.stamp.row_min + field.stamp.row_max) / 2, (field.stamp.col_min + field.stamp.col_max) / 2
    return epsf_slopes.Pointings.of_images(np.moveaxis(field.frames, 0, 2), kernel, middle, field.stamp[::2])


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


def following(field, prf, stars=100, seed=1, drift=0.1, sky=1e-3):
    """How far the flux of a bright star that a fit finds follows its motion, relative.

    Parameters
    ----------
    drift : float
        Way of the stars, px.
    sky : float
        Light of the sky in a pixel over that of the star.
    """
    rng = np.random.default_rng(seed)
    row, column = (rng.uniform(low + 10, high - 10, stars)
                   for low, high in (field.stamp[:2], field.stamp[2:]))
    angle = rng.uniform(0, 2 * np.pi, stars)
    steps = [(part * np.sin(angle), part * np.cos(angle)) for part in np.linspace(-drift / 2, drift / 2, 5)]
    true = np.stack([_cut(*field.renderer.stamps(row + down, column + right), row, column)
                     for down, right in steps])
    weight = 1 / (true.mean(axis=0) + sky)
    away = np.zeros((2, stars))
    for _ in range(3):
        images = np.stack([_model(prf, row, column, away, step) for step in steps])
        mean = images.mean(axis=0)
        normal = np.einsum('anij,bnij,nij->nab', mean, mean, weight)
        right = np.einsum('anij,nij->na', mean, weight * (true.mean(axis=0) - mean[0]))
        away += np.linalg.solve(normal, right[..., None])[:, 1:, 0].T
    images = images[:, 0]
    flux = (weight * images * true).sum(axis=(2, 3)) / (weight * images ** 2).sum(axis=(2, 3))
    return float(np.median(flux.std(axis=0)))


def _model(prf, row, column, away, step):
    """A PRF with its derivatives around stars that have moved, in pixels that have not."""
    images, row0, column0 = prf.render_at(row + away[0] + step[0], column + away[1] + step[1], 8,
                                          derivatives=1)
    return np.stack([_cut(image, row0, column0, row, column) for image in images])


def _cut(images, row0, column0, row, column):
    """The 13 x 13 px around stars from larger stamps of theirs."""
    first = np.rint([row, column]).astype(int).T - 6 - np.stack([row0, column0], axis=1)
    return np.stack([image[down:down + 13, right:right + 13]
                     for image, (down, right) in zip(images, first, strict=True)])
