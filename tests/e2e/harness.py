"""What the end-to-end tests share: a folder each, and Windows programs that run plain or with Strata in them.

Every script of them takes --bin, the folder of strata-run.exe, and --runner, a command that starts a Windows
program: on Linux tools/wine.sh, on Windows nothing.
"""

import argparse
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

SHARE_AT_LEAST = 0.95  # of the heap calls from outside ntdll, served by Strata
EXIT_LAUNCHER, EXIT_CANNOT_RUN, EXIT_NOT_FOUND = 125, 126, 127


class Setup:
    bin = ""
    runner = []
    time_limit = 60
    full = False  # large counts


class Result:
    def __init__(self, code, out, err, seconds):
        self.code = code
        self.out = out
        # Wine's own remarks about the machine are nobody's output.
        self.err, self.remarks = without_remarks(err)
        self.seconds = seconds


def without_remarks(err):
    """Errors without what Wine itself wrote there, and that."""
    lines = err.splitlines()
    remarks = [line for line in lines if re.match(r"wine: |[0-9a-f]{4}:", line)]
    return "\n".join(line for line in lines if not re.match(r"wine: |[0-9a-f]{4}:", line)), remarks


# Wine's process creation fails now and then on a busy machine, before any code of the new process or of
# Strata has run in it: CreateProcess then reports ERROR_INTERNAL_ERROR, to strata-run (126) or to a test
# program (3, see programs/check.h).
WINE_COULD_NOT_START = re.compile(r"CreateProcess\w*(\(.*\))? ?failed: .*\(error 1359\)|"
                                  r"failed: CreateProcess.*\(error 1359\)")


def run(command, **more):
    """Runs a command; repeats it, and says so, when Wine could not start its process, or, once, when it
    did not end. (Seen in one of some hundred runs that start children from several threads at once.)"""
    for attempt in range(3):
        try:
            result = run_once(command, **more)
        except subprocess.TimeoutExpired:
            if os.name == "nt" or attempt != 0:
                raise
            print(f"did not end, and is tried once more: {command}", file=sys.stderr)
            continue
        launcher_failed = result.code in (126, 3) and WINE_COULD_NOT_START.search(result.err)
        # Or it ends before any of it has run: nothing printed at all, not even the statistics.
        never_ran = result.code == 1 and not result.out and not result.err
        if not launcher_failed and not never_ran:
            break
        print(f"Wine could not start a process (attempt {attempt + 1}): {command[-1]}", file=sys.stderr)
    return result


def passed_on():
    """This process's environment. Strata is left to its defaults, whatever that may ask of it."""
    return {name: value for name, value in os.environ.items()
            if not name.startswith("STRATA_") or name.startswith("STRATA_WINE")}


def run_once(command, environment=None, folder=None, text="", binary=False):
    env = {**passed_on(), "LC_ALL": "C.UTF-8", **(environment or {})}
    began = time.monotonic()
    process = subprocess.Popen(Setup.runner + command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, env=env, cwd=folder, start_new_session=True)
    try:
        out, err = process.communicate(text.encode(), timeout=Setup.time_limit)
    except subprocess.TimeoutExpired:
        print(what_they_do(process.pid), file=sys.stderr)
        end_with_all_it_started(process)
        raise
    seconds = time.monotonic() - began
    out = out if binary else out.decode("utf-8", "replace").replace("\r\n", "\n")
    return Result(process.returncode, out, err.decode("utf-8", "replace"), seconds)


def what_they_do(session):
    """A line for each process of a session on Linux, and where its threads wait."""
    lines = []
    for entry in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            if os.getsid(int(entry.name)) != session:
                continue
            command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
            waits = [(task / "syscall").read_text().split()[0] + " in " +
                     (task / "wchan").read_text() for task in (entry / "task").iterdir()]
        except OSError:  # ended meanwhile, or another system
            continue
        lines.append(f"{entry.name} {command}: system calls {', '.join(waits)}")
    return "\n".join(lines)


def end_with_all_it_started(process):
    """Ends a process of a session of its own; under Wine, what strata-run has started as well."""
    if os.name == "nt":
        process.kill()
    else:
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def program(name):
    return os.path.join(Setup.bin, "programs", f"strata_program_{name}.exe")


def launcher():
    return os.path.join(Setup.bin, "strata-run.exe")


def windows_path(path):
    path = os.path.abspath(path)
    return path if os.name == "nt" else "Z:" + path.replace("/", "\\")


def override_dll():
    return os.path.join(Setup.bin, "strata-override.dll")


def plain(name, *arguments, **more):
    return run([program(name), *arguments], **more)


def overridden(options, name, *arguments, **more):
    return run([launcher(), *options, program(name), *arguments], **more)


def records(file):
    """The lines of a statistics file; none when there is no such file."""
    if not os.path.exists(file):
        return []
    with open(file, encoding="utf-8") as text:
        return [json.loads(line) for line in text]


def share_served(record):
    """Of the calls from outside ntdll."""
    calls = record["calls"]
    return calls["strata"] / (calls["strata"] + calls["original"] + calls["foreign"])


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="strata-e2e-")
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)

    def path(self, name):
        return os.path.join(self.folder, name)

    def statistics(self, name, *arguments, options=(), environment=None):
        """Runs with --stats-file; the result and the lines of the file."""
        file = self.path("statistics.json")
        if os.path.exists(file):
            os.remove(file)
        result = overridden(
            ["--stats-file", windows_path(file), *options], name, *arguments, environment=environment)
        return result, records(file)

    def assert_clean(self, result):
        self.assertNotIn("strata: fatal", result.err)
        self.assertEqual("", result.err.strip())


class Running:
    """A test program that prints "process <id>" and waits for a byte on its standard input."""

    def __init__(self, name, *arguments, environment=None):
        env = {**passed_on(), **(environment or {})}
        self.process = subprocess.Popen(
            [*Setup.runner, program(name), *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, env=env)
        line = self.process.stdout.readline()
        match = re.match(r"process (\d+)$", line)
        if not match:
            raise AssertionError(f"{name} did not start: {line} {self.process.communicate(timeout=60)}")
        self.pid = match[1]

    def attach(self, *options):
        return run([launcher(), *options, "--attach", self.pid])

    def end(self):
        """Lets it end; its exit code, output and errors."""
        out, err = self.process.communicate("x", timeout=Setup.time_limit)
        err, self.remarks = without_remarks(err)
        return self.process.returncode, out.replace("\r\n", "\n"), err

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.communicate()


def arguments():
    """The parser of the options that all scripts have."""
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__,
                                     formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--runner", default="")
    parser.add_argument("-v", "--verbose", action="store_true")
    parser.add_argument("tests", nargs="*")
    return parser


def set_up(options):
    Setup.bin = os.path.abspath(options.bin)
    Setup.runner = options.runner.split()


def run_tests(options):
    set_up(options)
    unittest.main(argv=[sys.argv[0], *options.tests], verbosity=2 if options.verbose else 1)


def main():
    run_tests(arguments().parse_args())


def count(few, many):
    return many if Setup.full else few


def main_with_counts():
    """For scripts of which a test run has small counts, and --full, for tools/stress.sh, large ones."""
    parser = arguments()
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    if options.full:
        Setup.full = True
        Setup.time_limit = 1200
    run_tests(options)
