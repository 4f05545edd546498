"""The part of tools/programs.sh that runs and compares: the demo's, with more programs."""

import argparse
import json
import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), 'demo'))

import demo  # noqa: E402  (needs the path above; so does all that follows)
import packages  # noqa: E402
import report  # noqa: E402
from catalogue import PROGRAMS, QUICK  # noqa: E402

RESULTS = os.path.join(demo.ROOT, 'build', 'programs')
DOCUMENT = os.path.join(demo.ROOT, 'docs', 'programs.md')
BEGIN = '<!-- begin of the results: tools/programs.sh --update-docs writes them -->'
END = '<!-- end of the results -->'
FAILED, SKIPPED = 1, 3


def wine_version():
    """The text and the number of the Wine that programs are started by."""
    done = subprocess.run([demo.WINE, '--version'], capture_output=True, text=True,
                          stdin=subprocess.DEVNULL, env=demo.environment(demo.PLAIN))
    text = done.stdout.strip()
    number = re.match(r'wine-(\d+)', text)
    return text, int(number.group(1)) if number else 0


def choose(options):
    if options.program:
        return [program for program in PROGRAMS if program.name in options.program]
    return [program for program in PROGRAMS if not options.quick or program.name in QUICK]


def run_program(program, wine_text, wine, pairs):
    result = {'wine': wine_text, 'program': program.name, 'executable': program.executable, 'what': program.what,
              'package': str(program.package or 'Wine'), 'pairs_asked': pairs, 'problems': []}
    if wine < program.wine:
        result['skipped'] = f'needs Wine {program.wine}, and this is Wine {wine}'
        return result
    try:
        # Time and memory are shown, not judged: that takes a quiet machine, and the demo does it.
        demo.measure_program(program, [demo.PLAIN, demo.STRATA], pairs, result, judge_time=False)
    except packages.CannotBeHad as missing:
        result['skipped'] = str(missing)
    except demo.Failure as problem:
        result['problems'].append(str(problem))
    return result


def result_file(name):
    return os.path.join(RESULTS, f'{name}.json')


def keep(result):
    os.makedirs(RESULTS, exist_ok=True)
    with open(result_file(result['program']), 'w', encoding='utf-8') as file:
        json.dump(result, file, indent=1)


def latest_results():
    """The last result of each program, as far as it has ever run here."""
    results = []
    for program in PROGRAMS:
        if os.path.exists(result_file(program.name)):
            with open(result_file(program.name), encoding='utf-8') as file:
                results.append(json.load(file))
    return results


def update_document():
    results = latest_results()
    with open(DOCUMENT, encoding='utf-8') as file:
        text = file.read()
    before, after = text[:text.index(BEGIN)], text[text.index(END):]
    wines = sorted({result['wine'] for result in results})
    title = f'Each program\'s last run here, under {" and ".join(wines)}:'
    with open(DOCUMENT, 'w', encoding='utf-8') as file:
        file.write(f'{before}{BEGIN}\n{report.markdown(results, title)}{after}')


def parse_options():
    parser = argparse.ArgumentParser(prog='tools/programs.sh')
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--runs', type=int)
    parser.add_argument('--program', action='append', choices=[program.name for program in PROGRAMS])
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--update-docs', action='store_true')
    options = parser.parse_args()
    if options.runs is None:
        options.runs = 0 if options.quick else 3
    if options.runs < 0:
        parser.error('--runs must not be negative')
    if options.update_docs and options.quick:
        parser.error('--update-docs wants more than the quick set gives')
    return options


def main():
    options = parse_options()
    if options.list:
        for program in PROGRAMS:
            quick = ', quick' if program.name in QUICK else ''
            print(f'{program.name:9} {program.what} (Wine {program.wine}{quick})')
        return 0
    for path in (demo.LAUNCHER, demo.OVERRIDE):
        if not os.path.exists(path):
            demo.say(f'{os.path.relpath(path, demo.ROOT)} is not there: build the preset windows first')
            return FAILED
    wine, number = wine_version()
    chosen = choose(options)
    demo.say(f'{len(chosen)} programs, under {wine}')
    results = []
    waker = demo.keep_wine_awake()
    try:
        for program in chosen:
            result = run_program(program, wine, number, options.runs)
            results.append(result)
            keep(result)
            for problem in result['problems']:
                demo.say(f'{program.name}: FAILED: {problem}')
            if 'skipped' in result:
                demo.say(f'{program.name}: SKIPPED: {result["skipped"]}')
    finally:
        waker.stdin.close()

    with open(os.path.join(RESULTS, 'results.md'), 'w', encoding='utf-8') as file:
        file.write(report.markdown(results))
    print(report.summary(results, 'build/programs/results.md; all of each program in NAME.json'))
    if options.update_docs:
        update_document()
    if any(result['problems'] for result in results):
        return FAILED
    # A package that cannot be fetched today says nothing about Strata; the quick set goes on without it.
    return SKIPPED if any('skipped' in result for result in results) and not options.quick else 0


if __name__ == '__main__':
    sys.exit(main())
