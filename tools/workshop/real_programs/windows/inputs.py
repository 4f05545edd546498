"""Files that programs are given to work on, made on the spot and the same each time."""

import json
import os


def _write(folder, name, data):
    path = os.path.join(folder, name)
    with open(path, 'wb') as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def _word(number):
    return f'word{number * 7919 % 9973}'


def sarif_log(folder):
    """3,000 results of an imagined tool, as SARIF."""
    results = [{
        'ruleId': f'R{i % 40:03}',
        'message': {'text': ' '.join(_word(i + k) for k in range(12))},
        'locations': [{'physicalLocation': {'artifactLocation': {'uri': f'source/file{i % 97}.c'},
                                            'region': {'startLine': i % 500 + 1}}}],
    } for i in range(3000)]
    rules = [{'id': f'R{i:03}'} for i in range(40)]
    _write(folder, 'log.sarif', json.dumps({
        'version': '2.1.0',
        'runs': [{'tool': {'driver': {'name': 'imagined', 'rules': rules}}, 'results': results}]}))


def script(folder):
    """JavaScript with 1,500 functions, which are all called, and texts that are put together and sorted."""
    lines = ['"use strict";', 'var all = [];']
    for i in range(1500):
        lines.append(
            f'all.push(function f{i}(a, b) {{ var t = {{ name: "{_word(i)}", at: a + {i} }}; '
            f'for (var k = 0; k < b; ++k) {{ t.at = (t.at * 31 + k) % 1000003; '
            f'if (t.at % 7 === {i % 7}) t.name += "-" + t.at.toString(36); }} return t; }});')
    lines.append("""
        var made = [], sum = 0;
        for (var round = 0; round < 10; ++round)
          for (var i = 0; i < all.length; ++i) made.push(all[i](round, 12));
        made.sort(function (x, y) { return x.name < y.name ? -1 : x.name > y.name ? 1 : x.at - y.at; });
        var text = JSON.stringify(made);
        JSON.parse(text).forEach(function (t) { sum = (sum * 17 + t.at) % 1000003; });
        print(made.length + " things, " + text.length + " characters, sum " + sum);
        print(text.replace(/[0-9]+/g, "#").slice(0, 200));""")
    _write(folder, 'script.js', '\n'.join(lines))


def page(folder):
    """An untidy HTML page of 2 MB: elements that are not closed, attributes without quotes, tables, lists."""
    parts = ['<title>untidy</title><body bgcolor=white>']
    for i in range(4000):
        words = ' '.join(_word(i * 20 + k) for k in range(24))
        parts.append(f'<h2>{_word(i)}<p class=c{i % 9}><b>{words[:90]}<i>{words[90:]}</b></i>')
        parts.append(f'<table><tr><td>{i}<td align=right>{_word(i * 3)}</table><ul><li>{_word(i + 5)}'
                     f'<li><a href=page{i}.html?a=1&b=2>{_word(i + 6)}</ul>')
    _write(folder, 'page.html', '\n'.join(parts))


def document(folder, pages=300):
    """A PDF file of lines of words."""
    objects = [b'<</Type/Catalog/Pages 2 0 R>>', b'', b'<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>']
    kids = []
    for n in range(pages):
        lines = []
        for at in range(50):
            words = ' '.join(_word(n * 500 + at * 10 + k) for k in range(10))
            lines.append(f'BT /F1 {9 + at % 4} Tf {50 + at % 3 * 9} {770 - 15 * at} Td ({words}) Tj ET')
        stream = '\n'.join(lines).encode()
        objects.append(b'<</Length %d>>stream\n%s\nendstream' % (len(stream), stream))
        objects.append(b'<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents %d 0 R'
                       b'/Resources<</Font<</F1 3 0 R>>>>>>' % len(objects))
        kids.append(b'%d 0 R' % len(objects))
    objects[1] = b'<</Type/Pages/Count %d/Kids[%s]>>' % (pages, b' '.join(kids))
    data, places = bytearray(b'%PDF-1.4\n'), []
    for number, text in enumerate(objects, 1):
        places.append(len(data))
        data += b'%d 0 obj\n%s\nendobj\n' % (number, text)
    start = len(data)
    data += b'xref\n0 %d\n0000000000 65535 f \n' % (len(objects) + 1)
    data += b''.join(b'%010d 00000 n \n' % place for place in places)
    data += b'trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n' % (len(objects) + 1, start)
    _write(folder, 'document.pdf', bytes(data))
