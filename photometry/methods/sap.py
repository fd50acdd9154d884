"""Aperture of a star and plain sums over it, for every method that publishes SAP_FLUX."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from photometry.algorithms import apertures, halo_drift, k2p2, masks, metrics
from photometry.core import starids
from photometry.core.coordinates import ccd_output
from photometry.core.errors import FluxOnEdgeError, NoFluxError, UsageError
from photometry.core.quality import ApertureFlag, PixelFlag
from photometry.methods import tile_apertures
from photometry.methods.starlight import StampLight

LEAST_THROUGHPUT = 0.3
"""Part of the star's light that a mask cut by the edge of the pixels must still hold."""

LEAST_LIGHT = 0.1
"""Part of the star's light that any mask must hold: else others cover the star."""

UNCORRECTED_JITTER = 0.010
"""Pointing noise assumed where no motion was measured that FLUX could be corrected for, px."""

SKY_ERROR = 0.05
"""Error of the background that all pixels of a mask have in common, e-/s: large masks suffer."""

SLACK = 0.05
"""Part of the signal to noise of the plain sum that is given up for the sake of the weighted one."""

WHOLE_SLOPE_ERROR, SLOPE_ERROR, BLIND_SLOPE_ERROR = 5e-4, 0.003, 0.03
"""Change of the flux of a bright star by motion of a pixel that is left in it, as a part of it:
where its image is seen as a whole; where it bleeds, for charge that runs stays in a sum, but what
is missing beside it must be modelled; where the trail is not seen as a whole."""

UNREST, CERTAIN = 1.5, 2.0
"""Relative error of a scatter from the MAD of n second differences times the root of n, and the
errors from which it counts."""


@dataclass(frozen=True)
class Aperture:
    """The pixels of a star with what was known when they were chosen.

    Attributes
    ----------
    mask : ndarray (rows, columns) of bool
    weights : ndarray (rows, columns)
        Of the sum that FLUX is made of; zero outside the mask.
    trail : ndarray (rows, columns) of bool
        Pixels of the star's own bleed trail.
    light : photometry.methods.starlight.StampLight
    jitter : float
        Pointing noise assumed, px.
    remark : str or None
        What a reader should know about the mask.
    """

    mask: np.ndarray
    weights: np.ndarray
    trail: np.ndarray
    light: StampLight
    jitter: float
    remark: str | None = None

    @property
    def throughput(self):
        """Fraction of the star's light in the mask."""
        return float(self.light.template[self.mask].sum())

    @property
    def others(self):
        """Light of other stars in the mask, e-/s."""
        return float(self.light.neighbours[self.mask].sum())


def choose_mask(photometry):
    """Aperture of a star; grows its stamp while the mask touches the edge.

    Sets ``final_phot_mask`` and ``final_position_mask``.

    Parameters
    ----------
    photometry : photometry.methods.base.BasePhotometry

    Returns
    -------
    Aperture

    Raises
    ------
    NoFluxError
        When no usable pixel holds enough of the star's light.
    FluxOnEdgeError
        When the stamp may not grow as far as the light reaches.
    UsageError
        For an unknown ``aperture.mask``.
    """
    if sibling_of(photometry) is not None:
        return _taken_over(photometry, sibling_of(photometry))
    settings = photometry.settings.aperture
    if settings.mask not in MAKERS:
        raise UsageError(f'aperture.mask = {settings.mask!r} is unknown; '
                         f'known are {", ".join(map(repr, MAKERS))}.')
    for _ in range(settings.stamp_growths + 1):
        aperture = _make(photometry)
        growth = {name: settings.stamp_growth for name, touched
                  in zip(('down', 'up', 'left', 'right'), masks.touched_sides(aperture.mask), strict=True)
                  if touched}
        if not growth or not photometry.resize_stamp(**growth):
            break
    else:
        raise FluxOnEdgeError(f'{starids.name(photometry.starid)}: '
                              'its light still touches the edge of the stamp '
                              f'after {settings.stamp_growths} growths; '
                              'allow more by aperture.stamp_growths in the settings.')
    photometry.final_phot_mask = photometry.final_position_mask = aperture.mask
    return aperture


def share(photometry, other):
    """Let a photometry take over aperture, pixels and sums of one of the same star that has them.

    Its light curve is the same either way; what both would do is done once.
    """
    if getattr(other, 'chosen', None) is not None:
        photometry.__dict__['_sibling'] = other


def sibling_of(photometry):
    """The photometry whose aperture a photometry takes over, or None."""
    return photometry.__dict__.get('_sibling')


def _taken_over(photometry, other):
    photometry._cutout = other.cutout
    photometry.final_phot_mask, photometry.final_position_mask = (other.final_phot_mask,
                                                                  other.final_position_mask)
    photometry.details['stamp_resizes'] = other.details.get('stamp_resizes', 0)
    return other.chosen


def _make(photometry):
    """The aperture on the present stamp."""
    cutout = photometry.cutout
    usable = np.isfinite(cutout.sumimage)
    aperture = _ready(photometry) or _attempt(photometry, usable)
    if not cutout.fills(aperture.mask):
        aperture = _attempt(photometry, usable & cutout.collected)
    return aperture


def _ready(photometry):
    """The same where it was made with those of other stars of the tile; else None."""
    if maker_of(photometry) != 'snr':
        return None
    choose, jitter = partial(masks.snr_masks, **_choice(photometry)), jitter_of(photometry)
    ready = tile_apertures.of_star(photometry, partial(choose, jitter=jitter), LEAST_LIGHT)
    return ready and Aperture(ready.mask, ready.weights, np.zeros_like(ready.mask), ready.light, jitter)


def _attempt(photometry, usable):
    settings = photometry.settings.aperture
    light = StampLight.of(photometry)
    expected = max(light.flux, 1.0) * light.template
    variance = np.where(usable, photometry.cutout.variance, np.inf)
    full = _full(photometry)
    own_trail = expected.max() > masks.SATURATION / 2
    if not own_trail and full.any():
        # Charge of a brighter star runs there, which no model of the light follows.
        variance[masks.bleeding(full)] = np.inf
    mask, remark = MAKERS[maker_of(photometry)](photometry, light, expected, variance)
    if not mask.any() or light.template[mask].sum() < LEAST_LIGHT:
        raise NoFluxError(f'{starids.name(photometry.starid)}: no pixel that can be used holds enough light '
                          'of the star.')
    trail = np.zeros_like(mask)
    if own_trail:
        start = tuple(np.unravel_index(np.argmax(np.where(mask, expected, 0)), mask.shape))
        trail = masks.bleed_mask(full, start) & np.isfinite(variance)
        mask = mask | trail
    weights = (apertures.optimal_weights(expected, variance, mask, trail) if settings.weighting
               else mask.astype('float64'))
    return Aperture(mask, weights, trail, light, jitter_of(photometry), remark)


def _full(photometry):
    """Pixels of the stamp that are full in some good frame, (rows, columns) of bool."""
    image = photometry.sumimage
    if not masks.may_fill(image).any():
        return np.zeros(image.shape, dtype=bool)
    return masks.ever_full(image, photometry.images_cube, photometry.source.pixels.good)


def _snr(photometry, light, expected, variance):
    """Pixels of greatest signal to noise."""
    jitter = jitter_of(photometry)
    choose = partial(masks.snr_mask, expected, variance, light.slopes, **_choice(photometry))
    mask = choose(jitter=jitter)
    if jitter and any(masks.touched_sides(mask)) and light.template[mask].sum() < LEAST_THROUGHPUT:
        # Where the edge cuts a star in two, fear of its motion leaves hardly a pixel.
        mask = choose(jitter=0.0)
    return mask, None


def _choice(photometry):
    """What pixels of greatest signal to noise are chosen by."""
    return {'slack': SLACK if photometry.settings.aperture.weighting else 0.0, 'shared': SKY_ERROR}


def _k2p2(photometry, light, expected, variance):
    """Pixels that clustering of the sum image gives to the star."""
    whole, stamp = light.whole, light.stamp
    mask, found = k2p2.star_mask(photometry.sumimage, whole.row - stamp.row_min, whole.column - stamp.col_min,
                                 whole.flux, light.star, photometry.settings.aperture.k2p2_threshold,
                                 usable=np.isfinite(variance))
    remark = None if found else ('No cluster of bright pixels belongs to the star; '
                                 f'its aperture is the smallest one, {mask.sum()} px.')
    return mask, remark


def _official(photometry, light, expected, variance):
    """Pixels of the mission's optimal aperture."""
    pixels = photometry.source.pixels
    bits = pixels.aperture[photometry.stamp.slices(pixels.limits[::2])]
    return ((bits & ApertureFlag.PHOTOMETRY) > 0) & np.isfinite(variance), None


MAKERS = {'snr': _snr, 'k2p2': _k2p2, 'official': _official}
"""Mask makers by the word in the settings."""


def maker_of(photometry):
    """The word of the mask maker of a star: only the target of a target pixel file has an official mask."""
    wanted, pixels = photometry.settings.aperture.mask, photometry.source.pixels
    if wanted == 'official' and (pixels.starid != photometry.starid
                                 or not (pixels.aperture & ApertureFlag.PHOTOMETRY).any()):
        return 'snr'
    return wanted


def unmoved(photometry):
    """Whether no motion was measured that could be corrected for."""
    return photometry.MovementKernel.warpmode == 'unchanged' or not photometry.source.measured


def jitter_of(photometry):
    """Pointing noise that the mask allows for, px."""
    jitter = photometry.settings.aperture.pointing_jitter
    return max(jitter, UNCORRECTED_JITTER) if unmoved(photometry) else jitter


_SUMS = ('sap_flux', 'sap_flux_err', 'flux_background', 'flux_background_err', 'pixel_quality',
         'pos_centroid')


def fill_sums(photometry, mask, weights=None):
    """Fill SAP_FLUX, background, pixel quality and centroid of a light curve.

    Parameters
    ----------
    photometry : photometry.methods.base.BasePhotometry
    mask : ndarray (rows, columns) of bool
        Pixels of its present stamp.
    weights : ndarray (rows, columns), optional
        Of a second sum over the same pixels.

    Returns
    -------
    flux, error : ndarray (times,)
        The second sum with its standard error, e-/s; the plain one without weights.
    """
    other = sibling_of(photometry)
    if other is not None and weights is None and mask is other.final_phot_mask:
        for name in _SUMS:
            photometry.columns[name][:] = other.columns[name]
        return photometry.columns['sap_flux'], photometry.columns['sap_flux_err']
    gain = noise_gain(photometry)
    weights = mask if weights is None else weights
    sums = apertures.sums(photometry.cutout.light(mask), mask, weights, photometry.stamp)
    plain, weighted = apertures.errors(photometry.images_err_cube, mask, weights)
    background = photometry.cutout.background_sum(mask)
    doubt, common = photometry.cutout.backgrounds_err_cube, background_error(photometry, mask)
    flags = apertures.any_flag(photometry.pixelflags_cube, mask)
    # Columns are filled in place: they may be those of a table that a user holds already.
    for name, values in (('sap_flux', sums.plain), ('sap_flux_err', np.hypot(gain * plain, common)),
                         ('flux_background', background),
                         # what the pixels of a cadence have in common adds up as it is
                         ('flux_background_err', apertures.step_noise(background) if doubt is None
                          else apertures.sum_pixels(doubt, mask)),
                         ('pixel_quality', flags & ~np.int32(PixelFlag.NOT_USED_FOR_BACKGROUND))):
        photometry.columns[name][:] = values
    centroid = photometry.columns['pos_centroid']
    centroid[:, 0], centroid[:, 1] = sums.column, sums.row
    return sums.weighted, gain * weighted


def background_error(photometry, weights):
    """What the background adds to the error of a weighted sum, (times,) e-/s; 0 where no error is known."""
    doubt = photometry.cutout.backgrounds_err_cube
    return 0.0 if doubt is None else apertures.common_error(doubt, weights)


def noise_gain(photometry):
    """True noise over what the uncertainties of the mission say."""
    info = photometry.source.pixels.info
    return apertures.clipping_gain(info.n_readout, info.num_frm, info.crmiten)


def clean_motion(photometry, slope=SLOPE_ERROR):
    """Take what motion leaves in FLUX of a star that saturates.

    Parameters
    ----------
    photometry : photometry.methods.base.BasePhotometry
    slope : float
        Likely change by motion of a pixel, as a part of FLUX.

    Returns
    -------
    bool
        Whether anything was taken.
    """
    columns, good = photometry.columns, photometry.source.pixels.good
    error = float(np.nanmedian(columns['flux_err'][good])) if good.any() else np.nan
    if unmoved(photometry) or not error > 0:
        return False
    flux, time, motion = (np.array(columns[name]) for name in ('flux', 'time', 'pos_corr'))
    columns['flux'][:], more, kept = halo_drift.cleaned(flux, time, motion[:, ::-1], good, error, slope)
    columns['flux_err'][:] = np.hypot(columns['flux_err'], more)
    photometry.additional_headers['MOT_KEPT'] = (kept, 'part of a slow signal that outlives cleaning')
    return bool(more.any())


def count_unrest(photometry):
    """Add to FLUX_ERR what frames scatter more than it says, beyond doubt.

    Where the core of a star is not seen, errors of the measured motion turn into flux by a slope
    that no sum over its whole image has. They differ from frame to frame; second differences show
    them and hardly any variability of the star.

    Returns
    -------
    bool
        Whether errors grew.
    """
    good = photometry.source.pixels.good
    flux, error = (np.asarray(photometry.columns[name])[good] for name in ('flux', 'flux_err'))
    bends = metrics.finite(np.diff(flux, 2))
    if not bends.size:
        return False
    stated = float(np.nanmedian(error))
    excess = metrics.mad(bends) ** 2 / 6 - stated ** 2
    grows = bool(excess > CERTAIN * 2 * UNREST / np.sqrt(bends.size) * stated ** 2)
    if grows:
        photometry.columns['flux_err'][:] = np.sqrt(np.square(photometry.columns['flux_err']) + excess)
    return grows


def edge_flux(image, mask):
    """Light of the mask on the border of its stamp, e-/s."""
    if not any(masks.touched_sides(mask)):
        return 0.0
    return float(np.nansum(image[masks.edge_pixels(mask)]))


def record(photometry, aperture, flux):
    """Leave throughput, crowding and size of an aperture in details and header.

    Parameters
    ----------
    photometry : photometry.methods.base.BasePhotometry
    aperture : Aperture
    flux : float
        Of the star, e-/s: the median of the light curve.
    """
    mask = aperture.mask
    throughput, others, size = aperture.throughput, aperture.others, int(mask.sum())
    total = throughput * flux + others
    photometry.details |= {
        'contamination': min(max(others / total, 0.0), 1.0) if total > 0 else None,
        'throughput': throughput, 'neighbours': 'scene', 'mask_size': size,
        'edge_flux': edge_flux(photometry.sumimage, mask)}
    settings, info = photometry.settings.aperture, photometry.source.pixels.info
    output = int(ccd_output(photometry.target_pos_column))
    shift = photometry.tile.shift
    photometry.additional_headers |= {
        'AP_MASK': (maker_of(photometry), 'mask maker'), 'AP_NPIX': (size, 'pixels in the mask'),
        'AP_WEIGH': (settings.weighting, 'FLUX weighs pixels by signal over variance'),
        'AP_SKY': (settings.local_sky, 'FLUX corrected for the sky around the star'),
        'AP_JITT': (aperture.jitter, '[px] pointing noise assumed for the mask'),
        'READNOIS': (float(info.readnoise[output]), '[e-] read noise'),
        'AP_SHIFR': (float(shift[0]), '[px] stars beside the catalogue, rows'),
        'AP_SHIFC': (float(shift[1]), '[px] the same, columns')}
