"""A corner of a simulated CCD as FFIs with a catalogue: seconds to make, truth at hand."""

import dataclasses

import numpy as np

from photometry.core.coordinates import FFI_SHAPE
from photometry.core.stamp import Stamp
from photometry.files import catalog, paths, simulated_ffi, simulated_tica
from photometry.files.fits_text import card, hdu
from photometry.simulation.plan import SectorPlan
from photometry.simulation.pointing import Sky
from photometry.simulation.sector import Simulation
from photometry.stages.simulate import catalogue, frame_facts

KEY = (5, 2, 2)


def plan(size=72, frames=10, seed=1, **changes):
    """A quiet corner with a good number of stars."""
    values = {'seed': seed, 'frames': frames, 'stamp': Stamp(0, size, 44, 44 + size), 'number': 60,
              'background': 'quiet', 'faults': False, 'gap': False, 'faint': 14.0, 'bright': 8.0, **changes}
    return SectorPlan(**values)


def make(folder, chosen=None, *, sky=None, write=None):
    """Write the FFIs and the catalogue of a plan; returns the simulation and the paths of the FFIs."""
    chosen = plan() if chosen is None else chosen
    made = Simulation(chosen, sky or Sky(chosen.sector, chosen.camera, chosen.ccd))
    written = [(write or write_frame)(folder, made, index) for index in range(chosen.frames)]
    stars = catalogue(made)
    rows = np.zeros(len(stars), catalog.STAR_DTYPE)
    for name in set(rows.dtype.names) & set(stars.dtype.names):
        rows[name] = stars[name]
    info = catalog.CatalogInfo(chosen.sector, chosen.camera, chosen.ccd)
    catalog.write_catalog(folder / paths.catalog_name(*info.ccd_key), info, rows, overwrite=True)
    return made, written


def write_frame(folder, made, index, change=None, wcs_text=None, **facts):
    """Write one FFI of a simulation, with another image, WCS or other facts if asked."""
    frame = made.frame(index)
    stated = dataclasses.replace(frame_facts(made, index), **facts)
    text = made.sky.frame_text(made.motion, index, made.plan.rng('pointing', index))
    return write_ffi(folder, stated, frame.image if change is None else change(frame.image.copy()),
                     frame.uncertainty, text if wcs_text is None else wcs_text(text))


def write_tica(folder, made, index, change=None, wcs_text=None, cards=None, **facts):
    """Write one image of TICA that ends after the pixels of a simulation, with other cards if asked."""
    stated = dataclasses.replace(frame_facts(made, index), **facts)
    text = made.sky.frame_text(made.motion, index, made.plan.rng('pointing', index))
    image = made.frame(index).image
    whole = _corner(image if change is None else change(image.copy()))
    whole *= np.float32(simulated_tica.exposure(stated))
    header = _cut(simulated_tica.primary_cards(stated, text if wcs_text is None else wcs_text(text)), whole)
    for name, value in (cards or {}).items():
        header = ''.join(header[at:at + 80] for at in range(0, len(header), 80)
                         if header[at:at + 8].rstrip() != name)
        header += '' if value is None else card(name, value)
    path = folder / simulated_tica.tica_name(stated, 1 + (2 * index >= made.plan.frames))
    path.write_bytes(hdu(header, whole.tobytes()))
    return path


def _corner(image):
    """Pixels with the leading columns before them."""
    whole = np.zeros((image.shape[0], image.shape[1] + 44), '>f4')
    whole[:, 44:] = image
    return whole


def _cut(cards, whole):
    """Cards of a whole FFI for an image that ends earlier."""
    for axis, old, new in zip(('NAXIS2', 'NAXIS1'), FFI_SHAPE, whole.shape, strict=True):
        assert card(axis, old) in cards
        cards = cards.replace(card(axis, old), card(axis, new))
    return cards


def write_ffi(folder, facts, image, uncertainty, wcs_text):
    """A file like those of the mission that ends after the pixels given."""
    path = folder / simulated_ffi.ffi_name(facts)
    content = hdu(simulated_ffi.primary_cards(facts))
    for kind, science in (('cal', image), ('uncert', uncertainty)):
        whole = _corner(science)
        content += hdu(_cut(simulated_ffi.image_cards(facts, kind, wcs_text), whole), whole.tobytes())
    path.write_bytes(content)
    return path
