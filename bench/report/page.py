"""The report as one HTML file that needs nothing else."""

import html as markup

import charts
import names
import tables
from store import CONTROL, STRATA

_STYLE = '''
:root { color-scheme: light dark; --ink: #1b2430; --dim: #657184; --paper: #fff; --line: #dfe4ea;
        --good: #15803d; --bad: #c2410c; --same: #64748b; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --dim: #98a3b3; --paper: #14181f;
        --line: #2d3541; --good: #4ade80; --bad: #fb923c; --same: #94a3b8; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
       max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
h1 { margin-bottom: .2rem; } h2 { margin-top: 2.4rem; }
svg { width: 100%; height: auto; font: 11px system-ui, sans-serif; }
svg text { fill: var(--ink); } svg .tick { fill: var(--dim); font-size: 10px; }
.grid { stroke: var(--line); } .one { stroke: var(--dim); stroke-dasharray: 3 3; }
.span { stroke-width: 2; } line.good { stroke: var(--good); } line.bad { stroke: var(--bad); }
line.same { stroke: var(--same); } circle.good, svg text.good { fill: var(--good); }
circle.bad, svg text.bad { fill: var(--bad); } circle.same, svg text.same { fill: var(--same); }
.legend span { margin-right: 1.2em; } .legend i { display: inline-block; width: .8em; height: .8em;
       border-radius: 2px; margin-right: .4em; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: 12.5px; white-space: nowrap; }
td, th { padding: .15rem .6rem; text-align: right; border-bottom: 1px solid var(--line); }
td:first-child, th:first-child { text-align: left; } td { font-variant-numeric: tabular-nums; }
.targets td { white-space: normal; text-align: left; } td.yes { color: var(--good); }
td.no { color: var(--bad); font-weight: 600; } .note { color: var(--dim); }
'''


def _table(table, css=''):
    def row(cells, tag):
        shown = []
        for cell in cells:
            kind = {'yes': ' class="yes"', 'NO': ' class="no"', 'MORE': ' class="no"',
                    'less': ' class="yes"'}.get(cell, '')
            shown.append(f'<{tag}{kind}>{markup.escape(cell)}</{tag}>')
        return '<tr>' + ''.join(shown) + '</tr>'
    return (f'<div class="scroll"><table class="{css}">' + row(table[0], 'th')
            + ''.join(row(cells, 'td') for cells in table[1:]) + '</table></div>')


def _ratio_chart(result, groups, metric, label):
    rows = []
    for benchmark, _ in result.store.keys(metric, groups):
        ratio = result.store.ratio(benchmark, metric)
        if ratio:
            rows.append((benchmark, ratio['median'], ratio['low'], ratio['high']))
    return charts.ratios(rows, label)


def _real_chart(result):
    rows = []
    for metric, what in (('time', 'time'), ('peak_working_set', 'peak memory')):
        for benchmark, _ in result.store.keys(metric, {names.REAL}):
            ratio = result.store.ratio(benchmark, metric, STRATA, 'default')
            if ratio:
                rows.append((f'{benchmark.removeprefix("program_")}, {what}', ratio['median'],
                             ratio['low'], ratio['high']))
    return charts.ratios(rows, 'ratios of the real programs')


def _memory_chart(result, metric, palette):
    groups = []
    for benchmark, _ in result.store.keys(metric, set(names.MIXED)):
        values = {column: value / (1 << 20) for column in result.columns
                  if (value := result.store.median(benchmark, metric, column)) is not None}
        groups.append((benchmark, values))
    shown = {c: palette[c] for c in result.columns if any(c in values for _, values in groups)}
    return charts.legend(shown) + charts.bars(groups, palette, metric, 'MiB')


def _spike_chart(result, palette, index, label):
    series = {column: [(moment[0] / 1000, moment[index] / (1 << 20)) for moment in line]
              for column, line in result.timelines.items()}
    shown = {column: palette[column] for column in series}
    return charts.legend(shown) + charts.lines(series, palette, label, 'seconds', 'MiB')


def _latency_chart(result, call, palette):
    points = ('p50', 'p99', 'p999', 'p9999', 'max')
    series = {}
    for column in result.columns:
        if column == CONTROL:
            continue
        values = [result.store.median(names.LATENCY_VARIANT.name, f'{call}_{p}', column) for p in points]
        if all(value is not None for value in values):
            series[column] = list(enumerate(values))
    shown = {column: palette[column] for column in series}
    return charts.legend(shown) + charts.lines(series, palette, f'latency of {call}', '', 'ticks', True,
                                               ('50 %', '99 %', '99.9 %', '99.99 %', 'most'))


def _charts(result):
    palette = charts.colours([c for c in result.columns if c != CONTROL])
    palette[CONTROL] = palette[STRATA]
    micro = set(names.MICRO_GROUPS)
    return [
        ('Time, ratio to mimalloc: micro benchmarks', _ratio_chart(result, micro, 'time', 'ratios')),
        ('Time, ratio to mimalloc: workloads and replays',
         _ratio_chart(result, set(names.MIXED), 'time', 'ratios of the workloads and replays')),
        ('Time and peak memory of real programs, ratio to the plain heap', _real_chart(result)),
        ('Peak commit of each workload and replay', _memory_chart(result, 'peak_commit', palette)),
        ('Peak working set of each workload and replay', _memory_chart(result, 'peak_working_set', palette)),
        ('Spike, then idle: commit over time', _spike_chart(result, palette, 1, 'commit')),
        ('Spike, then idle: working set over time', _spike_chart(result, palette, 2, 'working set')),
        ('Server: how long a malloc takes', _latency_chart(result, 'malloc', palette)),
        ('Server: how long a free takes', _latency_chart(result, 'free', palette)),
    ]


def html(result):
    parts = ['<!doctype html><html lang="en"><meta charset="utf-8">',
             '<meta name="viewport" content="width=device-width, initial-scale=1">',
             f'<title>Strata: benchmarks</title><style>{_STYLE}</style>', '<h1>Strata: benchmarks</h1>']
    parts += [f'<p class="note">{markup.escape(line)}</p>' for line in tables.header(result)]
    sections = tables.sections(result)
    for title, table in sections[:2]:
        css = 'targets' if title == 'Targets' else ''
        parts.append(f'<h2>{title}</h2>{_table(table, css)}')
    parts += [f'<h2>{title}</h2>{chart}' for title, chart in _charts(result) if '<svg' in chart]
    parts += [f'<h2>{markup.escape(title)}</h2>{_table(table)}' for title, table in sections[2:]]
    parts += [f'<p class="note">{markup.escape(line)}</p>' for line in tables.notes(result)]
    return '\n'.join(parts) + '\n</html>\n'
