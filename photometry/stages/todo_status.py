"""How a todo list stands, in words, also while schedulers work on it."""

from __future__ import annotations

from photometry.todo import owner, places, reader, summary

_SHOWN = 20
"""Schedulers that are named one by one."""


def status_lines(todo) -> list[str]:
    """How a todo list stands: a file's from the running scheduler if there is one, else from the tables."""
    place = places.place(todo)
    if not place.is_file:
        return _of_server(place)
    if owner.is_held(place.path):
        return _of_running(place.path)
    with reader.opened(place) as listed:
        return [f'{place}: {in_words(listed.counts())}.', 'No scheduler is working on it.']


def in_words(counts) -> str:
    """Counts by status in one line."""
    return ', '.join(f'{number} {name}' for name, number in summary.named(counts).items()) or 'no star'


def _of_running(path):
    facts = summary.read(path) or {}
    words = ', '.join(f'{number} {name}' for name, number in facts.get('counts', {}).items())
    return [f'{path} is in use by {owner.describe(owner.holder(path))}.',
            f'Selected: {words or "not known yet"}.',
            f'{facts.get("finished", 0)} finished by this run, {facts.get("rate", 0)} a second, '
            f'{facts.get("seconds_left")} s left; last error: {facts.get("last_error") or "none"}.']


def _of_server(place):
    with reader.opened(place) as listed:
        counts, holders = listed.counts(), listed.holders()
    first = f'{place}: {in_words(counts)}.'
    if not holders:
        return [first, 'No scheduler is working on it.']
    rest = len(holders) - _SHOWN
    return [first, f'Schedulers at work: {len(holders)}.', *map(_holder, holders[:_SHOWN]),
            *([f'  and {rest} more'] if rest > 0 else [])]


def _holder(holder):
    worker, number, left = holder
    until = f'lease for {left:.0f} s' if left > 0 else f'its lease ran out {-left:.0f} s ago'
    return f'  {worker}: {number} stars, {until}'
