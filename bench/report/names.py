"""What the names of benchmarks say: "<kind>/<size>" or "<kind>/<least>..<most>"."""

_UNITS = {'K': 1 << 10, 'M': 1 << 20}

# The parts of a round: each allocator runs a part in one process. (name, filter, threads)
PARTS = (
    ('pair', '^pair/', 1),
    ('burst32', '^burst32_', 1),
    ('burst1000', '^burst1000_', 1),
    ('churn', '^churn', 1),
    ('realloc', '^realloc', 1),
    ('calloc', '^calloc', 1),
    ('exchange', '^exchange', 2),
)

SMALL = 'pair, burst, churn: 16 B to 1 KiB'
MEDIUM = 'pair, burst, churn: 1 to 64 KiB'
GROUPS = (SMALL, MEDIUM, 'pair: 128 to 512 KiB', 'pair, burst: 1 MiB', 'realloc', 'calloc', 'exchange')


def largest_size(name):
    """In bytes; of a range, its upper end."""
    text = name.split('/')[1].split('..')[-1]
    return int(text[:-1]) * _UNITS[text[-1]] if text[-1] in _UNITS else int(text)


def group(name):
    """The line of the closing summary that a benchmark counts towards."""
    for kind in ('realloc', 'calloc', 'exchange'):
        if name.startswith(kind):
            return kind
    size = largest_size(name)
    if size <= 1 << 10:
        return SMALL
    if size <= 64 << 10:
        return MEDIUM
    return 'pair: 128 to 512 KiB' if size < 1 << 20 else 'pair, burst: 1 MiB'
