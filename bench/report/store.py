"""All that was measured, by benchmark, metric, column and round; and the ratios of it."""

import statistics

import names
import ratios

STRATA = 'strata'
CONTROL = 'strata again'  # the A/A control: the same program, once more in each round


class Store:
    def __init__(self):
        self.values = {}   # (benchmark, metric) -> column -> round -> value
        self.groups = {}   # benchmark -> group
        self.chosen = {}   # (group, metric) -> the column that is the baseline there

    def add(self, benchmark, group, metric, column, number, value):
        self.groups.setdefault(benchmark, group)
        self.values.setdefault((benchmark, metric), {}).setdefault(column, {})[number] = value

    def get(self, benchmark, metric, column):
        return self.values.get((benchmark, metric), {}).get(column, {})

    def median(self, benchmark, metric, column):
        values = self.get(benchmark, metric, column)
        return statistics.median(values.values()) if values else None

    def keys(self, metric=None, groups=None):
        return [(b, m) for b, m in self.values
                if metric in (None, m) and (groups is None or self.groups[b] in groups)]

    def choose_baselines(self, columns):
        """For each group and metric the column, of those given, with the least over all its benchmarks:
        the faster one where time is compared, the smaller one where memory is."""
        for group, metric in {(self.groups[b], m) for b, m in self.values}:
            means = {}
            for column in columns:
                medians = [self.median(b, m, column) for b, m in self.keys(metric, {group})]
                if medians and all(medians):
                    means[column] = ratios.geometric_mean(medians)
            if means:
                self.chosen[group, metric] = min(means, key=means.get)

    def baseline(self, benchmark, metric):
        return self.chosen.get((self.groups.get(benchmark), metric))

    def ratio(self, benchmark, metric, column=STRATA, base=None):
        """To the baseline of its group and metric, or to the column `base`."""
        base = base or self.baseline(benchmark, metric)
        if base is None:
            return None
        return ratios.compare(self.get(benchmark, metric, column), self.get(benchmark, metric, base))

    def medians_of_ratios(self, metric, groups, column=STRATA, base=None, only=None):
        """{benchmark: median ratio}"""
        result = {}
        for benchmark, _ in self.keys(metric, groups):
            ratio = self.ratio(benchmark, metric, column, base)
            if ratio and (only is None or only(benchmark)):
                result[benchmark] = ratio['median']
        return result

    def control(self, only=None, metric='time'):
        """The A/A control over the benchmarks that `only` picks: the geometric mean of each round's
        ratios. None when there are none."""
        rounds = {}
        for benchmark, _ in self.keys(metric):
            if only is not None and not only(benchmark):
                continue
            again, first = self.get(benchmark, metric, CONTROL), self.get(benchmark, metric, STRATA)
            for number in again.keys() & first.keys():
                kind = self.groups[benchmark] if self.groups[benchmark] in names.MIXED else 'micro'
                rounds.setdefault((kind, number), []).append(
                    again[number] / first[number])
        means = [ratios.geometric_mean(values) for values in rounds.values()]
        if not means:
            return None
        low, high = ratios.interval(means)
        return {'median': statistics.median(means), 'low': low, 'high': high, 'pairs': len(means),
                'spans_1': low <= 1 <= high}
