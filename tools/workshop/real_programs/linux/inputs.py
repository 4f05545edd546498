"""Files that the Linux programs get to work on, the same wherever they are made."""

import os
import random

LINES = 200_000  # of lines.txt


def text_to_pack(folder):
    """Lines that compress and sort like logs do: 12 MB."""
    rng = random.Random(7)
    words = [''.join(rng.choice('abcdefghijklmnoprstuvw') for _ in range(rng.randint(2, 11))) for _ in range(4000)]
    with open(os.path.join(folder, 'lines.txt'), 'w', encoding='ascii') as file:
        for number in range(LINES):
            chosen = ' '.join(words[int(4000 * rng.random() ** 3)] for _ in range(8))
            file.write(f'{rng.getrandbits(20):07d} {number % 977} {chosen}\n')


def commits(folder):
    """A stream for git fast-import: 120 commits, each changing some of 40 files."""
    rng = random.Random(11)
    files = {f'dir{n % 6}/file{n}.txt': [f'line {i} {rng.getrandbits(32):x}' for i in range(200)] for n in range(40)}
    files['dir1/file3.txt'] = [f'line {i}' for i in range(500)]
    with open(os.path.join(folder, 'stream'), 'w', encoding='ascii') as file:
        for number in range(120):
            changed = sorted(rng.sample(sorted(files), 4)) if number else sorted(files)
            for name in changed:
                lines = files[name]
                for _ in range(5):
                    lines[rng.randrange(len(lines))] = f'line {number} {rng.getrandbits(40):x}'
                lines.insert(rng.randrange(len(lines)), f'line {number} is new in {name}')
            time = 1_600_000_000 + number * 600
            message = f'Change {number}\n\nThis changes {", ".join(changed[:4])}.\n'
            file.write(f'commit refs/heads/main\ncommitter C <c@example.org> {time} +0000\n'
                       f'data {len(message)}\n{message}\n')
            for name in changed:
                text = '\n'.join(files[name]) + '\n'
                file.write(f'M 100644 inline {name}\ndata {len(text)}\n{text}\n')
