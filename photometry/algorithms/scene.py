"""All stars of a region at once: their mean image and their fluxes in every frame.

The public face of `scene_design`, `scene_mean` and `scene_series`; docs/methods/scene.md has the formulae.
"""

from photometry.algorithms.scene_design import Blur, sky_basis
from photometry.algorithms.scene_mean import MeanScene, fit_mean
from photometry.algorithms.scene_series import SceneSeries, fit_series

__all__ = ['Blur', 'MeanScene', 'SceneSeries', 'fit_mean', 'fit_series', 'sky_basis']
