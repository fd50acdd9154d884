"""What a file was made from: by this two runs recognise each other's work."""

from __future__ import annotations

import json
from dataclasses import dataclass

from photometry.core.errors import IncompatibleError
from photometry.files import schema


@dataclass(frozen=True)
class Identity:
    """Software, settings and inputs of a file.

    Parameters
    ----------
    software : str
        Version of tessphot.
    settings : dict
        The settings sections that matter, as plain dictionaries.
    inputs : tuple of schema.InputFile
    """

    software: str
    settings: dict
    inputs: tuple

    def attributes(self) -> dict:
        """As the text attributes that a file keeps."""
        text, digest = schema.settings_digest(self.settings)
        return {'software': self.software, 'settings': text, 'settings_sha256': digest,
                'manifest': schema.manifest_json(self.inputs)}

    def check(self, path, found: dict, *, software=True):
        """Compare with the attributes of an existing file.

        Raises
        ------
        IncompatibleError
            Naming the first difference and the cure.
        """
        wanted = self.attributes()
        reason = None
        if software and found.get('software') != wanted['software']:
            reason = f'version {found.get("software")} of tessphot, not {wanted["software"]}'
        elif found.get('settings_sha256') != wanted['settings_sha256']:
            reason = _settings_difference(found.get('settings', '{}'), wanted['settings'])
        elif found.get('manifest') != wanted['manifest']:
            reason = _input_difference(found.get('manifest', '[]'), wanted['manifest'])
        if reason:
            raise IncompatibleError(f'{path} was made with {reason}; make it again with --overwrite.')


def _settings_difference(found, wanted):
    found, wanted = json.loads(found), json.loads(wanted)
    for section in sorted({*found, *wanted}):
        old, new = found.get(section, {}), wanted.get(section, {})
        for key in sorted({*old, *new}):
            if old.get(key) != new.get(key):
                return f'{section}.{key} = {old.get(key)!r}, not {new.get(key)!r}'
    return 'other settings'


def _input_difference(found, wanted):
    found, wanted = ({entry['name']: entry for entry in json.loads(text)} for text in (found, wanted))
    added, lost = sorted(wanted.keys() - found.keys()), sorted(found.keys() - wanted.keys())
    if added:
        return f'{len(added)} input files fewer, without {added[0]}'
    if lost:
        return f'{len(lost)} input files more, with {lost[0]}'
    changed = next((name for name in sorted(wanted) if wanted[name] != found[name]), 'a file')
    return f'another version of {changed}'
