"""All programs that were chosen, one after the other."""

import os

from real_programs import npm
from real_programs.compare import measure_program, say
from real_programs.paths import ROOT
from real_programs.system import Failure


def is_built(programs, otherwise):
    """Whether everything is there that they need of Strata; if not, says so, and `otherwise`."""
    for path in programs.files:
        if not os.path.exists(path):
            say(f'{os.path.relpath(path, ROOT)} is not there: {otherwise}')
            return False
    return True


def run(programs, chosen, sides, pairs, *, facts=None, skipping=False, done=lambda result: None, **judging):
    """The results of the chosen programs, a dictionary each.

    facts: what every result says. skipping: a program that cannot be had is no problem. done: is given
    each result as soon as it is there. judging: for measure_program.
    """
    results = []
    with programs.awake():
        for program in chosen:
            result = {**(facts or {}), 'program': program.name, 'executable': program.executable,
                      'what': program.what, 'package': programs.origin(program), 'pairs_asked': pairs,
                      'problems': []}
            results.append(result)
            try:
                unfit = programs.unfit(program) if skipping else None
                if unfit:
                    raise npm.CannotBeHad(unfit)
                measure_program(programs.system, program, sides, pairs, result, **judging)
            except Failure as problem:
                result['problems'].append(str(problem))
            except npm.CannotBeHad as missing:
                if skipping:
                    result['skipped'] = str(missing)
                else:
                    result['problems'].append(str(missing))
            done(result)
            for problem in result['problems']:
                say(f'{program.name}: FAILED: {problem}')
            if 'skipped' in result:
                say(f'{program.name}: SKIPPED: {result["skipped"]}')
    return results
