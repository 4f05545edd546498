"""The part of tools/programs.sh that runs and compares: more programs than the demo's, none judged by time."""

import argparse
import json
import os
import sys

from real_programs import report, session
from real_programs.compare import say
from real_programs.linux.linux_set import LinuxSet
from real_programs.paths import ROOT
from real_programs.system import PLAIN, STRATA
from real_programs.windows import catalogue
from real_programs.windows.wine_set import WineSet

DOCUMENT = os.path.join(ROOT, 'docs', 'programs.md')
FAILED, SKIPPED = 1, 3


def the_set(native):
    """Which programs, and what there is to know about them."""
    return LinuxSet() if native else WineSet(catalogue.PROGRAMS, catalogue.QUICK)


def choose(programs, options):
    if options.program:
        return [program for program in programs.programs if program.name in options.program]
    return [program for program in programs.programs if not options.quick or program.name in programs.quick]


def result_file(programs, name):
    return os.path.join(programs.results, f'{name}.json')


def keep(programs, result):
    os.makedirs(programs.results, exist_ok=True)
    with open(result_file(programs, result['program']), 'w', encoding='utf-8') as file:
        json.dump(result, file, indent=1)


def latest_results(programs):
    """The last result of each program, as far as it has ever run here."""
    results = []
    for program in programs.programs:
        if os.path.exists(result_file(programs, program.name)):
            with open(result_file(programs, program.name), encoding='utf-8') as file:
                results.append(json.load(file))
    return results


def update_document(programs):
    results = [result for result in latest_results(programs) if 'about' in result]
    with open(DOCUMENT, encoding='utf-8') as file:
        text = file.read()
    before, after = text[:text.index(programs.begin)], text[text.index(programs.end):]
    places = sorted({result['about'] for result in results})
    title = f'Each program\'s last run here, under {" and ".join(places)}:'
    with open(DOCUMENT, 'w', encoding='utf-8') as file:
        file.write(f'{before}{programs.begin}\n{report.markdown(results, title)}{after}')


def parse_options():
    parser = argparse.ArgumentParser(prog='tools/programs.sh')
    parser.add_argument('--native', action='store_true')
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--runs', type=int)
    parser.add_argument('--program', action='append')
    parser.add_argument('--list', action='store_true')
    parser.add_argument('--packages', choices=('installed', 'unpacked'))  # for tools/programs.sh
    parser.add_argument('--update-docs', action='store_true')
    options = parser.parse_args()
    if options.runs is None:
        options.runs = 3 if not options.quick else 1 if options.native else 0
    if options.runs < 0:
        parser.error('--runs must not be negative')
    if options.update_docs and options.quick:
        parser.error('--update-docs wants more than the quick set gives')
    programs = the_set(options.native)
    unknown = set(options.program or ()) - {program.name for program in programs.programs}
    if unknown:
        parser.error(f'no such program: {", ".join(sorted(unknown))} (--list has the names)')
    return options, programs


def list_packages(chosen, which):
    """Debian's, one a line: those that the chosen programs need and have to be installed, or unpacked."""
    for package in dict.fromkeys(
            package for program in chosen for place, package in enumerate(program.debian)
            if (which == 'unpacked') == (program.unpacked and place == 0)):
        print(package)


def main():
    options, programs = parse_options()
    chosen = choose(programs, options)
    if options.list:
        for program in programs.programs:
            quick = '; quick' if program.name in programs.quick else ''
            print(f'{program.name:9} {programs.describe(program)}{quick}')
        return 0
    if options.packages:
        list_packages(chosen, options.packages)
        return 0
    if not session.is_built(programs, f'build the preset {programs.preset} first'):
        return FAILED
    about = programs.about()
    say(f'{len(chosen)} programs, under {about}')
    # Time and memory are shown, not judged: that takes a quiet machine, and the demo does it.
    results = session.run(
        programs, chosen, [PLAIN, STRATA], options.runs, facts={'kind': programs.system.kind, 'about': about},
        skipping=True, done=lambda result: keep(programs, result), judge_time=False,
        first_counts=options.native and options.quick)

    place = os.path.relpath(programs.results, ROOT)
    with open(os.path.join(programs.results, 'results.md'), 'w', encoding='utf-8') as file:
        file.write(report.markdown(results))
    print(report.summary(results, f'{place}/results.md; all of each program in NAME.json'))
    if options.update_docs:
        update_document(programs)
    if any(result['problems'] for result in results):
        return FAILED
    # A package that cannot be fetched today says nothing about Strata; the quick set goes on without it.
    return SKIPPED if any('skipped' in result for result in results) and not options.quick else 0


if __name__ == '__main__':
    sys.exit(main())
