"""The part of tools/bench.sh that runs, compares and prints. Needs only Python's standard library."""

import argparse
import dataclasses
import json
import os
import platform
import re
import shlex
import sys

import health
import measure
import names
import page
import real
import tables
import targets
from measure import say
from programs import Failure, Folder, Label, Machine
from store import CONTROL, STRATA, Store

# mimalloc's delays before memory goes back to the system, by the names of versions 3 and 2.
_PURGE_AT_ONCE = {'MIMALLOC_PURGE_DELAY': '0', 'MIMALLOC_DECOMMIT_DELAY': '0',
                  'MIMALLOC_SEGMENT_DECOMMIT_DELAY': '0'}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--programs', required=True, help='the folder of the programs')
    parser.add_argument('--inside', default='', help='the same, as the launched programs see it')
    parser.add_argument('--libraries', required=True, help='the folder of the static libraries')
    parser.add_argument('--second', default='', help='programs,inside,libraries of another mimalloc')
    parser.add_argument('--launcher', default='', help='what starts a program; empty: nothing')
    parser.add_argument('--objdump', default='objdump')
    parser.add_argument('--rounds', type=int, default=6, help='of the micro benchmarks')
    parser.add_argument('--least-rounds', type=int, default=6, help='a limit ends no kind before this')
    parser.add_argument('--workload-rounds', type=int, default=6)
    parser.add_argument('--program-rounds', type=int, default=6, help='of the real programs')
    parser.add_argument('--program-limit', type=float, default=0)
    parser.add_argument('--programs-timed', default='7zip,node,ffmpeg',
                        help='the real programs that are run as they are; all are recorded')
    parser.add_argument('--replay-repeat', type=int, default=3, help='times a trace is run at once')
    parser.add_argument('--replay-limit', type=float, default=0)
    parser.add_argument('--place', default='', help='folder for the real programs and their traces: '
                        'outside,inside; empty: without them')
    parser.add_argument('--packages', default='build/demo/packages', help='where they are kept')
    parser.add_argument('--memory-rounds', type=int, default=2)
    parser.add_argument('--spike-rounds', type=int, default=2)
    parser.add_argument('--min-time', type=float, default=0.005, help='seconds a micro benchmark')
    parser.add_argument('--percent', type=int, default=10, help='size of the workloads')
    parser.add_argument('--memory-percent', type=int, default=20)
    parser.add_argument('--spike-percent', type=int, default=50)
    parser.add_argument('--limit', type=float, default=0, help='seconds for the micro rounds; 0: none')
    parser.add_argument('--workload-limit', type=float, default=0)
    parser.add_argument('--filter', default='', help='only benchmarks that match')
    parser.add_argument('--out', required=True, help='the folder of the results')
    return parser.parse_args()


@dataclasses.dataclass
class Result:
    """What the tables and the page show."""
    machine: dict
    baselines: list
    mimallocs: list
    columns: list
    store: Store
    controls: dict  # kind of benchmark -> its A/A control
    targets: list
    timelines: dict
    checks: list
    failures: list
    rounds: dict
    compiler: str
    flags: str
    percent: int

    @property
    def healthy(self):
        return bool(self.baselines) and all(b['healthy'] for b in self.baselines)


def machine(load):
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        match = re.search(r'^model name\s*:\s*(.*)$', file.read(), re.MULTILINE)
    return {'processor': match[1] if match else platform.machine(), 'processors': os.cpu_count(),
            'system': os.environ.get('STRATA_BENCH_SYSTEM', platform.system()), 'load': load}


def mimallocs(options, folder, launch):
    """The labels of the versions that were built, each at its defaults and purging at once."""
    folders = [folder] + ([Folder(*options.second.split(','))] if options.second else [])
    result = []
    for place in folders:
        if not place.find('strata_workloads_mimalloc'):
            continue
        probe = Label('mimalloc', 'mimalloc', place, launch)
        version = json.loads(probe.start('strata_workloads', ['heap_memory'])[0])['version']
        name = f'mimalloc {version}'
        if any(label.name == name for label in result):
            continue  # the same version twice
        result.append(Label(name, 'mimalloc', place, launch))
        result.append(Label(f'{name} purge 0', 'mimalloc', place, launch, core=False, micro=False,
                            environment=_PURGE_AT_ONCE))
    return result


def columns(options, launch):
    folder = Folder(options.programs, options.inside or options.programs, options.libraries)
    labels = [Label(STRATA, 'strata', folder, launch),
              Label(CONTROL, 'strata', folder, launch, memory=False)]
    labels += mimallocs(options, folder, launch)
    labels += [Label('default', 'default', folder, launch, core=False),
               Label('crt', 'crt', folder, launch, core=False),
               Label('limit', 'limit', folder, launch, core=False, memory=False)]
    return [label for label in labels if folder.find(f'strata_workloads_{label.allocator}')
            or label.allocator == 'mimalloc']


def check_baselines(labels, options):
    result = []
    for label in labels:
        if label.allocator != 'mimalloc' or label.environment:
            continue
        say(f'checking {label.name} ...')
        checked = health.check(label, options.objdump)
        for line in checked['seen']:
            say(f'  {label.name}: {line}')
        if not checked['healthy']:
            say('  THIS BASELINE IS NOT HEALTHY: ratios to it are void')
        result.append({'name': 'mimalloc', 'version': label.name.removeprefix('mimalloc '), **checked})
    if not result:
        say('NO BASELINE: mimalloc was not built; the others are measured without it')
    return result


def redirect(measurement, options, launch):
    folder = Folder(options.programs, options.inside or options.programs, options.libraries)
    starter = folder.find('strata-run')
    if options.filter or not starter or not folder.find('strata_bench_direct'):
        return
    measurement.redirect(Label('direct', 'direct', folder, launch),
                         Label('default, redirected', 'default', folder, launch, before=(starter,)))


def real_programs(measurement, options, launch):
    """Recorded and run, as far as they can be had; the replays come from the recordings."""
    folder = Folder(options.programs, options.inside or options.programs, options.libraries)
    starter = folder.find('strata-run')
    if not options.place or not starter or not folder.find('strata-override.dll', ('',)):
        say('without real programs and replays: there is no strata-run here')
        return
    if not options.inside:
        starter = os.path.abspath(starter)  # the programs start in folders of their own

    def chosen(name):
        return re.search(options.filter, name)
    place = real.Place(*options.place.split(','))
    say('real programs ...')
    found, missing = real.prepare(place, launch, starter, options.packages, lambda name: chosen(
        names.real(name)) or chosen(names.replay(name)), say)
    measurement.failures += missing
    measurement.record([p for p in found if chosen(names.replay(p.name))], place)
    timed = options.programs_timed.split(',')
    measurement.real_programs([p for p in found if p.name in timed and chosen(names.real(p.name))])


def flat_rows(result):
    """One record per benchmark, metric and allocator, for scripts."""
    store, rows = result.store, []
    for benchmark, metric in store.keys():
        base = store.baseline(benchmark, metric)
        for column in result.columns:
            values = store.get(benchmark, metric, column)
            if not values:
                continue
            row = {'benchmark': benchmark, 'group': store.groups[benchmark],
                   'allocator': 'mimalloc' if column == base else column, 'metric': metric,
                   'value': store.median(benchmark, metric, column), 'value_min': min(values.values())}
            against = STRATA if column == CONTROL else base
            if base is None and store.groups[benchmark] == names.REAL and column == STRATA:
                to_default = store.ratio(benchmark, metric, column, 'default')
                row |= {'ratio_to_default': to_default and to_default['median'],
                        'ci_of_that': to_default and [to_default['low'], to_default['high']]}
            ratio = store.ratio(benchmark, metric, column, against)
            if column == CONTROL:
                row['allocator'] = 'strata (A/A)'
                row['ratio_to_strata'] = ratio and ratio['median']
            row |= {'ratio_to_mimalloc': ratio['median'] if ratio and column != CONTROL else None,
                    'ci_low': ratio and ratio['low'], 'ci_high': ratio and ratio['high'],
                    'runs': ratio['pairs'] if ratio else len(values), 'baseline': base}
            rows.append(row)
    return rows


def published_baseline(result):
    if not result.baselines:
        return None
    return {'name': 'mimalloc', 'version': ' and '.join(b['version'] for b in result.baselines),
            'flags': result.flags, 'healthy': result.healthy, 'versions': result.baselines,
            'by_group': {f'{group}: {metric}': column.removeprefix('mimalloc ')
                         for (group, metric), column in sorted(result.store.chosen.items())}}


def write(result, folder):
    os.makedirs(folder, exist_ok=True)
    published = {'machine': result.machine, 'baseline': published_baseline(result),
                 'compiler': result.compiler, 'flags': result.flags, 'rounds': result.rounds,
                 'percent': result.percent, 'control': result.controls.get('all'), 'controls': result.controls, 'rows': flat_rows(result),
                 'targets': result.targets, 'timelines': result.timelines, 'checks': result.checks,
                 'failures': result.failures}
    with open(os.path.join(folder, 'results.json'), 'w', encoding='utf-8') as file:
        json.dump(published, file, indent=1)
        file.write('\n')
    for name, text in (('results.md', tables.markdown(result)), ('report.html', page.html(result))):
        with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
            file.write(text)


def controls(store):
    """Threads that wait for each other vary many times more than anything else, and would hide whether
    the others are steady: each kind has a control of its own."""
    def two_threads(benchmark):
        return (store.groups[benchmark] in (names.EXCHANGE, names.REPLAYS, names.REAL)
                or benchmark.endswith('/2'))
    found = {'all': store.control(), 'one thread': store.control(lambda b: not two_threads(b)),
             'two threads': store.control(two_threads)}
    return {kind: control for kind, control in found.items() if control}


def collect(options, load, labels, baselines, measurement):
    store = measurement.store
    versions = [label.name for label in labels if label.allocator == 'mimalloc' and not label.environment]
    store.choose_baselines(versions)
    healthy = bool(baselines) and all(b['healthy'] for b in baselines)
    context = json.loads(labels[0].start('strata_workloads', ['heap_memory'])[0])
    return Result(
        machine=machine(load), baselines=baselines, mimallocs=versions,
        columns=[label.name for label in labels], store=store, controls=controls(store),
        targets=targets.evaluate(measurement, healthy), timelines=measurement.timelines,
        checks=measurement.memory_checks(),
        failures=measurement.failures + measurement.wrong_checksums(), rounds=measurement.rounds,
        compiler=context['compiler'], flags=context['flags'], percent=options.percent)


def main():
    options = arguments()
    load = ' '.join(f'{value:.1f}' for value in os.getloadavg())
    launch = Machine(shlex.split(options.launcher))
    try:
        labels = columns(options, launch)
        if not labels or labels[0].name != STRATA:
            say('the programs of Strata were not built')
            return 1
        holder = labels[0].hold()
        baselines = check_baselines(labels, options)
    except (Failure, ValueError) as failure:
        say(f'the programs do not run: {failure}')
        return 1
    try:
        return run(options, load, launch, labels, baselines)
    finally:
        holder.communicate()


def run(options, load, launch, labels, baselines):
    folder = labels[0].folder
    measurement = measure.Measurement(options, labels, Store())
    real_programs(measurement, options, launch)
    measurement.workloads()
    measurement.replays()
    measurement.latency()
    if folder.find('strata_workloads_requested'):
        labels.append(Label('requested', 'requested', folder, launch, core=False, micro=False))
    measurement.memory()
    measurement.replay_memory()
    measurement.net_memory()
    labels[:] = [label for label in labels if label.name != 'requested']
    measurement.probes()
    redirect(measurement, options, launch)
    measurement.micro()
    if not measurement.store.values:
        say('nothing was measured')
        return 1
    result = collect(options, load, labels, baselines, measurement)
    result.columns.append('requested')
    write(result, options.out)
    measurement.dump(os.path.join(options.out, 'memory-runs.jsonl'))
    print(tables.text(result))
    return 1 if result.failures else 0


if __name__ == '__main__':
    sys.exit(main())
