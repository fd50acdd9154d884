"""Read calibrated full-frame images, whoever calibrated them."""

from __future__ import annotations

from photometry.files import ffi, paths, tica
from photometry.files.ffi import FrameHeader


def read_header(path) -> FrameHeader:
    """The facts in the headers of one image of SPOC or TICA; which one, its name tells.

    Raises
    ------
    InputMissingError, InputBadError
    """
    return {'spoc': ffi.read_ffi_header, 'tica': tica.read_tica_header}[paths.product_of(path)](path)


def read_pixels(path, header: FrameHeader):
    """Image and uncertainty of one whose header was read before.

    Returns
    -------
    image, uncertainty : array, (rows, columns) of ``header.limits``
        Native float32, e-/s.

    Raises
    ------
    InputBadError
        When it is damaged, or another file by now.
    """
    return {'spoc': ffi.read_ffi_pixels, 'tica': tica.read_tica_pixels}[header.product](path, header)
