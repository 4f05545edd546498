"""What a program has left behind: the end of its output, its digest, fatal messages, what Strata counted."""

import hashlib
import json
import os
import re

from real_programs.files import sha256_of_file
from real_programs.system import Failure


def tail(path, lines=12):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            return ''.join('\n         | ' + line.rstrip() for line in file.readlines()[-lines:])
    except OSError:
        return ''


def digest_of_output(path, masks=(), lines_vary=False):
    """Of a file of output, without what may vary in it."""
    if not masks and not lines_vary:
        return sha256_of_file(path)
    with open(path, 'rb') as file:
        text = file.read()
    for mask in masks:
        text = re.sub(mask.encode(), b'*', text)
    if lines_vary:
        text = b'\n'.join(sorted(text.split(b'\n')))
    return hashlib.sha256(text).hexdigest()


def require_no_fatal(step, way, stderr):
    with open(stderr, encoding='utf-8', errors='replace') as file:
        for line in file:
            if 'strata: fatal' in line:
                raise Failure(f'{step} ({way}) said: {line.strip()}')


def read_statistics(path):
    """The records of the processes that counted, as STRATA_STATS_FILE names their file."""
    if not os.path.exists(path):
        return []
    with open(path, encoding='utf-8') as file:
        return [json.loads(line) for line in file if line.strip()]
