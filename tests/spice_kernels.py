"""SPICE kernels of made-up orbits."""

import numpy as np
import spiceypy

from photometry.files import ephemeris, spice

J2000 = 2451545.0
BARYCENTRE, EARTH = 0, 399


def circle(jd, radius=1.0, period=365.25):
    """Place (km) and speed (km/s) on a circle of a radius in au and a period in days."""
    angle = 2 * np.pi * (jd - J2000) / period
    place = np.stack([np.cos(angle), np.sin(angle), 0.4 * np.sin(angle)], axis=1)
    speed = np.stack([-np.sin(angle), np.cos(angle), 0.4 * np.cos(angle)], axis=1)
    return radius * ephemeris.AU_KM * place, radius * ephemeris.AU_KM * 2 * np.pi / (period * 86400) * speed


def write(path, jd, place, speed, body=spice.TESS, centre=BARYCENTRE):
    """A kernel with one segment of Hermite polynomials, as those of spacecraft are."""
    seconds = np.ascontiguousarray((jd - J2000) * 86400)
    handle = spiceypy.spkopn(str(path), 'test', 0)
    spiceypy.spkw13(handle, body, centre, 'J2000', seconds[0], seconds[-1], 'test', 7, len(jd),
                    np.ascontiguousarray(np.c_[place, speed]), seconds)
    spiceypy.spkcls(handle)
