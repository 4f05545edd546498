#!/usr/bin/env python3
"""The demo's comparison for a Windows machine: programs that are there anyway, plain and on Strata.

    windows_check.py --bin <folder of strata-run.exe> [--runner <command>] [--node <node.exe>]

cmd.exe works through commands.bat, Node.js (if there is one) through json.js (both in real_programs/scripts),
and Python makes JSON. Exit code and output must be the same with and without Strata, byte for byte, and Strata
must serve 95 % of the heap calls from outside ntdll. The runner starts a Windows program: on Linux tools/wine.sh,
on Windows nothing. Exit codes: 0 all of it holds, 1 something does not, 2 wrong usage.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

from real_programs import report, verdict
from real_programs.paths import script

TIMEOUT = 300  # seconds for one run

_PYTHON = ('import json, random; random.seed(7); '
           'd = [{"n": i, "t": "x" * random.randrange(200)} for i in range(60000)]; '
           't = json.dumps(d); print(len(t), sum(len(e["t"]) for e in json.loads(t)))')


def windows_path(path):
    path = os.path.abspath(path)
    return path if os.name == 'nt' else 'Z:' + path.replace('/', '\\')


def programs(options):
    """Names, commands, and the exit codes that they must have."""
    yield 'cmd', ['cmd', '/c', windows_path(script('commands.bat'))], 7
    node = options.node or (shutil.which('node') if os.name == 'nt' else None)
    if node:
        work = windows_path(script('json.js'))
        yield 'node', [windows_path(node), work, '2', '4000'], 0
    if os.name == 'nt':
        yield 'python', [sys.executable, '-c', _PYTHON], 0


def run(runner, command, folder, environment):
    """Exit code, standard output, standard error of a run in an empty folder."""
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder)
    env = {name: value for name, value in os.environ.items()
           if not name.startswith('STRATA_') or name.startswith('STRATA_WINE')}
    output = os.path.join(os.path.dirname(folder), 'output')
    with open(output, 'wb') as file:  # some programs print less into a pipe
        done = subprocess.run(runner + command, cwd=folder, env={**env, **environment}, timeout=TIMEOUT,
                              stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.PIPE)
    with open(output, 'rb') as file:
        return done.returncode, file.read(), done.stderr.decode(errors='replace')


def problems_of(name, command, exit_code, options, base):
    # The programs run in other folders.
    runner = [os.path.abspath(word) if os.path.exists(word) else word for word in options.runner.split()]
    folder = os.path.join(base, 'work')
    code, expected, errors = run(runner, command, folder, {})
    if code != exit_code:
        return [f'without Strata it ended with code {code} instead of {exit_code}: {errors[-300:]}']
    statistics = os.path.join(base, f'{name}.jsonl')
    launcher = os.path.join(os.path.abspath(options.bin), 'strata-run.exe')
    code, output, errors = run(runner, [launcher, '--require', *command], folder,
                               {'STRATA_STATS_FILE': windows_path(statistics)})
    found = []
    if code != exit_code:
        found.append(f'with Strata it ended with code {code} instead of {exit_code}: {errors[-300:]}')
    if output != expected:
        found.append(f'its output differs: {len(output)} bytes instead of {len(expected)}')
    if 'strata: fatal' in errors:
        found.append(errors[errors.index('strata: fatal'):].split('\n')[0])
    if not os.path.exists(statistics):
        return found + ['Strata counted nothing']
    with open(statistics, encoding='utf-8') as file:
        records = [json.loads(line) for line in file]
    share = verdict.share_served(records)
    calls = verdict.outside_ntdll(verdict.add_calls(records))
    print(f'{name}: {report.count(calls)} heap calls, served {report.percent(share)}, '
          f'{len(expected)} bytes of output', flush=True)
    if share is None or share < verdict.MIN_SHARE_SERVED:
        found.append(f'{report.percent(verdict.MIN_SHARE_SERVED)} are to be served')
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument('--bin', required=True)
    parser.add_argument('--runner', default='')
    parser.add_argument('--node', default='')
    options = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix='strata-check-') as base:
        for name, command, exit_code in programs(options):
            for problem in problems_of(name, command, exit_code, options, base):
                print(f'{name}: FAILED: {problem}', flush=True)
                failed = 1
    print('Something does not hold.' if failed else 'Everything holds.')
    return failed


if __name__ == '__main__':
    sys.exit(main())
