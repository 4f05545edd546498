"""Runs everything, round by round, into a store."""

import json
import random
import re
import time

import names
from programs import Failure
from store import CONTROL, STRATA

_began = time.monotonic()
_SIDE_EVERY = 3  # columns beside Strata and mimalloc take part in every third round


def say(text):
    print(f'[{time.monotonic() - _began:4.0f} s] {text}', flush=True)


class Measurement:
    def __init__(self, options, labels, store):
        self.options = options
        self.labels = labels
        self.store = store
        self.failures = []
        self.checksums = {}    # (workload, threads, percent) -> checksum -> columns
        self.memory_runs = []  # (benchmark, column, round, what the run said)
        self.timelines = {}    # column -> [(milliseconds, commit, working set)] above the start
        self.spike = {}        # column -> what the last run said
        self.override = {}     # 'direct', 'redirected' -> benchmark -> round -> ns
        self.rounds = {}       # kind -> how many
        self.traces = {}       # benchmark -> the trace's name as the programs see it
        self._orders = {}

    def column(self, name):
        return next((label for label in self.labels if label.name == name), None)

    # --- rounds ---------------------------------------------------------------------------------

    def _order(self, what, number, labels):
        """Drawn at random for every even round; the next one runs it backwards."""
        if number % 2 == 0:
            self._orders[what] = random.sample(labels, len(labels))
        else:
            self._orders[what] = self._orders[what][::-1]
        return self._taking_part(self._orders[what], number)

    @staticmethod
    def _taking_part(labels, number):
        return [label for label in labels if label.core or number % _SIDE_EVERY == 0]

    def _twice(self, where, run):
        """A run that fails is repeated once, so that the round is whole; it is reported all the same."""
        for attempt in (1, 2):
            try:
                return run()
            except Failure as failure:
                self.failures.append(f'{where}, attempt {attempt}: {failure}')
                say(f'  {failure}')
        return None

    def _rounds(self, kind, wanted, limit):
        """Round numbers, until there are enough or the time is up; then an even number of them."""
        start = time.monotonic()
        for number in range(wanted):
            spent = time.monotonic() - start
            if limit and number >= self.options.least_rounds and number % 2 == 0 and spent * (number + 2) / number > limit:
                say(f'time is up after {number} of {wanted} rounds of the {kind}')
                return
            say(f'{kind}: round {number + 1} of {wanted}')
            yield number
            self.rounds[kind] = number + 1

    # --- micro benchmarks -----------------------------------------------------------------------

    def _parts(self):
        """The parts of a round that --filter leaves something of, with its names as their filter."""
        listing, _ = self.column(STRATA).start('strata_bench', ['--benchmark_list_tests=true'])
        every = [line.strip() for line in listing.splitlines() if line.strip()]
        result = []
        for name, pattern, threads in names.PARTS:
            chosen = [b for b in every if re.search(pattern, b) and re.search(self.options.filter, b)]
            if chosen and self.options.filter:
                pattern = f'^({"|".join(re.escape(b) for b in chosen)})$'
            if chosen:
                result.append((name, pattern, threads))
        return result

    def micro(self):
        labels = [label for label in self.labels if label.micro]
        parts = self._parts()
        for number in self._rounds('micro benchmarks', self.options.rounds, self.options.limit):
            for part in parts:
                self._micro_part(number, part, labels)

    def _micro_part(self, number, part, labels):
        name, pattern, threads = part
        for label in self._order(name, number, labels):
            if name == 'heaps' and label.allocator in names.WITHOUT_HEAPS:
                continue
            times = self._twice(f'round {number + 1}, {name}',
                                lambda: label.micro_times(pattern, self.options.min_time, threads))
            for benchmark, value in (times or {}).items():
                self.store.add(benchmark, names.group(benchmark), 'time', label.name, number, value)

    # --- workloads ------------------------------------------------------------------------------

    def _can_run(self, label, variant):
        return not (label.allocator in names.WITHOUT_HEAPS and variant.workload in names.NEEDS_HEAPS)

    def _checked(self, label, variant, percent, said):
        """Every allocator must have led to the same result."""
        sums = self.checksums.setdefault((variant.workload, variant.threads, percent), {})
        sums.setdefault(said['checksum'], set()).add(label.name)
        return said

    def wrong_checksums(self):
        return [f'{workload} with {threads} threads at {percent} %: checksums differ: '
                + '; '.join(f'{checksum} from {", ".join(sorted(columns))}'
                            for checksum, columns in sums.items())
                for (workload, threads, percent), sums in self.checksums.items() if len(sums) > 1]

    def _chosen(self, variants):
        return [v for v in variants if re.search(self.options.filter, v.name)]

    def workloads(self):
        variants = self._chosen(names.VARIANTS)
        rounds = self.options.workload_rounds if variants else 0
        for number in self._rounds('workloads', rounds, self.options.workload_limit):
            for variant in variants:
                for label in self._order(variant, number, self.labels):
                    if self._can_run(label, variant):
                        self._workload_time(number, label, variant)

    def _workload_time(self, number, label, variant):
        percent = self.options.percent
        said = self._twice(f'{variant.name}, round {number + 1}',
                           lambda: label.workload(variant, percent))
        if said:
            self._checked(label, variant, percent, said)
            label.context.setdefault('version', said['version'])
            self.store.add(variant.name, names.WORKLOADS, 'time', label.name, number,
                           said['seconds'] * 1e9)

    # --- real programs, and their calls again ------------------------------------------------------

    def real_programs(self, programs):
        """Time and peak of memory with the plain heap (the column `default`) and with Strata, twice."""
        sides = [('default', 'plain'), (STRATA, 'strata'), (CONTROL, 'strata')]
        rounds = self.options.program_rounds if programs else 0
        for number in self._rounds('real programs', rounds, self.options.program_limit):
            for program in programs:
                name = names.real(program.name)
                order = random.sample(sides, len(sides)) if number % 2 == 0 else self._orders[name][::-1]
                self._orders[name] = order
                for column, way in order:
                    run = self._twice(f'{name}, round {number + 1}', getattr(program, way))
                    if run:
                        self.store.add(name, names.REAL, 'time', column, number, run.seconds * 1e9)
                        self.store.add(name, names.REAL, 'peak_working_set', column, number,
                                       run.peak_bytes)

    def record(self, programs, place):
        """Traces of the programs, for the replays."""
        for program in programs:
            trace = place.sub(f'{program.name}.trace')
            say(f'recording {program.name} ...')
            recorded = self._twice(f'recording {program.name}', lambda: program.record(trace) or True)
            if recorded:
                self.traces[names.replay(program.name)] = trace.windows

    def replays(self):
        labels = [label for label in self.labels if label.folder.find(f'strata_replay_{label.allocator}')]
        rounds = self.options.workload_rounds if self.traces else 0
        for number in self._rounds('replays', rounds, self.options.replay_limit):
            for benchmark, trace in self.traces.items():
                for label in self._order(benchmark, number, labels):
                    said = self._twice(f'{benchmark}, round {number + 1}',
                                       lambda: label.replay(trace, self.options.replay_repeat))
                    if said:
                        self._replayed(benchmark, label, said)
                        self.store.add(benchmark, names.REPLAYS, 'time', label.name, number,
                                       said['seconds'] * 1e9 / said['repeat'])

    def _replayed(self, benchmark, label, said):
        sums = self.checksums.setdefault((benchmark, said['threads'], said['repeat']), {})
        sums.setdefault(said['checksum'], set()).add(label.name)

    def replay_memory(self):
        labels = [label for label in self.labels
                  if label.memory and label.folder.find(f'strata_replay_{label.allocator}')]
        rounds = self.options.memory_rounds if self.traces else 0
        for number in self._rounds('memory of the replays', rounds, 0):
            for benchmark, trace in self.traces.items():
                for label in self._taking_part(random.sample(labels, len(labels)), number):
                    if label.allocator == 'requested' and number > 0:
                        continue
                    said = self._twice(f'{benchmark}, memory', lambda: label.replay_watched(trace))
                    if said:
                        self._replayed(benchmark, label, said)
                        self.memory_runs.append((benchmark, label.name, number, said))

    def latency(self):
        variant = names.LATENCY_VARIANT
        if not self._chosen([variant]):
            return
        labels = [label for label in self.labels if label.core and label.micro]
        for number in self._rounds('latencies', self.options.workload_rounds, 0):
            for label in self._order('latency', number, labels):
                said = self._twice('latency', lambda: label.workload(
                    variant, self.options.percent, ['--latency']))
                for call in ('malloc', 'free') if said else ():
                    for point in ('p50', 'p99', 'p999', 'p9999', 'max'):
                        self.store.add(variant.name, names.WORKLOADS, f'{call}_{point}', label.name,
                                       number, said[f'{call}_ticks'][point])

    # --- memory ---------------------------------------------------------------------------------

    def memory(self):
        variants = self._chosen(names.MEMORY_VARIANTS)
        labels = [label for label in self.labels if label.memory]
        counter = next((label for label in labels if label.allocator == 'requested'), None)
        rounds = self.options.memory_rounds if variants else 0
        for number in self._rounds('memory', rounds, 0):
            for variant in variants:
                for label in self._taking_part(random.sample(labels, len(labels)), number):
                    if not self._can_run(label, variant) or (label is counter and number > 0):
                        continue
                    said = self._twice(f'{variant.name}, memory', lambda: label.workload_watched(
                        variant, self.options.memory_percent))
                    if said:
                        self._checked(label, variant, self.options.memory_percent, said)
                        self.memory_runs.append((variant.name, label.name, number, said))

    def net_memory(self):
        """What a process has before it does anything is not the allocator's: the least that any of the
        programs started with is taken off all."""
        if not self.memory_runs:
            return
        # A replay has its trace in memory as well, before it begins: its start is one for each trace.
        started = {}
        for benchmark, *_, said in self.memory_runs:
            at = started.setdefault(benchmark if benchmark in self.traces else None, [])
            at.append((said['commit_at_start'], said['working_set_at_start']))
        started = {key: tuple(min(each) for each in zip(*at)) for key, at in started.items()}
        rounds = range(max(self.rounds.get(kind, 0) for kind in ('memory', 'memory of the replays')))
        for benchmark, column, number, said in self.memory_runs:
            replayed = benchmark in self.traces
            commit, working_set = started[benchmark if replayed else None]
            add = lambda metric, value, at: self.store.add(
                benchmark, names.REPLAYS if replayed else names.WORKLOADS, metric, column, at,
                max(value, 4096))
            if said['peak_requested']:
                for at in rounds:
                    add('peak_commit', said['peak_requested'], at)
                    add('peak_working_set', said['peak_requested'], at)
                continue
            sampled = said['peak_commit'] - commit
            # An own counter misses no peak, and is taken where it says more.
            add('peak_commit', max(sampled, said['own_peak_commit']), number)
            add('peak_working_set', said['peak_working_set'] - working_set, number)
            if not replayed:
                self.store.add('first_malloc', names.PROBES, 'commit', column, number,
                               said['first_malloc'])

    def memory_checks(self):
        """How far the figures of different sources are apart: [text]"""
        lines = []
        hwm = [(abs(said['peak_working_set'] / said['vm_hwm'] - 1), b, c)
               for b, c, _, said in self.memory_runs if said['vm_hwm']]
        if hwm:
            worst = max(hwm)
            lines.append(f'peak working set against VmHWM of Linux: {len(hwm)} runs, at most '
                         f'{worst[0]:.1%} apart ({worst[1]}, {worst[2]})')
        own = [(said['own_peak_commit'] / max(said['peak_commit'] - said['commit_at_start'], 1), b)
               for b, _, _, said in self.memory_runs if said['own_peak_commit']]
        if own:
            lines.append(f'Strata\'s own peak of commit against the sampled sum: {min(own)[0]:.3f} '
                         f'({min(own)[1]}) to {max(own)[0]:.3f} ({max(own)[1]}) of it; the sum has the '
                         'stacks of the threads, too, and misses short peaks')
        return lines

    def probes(self):
        if self.options.filter:
            return
        spike, heaps = names.Variant('spike', 1), names.Variant('heap_memory', 1)
        labels = [label for label in self.labels if label.memory and label.allocator != 'requested'
                  and label.name != CONTROL]
        for number in self._rounds('spike then idle, and heaps', self.options.spike_rounds, 0):
            for label in random.sample(labels, len(labels)):
                said = self._twice('spike', lambda: label.workload(
                    spike, self.options.spike_percent, ['--memory']))
                if said:
                    self._spike(label, number, said)
                if not self._can_run(label, heaps):
                    continue
                said = self._twice('heap_memory', lambda: label.workload(heaps, 100, ['--memory']))
                for metric in ('commit_per_heap', 'working_set_per_heap') if said else ():
                    self.store.add('heap_memory', names.PROBES, metric, label.name, number, said[metric])

    def _spike(self, label, number, said):
        self._checked(label, names.Variant('spike', 1), self.options.spike_percent, said)
        commit, working_set = said['commit_at_start'], said['working_set_at_start']
        self.timelines[label.name] = [(at, c - commit, w - working_set) for at, c, w in said['timeline']]
        self.spike[label.name] = said
        after = {'commit_after_2s': said['commit_after_2s'] - commit,
                 'working_set_after_2s': said['working_set_after_2s'] - working_set}
        for metric, value in after.items():
            self.store.add('spike', names.PROBES, metric, label.name, number, max(value, 4096))

    # --- the override ---------------------------------------------------------------------------

    def redirect(self, direct, redirected):
        """HeapAlloc through the redirect, beside Strata called directly."""
        rounds = range(self.options.rounds)
        say('the cost of the redirect ...')
        for number in rounds:
            for name, label in (('direct', direct), ('redirected', redirected))[::1 - number % 2 * 2]:
                times = self._twice('redirect', lambda: label.micro_times('^pair/(16|64|256)/', 0.02, 1))
                if times is None:
                    return
                for benchmark, value in times.items():
                    self.override.setdefault(name, {}).setdefault(benchmark, {})[number] = value

    def dump(self, path):
        """What every memory run said, for those who doubt a figure."""
        with open(path, 'w', encoding='utf-8') as file:
            for benchmark, column, number, said in self.memory_runs:
                file.write(json.dumps({'benchmark': benchmark, 'column': column, 'round': number} | said))
                file.write('\n')
