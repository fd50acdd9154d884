"""What reaching the archives takes: addresses, manners, and where their answers are kept."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from photometry.files.query_cache import FOLDER, QueryCache
from photometry.files.web import Web


@dataclass(frozen=True)
class Archives:
    """The archives as this run reaches them.

    Parameters
    ----------
    web : photometry.files.web.Web
    cache : photometry.files.query_cache.QueryCache
    mast, scripts, bundles, cloud : str
        Addresses without a slash at the end; ``cloud`` may be empty.
    gaia : tuple of str
        TAP services with Gaia DR3, the first is asked first.
    parallel : int
        Requests at a time.
    """

    web: Web
    cache: QueryCache
    mast: str
    scripts: str
    bundles: str
    cloud: str
    gaia: tuple[str, ...]
    parallel: int = 4

    @classmethod
    def reached(cls, settings, input_folder, environment, anew=False) -> Archives:
        """As the settings, section [fetch], and the environment say.

        TESSPHOT_QUERIES names a directory of answers that several INPUT share. With ``anew`` none that lies
        there is believed.
        """
        folder = environment.get('TESSPHOT_QUERIES') or Path(input_folder) / FOLDER
        cache = QueryCache(folder, time.time() if anew else 0.0)
        return cls(Web(settings.timeout, settings.attempts, settings.pause), cache,
                   *(getattr(settings, name).rstrip('/') for name in ('mast', 'scripts', 'bundles', 'cloud')),
                   tuple(url.rstrip('/') for url in settings.gaia), settings.parallel)

    def side_by_side(self, work: Callable, items: Iterable) -> Iterator[tuple]:
        """Do the same with many items, no more than ``parallel`` at a time.

        Few items are taken ahead, so that ``items`` may be a long generator.
        When the caller stops, or an exception leaves, nothing new begins.

        Yields
        ------
        item, future
            `concurrent.futures.Future` that is done, in the order in which they end.
        """
        from astropy.utils.exceptions import AstropyWarning
        items, running = iter(items), {}
        # Filters of warnings belong to the process: threads that each set and restore them would leave
        # them mixed up, so that they are set here for all.
        with warnings.catch_warnings(), ThreadPoolExecutor(self.parallel, 'archive') as pool:
            warnings.simplefilter('ignore', AstropyWarning)
            try:
                while True:
                    for item in islice(items, self.parallel - len(running)):
                        running[pool.submit(work, item)] = item
                    if not running:
                        return
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                    for future in done:
                        yield running.pop(future), future
            except KeyboardInterrupt:
                self.web.stop.set()
                raise
            finally:
                for future in running:
                    future.cancel()

    def all_of(self, work: Callable, items: Iterable) -> list:
        """Results of the same work on every item, in their order.

        Raises
        ------
        TessphotError
            The first one that work on an item raises; what others in flight find is kept in the cache.
        """
        items = list(items)
        results = {}
        for index, future in self.side_by_side(lambda index: work(items[index]), range(len(items))):
            results[index] = future.result()
        return [results[index] for index in range(len(items))]

