"""A corner of a simulated CCD as FFIs with a catalogue: seconds to make, truth at hand."""

import dataclasses

import numpy as np

from photometry.core.coordinates import FFI_SHAPE
from photometry.core.stamp import Stamp
from photometry.files import catalog, ffi, paths, simulated_ffi, simulated_tesscut, simulated_tica
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


def make_cutout(folder, chosen, moments=None, sky=None):
    """Write a TESSCut file and the catalogue of a plan, at other times (BTJD, CCD centre) if asked."""
    made = Simulation(chosen, sky or Sky(chosen.sector, chosen.camera, chosen.ccd))
    facts = [frame_facts(made, index) for index in range(chosen.frames)]
    if moments is not None:
        half = chosen.cadence / 172800
        facts = [dataclasses.replace(fact, start=float(moment - fact.barycorr - half),
                                     stop=float(moment - fact.barycorr + half))
                 for fact, moment in zip(facts, moments, strict=True)]
    images = ((frame.image, frame.uncertainty) for frame in made.frames(range(chosen.frames)))
    stamp = chosen.stamp
    middle = made.sky.radec((stamp.row_min + stamp.row_max) / 2, (stamp.col_min + stamp.col_max) / 2)
    path = simulated_tesscut.write_tesscut(folder, stamp, [float(axis) for axis in middle], facts, images,
                                           made.sky.cutout_cards(stamp))
    write_catalog(folder, made)
    return made, path


def make(folder, chosen=None, *, sky=None, write=None):
    """Write the FFIs and the catalogue of a plan; returns the simulation and the paths of the FFIs."""
    chosen = plan() if chosen is None else chosen
    made = Simulation(chosen, sky or Sky(chosen.sector, chosen.camera, chosen.ccd))
    written = [(write or write_frame)(folder, made, index) for index in range(chosen.frames)]
    write_catalog(folder, made)
    return made, written


def write_catalog(folder, made, listed=slice(None)):
    """Write the catalogue of a simulation, or of some of its stars."""
    stars = catalogue(made)[listed]
    rows = np.zeros(len(stars), catalog.STAR_DTYPE)
    for name in set(rows.dtype.names) & set(stars.dtype.names):
        rows[name] = stars[name]
    info = catalog.CatalogInfo(made.plan.sector, made.plan.camera, made.plan.ccd)
    catalog.write_catalog(folder / paths.catalog_name(*info.ccd_key), info, rows, overwrite=True)


def cadence_of(middle, cadence):
    """Number of the cadence around a spacecraft time (TJD)."""
    return int(ffi.cadence_number(middle, cadence))


def write_frame(folder, made, index, change=None, wcs_text=None, leading=0., **facts):
    """Write one FFI of a simulation, with another image, WCS, leading columns or other facts if asked."""
    frame = made.frame(index)
    stated = dataclasses.replace(frame_facts(made, index), **facts)
    text = made.sky.frame_text(made.motion, index, made.plan.rng('pointing', index))
    return write_ffi(folder, stated, frame.image if change is None else change(frame.image.copy()),
                     frame.uncertainty, text if wcs_text is None else wcs_text(text), leading)


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


def _corner(image, leading=0.):
    """Pixels with the leading columns before them, those that look observed with a value."""
    whole = np.zeros((image.shape[0], image.shape[1] + 44), '>f4')
    whole[:, 33:41] = leading
    whole[:, 44:] = image
    return whole


def _cut(cards, whole):
    """Cards of a whole FFI for an image that ends earlier."""
    for axis, old, new in zip(('NAXIS2', 'NAXIS1'), FFI_SHAPE, whole.shape, strict=True):
        assert card(axis, old) in cards
        cards = cards.replace(card(axis, old), card(axis, new))
    return cards


def write_ffi(folder, facts, image, uncertainty, wcs_text, leading=0.):
    """A file like those of the mission that ends after the pixels given."""
    path = folder / simulated_ffi.ffi_name(facts)
    content = hdu(simulated_ffi.primary_cards(facts))
    for kind, science in (('cal', image), ('uncert', uncertainty)):
        whole = _corner(science, leading)
        content += hdu(_cut(simulated_ffi.image_cards(facts, kind, wcs_text), whole), whole.tobytes())
    path.write_bytes(content)
    return path


def measured(folder):
    """The same directory with a small sector that the programs have worked through; its faint stars wait."""
    from photometry.programs import make_todo, prepare_photometry, tessphot
    make(folder, plan(size=72, frames=8, number=20))
    assert prepare_photometry.main([str(folder), '-q']) == 0
    assert make_todo.main([str(folder), '-q']) == 0
    assert tessphot.main([str(folder), '-q', '--all', '--tmag-max', '12']) in (0, 3)
    return folder
