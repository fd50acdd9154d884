"""Write light curves: FITS files of which most of the headers is the same in all."""

from __future__ import annotations

import datetime
import os

import numpy as np

from photometry.files import atomic, fits_text, hlsp, lightcurve_schema

_TFORM = {'f8': 'D', 'f4': 'E', 'i4': 'J', 'i8': 'K'}
_TDISP = {'TIME': 'D14.7', 'TIMECORR': 'E14.7', 'CADENCENO': 'I10', 'QUALITY': 'B16.16'}


class LightcurveWriter:
    """Writes light curves and remembers what their headers have in common.

    The bytes of a file do not depend on which were written before.

    Parameters
    ----------
    layout : {'tessphot', 'tasoc', 'hlsp'}
    compress : bool
        gzip without a time stamp, by ISA-L: in a tenth of zlib's time.
    source_date_epoch : int, optional
        Seconds since 1970 for DATE, in place of the clock.
    collection : photometry.files.hlsp.Collection, optional
        What files of the layout ``hlsp`` belong to.
    """

    def __init__(self, layout='tessphot', compress=False, source_date_epoch=None, collection=None):
        self.layout, self.compress, self._epoch = layout, compress, source_date_epoch
        self.collection = collection or hlsp.Collection()
        self._cards = fits_text.Cards()

    def write(self, path, lightcurve):
        """Write a light curve atomically.

        Parameters
        ----------
        path : path-like
            Its directory is made when it does not exist.
        lightcurve : photometry.files.lightcurve.Lightcurve

        Raises
        ------
        OutputError
            When the file cannot be written.
        """
        pieces = self._pieces(lightcurve)
        if self.compress:
            from isal import igzip
            pieces = [igzip.compress(b''.join(pieces), 1, mtime=0)]
        folder = os.path.dirname(path)
        if folder and not os.path.isdir(folder):
            atomic.make_directory(folder)
        atomic.write_bytes(path, *pieces)

    def encode(self, lightcurve) -> bytes:
        """The bytes of a light-curve file."""
        return b''.join(self._pieces(lightcurve))

    def _pieces(self, lightcurve):
        """The same in pieces, which need not be copied to be written."""
        parts = [self._lightcurve_hdu(lightcurve),
                 self._image_hdu('SUMIMAGE', lightcurve.sumimage, 'f4', lightcurve.wcs_text, 'e-/s'),
                 self._image_hdu('APERTURE', lightcurve.aperture, 'i4', lightcurve.wcs_text)]
        if lightcurve.weightmap is not None:
            parts.append(self._image_hdu('WEIGHTMAP', lightcurve.weightmap, 'f4', lightcurve.wcs_text))
        if lightcurve.neighbours is not None and self.layout != 'tasoc':
            parts.append(self._table_hdu('NEIGHBOURS', lightcurve_schema.NEIGHBOURS, lightcurve.neighbours))
        return [piece for part in (self._primary_hdu(lightcurve, len(parts)), *parts) for piece in part]

    def _primary_hdu(self, lightcurve, extensions):
        card = self._cards.card
        values = (lightcurve_schema.CONSTANTS | lightcurve.primary
                  | {'DATE': _date(self._epoch), 'SCHEMA': lightcurve_schema.VERSION})
        cards = [card('SIMPLE', True, 'FITS standard'), card('BITPIX', 8, 'no data'),
                 card('NAXIS', 0, 'no data'), card('EXTEND', True, 'extensions follow'),
                 card('NEXTEND', extensions, 'number of extensions'),
                 card('EXTNAME', 'PRIMARY', 'name of this HDU'),
                 card('LAYOUT', self.layout, 'columns of the table'),
                 *self._declared_primary(lightcurve, values)]
        for name, value in lightcurve.extra.items():
            if len(name) > 8:
                raise ValueError(f'The header keyword {name} has more than 8 letters.')
            value, comment = value if isinstance(value, tuple) else (value, '')
            cards.append(card(name, value, comment))
        return self._cards.pieces(''.join(cards))

    def _declared_primary(self, lightcurve, values):
        """Cards of the primary header that every file of the layout has."""
        if self.layout != 'hlsp':
            return [self._declared(lightcurve_schema.PRIMARY, values)]
        ours = {name: comment for name, comment in lightcurve_schema.PRIMARY.items()
                if name not in hlsp.FORBIDDEN}
        return [self._declared(ours, values),
                self._declared(hlsp.PRIMARY, hlsp.primary(self.collection, lightcurve))]

    def _declared(self, comments, values):
        """Cards of the keywords that a schema declares."""
        card = self._cards.card
        return ''.join([card(name, values.get(name), comment) for name, comment in comments.items()])

    def _lightcurve_hdu(self, lightcurve):
        columns = _tasoc(lightcurve.columns) if self.layout == 'tasoc' else lightcurve.columns
        values = lightcurve_schema.TIME_CONSTANTS | lightcurve.table
        cards = self._declared(lightcurve_schema.TABLE, values)
        if self.layout == 'hlsp':
            cards += self._declared(hlsp.TABLE, hlsp.table(lightcurve))
        return self._table_hdu('LIGHTCURVE', lightcurve_schema.declared(columns, self.layout), columns, cards)

    def _table_hdu(self, name, layout, columns, cards=''):
        rows, names = len(columns[layout[0].name]), tuple(column.name for column in layout)
        kind = self._cards.once((name, names), _record, layout)
        table = np.zeros(rows, dtype=kind)
        for column in layout:
            table[column.name] = columns.get(column.name, np.nan if column.dtype[0] == 'f' else 0)
        fixed = self._cards.once((name, names, rows), _table_cards, name, layout, kind.itemsize, rows)
        return self._cards.pieces(fixed + cards, table.view('u1').data)

    def _image_hdu(self, name, image, dtype, wcs_text, unit=''):
        image = np.asarray(image)
        fixed = self._cards.once((name, image.shape), _image_cards, name, image.shape, dtype, unit)
        return self._cards.pieces(fixed + wcs_text, image.astype('>' + dtype, order='C').view('u1').data)


class StampHeaders:
    """Header cards of the WCS of stamps, from those of the whole FFI.

    Only the reference pixel moves: distortion polynomials count from it. A second
    WCS 'P' gives the one-based CCD pixel.

    Parameters
    ----------
    wcs_text : str
        Cards of 80 characters; pixel (1, 1) is the first of the FFI.
    """

    def __init__(self, wcs_text):
        self._shifted, self._parts = {}, ['']
        for start in range(0, len(wcs_text), 80):
            text = wcs_text[start:start + 80].ljust(80)
            keyword = text[:8].rstrip()
            if keyword in _SHIFTS:
                self._shifted[len(self._parts)] = keyword, float(text[10:].partition('/')[0])
                self._parts += ['', '']
            elif keyword not in _STRUCTURE:
                self._parts[-1] += text

    def of(self, stamp) -> str:
        """The cards of a stamp, whose first pixel is its (1, 1)."""
        first = {'CRPIX1': stamp.col_min, 'CRPIX2': stamp.row_min}
        parts = list(self._parts)
        for place, (keyword, value) in self._shifted.items():
            parts[place] = fits_text.card(keyword, value - first[keyword], 'reference pixel in the stamp')
        for axis, name, pixel in ((1, 'RAWX', stamp.col_min), (2, 'RAWY', stamp.row_min)):
            parts += [fits_text.card(f'CTYPE{axis}P', name, 'CCD pixel'),
                      fits_text.card(f'CRPIX{axis}P', 1.0),
                      fits_text.card(f'CRVAL{axis}P', float(pixel + 1)), fits_text.card(f'CDELT{axis}P', 1.0)]
        return ''.join(parts)


_SHIFTS = ('CRPIX1', 'CRPIX2')
_STRUCTURE = frozenset(('', 'END', 'SIMPLE', 'BITPIX', 'NAXIS', 'NAXIS1', 'NAXIS2', 'EXTEND', 'XTENSION',
                        'PCOUNT', 'GCOUNT', 'EXTNAME', 'CHECKSUM', 'DATASUM', 'COMMENT', 'HISTORY'))
"""Cards that a stamp's header has on its own account."""


def _tasoc(columns):
    """Columns of the layout ``tasoc`` from our own."""
    from photometry.core import quality
    flux = np.asarray(columns['FLUX'], dtype='float64')
    usable = quality.good(columns['QUALITY']) & np.isfinite(flux)
    level = np.median(flux[usable]) if usable.any() else np.nan
    return dict(columns, FLUX_RAW=columns.get('SAP_FLUX', flux),
                FLUX_RAW_ERR=columns.get('SAP_FLUX_ERR', columns['FLUX_ERR']),
                FLUX_CORR=(flux / level - 1) * 1e6, FLUX_CORR_ERR=columns['FLUX_ERR'] / level * 1e6,
                QUALITY=np.zeros(flux.size, dtype='int32'), PIXEL_QUALITY=columns['QUALITY'])


def _date(source_date_epoch):
    epoch = os.environ.get('SOURCE_DATE_EPOCH') if source_date_epoch is None else source_date_epoch
    moment = (datetime.datetime.now(datetime.UTC) if epoch is None
              else datetime.datetime.fromtimestamp(int(epoch), datetime.UTC))
    return moment.strftime('%Y-%m-%dT%H:%M:%S')


def _record(layout):
    """Type of the rows of a table, big-endian."""
    return np.dtype([(column.name, '>' + column.dtype) for column in layout])


def _table_cards(name, layout, width, rows):
    """The cards of a table up to its name."""
    cards = [fits_text.card('XTENSION', 'BINTABLE', 'binary table'), fits_text.card('BITPIX', 8),
             fits_text.card('NAXIS', 2), fits_text.card('NAXIS1', width, 'bytes in a row'),
             fits_text.card('NAXIS2', rows, 'rows'), fits_text.card('PCOUNT', 0),
             fits_text.card('GCOUNT', 1), fits_text.card('TFIELDS', len(layout), 'columns')]
    for number, column in enumerate(layout, start=1):
        cards.append(fits_text.card(f'TTYPE{number}', column.name, column.description))
        cards.append(fits_text.card(f'TFORM{number}', _TFORM[column.dtype]))
        if column.unit:
            cards.append(fits_text.card(f'TUNIT{number}', column.unit))
        if column.name in _TDISP:
            cards.append(fits_text.card(f'TDISP{number}', _TDISP[column.name]))
    return ''.join([*cards, fits_text.card('EXTNAME', name, 'name of this HDU')])


def _image_cards(name, shape, dtype, unit):
    """The cards of an image up to its WCS."""
    cards = [fits_text.card('XTENSION', 'IMAGE', 'image'),
             fits_text.card('BITPIX', {'f4': -32, 'i4': 32}[dtype]), fits_text.card('NAXIS', 2),
             fits_text.card('NAXIS1', shape[1], 'columns'), fits_text.card('NAXIS2', shape[0], 'rows'),
             fits_text.card('PCOUNT', 0), fits_text.card('GCOUNT', 1),
             fits_text.card('EXTNAME', name, 'name of this HDU')]
    if unit:
        cards.append(fits_text.card('BUNIT', unit))
    return ''.join(cards)
