"""The part of tools/demo.sh that runs and compares. Needs only Python's standard library."""

import argparse
import dataclasses
import hashlib
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

import measure
import packages
import report
import verdict
from programs import PROGRAMS, Folders, files_below, windows_path

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEMO = os.path.join(ROOT, 'build', 'demo')
WINE = os.path.join(ROOT, 'tools', 'wine.sh')
LAUNCHER = os.path.join(ROOT, 'build', 'windows', 'bin', 'strata-run.exe')
OVERRIDE = os.path.join(ROOT, 'build', 'windows', 'bin', 'strata-override.dll')
TIMEOUT = 300  # seconds for one start of a program
MORE_PAIRS_UNTIL = 120  # seconds after a program's first pair; on a busy machine they would not help

# The ways to run a program. Counting the heap calls takes time, so that is a run of its own.
PLAIN, STRATA, COUNTED = 'plain', 'strata', 'counted'
_began = time.monotonic()


def say(text):
    print(f'[{time.monotonic() - _began:4.0f} s] {text}', flush=True)


class Failure(Exception):
    """A program did not do what it should have; the text is for the reader."""


@dataclasses.dataclass
class Run:
    """All steps of a program, done once."""
    seconds: float = 0.0
    total_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    statistics: list = dataclasses.field(default_factory=list)  # when counted: one record a process
    digests: dict = dataclasses.field(default_factory=dict)     # of all output: name -> SHA-256


def environment(way, statistics_file=None):
    # Strata is left to its defaults, whatever the caller's environment may ask of it.
    env = {name: value for name, value in os.environ.items()
           if not name.startswith('STRATA_') or name.startswith('STRATA_WINE')}
    if way == COUNTED:
        env['STRATA_STATS'] = '1'
        env['STRATA_STATS_FILE'] = windows_path(statistics_file)
    return env


def tail(path, lines=12):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return ''.join('\n         | ' + line.rstrip() for line in file.readlines()[-lines:])
    except OSError:
        return ''


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


def digest_of_output(program, path):
    """Of a standard output, without what may vary in it."""
    if not program.masks and not program.lines_vary:
        return packages.sha256_of_file(path)
    with open(path, 'rb') as file:
        text = file.read()
    for mask in program.masks:
        text = re.sub(mask.encode(), b'*', text)
    if program.lines_vary:
        text = b'\n'.join(sorted(text.split(b'\n')))
    return hashlib.sha256(text).hexdigest()


def require_no_fatal(step, way, stderr):
    with open(stderr, encoding='utf-8', errors='replace') as file:
        for line in file:
            if 'strata: fatal' in line:
                raise Failure(f'{step} ({way}) said: {line.strip()}')


def require_good_output(program, way, folders):
    wrong = program.check(folders)
    if wrong:
        raise Failure(f'{way}: {wrong}')


def run_once(program, way, executable, folders):
    """Runs all steps of a program in an empty folder. Raises Failure."""
    launcher = launcher_for(program, way)
    for folder in (folders.work, folders.output):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
    if program.run is not None:
        run = program.run(program, way, executable, folders)
        require_good_output(program, way, folders)
        return run
    run = Run()
    for step in program.steps:
        stdout = os.path.join(folders.output, f'{step.name}.out')
        stderr = os.path.join(folders.output, f'{step.name}.err')
        statistics_file = os.path.join(folders.output, f'{step.name}.jsonl')
        command = [WINE] + launcher + [executable]
        command += [argument.replace('{tree}', windows_path(folders.tree))
                    for argument in step.arguments]
        done = measure.run(command, program.executable, cwd=folders.work,
                           stdout=stdout, stderr=stderr,
                           env=environment(way, statistics_file), timeout=TIMEOUT)
        if done.exit_code != step.exit_code:
            how = f'was ended after {TIMEOUT} s' if done.exit_code == -1 else \
                f'ended with code {done.exit_code} instead of {step.exit_code}'
            raise Failure(f'{step.name} ({way}) {how}; the end of its output:'
                          + tail(stdout) + tail(stderr))
        if done.processes == 0:
            raise Failure(f'{step.name} ({way}): no process {program.executable} was ever seen')
        require_no_fatal(step.name, way, stderr)
        run.seconds += done.seconds
        run.total_seconds += done.total_seconds
        run.cpu_seconds += done.cpu_seconds
        run.peak_bytes = max(run.peak_bytes, done.peak_bytes)
        if way == COUNTED:
            records = read_statistics(statistics_file, program.executable)
            if not records or not all(record['active'] for record in records):
                raise Failure(f'{step.name}: Strata was not active in the program' + tail(stderr))
            run.statistics += records
        run.digests[f'standard output of {step.name}'] = digest_of_output(program, stdout)
        if way != COUNTED:  # there the figures are printed among the errors
            run.digests[f'standard error of {step.name}'] = packages.sha256_of_file(stderr)

    require_good_output(program, way, folders)
    for name, path in files_below(folders.work).items():
        run.digests[name] = packages.sha256_of_file(path)
    return run


def require_same_output(run, way, reference, folders):
    names = sorted(name for name in run.digests.keys() | reference.digests.keys()
                   if run.digests.get(name) != reference.digests.get(name)
                   and not (way == COUNTED and name.startswith('standard error of')))
    if not names:
        return
    # The next run's files will take their place.
    shutil.copytree(folders.output, folders.output + '-different', dirs_exist_ok=True)
    raise Failure(f'the output of a {way} run differs from that of the first plain run in '
                  f'{len(names)} of {len(reference.digests)} files, e.g. {names[0]} '
                  f'(kept in {os.path.relpath(folders.output, ROOT)}-different)')


def prepare(program):
    """Fetches what the program needs. Returns its executable as Wine names it, and its folders."""
    cache = os.path.join(DEMO, 'packages')
    executable = program.path
    if program.package:
        path = os.path.join(packages.fetch(program.package, cache), program.path)
        packages.check(path, program.sha256, program.package)
        executable = windows_path(path)
    tree = os.path.join(DEMO, program.tree)
    for package in program.inputs:
        source = packages.fetch(package, cache)
        target = os.path.join(tree, package.name)
        if not os.path.isdir(target):
            shutil.rmtree(target + '.part', ignore_errors=True)
            shutil.copytree(source, target + '.part')
            os.rename(target + '.part', target)
    base = os.path.join(DEMO, 'runs', program.name)
    return executable, Folders(os.path.join(base, 'work'), os.path.join(base, 'output'), tree)


def describe(run):
    text = f'{run.seconds:.2f} s, peak {report.mebibytes(run.peak_bytes)}'
    if run.statistics:
        calls = verdict.outside_ntdll(verdict.add_calls(run.statistics))
        share = verdict.share_served(run.statistics)
        text += f', {report.count(calls)} heap calls, served {report.percent(share)}'
    return text


def measure_program(program, sides, pairs_wanted, result, judge_time=True):
    """Fills `result` with figures; result['problems'] says what did not hold.

    judge_time: being slower is a problem, too, and takes more pairs where it is in doubt.
    """
    say(f'{program.name}: {program.what}')
    executable, folders = prepare(program)
    runs = {side: [] for side in sides}
    reference = None

    def one(way, label):
        nonlocal reference
        run = run_once(program, way, executable, folders)
        if reference is None:
            reference = run
        require_same_output(run, way, reference, folders)
        say(f'{program.name}: {label:8} {way:8} {describe(run)}')
        return run

    # Not timed: this fills the file cache, and gives the output that all other runs must repeat.
    one(PLAIN, 'warm-up')
    if STRATA in sides:
        add_calls(program, one(COUNTED, 'calls').statistics, result)

    began = time.monotonic()
    pairs = 0
    while pairs < pairs_wanted:
        for side in sides if pairs % 2 == 0 else sides[::-1]:
            runs[side].append(one(side, f'pair {pairs + 1}'))
        pairs += 1
        if judge_time and pairs == pairs_wanted and STRATA in sides:
            ratio = verdict.time_ratio(*([run.seconds for run in runs[side]] for side in sides))
            doubtful = ratio['noisy'] or ratio['slower']
            patient = time.monotonic() - began < MORE_PAIRS_UNTIL
            if doubtful and patient and pairs_wanted < 3 * result['pairs_asked']:
                say(f'{program.name}: ratio {ratio["median"]:.3f}, noise bound '
                    f'{ratio["noise_bound"]:.1%}: two more pairs, to be sure')
                pairs_wanted += 2

    result['pairs'] = pairs
    result['outputs_compared'] = len(reference.digests)
    for side in sides:
        result[side] = {
            'seconds': [run.seconds for run in runs[side]],
            'total_seconds': [run.total_seconds for run in runs[side]],
            'cpu_seconds': [run.cpu_seconds for run in runs[side]],
            'peak_bytes': [run.peak_bytes for run in runs[side]],
        }
    if STRATA in sides and pairs > 0:
        add_ratio(result, judge_time)


def add_calls(program, records, result):
    result['statistics'] = records
    result['calls'] = verdict.add_calls(records)
    result['calls']['total'] = verdict.outside_ntdll(verdict.add_calls(records))
    result['calls']['requests'] = verdict.requests(records)
    share = result['share_served'] = verdict.share_served(records)
    if program.few_calls:
        share = result['share_of_requests'] = verdict.share_of_requests(records)
    if share is None:
        result['problems'].append('Strata counted no heap calls')
    elif share < verdict.MIN_SHARE_SERVED:
        result['problems'].append(f'Strata served only {report.percent(share)} of the heap calls; '
                                  f'{report.percent(verdict.MIN_SHARE_SERVED)} are wanted')


def add_ratio(result, judge_time):
    result['ratio'] = verdict.compare(result[PLAIN], result[STRATA])
    ratio = result['ratio'][result['ratio']['judged_by']]
    if judge_time and ratio['slower']:
        result['problems'].append(
            f'slower than with the plain heap: {ratio["median"]:.3f} times its '
            f'{result["ratio"]["judged_by"]} time, with noise of at most {ratio["noise_bound"]:.1%}')
    # What a start through strata-run takes in addition, before and after the program itself.
    around = {side: statistics.median(total - seconds for total, seconds in
                                      zip(result[side]['total_seconds'], result[side]['seconds']))
              for side in (PLAIN, STRATA)}
    result['launcher_seconds'] = around[STRATA] - around[PLAIN]


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
                measure_program(program, sides, pairs, result)
            except (Failure, packages.CannotBeHad) as problem:
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
