"""Starts the programs strata_{bench,workloads,replay}_<allocator> and reads what they say."""

import dataclasses
import json
import os
import re
import subprocess

TIMEOUT = 300  # seconds for one start
_MIN_TIME_OF_THREADS = 0.06  # seconds
_WARM_UP = 0.001  # seconds, at least one iteration


class Failure(Exception):
    """A program did not do what it should have; the text is for the reader."""


@dataclasses.dataclass
class Folder:
    """Where programs lie: for this process, and for themselves (the same, but for a chroot)."""
    outside: str
    inside: str
    libraries: str

    def find(self, name, endings=('.exe', '')):
        for ending in endings:
            if os.path.isfile(os.path.join(self.outside, name + ending)):
                return os.path.join(self.inside, name + ending)
        return None


class Machine:
    """What all starts have in common: the launcher (Wine, or nothing) and the processors."""

    def __init__(self, launcher):
        self.launcher = launcher
        self.processors = sorted(os.sched_getaffinity(0))

    def command(self, command, threads):
        pinned = ','.join(str(p) for p in self.processors[-threads:])
        return ['taskset', '-c', pinned, *self.launcher, *command]


@dataclasses.dataclass
class Label:
    """A column: one allocator in one configuration."""
    name: str
    allocator: str
    folder: Folder
    machine: Machine
    core: bool = True          # in every round; the others in every third
    micro: bool = True
    memory: bool = True
    environment: dict = dataclasses.field(default_factory=dict)
    before: tuple = ()         # stands before the program: strata-run
    context: dict = dataclasses.field(default_factory=dict)

    def _command(self, kind, arguments, threads):
        path = self.folder.find(f'{kind}_{self.allocator}')
        if path is None:
            raise Failure(f'{self.name}: {kind}_{self.allocator} was not built')
        return self.machine.command([*self.before, path, *arguments], threads)

    def start(self, kind, arguments, threads=1, extra=None):
        """Both outputs of a run that ended well."""
        try:
            done = subprocess.run(self._command(kind, arguments, threads),
                                  env=environment(self.environment | (extra or {})),
                                  stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT,
                                  encoding='utf-8', errors='replace', check=False)
        except subprocess.TimeoutExpired:
            raise Failure(f'{self.name}: {arguments[0]} not done after {TIMEOUT} s') from None
        if done.returncode != 0:
            lines = (done.stdout + done.stderr).strip().splitlines()
            raise Failure(f'{self.name}: {arguments[0]}: exit code {done.returncode}: '
                          f'{lines[-1] if lines else "no message"}')
        return done.stdout, done.stderr

    def hold(self):
        """A program that waits until its input is closed. As long as one runs, so does Wine's server;
        starting that anew for each program takes a second. It is there when this returns: a program that
        started Wine's server itself would leave it the pipe that its output is read from, to the end."""
        holder = subprocess.Popen(self._command('strata_workloads', ['heap_memory', '--wait'], 1),
                                  env=environment({}), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.DEVNULL)
        holder.stdout.readline()
        return holder

    def micro_times(self, pattern, min_time, threads):
        """{benchmark: nanoseconds an item} of the benchmarks that match. Threads that wait for each
        other run fast or slowly for milliseconds at a time, as they fall into step: those benchmarks take
        long enough to see both. The first iterations are not measured: one that takes as long as all the time
        given, because it is the first to touch its memory, would be the only one."""
        if threads > 1:
            min_time = max(_MIN_TIME_OF_THREADS, min_time)
        output, _ = self.start('strata_bench', [f'--benchmark_filter={pattern}',
                                                f'--benchmark_min_time={min_time}',
                                                f'--benchmark_min_warmup_time={_WARM_UP}',
                                                '--benchmark_format=json'], threads)
        if not output.strip():
            return {}  # none of these: an allocator without heaps
        try:
            result = json.loads(output)
        except ValueError:
            raise Failure(f'{self.name}: its output is not JSON') from None
        self.context.update(result['context'])
        times = {}
        for row in result['benchmarks']:
            if row.get('error_occurred'):
                raise Failure(f'{self.name}: {row["name"]}: {row.get("error_message")}')
            times[plain_name(row['name'])] = 1e9 / row['items_per_second']
        return times

    def workload(self, variant, percent, arguments=()):
        """What one run of a workload says of itself."""
        output, _ = self.start('strata_workloads', self._workload_arguments(variant, percent, arguments),
                               variant.threads)
        return self._parse(output)

    @staticmethod
    def _workload_arguments(variant, percent, arguments):
        return [variant.workload, '--percent', str(percent), '--threads', str(variant.threads), *arguments]

    def replay(self, trace, repeat):
        """What one run of a trace (its name as the program sees it) says of itself."""
        output, _ = self.start('strata_replay', [trace, '--json', '--repeat', str(repeat)], 2)
        return self._parse(output)

    def replay_watched(self, trace):
        return self._watched('strata_replay', [trace, '--json', '--memory', '--wait'])

    def _parse(self, output):
        try:
            return json.loads(output)
        except ValueError:
            raise Failure(f'{self.name}: its output is not JSON') from None

    def workload_watched(self, variant, percent):
        """As workload, with memory sampled; and what Linux says of its peak, `vm_hwm`. Both processors:
        the sampling thread needs one."""
        return self._watched('strata_workloads', self._workload_arguments(
            variant, percent, ['--memory', '--wait']))

    def _watched(self, kind, arguments):
        process = subprocess.Popen(self._command(kind, arguments, 2),
                                   env=environment(self.environment), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        try:
            line = process.stdout.readline().decode('utf-8', 'replace')
            hwm = _peak_resident(process.pid)
            process.communicate(timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Failure(f'{self.name}: {arguments[0]} did not end') from None
        if process.returncode != 0:
            raise Failure(f'{self.name}: {arguments[0]}: exit code {process.returncode}')
        return self._parse(line) | {'vm_hwm': hwm}


def _peak_resident(pid):
    """In bytes. The launchers replace themselves by the program, so the process started is the one."""
    try:
        with open(f'/proc/{pid}/status', encoding='utf-8') as file:
            match = re.search(r'^VmHWM:\s+(\d+) kB', file.read(), re.MULTILINE)
            return int(match[1]) * 1024 if match else 0
    except OSError:
        return 0


def plain_name(name):
    return re.sub(r'/iterations:\d+', '', name.removesuffix('/real_time'))


def environment(extra):
    """Allocators run with their default options, whatever the caller's environment asks of them."""
    kept = {name: value for name, value in os.environ.items()
            if not re.match(r'STRATA_(?!WINE)|MIMALLOC_|MALLOC_|GLIBC_|LD_PRELOAD', name)}
    return kept | extra
