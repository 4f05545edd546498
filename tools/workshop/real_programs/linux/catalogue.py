"""The Linux programs, all from Debian's packages, each with work to do and what it must leave behind."""

import os

from real_programs.linux import inputs, nginx, redis
from real_programs.linux.preload import LinuxProgram
from real_programs.paths import script
from real_programs.program import Step, contains

_GOOGLETEST = '/usr/src/googletest/googletest'


def _lines_are_back(folders):
    with open(os.path.join(folders.tree, 'lines.txt'), 'rb') as one, \
            open(os.path.join(folders.work, 'lines.txt'), 'rb') as other:
        return None if one.read() == other.read() else 'lines.txt is not the same after unpacking'


def _is_sorted(folders):
    with open(os.path.join(folders.work, 'sorted.txt'), 'rb') as file:
        keys = [int(line.split(b' ', 2)[1]) for line in file]
    return None if len(keys) == inputs.LINES and keys == sorted(keys) else 'sorted.txt is not in order'


PROGRAMS = (
    redis.PROGRAM,
    LinuxProgram(
        name='sqlite',
        what='sqlite3 fills a database with indexes, JSON and full-text search, asks it, and tidies up (work.sql)',
        executable='sqlite3',
        path='/usr/bin/sqlite3',
        debian=('sqlite3',),
        steps=(Step('database', ('-batch', 'words.db', f'.read {script("work.sql")}')),),
        check=contains('database', '\nok\n'),
    ),
    LinuxProgram(
        name='lua',
        what='Lua: tables, strings, closures, coroutines (work.lua)',
        executable='lua5.4',
        path='/usr/bin/lua5.4',
        debian=('lua5.4',),
        steps=(Step('lua', (script('work.lua'), '3', '20000')),),
        check=contains('lua', 'round 3:'),
    ),
    LinuxProgram(
        name='ruby',
        what='Ruby: strings, JSON, sorting, compression in four threads, and a forked child (work.rb)',
        executable='ruby',
        path='/usr/bin/ruby',
        debian=('ruby',),
        steps=(Step('ruby', (script('work.rb'), '1', '4000')),),
        check=contains('ruby', 'child: '),
        processes=2,
        threads=2,
    ),
    LinuxProgram(
        name='python',
        what='Python with PYTHONMALLOC=malloc: four threads, threads that hand over, forked processes (work.py)',
        executable='python3',
        path='/usr/bin/python3',
        debian=('python3',),
        environment=(('PYTHONMALLOC', 'malloc'), ('PYTHONDONTWRITEBYTECODE', '1')),
        steps=(Step('python', (script('work.py'), '4000')),),
        check=contains('python', 'process 1: '),
        processes=3,
        threads=3,
    ),
    LinuxProgram(
        name='g++',
        what='g++ compiles GoogleTest (118,000 lines once preprocessed) and links a program with it',
        executable='g++',
        path='/usr/bin/g++',
        debian=('g++', 'googletest'),
        steps=(
            Step('compile', ('-O0', '-pthread', f'-I{_GOOGLETEST}/include', f'-I{_GOOGLETEST}', '-c',
                             f'{_GOOGLETEST}/src/gtest-all.cc')),
            Step('link', ('-pthread', f'-I{_GOOGLETEST}/include', f'{_GOOGLETEST}/src/gtest_main.cc',
                          'gtest-all.o', '-o', 'tests')),
        ),
        check=lambda folders: None if os.access(os.path.join(folders.work, 'tests'), os.X_OK) else 'no program',
        processes=6,
    ),
    LinuxProgram(
        name='git',
        what='git: a repository made on the spot, merges, a repack with two threads, clones, fsck (git.sh)',
        executable='git',
        path='/bin/sh',
        debian=('git', 'coreutils'),
        tree='git',
        make_inputs=inputs.commits,
        steps=(Step('git', (script('git.sh'), '{tree}/stream')),),
        check=contains('git', ' side 3'),
        files_vary=(r'.*/\.git/index',),  # it has the times of files
        processes=50,
        threads=2,
    ),
    nginx.PROGRAM,
    LinuxProgram(
        name='xz',
        what='xz packs and unpacks 12 MB with two threads',
        executable='xz',
        path='/bin/sh',
        debian=('xz-utils',),
        tree='lines',
        make_inputs=inputs.text_to_pack,
        steps=(
            Step('pack', ('-c', 'exec xz -T2 -1 --block-size=2MiB -c {tree}/lines.txt >lines.txt.xz')),
            Step('unpack', ('-c', 'exec xz -d -T2 -k lines.txt.xz')),
        ),
        check=_lines_are_back,
        threads=2,
    ),
    LinuxProgram(
        name='sort',
        what='sort, of coreutils, sorts 200,000 lines with two threads',
        executable='sort',
        path='/usr/bin/sort',
        debian=('coreutils',),
        tree='lines',
        make_inputs=inputs.text_to_pack,
        steps=(Step('sort', ('--parallel=2', '-S', '40M', '-k2,2n', '-o', 'sorted.txt', '{tree}/lines.txt')),),
        check=_is_sorted,
    ),
    LinuxProgram(
        name='perl',
        what='Perl: hashes, strings, regular expressions, closures (work.pl)',
        executable='perl',
        path='/usr/bin/perl',
        debian=('perl',),
        environment=(('PERL_HASH_SEED', '0'),),
        steps=(Step('perl', (script('work.pl'), '2', '40000')),),
        check=contains('perl', 'round 2:'),
    ),
    LinuxProgram(
        name='z3',
        what='z3, a solver in C++: bit vectors, a pigeonhole, arrays (work.smt2)',
        executable='z3',
        path='/usr/bin/z3',
        debian=('z3',),
        steps=(Step('solve', (script('work.smt2'),)),),
        check=contains('solve', '\nunsat\nunsat\n'),
    ),
)

# What tools/test.sh runs: a minute for all of them, on two processors.
QUICK = ('redis', 'sqlite', 'lua', 'ruby', 'python', 'git', 'nginx')
