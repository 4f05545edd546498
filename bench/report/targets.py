"""What the project set out to reach, one entry for each line of its list, with what was measured."""

import statistics

import names
import ratios
from store import STRATA

_NOT_MEASURED = 'not measured in this run'


class Targets:
    """`default`: the column of the default heap. Every method below makes one entry."""

    def __init__(self, measurement, healthy):
        self.m = measurement
        self.store = measurement.store
        self.healthy = healthy
        self.entries = []

    def _entry(self, name, target, value, met, note=''):
        if value is None or (isinstance(value, dict) and all(v is None for v in value.values())):
            value, met, note = None, False, note or _NOT_MEASURED
        entry = {'name': name, 'value': value, 'target': target, 'met': bool(met)}
        if note:
            entry['note' if value is not None else 'reason'] = note
        self.entries.append(entry)

    def _against_mimalloc(self, name, target, value, met, note=''):
        if not self.healthy:
            value, note = None, 'the baseline is not healthy, or there is none'
        self._entry(name, target, value, met, note)

    def _group(self, name, group, mean_limit, worst_limit=None, only=None):
        found = self.store.medians_of_ratios('time', {group}, only=only)
        mean = ratios.geometric_mean(found.values()) if found else None
        if worst_limit is None:
            self._against_mimalloc(name, mean_limit, _round(mean), mean and mean <= mean_limit)
            return
        worst = max(found, key=found.get) if found else None
        self._against_mimalloc(
            name, f'geometric mean <= {mean_limit}, none above {worst_limit}',
            found and {'mean': _round(mean), 'worst': _round(found[worst])} or None,
            found and mean <= mean_limit and found[worst] <= worst_limit,
            f'worst: {worst}; above {worst_limit}: {sum(v > worst_limit for v in found.values())} of '
            f'{len(found)}' if found else '')

    def _parts(self, name, parts):
        """`parts`: {what: (value, limit)}"""
        self._against_mimalloc(name, ', '.join(f'{what} <= {limit}' for what, (_, limit) in parts.items()),
                               {what: _round(value) for what, (value, _) in parts.items()},
                               all(value is not None and value <= limit for value, limit in parts.values()))

    def _mean(self, metric, groups, **more):
        found = self.store.medians_of_ratios(metric, groups, **more)
        return ratios.geometric_mean(found.values()) if found else None

    def micro(self):
        self._group('ping-pong, bursts, churn, 16 B to 1 KiB', names.SMALL, 0.90, 1.25)
        self._group('ping-pong, bursts, churn, 1 to 64 KiB', names.MEDIUM, 0.50)
        self._group('pairs of 128 to 512 KiB', names.PAIR_LARGE, 0.90)
        self._group('pairs of 1 to 4 MiB', names.PAIR_HUGE, 0.30)
        self._parts('realloc growth; calloc of fresh memory',
                    {'realloc': (self._mean('time', {'realloc'}), 0.50),
                     'calloc_fresh': (self._mean('time', {'calloc_fresh'}), 0.80)})
        self._exchange()
        thread = self._mean('time', {'thread'})
        empty = self.store.median('thread_empty/64', 'time', STRATA)
        whole = self.store.median('thread/64', 'time', STRATA)
        self._against_mimalloc('thread start, malloc and exit', 0.60, _round(thread),
                               thread and thread <= 0.60,
                               f'{whole / 1000:,.0f} us; a thread that allocates nothing takes '
                               f'{empty / 1000:,.0f} us' if empty and whole else '')
        per_heap = self.store.median('heap_memory', 'commit_per_heap', STRATA)
        create = self.store.medians_of_ratios('time', {'heap'}).get('heap/100')
        self._parts('private heap: create, 100 blocks, destroy; KiB of commit per heap',
                    {'time': (create, 0.35),
                     'KiB': (per_heap / 1024 if per_heap is not None else None, 16)})

    def _exchange(self):
        mean = self._mean('time', {names.EXCHANGE})
        control = self.store.control(lambda b: self.store.groups[b] == names.EXCHANGE)
        note = f'A/A of these rows: {control["low"]:.2f} to {control["high"]:.2f}' if control else ''
        self._against_mimalloc('producer/consumer, ring, N:1, 1:N', 0.60, _round(mean),
                               mean and mean <= 0.60, note)

    def workloads(self):
        times = self._mixed('time')
        worst = max(times, key=times.get) if times else None
        mean = ratios.geometric_mean(times.values()) if times else None
        self._against_mimalloc(
            'workloads and replays, time', 'geometric mean <= 0.85, none above 1.03',
            times and {'mean': _round(mean), 'worst': _round(times[worst])} or None,
            times and mean <= 0.85 and times[worst] <= 1.03 and self._has_replays(times),
            f'worst: {worst}; {self._counted(times)}' if worst else '')
        self._memory()

    def _mixed(self, metric, **more):
        return self.store.medians_of_ratios(metric, set(names.MIXED), **more)

    def _has_replays(self, found):
        return any(self.store.groups[b] == names.REPLAYS for b in found)

    def _counted(self, found):
        """The targets are about both: without replays they are not met."""
        replays = sum(self.store.groups[b] == names.REPLAYS for b in found)
        return f'{len(found) - replays} workloads, ' + (f'{replays} replays' if replays else 'NO REPLAYS')

    def _memory(self):
        name = 'workloads and replays, peak commit and peak working set'
        wanted = 'geometric mean <= 0.80, none above 1.05, <= 1.00 of the default heap\'s'
        value, notes, met = {}, [], True
        for metric in ('peak_commit', 'peak_working_set'):
            found = self._mixed(metric)
            against = self._mean(metric, set(names.MIXED), base='default')
            if not found:
                self._against_mimalloc(name, wanted, None, False)
                return
            worst = max(found, key=found.get)
            mean = ratios.geometric_mean(found.values())
            value |= {f'{metric} mean': _round(mean), f'{metric} worst': _round(found[worst]),
                      f'{metric} to default': _round(against)}
            notes.append(f'worst {metric}: {worst} ({self._counted(found)})')
            met = met and mean <= 0.80 and found[worst] <= 1.05 and (against or 9) <= 1.00
            met = met and self._has_replays(found)
        self._against_mimalloc(name, wanted, value, met, '; '.join(notes))

    def memory(self):
        first = self.store.median('first_malloc', 'commit', STRATA)
        self._entry('first malloc of a process: KiB of commit added', 128,
                    _round(first / 1024 if first is not None else None), first is not None and first <= 128 << 10)
        said = self.m.spike.get(STRATA)
        if said is None:
            self._entry('spike then idle: MiB of commit after two seconds', '', None, False)
            return
        after = self.store.median('spike', 'commit_after_2s', STRATA)
        allowed = said['live'] * 1.1 + (1 << 20)
        self._entry('spike then idle: MiB of commit after two seconds', _round(allowed / (1 << 20)),
                    _round(after / (1 << 20)), after <= allowed,
                    f'{said["live"] / (1 << 20):.1f} MiB are live; allowed: 10 % and 1 MiB more')

    def latency(self):
        found = {}
        for call in ('malloc', 'free'):
            for point in ('p999', 'p9999'):
                ratio = self.store.ratio(names.LATENCY_VARIANT.name, f'{call}_{point}')
                found[f'{call} {point}'] = _round(ratio and ratio['median'])
        self._against_mimalloc('server: p99.9 and p99.99 of malloc and free', 1.0, found,
                               all(v is not None and v <= 1.0 for v in found.values()))

    def others(self):
        micro = self._mean('time', set(names.MICRO_GROUPS), base='default')
        works = self._mean('time', set(names.MIXED), base='default')
        value = {'micro': _round(micro), 'workloads': _round(works)}
        self._entry('against the default heap', 'micro <= 0.2, workloads <= 0.8', value,
                    micro is not None and works is not None and micro <= 0.20 and works <= 0.80)
        found = self.store.medians_of_ratios('time', {names.SMALL}, base='limit', only=names.is_hot_loop)
        mean = ratios.geometric_mean(found.values()) if found else None
        worst = max(found, key=found.get) if found else None
        self._entry('distance to the limit in the hot loops', 1.4, _round(mean), mean and mean <= 1.4,
                    f'geometric mean; worst: {worst}, {found[worst]:.2f}' if found else '')
        self._redirect()

    def _redirect(self):
        direct, redirected = self.m.override.get('direct'), self.m.override.get('redirected')
        name = 'cost of the override: ns for a pair through the redirect'
        if not direct or not redirected:
            self._entry(name, 1.5, None, False, 'the override or strata-run was not built, or did not run')
            return
        more = [redirected[b][n] - direct[b][n] for b in direct for n in direct[b]
                if n in redirected.get(b, {})]
        value = statistics.median(more)
        self._entry(name, 1.5, _round(value), value <= 1.5,
                    f'of {statistics.median(v for b in direct.values() for v in b.values()):.1f} ns directly')


def _round(value):
    return None if value is None else float(f'{value:.3g}')


def evaluate(measurement, healthy):
    targets = Targets(measurement, healthy)
    targets.micro()
    targets.workloads()
    targets.memory()
    targets.latency()
    targets.others()
    return targets.entries
