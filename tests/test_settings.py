"""Settings: defaults, overrides and what is refused."""

import dataclasses
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from photometry import settings
from photometry.core.errors import InputMissingError, TessphotError, UsageError
from photometry.settings import _DEFAULTS, _SECTIONS


def write(tmp_path, text):
    path = tmp_path / 'mine.toml'
    path.write_text(text)
    return path


def test_defaults_and_types_name_the_same_keys():
    defaults = tomllib.loads(_DEFAULTS.read_text())
    assert {name: set(keys) for name, keys in defaults.items()} == {
        name: {field.name for field in dataclasses.fields(kind)} for name, kind in _SECTIONS.items()}


def test_default_values_have_the_declared_types():
    loaded = settings.load()
    for section in dataclasses.fields(loaded):
        for field in dataclasses.fields(getattr(loaded, section.name)):
            value = getattr(getattr(loaded, section.name), field.name)
            assert type(value).__name__ == field.type, f'{section.name}.{field.name}'


def test_defaults_are_within_their_limits():
    defaults = tomllib.loads(_DEFAULTS.read_text())
    keys = {f'{section}.{key}' for section, values in defaults.items() for key in values}
    assert set(settings._CHOICES) | set(settings._RANGES) <= keys
    for section, values in defaults.items():
        for key, value in values.items():
            assert settings._typed(value, value, f'{section}.{key}', 'settings.toml') == value


def test_a_file_overrides_single_keys(tmp_path):
    loaded = settings.load(write(tmp_path, '[todo]\nfaint_limit = 12\n'))
    assert loaded.todo.faint_limit == 12.0
    assert loaded.todo.skip == settings.load().todo.skip


@pytest.mark.parametrize(('text', 'message'), [
    ('[todo]\nfaint_limt = 12.0', "unknown key todo.faint_limt; the nearest known one is 'faint_limit'"),
    ('[tood]\nskip = true', "unknown section .tood.; the nearest known one is 'todo'"),
    ('[todo]\nskip = "yes"', 'todo.skip must be of type bool, not str'),
    ('todo = 3', r'write \[todo\] above its keys'),
    ('[todo', 'is not valid TOML'),
    ('a = ' + '[' * 5000, 'is not valid TOML'),
    ('a = ' + '[\n' * 5000, 'is not valid TOML'),
    ('a' + '.a' * 30000 + ' = 1', 'a line is longer than 1000 characters'),
    ('[aperture]\nmask = "nope"', "aperture.mask = 'nope' is unknown; known are snr"),
    ('[lightcurve]\nlayout = "x"', 'known are tessphot, tasoc'),
    ('[aperture]\nstamp_growth = -5', 'aperture.stamp_growth = -5 is not between 1 and 100'),
    ('[photometry]\ngood_fraction = nan', 'good_fraction = nan is not between 0 and 1'),
    ('[limits]\nmemory = 99999999999999999999', 'limits.memory must be of type float, not int'),
])
def test_bad_files_are_refused_in_one_sentence(tmp_path, text, message):
    with pytest.raises(UsageError, match=message):
        settings.load(write(tmp_path, text))


def test_missing_and_huge_files(tmp_path):
    with pytest.raises(InputMissingError, match='does not exist'):
        settings.load(tmp_path / 'none.toml')
    with pytest.raises(UsageError, match='larger than 64 kB'):
        settings.load(write(tmp_path, '#' * (1 << 16) + '\n'))


@given(text=st.text(max_size=200))
def test_wild_text_never_raises_anything_else(tmp_path_factory, text):
    path = tmp_path_factory.mktemp('wild') / 'wild.toml'
    path.write_text(text, encoding='utf-8', errors='ignore')
    try:
        settings.load(path)
    except TessphotError:
        pass
