"""Starts the programs strata_bench_<allocator> and reads what they measured."""

import dataclasses
import json
import os
import re
import subprocess

TIMEOUT = 300  # seconds for one start


class Failure(Exception):
    """A program did not do what it should have; the text is for the reader."""


@dataclasses.dataclass
class Program:
    allocator: str
    path: str
    launcher: list      # what stands before the program: Wine, or nothing
    processors: list    # those this process may use

    def command(self, arguments, threads=1):
        pinned = ','.join(str(p) for p in self.processors[-threads:])
        return ['taskset', '-c', pinned, *self.launcher, self.path, *arguments]

    def start(self, arguments, threads=1, extra=None):
        """Both outputs of a run that ended well."""
        try:
            done = subprocess.run(self.command(arguments, threads), env=environment(extra or {}),
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT,
                                  encoding='utf-8', errors='replace', check=False)
        except subprocess.TimeoutExpired:
            raise Failure(f'{self.allocator}: not done after {TIMEOUT} s') from None
        if done.returncode != 0:
            lines = (done.stdout + done.stderr).strip().splitlines()
            raise Failure(f'{self.allocator}: exit code {done.returncode}: '
                          f'{lines[-1] if lines else "no message"}')
        return done.stdout, done.stderr

    def measure(self, pattern, min_time, threads):
        """({benchmark: nanoseconds an item}, context) of the benchmarks that match `pattern`. Threads
        that wait for each other are slow to settle: those benchmarks get their time threefold."""
        if threads > 1:
            min_time *= 3
        output, _ = self.start([f'--benchmark_filter={pattern}', f'--benchmark_min_time={min_time}',
                                '--benchmark_format=json'], threads)
        try:
            result = json.loads(output)
        except ValueError:
            raise Failure(f'{self.allocator}: its output is not JSON') from None
        times = {}
        for row in result['benchmarks']:
            if row.get('error_occurred'):
                raise Failure(f'{self.allocator}: {row["name"]}: {row.get("error_message")}')
            times[row['name'].removesuffix('/real_time')] = 1e9 / row['items_per_second']
        return times, result['context']


def environment(extra):
    """Allocators run with their default options, whatever the caller's environment asks of them."""
    kept = {name: value for name, value in os.environ.items()
            if not re.match(r'STRATA_(?!WINE)|MIMALLOC_|MALLOC_|GLIBC_|LD_PRELOAD', name)}
    return kept | extra


def find(folder, allocators, launcher):
    """{allocator: Program} of those that were built."""
    processors = sorted(os.sched_getaffinity(0))
    found = {}
    for allocator in allocators:
        for ending in ('.exe', ''):
            path = os.path.join(folder, f'strata_bench_{allocator}{ending}')
            if os.path.isfile(path):
                found[allocator] = Program(allocator, path, launcher, processors)
                break
    return found
