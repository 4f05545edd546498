"""What a world, Windows under Wine (windows/wine.py) or Linux (linux/preload.py), has to say about its programs."""

import dataclasses
import os

from real_programs import verdict

# The ways to run a program. Counting the heap calls takes time, so that is a run of its own.
PLAIN, STRATA, COUNTED = 'plain', 'strata', 'counted'


class Failure(Exception):
    """A program did not do what it should have; the text is for the reader."""


@dataclasses.dataclass
class Run:
    """All steps of a program, done once."""
    seconds: float = 0.0
    total_seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    statistics: list = dataclasses.field(default_factory=list)  # when counted: one record a process
    digests: dict = dataclasses.field(default_factory=dict)     # of all output: name -> SHA-256


class System:
    """What a world has to say about its programs."""

    kind = ''                      # which columns and notes report.py prints
    counting_prints = False        # in a counted run the figures are printed among the errors
    min_share_served = verdict.MIN_SHARE_SERVED

    def prepare(self, program):
        """Fetches what it needs; its executable as its world names it, and its Folders. CannotBeHad."""
        raise NotImplementedError

    def command(self, program, way, executable, step, folders):
        """The words of a command that does one step."""
        raise NotImplementedError

    def environment(self, program, way, statistics_file, folders):
        raise NotImplementedError

    def settle(self, program, step, way, stderr):
        """Takes out of a step's errors what the system has written there. Raises Failure."""

    def process_name(self, program):
        """That of the processes to be measured; None: all of them."""
        raise NotImplementedError

    def read_statistics(self, program, path):
        """What the program's processes counted."""
        raise NotImplementedError

    def check_statistics(self, program, records):
        """What is wrong with those of all steps, or None."""
        return None

    def figures(self, records):
        """What else of them is worth a column, by its name."""
        return {}


def passed_on():
    """This process's environment, without what is meant for itself. Strata is left to its defaults."""
    return {name: value for name, value in os.environ.items()
            if name != 'PYTHONPATH' and (not name.startswith('STRATA_') or name.startswith('STRATA_WINE'))}
