"""What the commands want to know of a world and of all its programs."""

import contextlib


class ProgramSet:
    programs = ()   # all of them
    quick = ()      # the names of those that tools/test.sh runs
    system = None   # a System
    results = ''    # the folder of their results
    begin = end = ''  # the lines in docs/programs.md that their table stands between
    files = ()      # what has to be built
    preset = ''     # by this preset

    def about(self):
        """Where the programs run, for the reader. To be asked first."""
        raise NotImplementedError

    def awake(self):
        """A context in which programs can be run."""
        return contextlib.nullcontext()

    def unfit(self, program):
        """Why it cannot run here, or None."""
        return None

    def origin(self, program):
        """The package that it is from, for the reader."""
        raise NotImplementedError

    def describe(self, program):
        """A line of --list."""
        raise NotImplementedError
