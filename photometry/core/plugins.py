"""Plug-ins by entry point: names are known without an import, classes load on use."""

from importlib import metadata

from photometry.core.errors import UsageError

METHODS = 'tessphot.methods'
SOURCES = 'tessphot.sources'
CATALOGS = 'tessphot.catalogs'


def _entry_points(group):
    found = {}
    for point in metadata.entry_points(group=group):
        other = found.setdefault(point.name, point)
        if other.value != point.value:
            raise UsageError(f"Two packages offer {point.name!r} in {group}: {other.value} "
                             f"and {point.value}; uninstall one of them.")
    if not found:
        raise UsageError(f"No entry points {group}: tessphot is not installed; "
                         "run 'pip install -e .' in its directory.")
    return found


def names(group):
    """Sorted names registered in a group of entry points."""
    return sorted(_entry_points(group))


def load(group, name):
    """The class registered under a name.

    Raises
    ------
    UsageError
        When the name is not registered.
    """
    check(group, name)
    return _entry_points(group)[name].load()


def check(group, name):
    """Refuse a name that is not registered, without loading anything.

    Raises
    ------
    UsageError
        Naming those that are.
    """
    known = names(group)
    if name not in known:
        raise UsageError(f"{name!r} is not one of {', '.join(known)} ({group}).")
