"""Charts as SVG, drawn by hand: the page has to open from a disk, without a network and without scripts."""

import html
import math

_COLOURS = {'strata': '#2563c9', 'default': '#64748b', 'crt': '#94a3b8', 'limit': '#16a34a',
            'requested': '#16a34a'}
_OTHERS = ('#d9730d', '#b83280', '#a16207', '#7c3aed')


def colours(columns):
    """{column: colour}, the same in every chart."""
    result, spare = {}, list(_OTHERS)
    for column in columns:
        result[column] = _COLOURS.get(column) or (spare.pop(0) if spare else '#888888')
    return result


def _text(x, y, text, anchor='start', cls=''):
    cls = f' class="{cls}"' if cls else ''
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{cls}>{html.escape(str(text))}</text>'


def _line(x1, y1, x2, y2, cls='grid', more=''):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{cls}"{more}/>'


def _svg(width, height, parts, label):
    return (f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{html.escape(label)}">'
            + ''.join(parts) + '</svg>')


def legend(shown):
    """`shown`: {column: colour}"""
    return '<p class="legend">' + ''.join(
        f'<span><i style="background:{colour}"></i>{html.escape(column)}</span>'
        for column, colour in shown.items()) + '</p>'


def _ticks(low, high):
    """Round numbers between two values of a logarithmic scale."""
    found = [m * 10.0 ** e for e in range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
             for m in (1, 2, 5)]
    found = [t for t in found if low <= t <= high]
    return found if len(found) <= 9 else [t for t in found if f'{t:e}'[0] == '1']


def ratios(rows, label):
    """A point and its interval for each of `rows`, (name, median, low, high), on a logarithmic scale."""
    if not rows:
        return ''
    left, width, step, top = 190, 860, 15, 26
    low = min(0.5, *(r[2] for r in rows)) / 1.1
    high = max(2.0, *(r[3] for r in rows)) * 1.1
    def place(value):
        return left + (width - left - 90) * math.log(value / low) / math.log(high / low)
    height = top + step * len(rows) + 8
    parts = []
    for tick in _ticks(low, high):
        parts += [_line(place(tick), top - 6, place(tick), height - 4, 'one' if tick == 1 else 'grid'),
                  _text(place(tick), top - 10, f'{tick:g}', 'middle', 'tick')]
    for i, (name, median, least, most) in enumerate(rows):
        y = top + step * i + step / 2
        kind = 'good' if most < 1 else 'bad' if least > 1 else 'same'
        parts += [_text(left - 8, y + 4, name, 'end'),
                  _line(place(least), y, max(place(most), place(least) + 1), y, f'span {kind}'),
                  f'<circle cx="{place(median):.1f}" cy="{y:.1f}" r="3.4" class="{kind}">'
                  f'<title>{html.escape(name)}: {median:.3f} ({least:.3f} to {most:.3f})</title></circle>',
                  _text(width - 6, y + 4, f'{median:.2f}', 'end', kind)]
    return _svg(width, height, parts, label)


def bars(groups, palette, label, unit):
    """Groups of horizontal bars. `groups`: [(name, {column: value})]"""
    if not groups:
        return ''
    left, width, thick, gap = 120, 860, 9, 12
    most = max(v for _, values in groups for v in values.values()) or 1
    def length(value):
        return (width - left - 90) * value / most
    parts, y = [], 8
    for name, values in groups:
        parts.append(_text(left - 8, y + thick * len(values) / 2 + 4, name, 'end'))
        for column, value in values.items():
            parts.append(f'<rect x="{left}" y="{y}" width="{max(length(value), 1):.1f}" '
                         f'height="{thick - 1}" fill="{palette[column]}"><title>{html.escape(name)}, '
                         f'{html.escape(column)}: {value:,.1f} {unit}</title></rect>')
            parts.append(_text(left + length(value) + 4, y + thick - 1.5, f'{value:,.1f}', cls='tick'))
            y += thick
        y += gap
    return _svg(width, y, parts, label)


def lines(series, palette, label, x_unit, y_unit, logarithmic=False, names=None):
    """`series`: {column: [(x, y)]}. With `names`, x counts them."""
    points = [p for line in series.values() for p in line]
    if not points:
        return ''
    left, right, top, bottom, width, height = 64, 16, 14, 34, 860, 340
    x_most = max(x for x, _ in points) or 1
    y_most = max(y for _, y in points) or 1
    y_least = max(min(y for _, y in points), 1) * 0.8 if logarithmic else 0
    def at_x(x):
        return left + (width - left - right) * x / x_most
    def at_y(y):
        share = (math.log(max(y, y_least) / y_least) / math.log(y_most * 1.1 / y_least) if logarithmic
                 else y / (y_most * 1.05))
        return height - bottom - (height - top - bottom) * share
    if logarithmic:
        y_ticks = _ticks(y_least, y_most)
    else:
        unit = 10 ** math.floor(math.log10(y_most))
        unit = unit / 5 if y_most / unit < 2 else unit / 2 if y_most / unit < 5 else unit
        y_ticks = [unit * i for i in range(int(y_most / unit) + 1)]
    parts = []
    for tick in y_ticks:
        parts += [_line(left, at_y(tick), width - right, at_y(tick)),
                  _text(left - 6, at_y(tick) + 4, f'{tick:,.0f}', 'end', 'tick')]
    marks = enumerate(names) if names else [(x_most * i / 8, f'{x_most * i / 8:,.0f}') for i in range(9)]
    for x, mark in marks:
        parts.append(_text(at_x(x), height - bottom + 16, mark, 'middle', 'tick'))
    parts += [_text(width - right, height - 4, x_unit, 'end', 'tick'), _text(4, 10, y_unit, cls='tick')]
    for column, line in series.items():
        path = ' '.join(f'{at_x(x):.1f},{at_y(y):.1f}' for x, y in line)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{palette[column]}" stroke-width="2">'
                     f'<title>{html.escape(column)}</title></polyline>')
        if names:
            parts += [f'<circle cx="{at_x(x):.1f}" cy="{at_y(y):.1f}" r="3" fill="{palette[column]}">'
                      f'<title>{html.escape(column)}, {names[x]}: {y:,.0f}</title></circle>'
                      for x, y in line]
    return _svg(width, height, parts, label)
