"""The tables at the end: as text for the terminal, as Markdown for build/demo/results.md."""

import statistics

_COLUMNS = ('program', 'plain', 'Strata', 'ratio (min)', 'noise', 'CPU ratio', 'noise ',
            'peak plain', 'peak Strata', 'heap calls', 'asking', 'served', 'output', 'verdict')


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


def _notes(results):
    measured = [result for result in results if 'ratio' in result]
    if not measured:
        plain = any('plain' in result and 'calls' not in result for result in results)
        return ['Plain runs only: they say nothing about Strata.'] if plain else []
    launcher = statistics.median(result['launcher_seconds'] for result in measured)
    notes = [
        'plain, Strata: elapsed time of the program\'s own process, median. ratio: Strata to plain, '
        'median (and least) of the pairs; more than 1 + noise is slower.',
        'peak: largest resident set of the process. heap calls: from outside ntdll, in a run of its '
        'own; asking: those that ask for memory.',
        'served: the share that Strata served, of all these calls or of those that ask for memory, '
        'whichever is lower.',
        f'Starting a program through strata-run took {launcher * 1000:.0f} ms more, which is not part '
        'of these times.',
    ]
    if any('share_of_requests' in result for result in results):
        notes.append('†: this program hardly uses the heap, and many of its calls free what ntdll '
                     'allocated; judged by the calls that ask for memory: ' + ', '.join(
                         f'{result["program"]} {percent(result["share_of_requests"])}'
                         for result in results if 'share_of_requests' in result) + '.')
    by_cpu = [result['program'] for result in measured if result['ratio']['judged_by'] == 'cpu']
    if by_cpu:
        notes.append('!: the machine was too busy to compare elapsed time; judged by processor time: '
                     f'{", ".join(by_cpu)}.')
    blind = [result['program'] for result in measured
             if result['ratio'][result['ratio']['judged_by']]['noisy']]
    if blind:
        notes.append(f'!: even so, a slowdown below the noise would not have been seen in '
                     f'{", ".join(blind)}: repeat this on a quiet machine.')
    return notes


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


def summary(results, files='build/demo/results.md and results.json'):
    rows = [list(_COLUMNS)] + [_row(result) for result in results]
    used = [i for i, column in enumerate(_COLUMNS) if any(row[i] != '-' for row in rows[1:])]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_COLUMNS))]
    lines = ['', 'Summary']
    for row in rows:
        lines.append('  ' + '  '.join(row[i].rjust(widths[i]) if i else row[i].ljust(widths[i])
                                      for i in used))
    lines += [''] + ['  ' + note for note in _notes(results)]
    lines += ['  FAILED: ' + problem for problem in _problems(results)]
    lines += ['  SKIPPED: ' + reason for reason in _skipped(results)]
    lines += [f'  The figures are also in {files}.',
              _closing(results)]
    return '\n'.join(lines)


def markdown(results, title='# Real programs, plain heap and Strata'):
    lines = [title, ''] if title else []
    lines += ['| ' + ' | '.join(_COLUMNS) + ' |', '|' + ' --- |' * len(_COLUMNS)]
    lines += ['| ' + ' | '.join(_row(result)) + ' |' for result in results]
    lines += [''] + [f'- {note}' for note in _notes(results)] + ['']
    for result in results:
        lines.append(f'- **{result["program"]}** ({result["executable"]}, {result["package"]}): '
                     f'{result["what"]}.')
    lines += [f'- SKIPPED: {reason}' for reason in _skipped(results)]
    if _problems(results):
        lines += ['', '## What failed', ''] + [f'- {problem}' for problem in _problems(results)]
    lines += ['', _closing(results), '']
    return '\n'.join(lines)
