"""The part of tools/demo.sh that runs and compares. Needs only Python's standard library."""

import argparse
import json
import os
import sys

from real_programs import paths, report, session
from real_programs.system import PLAIN, STRATA
from real_programs.windows import catalogue
from real_programs.windows.wine_set import WineSet


def parse_options():
    parser = argparse.ArgumentParser(prog='tools/demo.sh')
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--runs', type=int)
    parser.add_argument('--program', action='append', choices=[program.name for program in catalogue.DEMO])
    parser.add_argument('--plain-only', action='store_true')
    options = parser.parse_args()
    if options.runs is None:
        options.runs = 3 if options.quick else 5
    if options.runs < 1:
        parser.error('--runs must be positive')
    return options


def main():
    options = parse_options()
    programs = WineSet(catalogue.DEMO)
    sides = [PLAIN] if options.plain_only else [PLAIN, STRATA]
    if STRATA in sides and not session.is_built(programs, 'the build has failed or was left out'):
        return 1
    chosen = [program for program in programs.programs
              if not options.program or program.name in options.program]
    results = session.run(programs, chosen, sides, options.runs)

    os.makedirs(paths.DEMO, exist_ok=True)
    with open(os.path.join(paths.DEMO, 'results.json'), 'w', encoding='utf-8') as file:
        json.dump(results, file, indent=1)
    with open(os.path.join(paths.DEMO, 'results.md'), 'w', encoding='utf-8') as file:
        file.write(report.markdown(results))
    print(report.summary(results))
    return 1 if any(result['problems'] for result in results) else 0


if __name__ == '__main__':
    sys.exit(main())
