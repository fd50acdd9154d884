"""The learned PRF of a cube beside the official one."""

import numpy as np

from photometry.algorithms.prf import PRF, Wing
from photometry.report import style

PHASES, HALF = 9, 9


def draw(path, learned, official, truth=None):
    """Write a picture of the learned PRF in the middle of its places.

    Parameters
    ----------
    path : path-like
        PNG file.
    learned : object
        With samples, row, column, oversample and wing, as `photometry.files.cube_psf.LearnedPRF`
        or `photometry.algorithms.epsf.EffectivePRF`.
    official : photometry.files.prf.PRFSamples
    truth : object, optional
        With ``stamps(row, column)``, as the simulator's renderer.
    """
    place = np.round([np.mean(learned.row), np.mean(learned.column)])
    wing = learned.wing if isinstance(learned.wing, Wing) or not learned.wing else Wing(*learned.wing)
    new, old = (_fine(PRF(samples, wing), place) for samples in (learned, official))
    peak = new.max()
    shown = [('learned less official', new - old)]
    if truth is not None:
        true = _interleaved(truth.stamps(*_phases(place))[0])
        shown.append(('learned less true', new - _shifted(true, new)))
    with style.figure(path, 4 * (2 + len(shown)), 3.6) as figure:
        panels = figure.subplots(1, 2 + len(shown))
        logarithm = np.log10(np.maximum(new / peak, 1e-5))
        _image(panels[0], logarithm, 'learned PRF, log10 of the peak', -5, 0, 'magma')
        for axes, (title, change) in zip(panels[1:], shown, strict=False):
            limit = 100 * np.abs(change).max() / peak
            _image(axes, 100 * change / peak, f'{title}, % of the peak', -limit, limit, 'RdBu_r')
        _profile(panels[-1], new / peak, old / peak)


def _phases(place):
    """Places of stars at all phases of a pixel, rows outside."""
    step = (np.arange(PHASES) - PHASES // 2) / PHASES
    row, column = np.meshgrid(place[0] - step, place[1] - step, indexing='ij')
    return row.ravel(), column.ravel()


def _fine(prf, place):
    return _interleaved(prf.render_at(*_phases(place), HALF)[0])


def _interleaved(stamps):
    """Stamps (PHASES ** 2, n, n) of all phases as one image, PHASES samples a pixel."""
    side = stamps.shape[1]
    square = stamps.reshape(PHASES, PHASES, side, side)
    return square.transpose(2, 0, 3, 1).reshape(side * PHASES, side * PHASES)


def _shifted(image, model):
    """An image moved by the small shift that brings it nearest to a model: places are free."""
    slopes = np.stack([slope.ravel() for slope in np.gradient(image)])
    weight = 1 / (np.abs(image).ravel() + 0.01 * image.max())
    shift = np.linalg.solve((slopes * weight) @ slopes.T, (slopes * weight) @ (model - image).ravel())
    return image + (shift @ slopes).reshape(image.shape)


def _image(axes, image, title, low, high, colors):
    reach = HALF + 0.5
    drawn = axes.imshow(image, vmin=low, vmax=high, cmap=colors, extent=(-reach, reach, -reach, reach))
    axes.figure.colorbar(drawn, ax=axes, shrink=0.8)
    axes.set(title=title, xlabel='columns (px)', ylabel='rows (px)')


def _profile(axes, new, old):
    """Means over rings of both, with the places where the 13 x 13 px end."""
    offset = (np.arange(len(new)) - len(new) // 2) / PHASES
    ring = (2 * np.hypot(offset[:, None], offset)).astype(int)
    number = np.bincount(ring.ravel())
    distance = (np.arange(number.size) + 0.5) / 2
    for image, words, color in ((old, 'official', style.PALE), (new, 'learned', style.MODEL)):
        axes.semilogy(distance, np.bincount(ring.ravel(), image.ravel()) / number, color=color, label=words)
    axes.axvline(6.5, color=style.INK, lw=0.5)
    axes.set(title='mean of rings over the peak', xlabel='distance (px)', ylim=(1e-6, 1.5), xlim=(0, HALF))
    axes.legend()
