"""The picture of a star that has just been measured."""

from pathlib import Path

import numpy as np

from photometry.files.lightcurve import read_lightcurve
from photometry.methods import tables
from photometry.report import star_picture


def draw_star(photometry, path):
    """Draw a star beside its light curve, in its folder of plots.

    Parameters
    ----------
    photometry : photometry.BasePhotometry
        Finished.
    path : path-like
        Its light-curve file.
    """
    name = Path(path).name.partition('.')[0] + '.png'
    star_picture.draw(Path(photometry.plot_folder) / name, read_lightcurve(path), surroundings(photometry))


def surroundings(photometry):
    """What the picture shows and the light-curve file does not hold, a `star_picture.Surroundings`."""
    source, star = photometry.source, photometry.catalog_index
    row, column = source.mean_positions
    near = tables.stars_table(source, photometry.stamp, row, column)
    near = near[near['starid'] != photometry.starid]
    return star_picture.Surroundings(*(np.asarray(near[name]) for name in ('row', 'column', 'tmag')),
                                     target=(float(row[star]), float(column[star])),
                                     model=getattr(photometry, 'model_image', None))
