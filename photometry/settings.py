"""Typed settings, read from TOML over the defaults in settings.toml."""

from __future__ import annotations

import dataclasses
import difflib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from photometry.core.errors import InputMissingError, UsageError
from photometry.files.hlsp import Collection

_MAX_BYTES = 1 << 16
_MAX_LINE = 1000
"""Characters of a line; the time that tomllib takes grows with the square of a dotted key."""

_CHOICES = {
    'prepare.motion': ('auto', 'wcs', 'stars'),
    'prepare.product': ('auto', 'spoc', 'tica'),
    'photometry.prf': ('prf', 'epsf'),
    'aperture.mask': ('snr', 'k2p2', 'official'),
    'lightcurve.layout': ('tessphot', 'tasoc', 'hlsp'),
}

_PATTERNS = {
    'hlsp.id': ('[a-z][a-z0-9-]{0,19}', 'up to 20 small letters, digits and hyphens'),
}
"""What a text looks like, and that in words."""

_RANGES = {
    'catalog.faint_limit': (-5, 30),
    'catalog.buffer': (0, 20),
    'prepare.block': (1, 4096),
    'prepare.mesh': (8, 2048),
    'todo.faint_limit': (-5, 30),
    'todo.skip_separation': (0, 100),
    'queue.lease': (1, 86400),
    'photometry.good_fraction': (0, 1),
    'aperture.k2p2_threshold': (-10, 1000),
    'aperture.pointing_jitter': (0, 10),
    'aperture.stamp_growth': (1, 100),
    'aperture.stamp_growths': (0, 1000),
    'limits.timeout': (0, 1e6),
    'limits.memory': (0, 1e7),
    'limits.attempts': (1, 100),
    'fetch.parallel': (1, 64),
    'fetch.timeout': (0.1, 3600),
    'fetch.attempts': (1, 100),
    'fetch.pause': (0, 300),
}
"""Least and greatest value of the keys that are numbers."""

_DEFAULTS = Path(__file__).with_name('settings.toml')


@dataclass(frozen=True)
class CatalogSettings:
    """Section [catalog]."""

    source: str
    faint_limit: float
    buffer: float


@dataclass(frozen=True)
class PrepareSettings:
    """Section [prepare]."""

    block: int
    mesh: int
    motion: str
    product: str


@dataclass(frozen=True)
class TodoSettings:
    """Section [todo]."""

    faint_limit: float
    method: str
    skip: bool
    skip_separation: float


@dataclass(frozen=True)
class QueueSettings:
    """Section [queue]."""

    lease: float


@dataclass(frozen=True)
class PhotometrySettings:
    """Section [photometry]."""

    prf: str
    good_fraction: float


@dataclass(frozen=True)
class ApertureSettings:
    """Section [aperture]."""

    mask: str
    k2p2_threshold: float
    weighting: bool
    local_sky: bool
    pointing_jitter: float
    stamp_growth: int
    stamp_growths: int


@dataclass(frozen=True)
class TimesSettings:
    """Section [times]."""

    kernels: str


@dataclass(frozen=True)
class LightcurveSettings:
    """Section [lightcurve]."""

    layout: str
    compress: bool
    plots: bool
    all_fluxes: bool


@dataclass(frozen=True)
class FlagsSettings:
    """Section [flags]."""

    moving_objects: str


@dataclass(frozen=True)
class LimitsSettings:
    """Section [limits]."""

    timeout: float
    memory: float
    attempts: int


@dataclass(frozen=True)
class FetchSettings:
    """Section [fetch]."""

    parallel: int
    timeout: float
    attempts: int
    pause: float
    mast: str
    scripts: str
    bundles: str
    cloud: str
    gaia: list


@dataclass(frozen=True)
class Settings:
    """All sections; comments in settings.toml say what each key means."""

    catalog: CatalogSettings
    prepare: PrepareSettings
    todo: TodoSettings
    queue: QueueSettings
    photometry: PhotometrySettings
    aperture: ApertureSettings
    times: TimesSettings
    lightcurve: LightcurveSettings
    flags: FlagsSettings
    hlsp: Collection
    limits: LimitsSettings
    fetch: FetchSettings

    def sections(self, *names) -> dict:
        """The named sections as plain dictionaries."""
        return {name: dataclasses.asdict(getattr(self, name)) for name in names}


def load(path=None) -> Settings:
    """Defaults, overridden by the keys of a TOML file.

    Parameters
    ----------
    path : path-like, optional
        File with any of the sections and keys of settings.toml.

    Raises
    ------
    InputMissingError
        When the file does not exist.
    UsageError
        When it is no TOML, larger than 64 kB, or holds an unknown key or a
        value of another type or out of range.
    """
    values = tomllib.loads(_DEFAULTS.read_text())
    if path is not None:
        _override(values, _read(Path(path)), path)
    hints = {field.name: _SECTIONS[field.name] for field in dataclasses.fields(Settings)}
    return Settings(**{name: kind(**values[name]) for name, kind in hints.items()})


_SECTIONS = {
    'catalog': CatalogSettings,
    'prepare': PrepareSettings,
    'todo': TodoSettings,
    'queue': QueueSettings,
    'photometry': PhotometrySettings,
    'aperture': ApertureSettings,
    'times': TimesSettings,
    'lightcurve': LightcurveSettings,
    'flags': FlagsSettings,
    'hlsp': Collection,
    'limits': LimitsSettings,
    'fetch': FetchSettings,
}


def _read(path):
    if not path.is_file():
        raise InputMissingError(f'The settings file {path} does not exist.')
    if path.stat().st_size > _MAX_BYTES:
        raise UsageError(f'The settings file {path} is larger than 64 kB.')
    try:
        text = path.read_text(encoding='utf-8')
        if max(map(len, text.splitlines()), default=0) > _MAX_LINE:
            raise UsageError(f'The settings file {path} is not valid TOML for settings: a line is longer '
                             f'than {_MAX_LINE} characters.')
        return tomllib.loads(text)
    except OSError as error:
        raise InputMissingError(f'The settings file {path} cannot be read: {error.strerror}.') from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f'The settings file {path} is not valid TOML: {error}.') from error


def _override(values, given, path):
    for section, keys in given.items():
        _known(section, values, f'section [{section}]', path)
        if not isinstance(keys, dict):
            raise UsageError(f'{path}: {section} is a section; write [{section}] above its keys.')
        for key, value in keys.items():
            _known(key, values[section], f'key {section}.{key}', path)
            values[section][key] = _typed(value, values[section][key], f'{section}.{key}', path)


def _known(name, known, what, path):
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, cutoff=0)
        raise UsageError(f'{path}: unknown {what}; the nearest known one is {near[0]!r}.')


def _typed(value, default, name, path):
    if isinstance(default, float) and type(value) is int and abs(value) < 1e15:
        value = float(value)
    if type(value) is not type(default):
        raise UsageError(f'{path}: {name} must be of type {type(default).__name__}, '
                         f'not {type(value).__name__}.')
    if isinstance(value, list) and not (value and all(isinstance(part, str) for part in value)):
        raise UsageError(f'{path}: {name} must be a list of texts.')
    choices, limits = _CHOICES.get(name), _RANGES.get(name)
    if choices and value not in choices:
        raise UsageError(f'{path}: {name} = {value!r} is unknown; known are {", ".join(choices)}.')
    if limits and not limits[0] <= value <= limits[1]:
        raise UsageError(f'{path}: {name} = {str(value)[:40]} is not between {limits[0]:g} and '
                         f'{limits[1]:g}.')
    pattern, words = _PATTERNS.get(name, ('', ''))
    if pattern and not re.fullmatch(pattern, value):
        raise UsageError(f'{path}: {name} = {value[:40]!r} must be {words}.')
    return value
