"""How far a cube is, finished or in work, without its pixels and while a run may be writing it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from photometry.files.cube import explained
from photometry.files.cube_schema import SCHEMA, CubeInfo, as_text, read_info


@dataclass(frozen=True)
class CubeState:
    """What the attributes of a cube and its list of blocks tell."""

    info: CubeInfo
    schema: str
    finished: bool
    blocks_done: int

    @property
    def is_older(self) -> bool:
        """Whether an earlier version laid it out; it can be read all the same."""
        return self.schema != SCHEMA


def read_state(path) -> CubeState:
    """The state of a cube under whatever name.

    The file is opened without a lock. A writer changes no structure of it (`cube_writer.CubeWriter`), so
    that at worst the block that it ends in this moment is not counted.

    Raises
    ------
    InputBadError
        When it is no cube or damaged.
    IncompatibleError
        When it has a schema of another major version.
    """
    import h5py
    with explained(path), h5py.File(path, 'r', locking=False) as file:
        info = read_info(path, file)
        done = file['blocks_done']
        if done.shape != (info.blocks,):
            raise ValueError(f'blocks_done has shape {done.shape}, not {(info.blocks,)}')
        return CubeState(info, as_text(file.attrs['schema']), bool(file.attrs['finished']),
                         int(np.count_nonzero(done[...])))
