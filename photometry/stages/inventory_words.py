"""An inventory as text for a terminal."""

from __future__ import annotations

from photometry.stages.inventory_next import label

_SHOWN = 20
"""Lines of a kind that are shown."""

_HEADING = ('sector', 'camera', 'CCD', 'images', 'cadence', 'frames', 'first (UTC)', 'last (UTC)', 'missing',
            'damaged', 'cutouts', 'targets', 'stars', 'cube', 'todo list')


def lines(made) -> list[str]:
    """A table with a line for each CCD, product and cadence, then what is to be said about single files.

    Parameters
    ----------
    made : photometry.stages.inventory.Inventory
    """
    told = _table([_HEADING, *(row for one in made.ccds for row in _rows(one))])
    told += _section('Frames', [*_frames_of(made)]) + _section('Catalogues', [*_catalogs(made)])
    told += _section('Cubes', [*_cubes(made)]) + _section('Todo list', _todo(made))
    told += _section('Damaged', [item.reason for one in made.ccds for item in one.damaged])
    told += _section('Not looked at', [*made.problems, *_downloads(made)])
    told += _section('Told by names and sizes alone', [*_inferred(made)])
    told += _section('Next', [one.next for one in made.ccds], len(made.ccds))
    return [printable(line) for line in told]


def printable(text) -> str:
    """Text on one line, whatever a name of a file holds."""
    text = text.encode('utf-8', 'backslashreplace').decode()
    return ''.join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def _table(rows):
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ['  '.join(cell.rjust(width) if at < 6 or 7 < at < 13 else cell.ljust(width)
                      for at, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
            for row in rows]


def _section(title, sentences, most=_SHOWN):
    if not sentences:
        return []
    rest = len(sentences) - most
    return ['', f'{title}:', *(f'  {sentence}' for sentence in sentences[:most]),
            *([f'  and {rest} more, which --json names'] if rest > 0 else [])]


def _rows(one):
    """Cells of a CCD; what is of the CCD as a whole stands in its first line."""
    place = tuple('?' if number is None else str(number) for number in one.key)
    whole = (_number(len(one.damaged)), _number(sum(cut.files for cut in one.cutouts)),
             _number(sum(one.targets.values())), _stars(one.catalog), _state(one.cubes), _done(one.todo))
    groups = [(group.product.upper(), f'{group.cadence} s' if group.cadence else '?', str(group.frames),
               (group.first_utc or '?')[:16], (group.last_utc or '?')[:16],
               '?' if group.missing is None else str(group.missing)) for group in one.frames]
    for at, group in enumerate(groups or [('-',) * 6]):
        yield (*place, *group, *(('',) * len(whole) if at else whole))


def _number(number):
    return str(number) if number else '-'


def _stars(catalog):
    if catalog is None:
        return '-'
    return 'unusable' if catalog.problem else str(catalog.stars)


def _state(cubes):
    if not cubes:
        return '-'
    if len(cubes) > 1:
        words = [_in_word(cube) for cube in cubes]
        return ', '.join(f'{words.count(word)} {word}' for word in sorted(set(words)))
    cube = cubes[0]
    how_far = f' {cube.blocks_done}/{cube.blocks}' if cube.state == 'in work' else ''
    return _in_word(cube) + how_far


def _in_word(cube):
    return 'at work' if cube.at_work else cube.state


def _done(counts):
    return ', '.join(f'{number} {status}' for status, number in counts.items()) or '-'


def _frames_of(made):
    for one in made.ccds:
        for group in one.frames:
            where = f'{label(one)}, {group.product.upper()}'
            if group.gaps:
                longest = max(group.gaps, key=lambda gap: gap.frames)
                number = len(group.gaps)
                places = '' if number == 1 else f' in {number} places, at most {longest.frames}'
                yield (f'{where}: {_frames(group.missing)} missing{places} ({longest.days:.2f} d) after '
                       f'{longest.after}')
            if group.same_time:
                yield f'{where}: {_frames(group.same_time)} with the time of another one'
            if group.copies:
                yield f'{where}: {_frames(group.copies)} lying there once more, which are passed over'
            if group.undated:
                yield f'{where}: {_frames(group.undated)} whose names tell no time'


def _frames(number):
    return f'{number} frame{"" if number == 1 else "s"}'


def _catalogs(made):
    for one in made.ccds:
        found = one.catalog
        if found is None:
            continue
        if found.problem:
            yield found.problem
            continue
        limit = f' to Tmag {found.faint_limit:g}' if found.faint_limit is not None else ''
        source = f'from {found.source}' if found.source else 'made elsewhere'
        yield f'{found.file}: {found.stars} stars{limit}, {source}'


def _cubes(made):
    for one in made.ccds:
        for cube in one.cubes:
            yield cube.problem or f'{cube.file}: {_facts(cube)}'


def _facts(cube):
    words = [_in_word(cube)]
    if cube.frames is not None:
        words += [f'{cube.frames} frames of {cube.cadence} s ({cube.product.upper()})',
                  f'{cube.rows} x {cube.columns} px', f'schema {cube.schema}']
    if cube.state == 'in work':
        words.append(f'{cube.blocks_done} of {cube.blocks} blocks written')
    elif cube.state == 'begun':
        words.append(f'{cube.frames_learned or 0} frames looked at')
    if cube.schema_is_older:
        words.append('of an earlier version, used as it is')
    if cube.left_over:
        words.append(f'left over from a run that is gone: {", ".join(cube.left_over)}')
    return ', '.join(words)


def _todo(made):
    if made.todo is None:
        return []
    if made.todo.problem:
        return [made.todo.problem]
    who = f'in use by {made.todo.owner}' if made.todo.owner else 'nobody works on it'
    return [f'{made.todo.place}: {_done(made.todo.counts)}; {who}']


def _inferred(made):
    """What was not looked at for the sake of speed."""
    read = sum(group.headers_read for one in made.ccds for group in one.frames)
    images = sum(group.frames for one in made.ccds for group in one.frames)
    if images > read:
        yield f'{images - read} of {images} images: their times and cadences, and that they are whole'
    cutouts = sum(cut.files - cut.headers_read for one in made.ccds for cut in one.cutouts)
    if cutouts:
        yield f'{cutouts} TESSCut files: that they are whole'


def _downloads(made):
    if made.downloads_in_work:
        yield f'{made.downloads_in_work} downloads in work (.part): the same command run_fetch.py goes on'
