"""The tables, for the terminal and as Markdown."""

import names
import ratios

_ALLOCATORS = ('strata', 'mimalloc', 'default', 'crt')


def nanoseconds(value):
    if value is None:
        return '-'
    return f'{value:.1f}' if value < 100 else f'{value:,.0f}'


def _verdict(result, row):
    healthy = bool(result['baseline'] and result['baseline']['healthy'])
    return ratios.verdict(row['ratio_to_mimalloc'].get('strata'), healthy)


def _ratio(ratio):
    return f'{ratio["median"]:.2f}' if ratio else '-'


def _span(ratio):
    return f'{ratio["min"]:.2f}..{ratio["max"]:.2f}' if ratio else '-'


def rows_table(result):
    """One line per benchmark."""
    shown = [name for name in _ALLOCATORS if name in result['allocators']]
    table = [['benchmark', *shown, 'ratio', 'min..max', 'A/A min..max', 'verdict']]
    for row in result['benchmarks']:
        ratio = row['ratio_to_mimalloc'].get('strata')
        table.append([row['benchmark'], *(nanoseconds(row['ns'].get(name)) for name in shown),
                      _ratio(ratio), _span(ratio), _span(row['control']), _verdict(result, row)])
    return table


def groups_table(result):
    """Geometric means of the ratios, one line per group."""
    table = [['geometric mean of ratios', 'to mimalloc', 'worst', 'to default', 'A/A']]
    for group in (*names.GROUPS, None):
        rows = [row for row in result['benchmarks'] if group in (None, row['group'])]
        cells = []
        for against in (lambda r: r['ratio_to_mimalloc'].get('strata'),
                        lambda r: r['ratio_to_default'], lambda r: r['control']):
            cells.append([ratio['median'] for row in rows if (ratio := against(row))])
        if not rows:
            continue
        mean = [f'{ratios.geometric_mean(c):.2f}' if c else '-' for c in cells]
        worst = f'{max(cells[0]):.2f}' if cells[0] else '-'
        table.append([group or 'all', mean[0], worst, mean[1], mean[2]])
    return table


def header(result):
    """Lines about what was measured, with what."""
    baseline = result['baseline']
    lines = [f'{result["machine"]["processor"]}, {result["machine"]["processors"]} processors, '
             f'load {result["machine"]["load"]}; {result["machine"]["system"]}.',
             f'All programs: {result["compiler"]}, {result["flags"]}; {result["rounds"]} rounds.']
    if baseline is None:
        lines.append('NO BASELINE: mimalloc was not built, so there are no ratios to it.')
    else:
        state = 'healthy' if baseline['healthy'] else 'NOT HEALTHY, its ratios are void'
        lines.append(f'Baseline: mimalloc {baseline["version"]}, default options; {state}: '
                     f'{"; ".join(baseline["seen"])}.')
    return lines


def notes(result):
    lines = ['Columns: nanoseconds an item, median of the rounds; ratio: Strata to mimalloc, median '
             'of the rounds\' ratios; A/A: Strata to Strata, what noise alone does.',
             'Verdict: faster or SLOWER when the 95 % interval of the ratio leaves out 1.']
    slower = [row['benchmark'] for row in result['benchmarks']
              if _verdict(result, row) == 'SLOWER']
    if result['baseline'] and result['baseline']['healthy']:
        lines.append(f'Slower than mimalloc: {", ".join(slower) if slower else "none"}.')
    control = result['control']
    if control:
        good = control['low'] <= 1 <= control['high']
        lines.append(f'A/A over all rows: {control["median"]:.3f} ({control["low"]:.3f} to '
                     f'{control["high"]:.3f}); '
                     + ('it spans 1, as it must.' if good else 'IT MUST SPAN 1: do not trust this run.'))
    lines += [f'FAILED: {text}' for text in result['failures']]
    return lines


def as_text(table):
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return ['  '.join(cell.ljust(width) if i == 0 else cell.rjust(width)
                      for i, (cell, width) in enumerate(zip(row, widths))) for row in table]


def as_markdown(table):
    lines = ['| ' + ' | '.join(row) + ' |' for row in table]
    lines.insert(1, '|' + '|'.join([' --- '] + [' ---: '] * (len(table[0]) - 1)) + '|')
    return lines


def text(result):
    return '\n'.join(['', *header(result), '', *as_text(rows_table(result)), '',
                      *as_text(groups_table(result)), '', *notes(result)])


def markdown(result):
    return '\n'.join(['# Micro benchmarks', '', *(f'- {line}' for line in header(result)), '',
                      *as_markdown(rows_table(result)), '', *as_markdown(groups_table(result)), '',
                      *(f'- {line}' for line in notes(result)), ''])
