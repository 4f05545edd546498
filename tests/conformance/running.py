"""Runs the conformance program in one of its ways."""

import json
import os
import re
import subprocess
import sys

TIME_LIMIT = 300

# Wine's process creation fails now and then on a busy machine, before the new process has run.
COULD_NOT_START = "error 1359"


class Place:
    """Where the programs are, and what starts them."""

    def __init__(self, folder, runner, root):
        self.folder, self.runner, self.root = folder, runner, root

    def path(self, path):
        """A path as the programs see it."""
        path = os.path.abspath(path)
        if not self.runner:
            return path
        inside = os.path.relpath(path, self.root)
        if inside.startswith(".."):
            sys.exit(f"{path} is not below {self.root}")
        return "Z:\\" + inside.replace("/", "\\")

    def program(self, name):
        return self.path(os.path.join(self.folder, name))


def run_way(way, place, result, environment=()):
    """Runs the program in one way; its results, which it writes to the file `result`."""
    command = list(place.runner)
    if way == "override":
        # The rules run in children of the program, so those need the override, too.
        command += [place.program("strata-run.exe"), "--require", "--children"]
    command += [place.program("conformance.exe"), "--api", "strata" if way == "strata" else "system",
                "--isolate", "--json", place.path(result)]
    env = {k: v for k, v in os.environ.items() if not k.startswith("STRATA_") or k.startswith("STRATA_WINE")}
    env.update(environment)
    for _ in range(3):
        if os.path.exists(result):
            os.remove(result)
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, env=env,
                              timeout=TIME_LIMIT)
        errors = done.stderr.decode("utf-8", "replace")
        if COULD_NOT_START not in errors:
            break
    if done.returncode != 0 or not os.path.exists(result):
        sys.exit(f"{way}: exit code {done.returncode}: {' '.join(command)}\n{errors[-2000:]}")
    return load(result)


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def wine_version(runner):
    """The version of the Wine behind `runner`, "8.0" say; None on Windows, "" when it does not say."""
    if not runner:
        return None
    try:
        done = subprocess.run(list(runner) + ["--version"], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=120)
    except OSError:
        return ""
    found = re.search(r"wine-(\d+\.\d+)", done.stdout.decode("utf-8", "replace"))
    return found.group(1) if found else ""
