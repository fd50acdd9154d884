"""Where the pixels look: the WCS of the CCD, of each frame and of a cutout."""

from __future__ import annotations

import logging
from functools import cached_property

import numpy as np

from photometry.algorithms import timing
from photometry.core.coordinates import SCIENCE
from photometry.core.errors import InputMissingError
from photometry.files import ephemeris, sector_wcs, wcs

logger = logging.getLogger(__name__)

WCS_NOISE = 0.002
"""Rms in px of the position that the WCS of a frame gives."""

LINEAR_ENOUGH = 0.01
"""Px by which a cutout's linear WCS may be wrong before it keeps its distortion."""

_FIRST_FRAME = 0.8
"""Days from the date in the table of sectors to the first image of sector 1."""

_SCALE = 21.1 / 3600


class Sky:
    """The sky over one CCD.

    Parameters
    ----------
    sector, camera, ccd : int
        Up to sector 91 the real pointing; a made-up one later.
    """

    def __init__(self, sector, camera, ccd):
        self._key = sector, camera, ccd
        try:
            self.wcs = sector_wcs.sector_wcs(sector, camera, ccd)
        except InputMissingError:
            logger.info('No pointing of sector %d is stored; the simulation makes one up.', sector)
            self.wcs = wcs.wcs_from_text(''.join(_cards(_made_up(sector, camera, ccd))))

    @cached_property
    def _ephemeris(self):
        return ephemeris.load_ephemeris()

    @cached_property
    def axis(self):
        """Row and column of the camera's axis, a little beyond a corner of the CCD."""
        try:
            centre = sector_wcs.camera_centre(*self._key[:2])
        except InputMissingError:
            return SCIENCE.row_max + 52.0, SCIENCE.col_max + 58.0
        row, column = wcs.sky_to_pixel(self.wcs, *centre)
        return float(row[0]), float(column[0])

    @cached_property
    def start(self):
        """TJD of the first frame, to about a day; None where it is not known."""
        try:
            return sector_wcs.sector_times(self._key[0])[0] - timing.BTJD + _FIRST_FRAME
        except InputMissingError:
            return None

    def radec(self, row, column):
        """Directions of zero-based pixels, deg."""
        return wcs.pixel_to_sky(self.wcs, row, column)

    def correction(self, time, ra, decl):
        """Barycentric correction of spacecraft times (TJD), days."""
        table = self._ephemeris
        return timing.barycentric_correction(time, ra, decl, table.jd_tdb, table.position)

    def frame_text(self, motion, frame, rng) -> str:
        """WCS cards of one frame, with the errors that its star fits have.

        Parameters
        ----------
        motion : photometry.simulation.motion.Motion
        frame : int
        rng : numpy.random.Generator
        """
        base = self._numbers
        reference = np.array([[base['CRPIX2'] - 1, base['CRPIX1'] - 1]])
        moved = motion.offsets(frame, *reference.T)[0] + WCS_NOISE * rng.standard_normal(2)
        # Pixels are permuted: the matrix of the motion speaks of (row, column), CD of (column, row).
        turn = np.linalg.inv(np.eye(2) + motion.matrix[frame])[::-1, ::-1]
        cd = np.array([[base[f'CD{i}_{j}'] for j in (1, 2)] for i in (1, 2)]) @ turn
        numbers = base | {'CRPIX1': base['CRPIX1'] + moved[1], 'CRPIX2': base['CRPIX2'] + moved[0]}
        numbers |= {f'CD{i}_{j}': float(cd[i - 1, j - 1]) for i in (1, 2) for j in (1, 2)}
        return ''.join(_cards(numbers))

    @cached_property
    def _numbers(self):
        """Keywords of the WCS: TAN-SIP with a CD matrix."""
        made = self.wcs
        matrix = made.pixel_scale_matrix
        numbers = {'WCSAXES': 2, 'CTYPE1': 'RA---TAN-SIP', 'CTYPE2': 'DEC--TAN-SIP'}
        for axis in (1, 2):
            numbers[f'CRVAL{axis}'] = float(made.wcs.crval[axis - 1])
            numbers[f'CRPIX{axis}'] = float(made.wcs.crpix[axis - 1])
        numbers |= {f'CD{i}_{j}': float(matrix[i - 1, j - 1]) for i in (1, 2) for j in (1, 2)}
        return numbers | _distortion(made.sip)

    def cutout_cards(self, stamp) -> dict:
        """WCS of a cutout for its own one-based pixels, as keywords.

        Linear like those that TESSCut fits, as long as that is exact enough;
        otherwise with the distortion of the full frame.
        """
        linear, error = self._linear(stamp)
        if error < LINEAR_ENOUGH:
            return linear
        numbers = {name.replace('CD', 'PC') if name.startswith('CD') else name: value
                   for name, value in self._numbers.items() if name != 'WCSAXES'}
        numbers['CRPIX1'] -= stamp.col_min
        numbers['CRPIX2'] -= stamp.row_min
        return numbers | {'CDELT1': 1.0, 'CDELT2': 1.0, 'CUNIT1': 'deg', 'CUNIT2': 'deg'}

    def _linear(self, stamp):
        """A tangent plane fitted to the cutout, and its largest error in px."""
        row = np.linspace(stamp.row_min, stamp.row_max - 1, 9)
        column = np.linspace(stamp.col_min, stamp.col_max - 1, 9)
        rows, columns = (axis.ravel() for axis in np.meshgrid(row, column, indexing='ij'))
        centre = self.radec(row.mean(), column.mean())
        plane = _tangent_plane(*self.radec(rows, columns), *centre)
        design = np.stack([np.ones_like(rows), columns - column.mean(), rows - row.mean()], axis=-1)
        solution, *_ = np.linalg.lstsq(design, plane, rcond=None)
        matrix = solution[1:].T
        error = np.abs((plane - design @ solution) @ np.linalg.inv(matrix).T).max()
        offset = -np.linalg.inv(matrix) @ solution[0]
        cards = {'CTYPE1': 'RA---TAN', 'CTYPE2': 'DEC--TAN',
                 'CRPIX1': float(column.mean() - stamp.col_min + 1 + offset[0]),
                 'CRPIX2': float(row.mean() - stamp.row_min + 1 + offset[1]),
                 'CRVAL1': float(centre[0]), 'CRVAL2': float(centre[1]),
                 'CDELT1': 1.0, 'CDELT2': 1.0, 'CUNIT1': 'deg', 'CUNIT2': 'deg'}
        cards |= {f'PC{i}_{j}': float(matrix[i - 1, j - 1]) for i in (1, 2) for j in (1, 2)}
        return cards | {'LONPOLE': 180.0, 'LATPOLE': float(centre[1]), 'RADESYS': 'ICRS'}, error


def _tangent_plane(ra, decl, ra0, decl0):
    """Gnomonic coordinates in deg (Calabretta & Greisen 2002, A&A 395, 1077), shape (n, 2)."""
    ra, decl, ra0, decl0 = (np.deg2rad(angle) for angle in (ra, decl, ra0, decl0))
    depth = np.sin(decl) * np.sin(decl0) + np.cos(decl) * np.cos(decl0) * np.cos(ra - ra0)
    east = np.cos(decl) * np.sin(ra - ra0) / depth
    north = (np.sin(decl) * np.cos(decl0) - np.cos(decl) * np.sin(decl0) * np.cos(ra - ra0)) / depth
    return np.rad2deg(np.stack([east, north], axis=-1))


def _distortion(sip):
    """SIP coefficients as keywords."""
    found = {}
    if sip is None:
        return found
    for name, order in (('a', sip.a_order), ('b', sip.b_order), ('ap', sip.ap_order), ('bp', sip.bp_order)):
        matrix = getattr(sip, name)
        if matrix is None:
            continue
        found[f'{name.upper()}_ORDER'] = int(order)
        found |= {f'{name.upper()}_{i}_{j}': float(matrix[i, j])
                  for i in range(order + 1) for j in range(order + 1 - i) if matrix[i, j]}
    return found


def _cards(numbers):
    from photometry.files.fits_text import card
    return [card(name, value) for name, value in numbers.items()]


def _made_up(sector, camera, ccd):
    """A pointing for sectors that have no stored one, with the distortion of the real cameras."""
    ra = (27.0 * sector + 90 * (ccd % 2) / 7) % 360
    decl = -6.0 - 24.0 * (camera - 1) + (6 if ccd > 2 else -6)
    angle = np.deg2rad(165 + 90 * ccd)
    cd = _SCALE * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    numbers = {'WCSAXES': 2, 'CTYPE1': 'RA---TAN-SIP', 'CTYPE2': 'DEC--TAN-SIP',
               'CRVAL1': float(ra), 'CRVAL2': float(max(decl, -85.0)), 'CRPIX1': 1045.0, 'CRPIX2': 1001.0}
    numbers |= {f'CD{i}_{j}': float(cd[i - 1, j - 1]) for i in (1, 2) for j in (1, 2)}
    # Of the order of those in a real image; the inverse is found by iteration.
    return numbers | {'A_ORDER': 2, 'A_2_0': -1.92e-5, 'A_1_1': 1.71e-5, 'A_0_2': -2.99e-6,
                      'B_ORDER': 2, 'B_2_0': 2.99e-6, 'B_1_1': -1.64e-5, 'B_0_2': 1.99e-5}
