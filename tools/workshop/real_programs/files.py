"""Files and folders, compared and made."""

import contextlib
import hashlib
import os
import shutil


def files_below(folder):
    """Every file below a folder as {relative path: absolute path}."""
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            found[os.path.relpath(path, folder)] = path
    return found


def same_bytes(one, other):
    with open(one, 'rb') as a, open(other, 'rb') as b:
        return a.read() == b.read()


def sha256_of_file(path):
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


@contextlib.contextmanager
def appearing_whole(folder):
    """Another name of a folder, under which to fill it; it gets its own at the end."""
    part = folder + '.part'
    shutil.rmtree(part, ignore_errors=True)
    os.makedirs(os.path.dirname(folder), exist_ok=True)
    yield part
    os.rename(part, folder)


def copy_whole(source, folder):
    """A copy of a folder, unless it is there already."""
    if not os.path.isdir(folder):
        with appearing_whole(folder) as part:
            shutil.copytree(source, part)
