"""What every file of ours declares: columns, a schema version, inputs, settings."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from photometry.core.errors import IncompatibleError


@dataclass(frozen=True)
class Column:
    """One column or dataset of a file format."""

    name: str
    dtype: str
    unit: str = ''
    description: str = ''


@dataclass(frozen=True, order=True)
class InputFile:
    """One input of a file, as its manifest keeps it."""

    name: str
    size: int
    datasum: str = ''
    """DATASUM cards of the HDUs with data, joined by '+', or SHA-256; empty where the file has none."""


def input_file(path) -> InputFile:
    """A file of another kind in a manifest, told by its SHA-256."""
    with open(path, 'rb') as file:
        return InputFile(path.name, path.stat().st_size, hashlib.file_digest(file, 'sha256').hexdigest())


def manifest_json(inputs) -> str:
    """A manifest as JSON, sorted, one line."""
    return json.dumps([asdict(entry) for entry in sorted(inputs)], separators=(',', ':'))


def settings_digest(sections: dict) -> tuple[str, str]:
    """Settings sections as canonical JSON, with their SHA-256."""
    text = json.dumps(sections, sort_keys=True, separators=(',', ':'), default=str)
    return text, hashlib.sha256(text.encode()).hexdigest()


def check_version(path, found, expected):
    """Refuse a file whose schema (major.minor) has another major number.

    Raises
    ------
    IncompatibleError
        Naming the file, both versions and the cure.
    """
    found_major, expected_major = (int(str(text).partition('.')[0]) for text in (found, expected))
    if found_major > expected_major:
        raise IncompatibleError(f'{path} has schema {found}, newer than {expected} which this '
                                'version reads; update tessphot.')
    if found_major < expected_major:
        raise IncompatibleError(f'{path} has schema {found}, older than {expected}; '
                                'make it again with --overwrite.')
