"""Plug-ins by entry point: names are known without an import, classes load on use."""

from functools import cached_property
from importlib import metadata

from photometry.core.errors import UsageError

METHODS = 'tessphot.methods'
SOURCES = 'tessphot.sources'
CATALOGS = 'tessphot.catalogs'


class Registry:
    """What the installed packages offer, looked up once.

    A look reads the metadata of every installed package, which takes as long as a star does.
    """

    @cached_property
    def _installed(self):
        return metadata.entry_points()

    def _entry_points(self, group):
        found = {}
        for point in self._installed.select(group=group):
            other = found.setdefault(point.name, point)
            if other.value != point.value:
                raise UsageError(f"Two packages offer {point.name!r} in {group}: {other.value} "
                                 f"and {point.value}; uninstall one of them.")
        if not found:
            raise UsageError(f"No entry points {group}: tessphot is not installed; "
                             "run 'pip install -e .' in its directory.")
        return found

    def names(self, group):
        """Sorted names registered in a group of entry points."""
        return sorted(self._entry_points(group))

    def check(self, group, name):
        """Refuse a name that is not registered, without loading anything.

        Raises
        ------
        UsageError
            Naming those that are.
        """
        known = self.names(group)
        if name not in known:
            raise UsageError(f"{name!r} is not one of {', '.join(known)} ({group}).")

    def load(self, group, name):
        """The class registered under a name.

        Raises
        ------
        UsageError
            When the name is not registered.
        """
        self.check(group, name)
        return self._entry_points(group)[name].load()


def names(group):
    """`Registry.names` of what is installed now."""
    return Registry().names(group)


def load(group, name):
    """`Registry.load` of what is installed now."""
    return Registry().load(group, name)


def check(group, name):
    """`Registry.check` of what is installed now."""
    Registry().check(group, name)
