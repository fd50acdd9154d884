"""Photometry of stars in the full-frame images of TESS.

The public names are loaded when they are first used.
"""

import importlib

_HOMES = {
    'STATUS': 'photometry.core.status',
    'BasePhotometry': 'photometry.methods.base',
    'AperturePhotometry': 'photometry.methods.aperture',
    'TaskManager': 'photometry.todo.manager',
    'tessphot': 'photometry.stages.tessphot',
}

__all__ = sorted(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__():
    return __all__
