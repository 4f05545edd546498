"""The tables, for the terminal and as Markdown."""

import names
import ratios
from store import CONTROL, STRATA


def number(value):
    if value is None:
        return '-'
    return f'{value:.1f}' if value < 100 else f'{value:,.0f}'


def scaled(unit, value):
    """As text. Times are stored in nanoseconds, memory in bytes."""
    if value is None:
        return '-'
    if unit == 'MiB':
        return f'{value / (1 << 20):,.1f}'
    return number(value / 1e6 if unit == 'ms' else value)


def _ratio(ratio):
    return f'{ratio["median"]:.2f}' if ratio else '-'


def _interval(ratio):
    return f'{ratio["low"]:.2f}..{ratio["high"]:.2f}' if ratio else '-'


def _version(column):
    return column.removeprefix('mimalloc ')


def rows_table(result, metric, groups, unit):
    """One line per benchmark: a column per allocator, and Strata's ratio to the chosen baseline."""
    store = result.store
    keys = store.keys(metric, groups)
    columns = [c for c in result.columns if c != CONTROL and any(store.get(b, m, c) for b, m in keys)]
    table = [[f'benchmark ({unit})', *columns, 'ratio', '95 %', 'A/A', 'verdict']]
    several = len(result.mimallocs) > 1
    for benchmark, _ in keys:
        ratio = store.ratio(benchmark, metric)
        control = ratios.compare(store.get(benchmark, metric, CONTROL), store.get(benchmark, metric, STRATA))
        against = f' ({_version(store.baseline(benchmark, metric))})' if several and ratio else ''
        table.append([benchmark, *(scaled(unit, store.median(benchmark, metric, c)) for c in columns),
                      _ratio(ratio) + against, _interval(ratio), _interval(control),
                      ratios.verdict(ratio, result.healthy)])
    return table


def real_table(result):
    """The real programs: the plain heap, Strata under strata-run, and their ratio."""
    store = result.store
    table = [['program', 'plain heap', 'Strata', 'ratio', '95 %', 'A/A', 'verdict']]
    for metric, unit, what in (('time', 'ms', 'time (ms)'), ('peak_working_set', 'MiB', 'peak memory (MiB)')):
        for benchmark, _ in store.keys(metric, {names.REAL}):
            ratio = store.ratio(benchmark, metric, STRATA, 'default')
            control = store.ratio(benchmark, metric, CONTROL, STRATA)
            table.append([f'{benchmark.removeprefix("program_")}, {what}',
                          scaled(unit, store.median(benchmark, metric, 'default')),
                          scaled(unit, store.median(benchmark, metric, STRATA)),
                          _ratio(ratio), _interval(ratio), _interval(control), ratios.verdict(ratio)])
    return table


def groups_table(result):
    """Geometric means of the ratios, one line per group and metric."""
    table = [['geometric mean of ratios', 'to mimalloc', 'worst', 'to default', 'to limit', 'A/A', 'baseline']]
    lines = [(group, 'time', group) for group in (*names.MICRO_GROUPS, *names.MIXED)]
    lines += [(f'{group}: {metric}', metric, group) for group in names.MIXED
              for metric in ('peak_commit', 'peak_working_set')]
    for title, metric, group in lines:
        found = result.store.medians_of_ratios(metric, {group})
        if not result.store.keys(metric, {group}):
            continue
        cells = [f'{ratios.geometric_mean(found.values()):.2f}' if found else '-',
                 f'{max(found.values()):.2f}' if found else '-']
        limit = 'limit' if metric == 'time' else 'requested'
        for column, base in ((STRATA, 'default'), (STRATA, limit), (CONTROL, STRATA)):
            values = result.store.medians_of_ratios(metric, {group}, column, base)
            cells.append(f'{ratios.geometric_mean(values.values()):.2f}' if values else '-')
        table.append([title, *cells, result.store.chosen.get((group, metric), '-')])
    return table


def target_value(value):
    if value is None:
        return 'not measured'
    if isinstance(value, dict):
        return ', '.join(f'{name} {part:g}' if part is not None else f'{name} -'
                         for name, part in value.items())
    return f'{value:g}'


def targets_table(result):
    table = [['target', 'measured', 'wanted', 'met', 'note']]
    for entry in result.targets:
        wanted = entry['target'] if isinstance(entry['target'], str) else f'<= {entry["target"]:g}'
        table.append([entry['name'], target_value(entry['value']), wanted,
                      'yes' if entry['met'] else 'NO', entry.get('note') or entry.get('reason') or ''])
    return table


def header(result):
    """Lines about what was measured, with what."""
    machine = result.machine
    rounds = ', '.join(f'{kind} {count}' for kind, count in result.rounds.items())
    lines = [f'{machine["processor"]}, {machine["processors"]} processors, load {machine["load"]} at the '
             f'start; {machine["system"]}.',
             f'All programs: {result.compiler}, {result.flags}. Rounds: {rounds}; workloads at '
             f'{result.percent} % of their full size.']
    if not result.baselines:
        lines.append('NO BASELINE: mimalloc was not built, so there are no ratios to it.')
    for baseline in result.baselines:
        state = 'healthy' if baseline['healthy'] else 'NOT HEALTHY, its ratios are void'
        lines.append(f'Baseline: mimalloc {baseline["version"]}, default options; {state}: '
                     f'{"; ".join(baseline["seen"])}.')
    if len(result.baselines) > 1:
        lines.append('Ratios are to the faster of the two in each group of benchmarks, for memory to the smaller; '
                     'its version stands beside the ratio.')
    return lines


def notes(result):
    lines = ['Medians of the rounds; a micro benchmark\'s time is that of an item; memory is above what '
             'an empty process has. ratio: Strata to mimalloc, median of the rounds\' ratios, with '
             'its bootstrap interval. A/A: Strata to Strata, what noise alone does.',
             'Verdict: less or MORE when the 95 % interval of the ratio leaves out 1.']
    for kind, control in result.controls.items():
        lines.append(f'A/A, {kind}: {control["median"]:.4f} ({control["low"]:.4f} to {control["high"]:.4f}); '
                     + ('it spans 1, as it must.' if control['spans_1'] else
                        'IT DOES NOT SPAN 1, as it must: do not trust these rows.'))
    lines += [text[0].upper() + text[1:] + '.' for text in result.checks]
    lines += [f'FAILED: {text}' for text in result.failures]
    return lines


def sections(result):
    """[(title, table)]"""
    found = [('Targets', targets_table(result)), ('Summary', groups_table(result)),
             ('Micro benchmarks', rows_table(result, 'time', set(names.MICRO_GROUPS), 'ns')),
             ('Real programs', real_table(result))]
    for group in names.MIXED:
        title = group[0].upper() + group[1:]
        found += [(f'{title}: time', rows_table(result, 'time', {group}, 'ms')),
                  (f'{title}: peak commit', rows_table(result, 'peak_commit', {group}, 'MiB')),
                  (f'{title}: peak working set', rows_table(result, 'peak_working_set', {group}, 'MiB'))]
    latency = [['latency in the server (ticks)']]
    for call in ('malloc', 'free'):
        for point in ('p50', 'p99', 'p999', 'p9999', 'max'):
            part = rows_table(result, f'{call}_{point}', {names.WORKLOADS}, 'ticks')
            if len(part) > 1:
                latency = [latency[0][:1] + part[0][1:]] + latency[1:]
                latency.append([f'{call} {point}', *part[1][1:]])
    found.append(('Latency of single calls', latency))
    for metric, unit in (('commit_after_2s', 'MiB'), ('working_set_after_2s', 'MiB'), ('commit', 'bytes'),
                         ('commit_per_heap', 'bytes')):
        found.append((f'Probe: {metric}', rows_table(result, metric, {names.PROBES}, unit)))
    return [(title, table) for title, table in found if len(table) > 1]


def as_text(table):
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return ['  '.join(cell.ljust(width) if i == 0 else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in table]


def as_markdown(table):
    lines = ['| ' + ' | '.join(row) + ' |' for row in table]
    lines.insert(1, '|' + '|'.join([' --- '] + [' ---: '] * (len(table[0]) - 1)) + '|')
    return lines


def text(result):
    lines = ['', *header(result), '']
    for title, table in sections(result):
        lines += [title, *as_text(table), '']
    return '\n'.join([*lines, *notes(result)])


def markdown(result):
    lines = ['# Benchmarks', '', *(f'- {line}' for line in header(result)), '']
    for title, table in sections(result):
        lines += [f'## {title}', '', *as_markdown(table), '']
    return '\n'.join([*lines, *(f'- {line}' for line in notes(result)), ''])
