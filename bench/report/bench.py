"""The part of tools/bench.sh that runs, compares and prints. Needs only Python's standard library."""

import argparse
import json
import os
import platform
import random
import re
import shlex
import statistics
import sys
import time

import health
import names
import programs
import ratios
import tables

ALLOCATORS = ('strata', 'mimalloc', 'default', 'crt')
CONTROL = 'strata again'  # the A/A control: the same program, once more in each round
_began = time.monotonic()


def say(text):
    print(f'[{time.monotonic() - _began:4.0f} s] {text}', flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--programs', required=True, help='the folder of strata_bench_<allocator>')
    parser.add_argument('--libraries', required=True, help='the folder of the static libraries')
    parser.add_argument('--launcher', default='', help='what starts a program; empty: nothing')
    parser.add_argument('--objdump', default='objdump')
    parser.add_argument('--rounds', type=int, default=6)
    parser.add_argument('--min-time', type=float, default=0.04, help='seconds a benchmark')
    parser.add_argument('--limit', type=float, default=0, help='seconds for all rounds; 0: none')
    parser.add_argument('--filter', default='', help='only benchmarks that match')
    parser.add_argument('--out', required=True, help='the folder of results.json and results.md')
    return parser.parse_args()


class Comparison:
    """All that is measured: times[allocator][benchmark][round]."""

    def __init__(self, options):
        self.options = options
        self.found = programs.find(options.programs, ALLOCATORS, shlex.split(options.launcher))
        self.times = {}
        self.contexts = {}
        self.failures = []
        self.rounds = 0

    def runs(self):
        """(label, program) of everything that runs in a round."""
        result = list(self.found.items())
        if 'strata' in self.found:
            result.append((CONTROL, self.found['strata']))
        return result

    def measure_twice(self, where, program, pattern, threads):
        """A run that fails is repeated once, so that the round is whole; it is reported all the same."""
        for attempt in (1, 2):
            try:
                return program.measure(pattern, self.options.min_time, threads)
            except programs.Failure as failure:
                self.failures.append(f'{where}, attempt {attempt}: {failure}')
                say(f'  {failure}')
        return None

    def run_part(self, number, part, order):
        name, pattern, threads = part
        say(f'round {number + 1} of {self.options.rounds}: {name} ({", ".join(l for l, _ in order)})')
        for label, program in order:
            measured = self.measure_twice(f'round {number + 1}, {name}', program, pattern, threads)
            if measured is None:
                continue
            times, context = measured
            self.contexts[label] = context
            for benchmark, value in times.items():
                if re.search(self.options.filter, benchmark):
                    self.times.setdefault(label, {}).setdefault(benchmark, {})[number] = value

    def parts(self):
        """The parts of a round that --filter leaves something of, with its names as their filter."""
        listing, _ = self.found['strata'].start(['--benchmark_list_tests=true'])
        every = [line.strip().removesuffix('/real_time') for line in listing.splitlines()]
        result = []
        for name, pattern, threads in names.PARTS:
            chosen = [b for b in every if re.search(pattern, b) and re.search(self.options.filter, b)]
            if chosen and not self.options.filter:
                result.append((name, pattern, threads))
            elif chosen:
                result.append((name, f'^({"|".join(re.escape(b) for b in chosen)})/real_time$', threads))
        return result

    def measure(self):
        parts = self.parts()
        start = time.monotonic()
        orders = {}
        for number in range(self.options.rounds):
            spent = time.monotonic() - start
            if self.options.limit and number >= 2 and number % 2 == 0:
                if spent * (number + 2) / number > self.options.limit:
                    say(f'time is up after {number} of {self.options.rounds} rounds')
                    break
            for part in parts:
                if number % 2 == 0:
                    orders[part[0]] = random.sample(self.runs(), len(self.runs()))
                else:
                    orders[part[0]].reverse()
                self.run_part(number, part, orders[part[0]])
            self.rounds = number + 1

    def row(self, benchmark):
        def times(label):
            return self.times.get(label, {}).get(benchmark, {})
        return {
            'benchmark': benchmark,
            'group': names.group(benchmark),
            'ns': {label: statistics.median(times(label).values())
                   for label in self.found if times(label)},
            'ns_min': {label: min(times(label).values()) for label in self.found if times(label)},
            'ratio_to_mimalloc': {label: ratio for label in self.found if label != 'mimalloc'
                                  and (ratio := ratios.compare(times(label), times('mimalloc')))},
            'ratio_to_default': ratios.compare(times('strata'), times('default')),
            'control': ratios.compare(times(CONTROL), times('strata')),
        }

    def control(self):
        """The A/A control over everything: the geometric mean of each round's ratios."""
        again, first = self.times.get(CONTROL, {}), self.times.get('strata', {})
        means = []
        for number in range(self.rounds):
            values = [again[b][number] / first[b][number] for b in again.keys() & first.keys()
                      if number in again[b] and number in first[b]]
            if values:
                means.append(ratios.geometric_mean(values))
        if not means:
            return None
        low, high = ratios.interval(means)
        return {'median': statistics.median(means), 'low': low, 'high': high, 'pairs': len(means)}


def machine(options):
    processor = platform.machine()
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        match = re.search(r'^model name\s*:\s*(.*)$', file.read(), re.MULTILINE)
        processor = match[1] if match else processor
    return {'processor': processor, 'processors': os.cpu_count(),
            'system': os.environ.get('STRATA_BENCH_SYSTEM', platform.system()),
            'load': ' '.join(f'{value:.1f}' for value in os.getloadavg())}


def flat_rows(rows):
    """One record per benchmark and allocator, for scripts."""
    result = []
    for row in rows:
        for allocator, ns in row['ns'].items():
            ratio = row['ratio_to_mimalloc'].get(allocator)
            result.append({
                'benchmark': row['benchmark'], 'group': row['group'], 'allocator': allocator,
                'metric': 'time', 'ns': ns, 'ns_min': row['ns_min'][allocator],
                'ratio_to_mimalloc': ratio and ratio['median'],
                'ratio_min': ratio and ratio['min'], 'ratio_max': ratio and ratio['max'],
                'ci_low': ratio and ratio['low'], 'ci_high': ratio and ratio['high'],
                'runs': ratio['pairs'] if ratio else None})
        if row['control']:
            control = row['control']
            result.append({
                'benchmark': row['benchmark'], 'group': row['group'], 'allocator': 'strata (A/A)',
                'metric': 'time', 'ratio_to_strata': control['median'],
                'ratio_min': control['min'], 'ratio_max': control['max'],
                'ci_low': control['low'], 'ci_high': control['high'], 'runs': control['pairs']})
    return result


def baseline(comparison):
    program = comparison.found.get('mimalloc')
    if program is None:
        say('NO BASELINE: mimalloc was not built; the others are measured without it')
        return None
    say('checking the baseline ...')
    checked = health.check(program, os.path.join(comparison.options.libraries, 'libstrata_mimalloc.a'),
                           comparison.options.objdump)
    for line in checked['seen']:
        say(f'  mimalloc: {line}')
    if not checked['healthy']:
        say('  THE BASELINE IS NOT HEALTHY: ratios to it are void')
    return {'name': 'mimalloc', **checked}


def write(result, folder):
    os.makedirs(folder, exist_ok=True)
    published = {'machine': result['machine'], 'baseline': result['baseline'],
                 'compiler': result['compiler'], 'flags': result['flags'],
                 'rounds': result['rounds'], 'control': result['control'],
                 'rows': flat_rows(result['benchmarks']), 'failures': result['failures']}
    with open(os.path.join(folder, 'results.json'), 'w', encoding='utf-8') as file:
        json.dump(published, file, indent=1)
        file.write('\n')
    with open(os.path.join(folder, 'results.md'), 'w', encoding='utf-8') as file:
        file.write(tables.markdown(result))


def main():
    options = arguments()
    comparison = Comparison(options)
    if 'strata' not in comparison.found:
        say('strata_bench_strata was not built')
        return 1
    base = baseline(comparison)
    comparison.measure()
    if not comparison.times.get('strata'):
        say('nothing was measured')
        return 1
    context = comparison.contexts['strata']
    if base:
        base['version'] = comparison.contexts.get('mimalloc', {}).get('version', 'unknown')
        base['flags'] = context['flags']
    result = {
        'machine': machine(options), 'baseline': base,
        'compiler': context['compiler'], 'flags': context['flags'], 'rounds': comparison.rounds,
        'allocators': list(comparison.found),
        'benchmarks': [comparison.row(benchmark) for benchmark in comparison.times['strata']],
        'control': comparison.control(), 'failures': comparison.failures,
    }
    write(result, options.out)
    print(tables.text(result))
    return 1 if comparison.failures else 0


if __name__ == '__main__':
    sys.exit(main())
