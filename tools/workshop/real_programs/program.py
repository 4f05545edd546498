"""What there is to say about a real program: whence it comes, what it has to do, what it must leave behind."""

import dataclasses
import os
from typing import Callable

from real_programs.npm import Package


@dataclasses.dataclass(frozen=True)
class Step:
    """One start of the program. {tree} in an argument becomes the folder of real files to pack."""
    name: str
    arguments: tuple
    exit_code: int = 0


@dataclasses.dataclass(frozen=True)
class Program:
    """One of the real programs."""
    name: str
    what: str                  # one line for the reader
    executable: str            # the name of its process
    path: str                  # inside the package; or a Windows path, when it comes with Wine
    steps: tuple
    check: Callable            # (Folders) -> what is wrong with the output, or None
    package: Package = None    # None: comes with Wine
    sha256: str = ''           # of the executable
    inputs: tuple = ()         # packages whose files make up {tree}
    tree: str = 'tree'         # the name of that folder
    masks: tuple = ()          # regular expressions: what of the standard output may vary, such as times
    files_vary: tuple = ()     # regular expressions: names of files in the work folder that are not compared
    lines_vary: bool = False   # the lines of the standard output come in any order
    launcher: tuple = ()       # more options of strata-run's
    few_calls: bool = False    # it hardly uses the heap: frees of ntdll's own blocks are most of its calls
    runtime: tuple = ()        # DLLs of Microsoft's (windows/microsoft.py) beside it, which it has to run with
    variables: tuple = ()      # more of its environment: pairs of names and values
    make: Callable = None      # (folder) -> None: makes the files of {tree}
    wine: int = 8              # the oldest version of Wine that it runs under
    run: Callable = None       # (program, way, executable, folders) -> system.Run, instead of the steps


@dataclasses.dataclass(frozen=True)
class Folders:
    """Where a run leaves its traces, and the files it was given."""
    work: str      # the program's current folder, empty at its start
    output: str    # standard output and error, one file a step
    tree: str


def contains(step, text):
    def check(folders):
        path = os.path.join(folders.output, f'{step}.out')
        with open(path, encoding='utf-8', errors='replace') as file:
            return None if text in file.read() else f'the output of {step} has no "{text}"'
    return check
