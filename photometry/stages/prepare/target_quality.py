"""Quality flags that the target pixel files of a CCD tell about its frames, whose own are sparse."""

from __future__ import annotations

import logging
import zlib

import numpy as np

from photometry.algorithms import flag_transfer
from photometry.core.errors import InputBadError
from photometry.core.quality import CadenceFlag
from photometry.files import tpf
from photometry.stages.prepare.sources import Flagged

logger = logging.getLogger(__name__)

FILES = 9
"""Target pixel files of a CCD that are read at most."""


def flagged(source, files, folder):
    """A source of frames with the flags of the CCD's target pixel files.

    Parameters
    ----------
    source : photometry.stages.prepare.sources.FrameSource
    files : sequence of pathlib.Path
        Target pixel files of the CCD, below the input directory. `FILES` of them are read: those
        whose names have the smallest checksums, so that they lie anywhere on the CCD and further
        files hardly change which.
    folder : pathlib.Path
        The input directory.

    Returns
    -------
    photometry.stages.prepare.sources.Flagged, or the source itself where no file can be used
    """
    start, stop = (np.array([getattr(frame, name) - frame.timecorr for frame in source.frames])
                   for name in ('time_start', 'time_stop'))
    bits, told = np.zeros(len(start), dtype='int32'), []
    for path in sorted(files, key=lambda path: (zlib.crc32(path.name.removesuffix('.gz').encode()), path)):
        if len(told) == FILES:
            break
        try:
            pixels = tpf.read_tpf(path)
        except InputBadError as error:
            logger.warning('No quality is taken from it: %s', error)
            continue
        told.append(pixels.header.as_input(path.relative_to(folder).as_posix()))
        bits |= flag_transfer.carry(start, stop, pixels.time - pixels.timecorr, pixels.quality,
                                    flag_transfer.carried_bits(pixels.header.facts['data_rel']))
    if not told:
        return source
    _tell(source, bits, told, len(files))
    return Flagged(source, tuple(bits.tolist()), tuple(told))


def _tell(source, bits, told, number):
    own = np.array([frame.quality for frame in source.frames])
    new = bits & ~own
    words = [f'{flag.name} in {count}' for flag in CadenceFlag
             if (count := int(np.count_nonzero(new & flag)))]
    logger.info('Quality of %d of %d target pixel files (%s ...): %s.', len(told), number, told[0].name,
                'new flags ' + ', '.join(words) + f' of {len(own)} frames' if words else
                'nothing that the frames do not say themselves')
