"""What the names of benchmarks say: "<kind>/<size>" or "<kind>/<least>..<most>"; and what runs when."""

import dataclasses

_UNITS = {'K': 1 << 10, 'M': 1 << 20}

# The parts of a round: each allocator runs a part in one process. (name, filter, threads)
PARTS = (
    ('pair', '^pair/', 1),
    ('burst32', '^burst32_', 1),
    ('burst1000', '^burst1000_', 1),
    ('churn', '^churn', 1),
    ('realloc', '^realloc', 1),
    ('calloc', '^calloc', 1),
    ('aligned, size', '^(aligned|size)', 1),
    ('exchange', '^(exchange|ring|n_to_1|1_to_n)/', 2),
    ('threads', '^thread', 1),
    ('heaps', '^heap', 1),
)

SMALL = 'pair, burst, churn: 16 B to 1 KiB'
MEDIUM = 'pair, burst, churn: 1 to 64 KiB'
PAIR_LARGE = 'pair: 128 to 512 KiB'
PAIR_HUGE = 'pair: 1 to 4 MiB'
BURST_HUGE = 'burst: 1 MiB'
EXCHANGE = 'exchange, ring, n_to_1, 1_to_n'
MICRO_GROUPS = (SMALL, MEDIUM, PAIR_LARGE, PAIR_HUGE, BURST_HUGE, 'realloc', 'calloc_fresh',
                'calloc_dirty', 'aligned', 'size', EXCHANGE, 'thread', 'thread_empty', 'heap', 'heaps')
WORKLOADS = 'workloads'
REPLAYS = 'replays'
REAL = 'real programs'
MIXED = (WORKLOADS, REPLAYS)  # what is more than a loop of one kind of call
PROBES = 'probes'


@dataclasses.dataclass(frozen=True)
class Variant:
    """One workload in one number of threads."""
    workload: str
    threads: int

    @property
    def name(self):
        return f'{self.workload}/{self.threads}'


_SINGLE = ('tokens', 'json', 'lru', 'orders', 'memtable', 'frames', 'tiles', 'documents')
_OWN_THREADS = ('server', 'pipeline', 'pool')
_ALSO_TWO = ('tokens', 'json', 'lru', 'tiles', 'documents')
VARIANTS = (*(Variant(name, 1) for name in _SINGLE), *(Variant(name, 2) for name in _OWN_THREADS),
            *(Variant(name, 2) for name in _ALSO_TWO))


def replay(program):
    """The benchmark of a recorded program."""
    return f'replay_{program}'


def real(program):
    return f'program_{program}'


# Peak memory: two copies of the same say little more than one.
MEMORY_VARIANTS = VARIANTS[:len(_SINGLE) + len(_OWN_THREADS)]
LATENCY_VARIANT = Variant('server', 2)
WITHOUT_HEAPS = ('crt',)
NEEDS_HEAPS = ('documents', 'heap_memory')


def largest_size(name):
    """In bytes; of a range, its upper end."""
    text = name.split('/')[1].split('..')[-1]
    return int(text[:-1]) * _UNITS[text[-1]] if text[-1] in _UNITS else int(text)


def group(name):
    """The line of the closing summary that a micro benchmark counts towards."""
    kind = name.split('/')[0]
    for start, result in (('realloc', 'realloc'), ('aligned', 'aligned'), ('heaps100', 'heaps')):
        if kind.startswith(start):
            return result
    if kind in ('exchange', 'ring', 'n_to_1', '1_to_n'):
        return EXCHANGE
    if kind in MICRO_GROUPS:
        return kind
    size = largest_size(name)
    if size <= 1 << 10:
        return SMALL
    if size <= 64 << 10:
        return MEDIUM
    if kind != 'pair':
        return BURST_HUGE
    return PAIR_LARGE if size < 1 << 20 else PAIR_HUGE


def is_hot_loop(name):
    """Those whose blocks stay in the first cache levels: there the limit is one of instructions."""
    kind = name.split('/')[0]
    return group(name) == SMALL and kind not in ('churn256M',)
