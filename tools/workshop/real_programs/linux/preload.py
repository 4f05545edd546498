"""Linux programs, each run as it is and with LD_PRELOAD=libstrata-preload.so.

The heap calls are counted in a run of its own, by libstrata-count.so between the program and Strata
(tools/count): it asks Strata whether each block is Strata's, and the C library's own allocator how much memory
it has got from the system.
"""

import dataclasses
import os
import subprocess
from typing import Callable

from real_programs import npm, outputs
from real_programs.files import appearing_whole, files_below
from real_programs.paths import ROOT
from real_programs.program import Folders, Program
from real_programs.system import COUNTED, PLAIN, Failure, System

LIBRARIES = os.path.join(ROOT, 'build', 'native', 'lib')
PRELOAD = os.path.join(LIBRARIES, 'libstrata-preload.so')
COUNT = os.path.join(LIBRARIES, 'libstrata-count.so')
PLACE = os.path.join(ROOT, 'build', 'programs', 'native')
# Packages of services: unpacked here by lib.sh, since installing them would start the service.
UNPACKED = os.path.join(ROOT, 'build', 'deps', 'debian')
PATH = '/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin'


@dataclasses.dataclass(frozen=True)
class LinuxProgram(Program):
    """A program of Debian's. Its `path` is absolute, or below the folder of the unpacked package."""
    debian: tuple = ()           # the packages it needs, its own first
    unpacked: bool = False       # the first of them is unpacked, not installed
    environment: tuple = ()      # more variables, as pairs
    make_inputs: Callable = None  # (folder): writes the files that {tree} stands for
    processes: int = 1           # how many have to count, at least
    threads: int = 1             # how many have to ask for memory in one of them, however busy the machine


def _query(*command):
    try:
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    except OSError:  # not Debian
        return ''
    return done.stdout.strip() if done.returncode == 0 else ''


def _is_installed(package):
    return _query('dpkg-query', '-W', '-f', '${db:Status-Status}', package) == 'installed'


def version(program):
    """The package that the program is from, for the reader."""
    package = program.debian[0]
    unpacked = os.path.join(UNPACKED, package, '.version')
    if program.unpacked and os.path.exists(unpacked):
        with open(unpacked, encoding='ascii') as file:
            return f'{package} {file.read().strip()}'
    found = _query('dpkg-query', '-W', '-f', '${Version}', package)
    return f'{package} {found}'.strip()


def environment(way, folders, statistics_file=None, more=()):
    """Nothing of the caller's: programs read much out of it."""
    env = {'PATH': PATH, 'LC_ALL': 'C.UTF-8', 'TZ': 'UTC', 'HOME': folders.work, 'TMPDIR': temporary(folders)}
    env.update(more)
    if way == COUNTED:
        env['LD_PRELOAD'] = f'{COUNT}:{PRELOAD}'
        env['STRATA_STATS_FILE'] = statistics_file
    elif way != PLAIN:
        env['LD_PRELOAD'] = PRELOAD
    return env


def temporary(folders):
    return os.path.join(os.path.dirname(folders.work), 'temporary')


class Linux(System):
    kind = 'native'
    # Every call of a Linux program comes through the same few names: there is no excuse for one that Strata
    # does not serve.
    min_share_served = 1.0

    def prepare(self, program):
        missing = [package for package in program.debian[program.unpacked:] if not _is_installed(package)]
        executable = program.path
        if program.unpacked:
            executable = os.path.join(UNPACKED, program.debian[0], program.path)
        if not os.path.exists(executable):
            missing.insert(0, program.debian[0])
        if missing:
            names = ', '.join(dict.fromkeys(missing))
            raise npm.CannotBeHad(f'Debian packages that are missing and could not be had: {names}')
        tree = os.path.join(PLACE, program.tree)
        if program.make_inputs is not None and not os.path.isdir(tree):
            with appearing_whole(tree) as part:
                os.mkdir(part)
                program.make_inputs(part)
        base = os.path.join(PLACE, 'runs', program.name)
        folders = Folders(os.path.join(base, 'work'), os.path.join(base, 'output'), tree)
        os.makedirs(temporary(folders), exist_ok=True)
        return executable, folders

    def command(self, program, way, executable, step, folders):
        return [executable] + [argument.replace('{tree}', folders.tree) for argument in step.arguments]

    def environment(self, program, way, statistics_file, folders):
        return environment(way, folders, statistics_file, program.environment)

    def process_name(self, program):
        return None

    def read_statistics(self, program, path):
        return outputs.read_statistics(path)

    def check_statistics(self, program, records):
        for record in records:
            if record['libc_bytes'] > 0:
                return f'{record["program"]}: {record["libc_bytes"]} bytes of the C library\'s own allocator'
        figures = self.figures(records)
        for what, least in (('processes', program.processes), ('threads', program.threads)):
            if figures[what] < least:
                return f'{figures[what]} {what} counted calls on Strata; {least} or more are wanted'
        return None

    def figures(self, records):
        return {'processes': len(records), 'threads': max((record['threads'] for record in records), default=0)}


def require_served(server, way):
    """Whether Strata is in all processes of a server that has just come up, or, run as it is, in none."""
    there = server.has_mapped(os.path.basename(PRELOAD))
    if there is not (way != PLAIN):
        raise Failure(f'{server.name} ({way}): Strata is {"" if there else "not "}in the server\'s processes')


def digest_outputs(run, folders, way, masks, lines_vary=()):
    """For programs with a `run` of their own: digests of all outputs, standard and errors, without what the masks
    of a file's name say, and of the lines in any order where `lines_vary` names the file."""
    for name, path in files_below(folders.output).items():
        if name.endswith('.err'):
            outputs.require_no_fatal(name, way, path)
        if name.endswith(('.out', '.err')):
            run.digests[name] = outputs.digest_of_output(path, masks.get(name, ()), name in lines_vary)
