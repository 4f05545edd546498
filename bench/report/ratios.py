"""From values to figures: what is compared are pairs, two values measured in the same round.

The machine is faster one minute and slower the next, so that times of different rounds say little
about each other. A round runs every allocator once, close together; the order of a round is drawn at
random and the next round runs it backwards (A B B A), so that a steady drift cancels out. The figure
is the median of the rounds' ratios, with a bootstrap interval: how far it could have come out
otherwise with other rounds of the same kind.
"""

import math
import random
import statistics

_RESAMPLES = 2000


def interval(values, level=0.95):
    """The bootstrap interval of the median. The same values always give the same interval."""
    if len(values) < 2:
        return (values[0], values[0]) if values else (None, None)
    generator = random.Random(1)
    medians = sorted(statistics.median(generator.choices(values, k=len(values)))
                     for _ in range(_RESAMPLES))
    cut = int(_RESAMPLES * (1 - level) / 2)
    return medians[cut], medians[-1 - cut]


def compare(values, base):
    """Ratios of two dictionaries round -> value, over the rounds that both have; or None."""
    ratios = [values[r] / base[r] for r in sorted(values.keys() & base.keys()) if base[r] > 0]
    if not ratios:
        return None
    low, high = interval(ratios)
    return {'median': statistics.median(ratios), 'min': min(ratios), 'max': max(ratios),
            'low': low, 'high': high, 'pairs': len(ratios)}


def verdict(ratio, healthy=True):
    """What the interval allows to say; nothing beside a baseline that is not in working order."""
    if ratio is None:
        return '-'
    if not healthy:
        return 'void'
    if ratio['pairs'] < 4:
        return '?'
    if ratio['high'] < 1:
        return 'less'
    return 'MORE' if ratio['low'] > 1 else 'same'


def geometric_mean(values):
    values = [value for value in values if value and value > 0]
    return math.exp(statistics.fmean(math.log(value) for value in values)) if values else None
