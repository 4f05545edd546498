"""The Windows programs under Wine, for the commands."""

import contextlib
import os
import re
import subprocess

from real_programs.paths import ROOT
from real_programs.program_set import ProgramSet
from real_programs.system import PLAIN
from real_programs.windows import wine


class WineSet(ProgramSet):
    """Either all programs or those of the demo."""

    results = os.path.join(ROOT, 'build', 'programs')
    begin = '<!-- begin of the results: tools/programs.sh --update-docs writes them -->'
    end = '<!-- end of the results -->'
    files = (wine.LAUNCHER, wine.OVERRIDE)
    preset = 'windows'

    def __init__(self, programs, quick=()):
        self.programs, self.quick = programs, quick
        self.system = wine.Wine()
        self._version = 0

    def about(self):
        done = subprocess.run([wine.WINE, '--version'], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env=wine.environment(PLAIN))
        text = done.stdout.strip()
        number = re.match(r'wine-(\d+)', text)
        self._version = int(number.group(1)) if number else 0
        return text

    @contextlib.contextmanager
    def awake(self):
        # A program that waits for the end of its input; until then Wine's server does not stop.
        waker = subprocess.Popen([wine.WINE, 'cmd', '/c', 'echo awake & pause'], env=wine.environment(PLAIN),
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        # Only when it is up is it older than the programs that are measured, one of which has its name.
        waker.stdout.readline()
        try:
            yield
        finally:
            waker.stdin.close()

    def unfit(self, program):
        if self._version < program.wine:
            return f'needs Wine {program.wine}, and this is Wine {self._version}'
        return None

    def origin(self, program):
        return str(program.package or 'Wine')

    def describe(self, program):
        return f'{program.what} (Wine {program.wine})'
