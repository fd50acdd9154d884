"""Where frames come from: a list of FFIs or a TESSCut file, behind one small interface."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import numpy as np

from photometry.core.stamp import Stamp
from photometry.files import frames, tesscut
from photometry.files.ffi import FrameHeader
from photometry.files.schema import InputFile


class FrameSource(Protocol):
    """Frames of one CCD or cutout, sorted in time; it travels to other processes."""

    frames: tuple[FrameHeader, ...]
    names: tuple[str, ...]
    """Name of every frame, relative to the input directory."""
    limits: Stamp
    is_cutout: bool

    def read(self, index) -> tuple[np.ndarray, np.ndarray]:
        """Image and uncertainty of a frame, float32 (rows, columns)."""

    def inputs(self) -> tuple[InputFile, ...]:
        """The files that the frames come from."""


@dataclass(frozen=True)
class FFISource:
    """FFIs, one file a frame."""

    folder: Path
    frames: tuple[FrameHeader, ...]
    names: tuple[str, ...]
    is_cutout = False

    @property
    def limits(self) -> Stamp:
        """Science pixels that the frames have in common."""
        return self.frames[0].limits

    def read(self, index):
        """Image and uncertainty of a frame.

        Raises
        ------
        InputBadError
            When the file is damaged, or another one than when its header was read.
        """
        return frames.read_pixels(self.folder / self.names[index], self.frames[index])

    def inputs(self):
        """One entry a frame."""
        return tuple(InputFile(name, frame.size, frame.datasum)
                     for name, frame in zip(self.names, self.frames, strict=True))


@dataclass(frozen=True)
class TessCutSource:
    """A TESSCut file, read once in each process."""

    folder: Path
    name: str
    is_cutout = True

    @cached_property
    def _cut(self):
        return tesscut.read_tesscut(self.folder / self.name)

    def __getstate__(self):
        return {'folder': self.folder, 'name': self.name}

    @cached_property
    def frames(self):
        """Headers of the rows."""
        return tuple(self._cut.frames)

    @cached_property
    def names(self):
        """The file with the row behind a ``#``."""
        parent = Path(self.name).parent
        return tuple((parent / frame.name).as_posix() for frame in self._cut.frames)

    @property
    def limits(self) -> Stamp:
        """Science pixels of the file."""
        return self._cut.stamp

    @property
    def notes(self) -> list[str]:
        """What had to be mended."""
        notes = list(self._cut.dropped)
        if self._cut.quantised:
            notes.append('its times had been stored through float32 and were restored')
        return notes

    def read(self, index):
        """Image and uncertainty of a row."""
        return self._cut.flux[index].astype('f4'), self._cut.flux_err[index].astype('f4')

    def inputs(self):
        """The file."""
        first = self._cut.frames[0]
        return (InputFile(self.name, first.size, first.datasum),)


@dataclass(frozen=True)
class OfAnother:
    """What a source that changes another one takes over from it."""

    source: FrameSource

    @property
    def folder(self) -> Path:
        """The input directory."""
        return self.source.folder

    @property
    def names(self):
        """As of the source."""
        return self.source.names

    @property
    def limits(self) -> Stamp:
        """Pixels of the source."""
        return self.source.limits

    @property
    def is_cutout(self) -> bool:
        """As the source."""
        return self.source.is_cutout

    def read(self, index):
        """Image and uncertainty of a frame."""
        return self.source.read(index)

    def inputs(self):
        """All files of the source."""
        return self.source.inputs()


@dataclass(frozen=True)
class Subset(OfAnother):
    """Some frames of another source; the files of the others are among its inputs all the same."""

    indices: tuple[int, ...]

    @cached_property
    def frames(self):
        """Headers of the frames that stay."""
        return tuple(self.source.frames[index] for index in self.indices)

    @cached_property
    def names(self):
        """Names of the frames that stay."""
        return tuple(self.source.names[index] for index in self.indices)

    def read(self, index):
        """Image and uncertainty of a frame that stays."""
        return self.source.read(self.indices[index])


@dataclass(frozen=True)
class Flagged(OfAnother):
    """Another source of frames with further bits in their quality."""

    bits: tuple[int, ...]
    """One a frame."""
    told: tuple[InputFile, ...]
    """The files that told them, which are inputs as well."""

    @cached_property
    def frames(self):
        """Headers of the frames, their quality with the further bits."""
        return tuple(dataclasses.replace(frame, quality=frame.quality | bits) if bits else frame
                     for frame, bits in zip(self.source.frames, self.bits, strict=True))

    def inputs(self):
        """The files of the frames and those that told about them."""
        return (*self.source.inputs(), *self.told)
