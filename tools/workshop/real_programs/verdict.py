"""Turns the measurements of one program into figures and a verdict.

Time is judged by pairs of neighbouring runs, one plain and one with Strata, in the order AB BA AB ...,
so that a machine that grows slower or faster meanwhile favours neither. The figure is the median of
the pairs' ratios. How far it can be trusted is measured in the same go: where two pairs meet, two
runs of the same kind are neighbours, and without noise their ratio would be 1. With m the median
difference of such neighbours, the standard deviation of one ratio is about 1.48 m, that of the median
of n ratios 1.25 times that over the root of n, and three of those are the noise bound:
5.6 m / sqrt(n), but never less than 3 %.
"""

import math
import statistics

MIN_SHARE_SERVED = 0.95
MIN_NOISE_BOUND = 0.03
# Above this a comparison says little, and more pairs are run.
WANTED_NOISE_BOUND = 0.10

_ALLOCATING = ('RtlAllocateHeap', 'RtlReAllocateHeap')
# A C runtime's rows are called "msvcrt.dll malloc". What these hand on counts with ntdll's.
_ALLOCATING_IN_RUNTIMES = ('malloc', 'calloc', 'realloc', '_recalloc', 'operator new', 'reallocarray', 'memalign',
                           'aligned_alloc', 'posix_memalign', 'valloc', 'pvalloc')
_KINDS = ('strata', 'original', 'foreign', 'ntdll')


def time_ratio(plain, strata):
    """Figures for two lists of seconds of equal length, in the order of their pairs."""
    ratios = [with_strata / without for without, with_strata in zip(plain, strata)]
    # Pairs 0, 2, ... end with Strata, the others with a plain run; the next begins with the same.
    neighbours = [(strata if k % 2 == 0 else plain)[k:k + 2] for k in range(len(ratios) - 1)]
    differences = [abs(math.log(after / before)) for before, after in neighbours]
    noise = MIN_NOISE_BOUND
    if differences:
        three_deviations = 3 * 1.253 * 1.4826 * statistics.median(differences) / math.sqrt(len(ratios))
        noise = max(noise, three_deviations)
    median = statistics.median(ratios)
    return {
        'median': median,
        'min': min(ratios),
        'max': max(ratios),
        'noise_bound': noise,
        'slower': median > 1 + noise,
        'noisy': noise > WANTED_NOISE_BOUND or not differences,
    }


def compare(plain, strata):
    """Ratios of elapsed and of processor time, and which of them decides.

    Elapsed time does, unless other work on the machine makes it useless and processor time is steadier.
    plain and strata are {'seconds': [...], 'cpu_seconds': [...]}.
    """
    wall = time_ratio(plain['seconds'], strata['seconds'])
    if not all(plain['cpu_seconds'] + strata['cpu_seconds']):  # not every way to run one tells
        return {'wall': wall, 'cpu': None, 'judged_by': 'wall'}
    cpu = time_ratio(plain['cpu_seconds'], strata['cpu_seconds'])
    by_cpu = wall['noisy'] and cpu['noise_bound'] < wall['noise_bound']
    return {'wall': wall, 'cpu': cpu, 'judged_by': 'cpu' if by_cpu else 'wall'}


def _asks(name):
    function = name.partition(' ')[2]
    return name in _ALLOCATING or function in _ALLOCATING_IN_RUNTIMES


def add_calls(records, asking=False):
    """Sums the calls of several processes; with `asking`, those that ask for memory."""
    total = dict.fromkeys(_KINDS, 0)
    for record in records:
        for counted in record['entries'] if asking else [record['calls']]:
            if not asking or _asks(counted['name']):
                for kind in _KINDS:
                    total[kind] += counted[kind]
    return total


def outside_ntdll(calls):
    return sum(calls.values()) - calls['ntdll']


def share_served(records):
    """The share of the heap calls from outside ntdll that Strata served; None when there were none.

    Frees and queries of blocks could make up for requests that went elsewhere. So the share of the
    calls that ask for memory is taken, too, and the lower of the two counts.
    """
    shares = []
    for calls in (add_calls(records), add_calls(records, asking=True)):
        outside = outside_ntdll(calls)
        if outside == 0:
            return None
        shares.append(calls['strata'] / outside)
    return min(shares)


def share_of_requests(records):
    """The same of the calls that ask for memory alone; None when there were none."""
    calls = add_calls(records, asking=True)
    return calls['strata'] / outside_ntdll(calls) if outside_ntdll(calls) else None


def requests(records):
    """How many calls from outside ntdll asked for memory."""
    return outside_ntdll(add_calls(records, asking=True))
