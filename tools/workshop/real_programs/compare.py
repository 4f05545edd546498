"""Runs a program plain and on Strata, again and again, and compares all that it leaves behind."""

import os
import re
import shutil
import statistics
import time

from real_programs import report, verdict, watch
from real_programs.files import files_below, sha256_of_file
from real_programs.outputs import digest_of_output, require_no_fatal, tail
from real_programs.paths import ROOT
from real_programs.system import COUNTED, PLAIN, STRATA, Failure, Run

TIMEOUT = 300  # seconds for one start of a program
MORE_PAIRS_UNTIL = 120  # seconds after a program's first pair; on a busy machine they would not help

_began = time.monotonic()


def say(text):
    print(f'[{time.monotonic() - _began:4.0f} s] {text}', flush=True)


def require_good_output(program, way, folders):
    wrong = program.check(folders)
    if wrong:
        raise Failure(f'{way}: {wrong}')


def _run_step(system, program, step, way, executable, folders, run):
    stdout = os.path.join(folders.output, f'{step.name}.out')
    stderr = os.path.join(folders.output, f'{step.name}.err')
    statistics_file = os.path.join(folders.output, f'{step.name}.jsonl')
    done = watch.run(system.command(program, way, executable, step, folders),
                     system.process_name(program), cwd=folders.work, stdout=stdout, stderr=stderr,
                     env=system.environment(program, way, statistics_file, folders), timeout=TIMEOUT)
    if done.exit_code != step.exit_code:
        how = f'was ended after {TIMEOUT} s' if done.exit_code == -1 else \
            f'ended with code {done.exit_code} instead of {step.exit_code}'
        raise Failure(f'{step.name} ({way}) {how}; the end of its output:' + tail(stdout) + tail(stderr))
    if done.processes == 0:
        raise Failure(f'{step.name} ({way}): no process {program.executable} was ever seen')
    system.settle(program, step, way, stderr)
    require_no_fatal(step.name, way, stderr)
    run.seconds += done.seconds
    run.total_seconds += done.total_seconds
    run.cpu_seconds += done.cpu_seconds
    run.peak_bytes = max(run.peak_bytes, done.peak_bytes)
    if way == COUNTED:
        records = system.read_statistics(program, statistics_file)
        if not records or not all(record['active'] for record in records):
            raise Failure(f'{step.name}: Strata was not active in the program' + tail(stderr))
        run.statistics += records
    run.digests[f'standard output of {step.name}'] = digest_of_output(
        stdout, program.masks, program.lines_vary)
    if way != COUNTED or not system.counting_prints:
        run.digests[f'standard error of {step.name}'] = sha256_of_file(stderr)


def run_once(system, program, way, executable, folders):
    """Runs all steps of a program in an empty folder. Raises Failure."""
    for folder in (folders.work, folders.output):
        shutil.rmtree(folder, ignore_errors=True)
        os.makedirs(folder)
    if program.run is not None:
        run = program.run(program, way, executable, folders)
        require_good_output(program, way, folders)
    else:
        run = Run()
        for step in program.steps:
            _run_step(system, program, step, way, executable, folders, run)
        require_good_output(program, way, folders)
        for name, path in files_below(folders.work).items():
            if not any(re.fullmatch(varying, name) for varying in program.files_vary):
                run.digests[name] = sha256_of_file(path)
    wrong = system.check_statistics(program, run.statistics) if way == COUNTED else None
    if wrong:
        raise Failure(wrong)
    return run


def require_same_output(system, run, way, reference, folders):
    names = sorted(name for name in run.digests.keys() | reference.digests.keys()
                   if run.digests.get(name) != reference.digests.get(name)
                   and not (way == COUNTED and system.counting_prints
                            and name.startswith('standard error of')))
    if not names:
        return
    # The next run's files will take their place.
    shutil.copytree(folders.output, folders.output + '-different', dirs_exist_ok=True)
    raise Failure(f'the output of a {way} run differs from that of the first plain run in '
                  f'{len(names)} of {len(reference.digests)} files, e.g. {names[0]} '
                  f'(kept in {os.path.relpath(folders.output, ROOT)}-different)')


def describe(run):
    text = f'{run.seconds:.2f} s, peak {report.mebibytes(run.peak_bytes)}'
    if run.statistics:
        calls = verdict.outside_ntdll(verdict.add_calls(run.statistics))
        share = verdict.share_served(run.statistics)
        text += f', {report.count(calls)} heap calls, served {report.percent(share)}'
    return text


def measure_program(system, program, sides, pairs_wanted, result, judge_time=True, first_counts=False):
    """Fills `result` with figures; result['problems'] says what did not hold.

    judge_time: being slower is a problem, too, and takes more pairs where it is in doubt.
    first_counts: the first run is half of the first pair, although it finds the file cache empty.
    """
    say(f'{program.name}: {program.what}')
    executable, folders = system.prepare(program)
    runs = {side: [] for side in sides}
    reference = None

    def one(way, label):
        nonlocal reference
        run = run_once(system, program, way, executable, folders)
        if reference is None:
            reference = run
        require_same_output(system, run, way, reference, folders)
        say(f'{program.name}: {label:8} {way:8} {describe(run)}')
        return run

    # Not timed: this fills the file cache, and gives the output that all other runs must repeat.
    one(PLAIN, 'first' if first_counts else 'warm-up')
    if STRATA in sides:
        add_calls(system, program, one(COUNTED, 'calls').statistics, result)

    began = time.monotonic()
    pairs = 0
    while pairs < pairs_wanted:
        for side in sides if pairs % 2 == 0 else sides[::-1]:
            first = first_counts and pairs == 0 and side == PLAIN
            runs[side].append(reference if first else one(side, f'pair {pairs + 1}'))
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


def add_calls(system, program, records, result):
    result['statistics'] = records
    result['figures'] = system.figures(records)
    result['calls'] = verdict.add_calls(records)
    result['calls']['total'] = verdict.outside_ntdll(verdict.add_calls(records))
    result['calls']['requests'] = verdict.requests(records)
    share = result['share_served'] = verdict.share_served(records)
    if program.few_calls:
        share = result['share_of_requests'] = verdict.share_of_requests(records)
    if share is None:
        result['problems'].append('Strata counted no heap calls')
    elif share < system.min_share_served:
        result['problems'].append(f'Strata served only {report.percent(share)} of the heap calls; '
                                  f'{report.percent(system.min_share_served)} are wanted')


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
