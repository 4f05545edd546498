"""The Windows programs under Wine, for main.py."""

import contextlib
import os
import re
import subprocess

import demo
from catalogue import PROGRAMS, QUICK


class WineSet:
    def __init__(self):
        self.programs, self.quick = PROGRAMS, QUICK
        self.system = demo.Wine()
        self.results = os.path.join(demo.ROOT, 'build', 'programs')
        self.begin = '<!-- begin of the results: tools/programs.sh --update-docs writes them -->'
        self.end = '<!-- end of the results -->'
        self.files = (demo.LAUNCHER, demo.OVERRIDE)
        self.preset = 'windows'
        self._version = 0

    def about(self):
        """The Wine that programs are started by."""
        done = subprocess.run([demo.WINE, '--version'], capture_output=True, text=True,
                              stdin=subprocess.DEVNULL, env=demo.environment(demo.PLAIN))
        text = done.stdout.strip()
        number = re.match(r'wine-(\d+)', text)
        self._version = int(number.group(1)) if number else 0
        return text

    @contextlib.contextmanager
    def awake(self):
        waker = demo.keep_wine_awake()
        try:
            yield
        finally:
            waker.stdin.close()

    def unfit(self, program):
        """Why it cannot run here, or None."""
        if self._version < program.wine:
            return f'needs Wine {program.wine}, and this is Wine {self._version}'
        return None

    def origin(self, program):
        return str(program.package or 'Wine')

    def describe(self, program):
        return f'{program.what} (Wine {program.wine})'
