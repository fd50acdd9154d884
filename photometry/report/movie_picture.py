"""The frames of a movie: images side by side with their scales, above them words about the cadence."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from photometry.core.quality import PixelFlag
from photometry.report import panels, style
from photometry.report.style import INK, LIGHT, NOTHING

DPI = 100
LEFT, BETWEEN, RIGHT, TITLE, BELOW, LINE = 60, 70, 24, 22, 66, 17
"""Room left of the images, between them, right of, above and below them, and for a line of words, dots."""

SERIOUS = (PixelFlag.NOT_USED_FOR_BACKGROUND, PixelFlag.EXCLUDED, PixelFlag.ARTEFACT, PixelFlag.NOT_FINITE,
           PixelFlag.SATURATED)
"""Pixel flags, the more serious the later: of several the last one is shown."""

FLAG_WORDS = ('none', 'light', 'excluded', 'artefact', 'no number', 'saturated')
"""What the colours of the flags stand for; ``light`` is what the background leaves out."""


@dataclass(frozen=True)
class Panel:
    """One image of a frame.

    Attributes
    ----------
    title : str
    scale : str
        ``asinh``, ``log``, ``linear`` or ``flags``.
    low, high : float
        Values of the first and the last colour, e-/s.
    bend : float
        Up to which value ``asinh`` is linear, e-/s.
    """

    title: str
    scale: str
    low: float = 0.0
    high: float = 1.0
    bend: float = 1.0


@dataclass(frozen=True)
class Layout:
    """What all frames of a movie have in common.

    Attributes
    ----------
    shape : (int, int)
        Rows and columns of the images.
    zoom : int
        Dots on the screen along a side of one of their pixels.
    extent : (float, float, float, float)
        Left, right, lower and upper edge of the images in the numbers on the axes.
    panels : tuple of Panel
    title : str
    labels : tuple of (float, float, str)
        Words on every image: across, up, text.
    axes : bool
        Whether the axes count columns and rows.
    mask : ndarray of bool, optional
        A mask on the images that moves with a star.
    corner : (int, int)
        Row and column of its first pixel on the axes.
    """

    shape: tuple[int, int]
    zoom: int
    extent: tuple[float, float, float, float]
    panels: tuple[Panel, ...]
    title: str = ''
    labels: tuple = ()
    axes: bool = True
    mask: np.ndarray | None = field(default=None, compare=False)
    corner: tuple[int, int] = (0, 0)

    LINES = 3
    """Lines of words that every frame brings."""

    @property
    def image(self) -> tuple[int, int]:
        """Width and height of an image, dots."""
        return self.shape[1] * self.zoom, self.shape[0] * self.zoom

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of a frame, dots; even, as encoders want it."""
        width, height = self.image
        count = len(self.panels)
        return (_even(max(LEFT + count * width + (count - 1) * BETWEEN + RIGHT, 360)),
                _even(height + TITLE + BELOW + LINE * (self.LINES + 1) + 8))

    def place(self, number) -> tuple[int, int]:
        """Left and upper edge of an image on the frame, dots from the upper left corner."""
        return (LEFT + number * (self.image[0] + BETWEEN),
                TITLE + LINE * (self.LINES + 1) + 8)


def _even(length):
    return length + length % 2


class MoviePicture:
    """Draws frames: what is the same in all of them once, the rest over it.

    Parameters
    ----------
    layout : Layout
    """

    def __init__(self, layout):
        self.layout = layout

    def frame(self, images, words, star=None):
        """One frame.

        Parameters
        ----------
        images : sequence of ndarray
            One for each panel, of the shape of the layout.
        words : sequence of str
            Lines about the cadence.
        star : (float, float, float, float), optional
            Row and column of the star on the axes, and its motion by rows and columns from where the mask is.

        Returns
        -------
        ndarray (height, width, 3) uint8
        """
        canvas, still, drawn, lines, marks = self._stage
        canvas.restore_region(still)
        for image, artist, panel in zip(images, drawn, self.layout.panels, strict=True):
            artist.set_data(seriousness(image) if panel.scale == 'flags' else image)
            artist.axes.draw_artist(artist)
        if star is not None:
            self._move(marks, *star)
        for line, text in zip(lines, words, strict=True):
            line.set_text(style.plain(text))
        for artist in (*marks, *lines, *self._labels):
            canvas.figure.draw_artist(artist)
        return np.asarray(canvas.buffer_rgba())[..., :3].copy()

    def _move(self, marks, row, column, down, right):
        """Put mask and crosshair where the star is in this frame."""
        for mark in marks:
            if hasattr(mark, 'set_segments'):
                mark.set_segments(self._border + (right, down))
            else:
                mark.set_data([column], [row])

    @cached_property
    def _border(self):
        return panels.border(self.layout.mask) + np.array(self.layout.corner)[::-1]

    @cached_property
    def _stage(self):
        """Canvas, what of it stays, and what changes: images, lines of words, marks of the star."""
        import matplotlib as mpl
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
        width, height = self.layout.size
        with mpl.rc_context(style.STYLE):
            figure = Figure(figsize=(width / DPI, height / DPI), dpi=DPI)
            canvas = FigureCanvasAgg(figure)
            drawn = [self._panel(figure, number, panel) for number, panel in enumerate(self.layout.panels)]
            figure.text(LEFT / width, 1 - 6 / height, style.plain(self.layout.title), va='top', weight='bold',
                        parse_math=False)
            lines = [figure.text(LEFT / width, 1 - (6 + LINE * (number + 1)) / height, '', va='top',
                                 parse_math=False, animated=True) for number in range(self.layout.LINES)]
            marks = [] if self.layout.mask is None else self._marks(drawn)
            self._labels = [artist.axes.text(*label, ha='center', va='center', parse_math=False,
                                             animated=True, path_effects=style.halo())
                            for artist in drawn for label in self.layout.labels]
            canvas.draw()
        return canvas, canvas.copy_from_bbox(figure.bbox), drawn, lines, marks

    def _marks(self, drawn):
        made = []
        for artist in drawn:
            made.append(panels.outline(artist.axes, self.layout.mask, self.layout.corner, animated=True,
                                       path_effects=style.halo()))
            made += artist.axes.plot([], [], '+', ms=14, mew=1.6, color=INK, animated=True,
                                     path_effects=style.halo(3.5), scalex=False, scaley=False)
        return made

    def _panel(self, figure, number, panel):
        """Axes of an image, dot for dot, and its scale below; the image itself is drawn later."""
        (left, top), (width, height) = self.layout.place(number), self.layout.image
        axes = self._axes(figure, left, top, width, height)
        axes.set_title(panel.title if panel.scale == 'flags' else f'{panel.title} (e-/s)', loc='left')
        if not self.layout.axes:
            axes.set(xticks=[], yticks=[])
        options = _colours(panel)
        artist = axes.imshow(np.full(self.layout.shape, np.nan), extent=self.layout.extent, animated=True,
                             aspect='auto', **options)
        bar = self._axes(figure, left, top + height + 34, width, 10)
        if panel.scale == 'flags':
            _legend(bar, artist)
        else:
            figure.colorbar(artist, cax=bar, orientation='horizontal', ticks=_ticks(panel), format='%g')
            bar.minorticks_off()
        return artist

    def _axes(self, figure, left, top, width, height):
        whole = self.layout.size
        return figure.add_axes((left / whole[0], 1 - (top + height) / whole[1], width / whole[0],
                                height / whole[1]))


def seriousness(flags):
    """The number of the most serious `PixelFlag` of every pixel in `SERIOUS`, from 1 on; 0 for none.

    NaN, where there is no image, stays NaN.
    """
    known = np.isfinite(flags)
    bits = np.where(known, flags, 0).astype('i4')
    made = np.zeros(bits.shape)
    for number, flag in enumerate(SERIOUS, start=1):
        made[(bits & flag) != 0] = number
    made[~known] = np.nan
    return made


def _colours(panel):
    """Norm and colours of a panel."""
    from matplotlib import colormaps, colors
    if panel.scale == 'flags':
        steps = colormaps['cividis_r'](np.linspace(0.1, 1, len(SERIOUS)))
        chosen = colors.ListedColormap(['white', *steps])
        edges = np.arange(len(SERIOUS) + 2) - 0.5
        return {'cmap': chosen.with_extremes(bad=NOTHING), 'norm': colors.BoundaryNorm(edges, chosen.N)}
    norm = {'asinh': lambda: colors.AsinhNorm(panel.bend, panel.low, panel.high, clip=True),
            'log': lambda: colors.LogNorm(panel.low, panel.high, clip=True),
            'linear': lambda: colors.Normalize(panel.low, panel.high, clip=True)}[panel.scale]()
    return {'cmap': colormaps[LIGHT].with_extremes(bad=NOTHING), 'norm': norm}


def _ticks(panel):
    """Values at a scale that is not linear: powers of ten, with steps between them where they are few."""
    if panel.scale == 'linear':
        return None
    low = max(panel.low, 2 * panel.bend) if panel.scale == 'asinh' else panel.low
    steps = (1,) if panel.high > 200 * low else (1, 2, 5)
    values = np.sort(np.outer(10.0 ** np.arange(-2, 9), steps).ravel())
    values = values[(values >= low) & (values <= panel.high)]
    return [0, *values] if panel.scale == 'asinh' else values


def _legend(axes, artist):
    """What the colours of the flags mean, in boxes side by side."""
    for number, words in enumerate(FLAG_WORDS):
        axes.barh(0, 1, left=number, height=1, color=artist.cmap(number), edgecolor=INK, lw=0.5)
        axes.text(number + 0.5, -0.9, words, ha='center', va='top', size=7)
    axes.set(xlim=(0, len(FLAG_WORDS)), ylim=(-0.5, 0.5))
    axes.axis('off')
