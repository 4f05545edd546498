"""The tables at the end: as text for the terminal, as Markdown for build/demo/results.md."""

import statistics

_COLUMNS = ('program', 'plain', 'Strata', 'ratio (min)', 'noise', 'CPU ratio', 'noise ',
            'peak plain', 'peak Strata', 'processes', 'threads', 'heap calls', 'asking', 'served', 'output',
            'verdict')


def mebibytes(size):
    return f'{size / (1 << 20):.1f} MiB'


def count(number):
    return f'{number:,}'


def percent(share):
    # Rounded down: 94.99 % must not read as 95.0 %.
    return '-' if share is None else f'{int(share * 1000) / 10:.1f} %'


def _row(result):
    cells = {'program': result['program'], 'verdict': 'FAILED' if result['problems'] else 'ok'}
    for side, name in (('plain', 'plain'), ('strata', 'Strata')):
        if side in result and result[side]['seconds']:
            cells[name] = f'{statistics.median(result[side]["seconds"]):.2f} s'
            cells[f'peak {name}'] = mebibytes(statistics.median(result[side]['peak_bytes']))
    if 'outputs_compared' in result:
        cells['output'] = 'same'
    for name, number in result.get('figures', {}).items():
        cells[name] = count(number)
    if 'skipped' in result:
        cells['verdict'] = 'skipped'
    if 'calls' in result:
        cells['heap calls'] = count(result['calls']['total'])
        cells['asking'] = count(result['calls']['requests'])
        cells['served'] = percent(result['share_served'])
        if 'share_of_requests' in result:
            cells['served'] += ' †'
    if 'ratio' in result:
        wall, cpu = result['ratio']['wall'], result['ratio']['cpu']
        cells['ratio (min)'] = f'{wall["median"]:.3f} ({wall["min"]:.3f})'
        if cpu:
            cells['CPU ratio'] = f'{cpu["median"]:.3f}'
        for name, ratio in (('noise', wall), ('noise ', cpu)):
            if ratio:
                cells[name] = f'{ratio["noise_bound"]:.1%}' + (' !' if ratio['noisy'] else '')
    return [cells.get(column, '-') for column in _COLUMNS]


def _windows_notes(measured):
    launcher = statistics.median(result['launcher_seconds'] for result in measured)
    return [
        'plain, Strata: elapsed time of the program\'s own process, median. ratio: Strata to plain, '
        'median (and least) of the pairs; more than 1 + noise is slower.',
        'peak: largest resident set of the process. heap calls: from outside ntdll, in a run of its '
        'own; asking: those that ask for memory.',
        'served: the share that Strata served, of all these calls or of those that ask for memory, '
        'whichever is lower.',
        f'Starting a program through strata-run took {launcher * 1000:.0f} ms more, which is not part '
        'of these times.',
    ]


_NATIVE_NOTES = [
    'plain, Strata: elapsed time of all the program\'s processes, or of a server\'s work for its clients, median. '
    'ratio: Strata to plain, median (and least) of the pairs; not judged.',
    'peak: largest resident set of any of the processes. processes, threads: how many counted calls, and the '
    'most that asked for memory in one process.',
    'heap calls: of all processes, in a run of its own; asking: those that ask for memory. served: the share that '
    'Strata served, of all or of these, whichever is lower; the C library\'s own allocator served nothing.',
]


def _too_noisy(measured):
    return [result['program'] for result in measured if result['ratio'][result['ratio']['judged_by']]['noisy']]


def _windows_noise(measured):
    notes = []
    by_cpu = [result['program'] for result in measured if result['ratio']['judged_by'] == 'cpu']
    if by_cpu:
        notes.append('!: the machine was too busy to compare elapsed time; judged by processor time: '
                     f'{", ".join(by_cpu)}.')
    if _too_noisy(measured):
        notes.append('!: even so, a slowdown below the noise would not have been seen in '
                     f'{", ".join(_too_noisy(measured))}: repeat this on a quiet machine.')
    return notes


def _native_noise(measured):
    noisy = _too_noisy(measured)
    return [f'!: too few pairs, or too busy a machine, to compare the times of {", ".join(noisy)}.'] if noisy else []


def _notes(results):
    measured = [result for result in results if 'ratio' in result]
    if not measured:
        plain = any('plain' in result and 'calls' not in result for result in results)
        return ['Plain runs only: they say nothing about Strata.'] if plain else []
    native = measured[0].get('kind') == 'native'
    notes = _NATIVE_NOTES[:] if native else _windows_notes(measured)
    if any('share_of_requests' in result for result in results):
        notes.append('†: this program hardly uses the heap, and many of its calls free what ntdll '
                     'allocated; judged by the calls that ask for memory: ' + ', '.join(
                         f'{result["program"]} {percent(result["share_of_requests"])}'
                         for result in results if 'share_of_requests' in result) + '.')
    return notes + (_native_noise(measured) if native else _windows_noise(measured))


def _skipped(results):
    return [f'{result["program"]}: {result["skipped"]}'
            for result in results if 'skipped' in result]


def _problems(results):
    return [f'{result["program"]}: {problem}'
            for result in results for problem in result['problems']]


def _closing(results):
    failed = sum(1 for result in results if result['problems'])
    if failed:
        return f'{failed} of {len(results)} programs FAILED.'
    run = [result['program'] for result in results if 'skipped' not in result]
    if len(run) < len(results):
        return f'{len(results) - len(run)} of {len(results)} programs were SKIPPED; the others hold.'
    return f'Everything holds ({", ".join(run)}).'


def _table(results):
    """The columns' names and a row for each program, without the columns that nobody fills."""
    rows = [list(_COLUMNS)] + [_row(result) for result in results]
    used = [i for i in range(len(_COLUMNS)) if any(row[i] != '-' for row in rows[1:])]
    return [[row[i] for i in used] for row in rows]


def summary(results, files='build/demo/results.md and results.json'):
    rows = _table(results)
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ['', 'Summary']
    for first, *others in rows:
        lines.append('  ' + '  '.join([first.ljust(widths[0])] + [
            cell.rjust(width) for cell, width in zip(others, widths[1:])]))
    lines += [''] + ['  ' + note for note in _notes(results)]
    lines += ['  FAILED: ' + problem for problem in _problems(results)]
    lines += ['  SKIPPED: ' + reason for reason in _skipped(results)]
    lines += [f'  The figures are also in {files}.',
              _closing(results)]
    return '\n'.join(lines)


def markdown(results, title='# Real programs, plain heap and Strata'):
    lines = [title, ''] if title else []
    head, *rows = _table(results)
    lines += ['| ' + ' | '.join(head) + ' |', '|' + ' --- |' * len(head)]
    lines += ['| ' + ' | '.join(row) + ' |' for row in rows]
    lines += [''] + [f'- {note}' for note in _notes(results)] + ['']
    for result in results:
        lines.append(f'- **{result["program"]}** ({result["executable"]}, {result["package"]}): '
                     f'{result["what"]}.')
    lines += [f'- SKIPPED: {reason}' for reason in _skipped(results)]
    if _problems(results):
        lines += ['', '## What failed', ''] + [f'- {problem}' for problem in _problems(results)]
    lines += ['', _closing(results), '']
    return '\n'.join(lines)
