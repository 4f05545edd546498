#!/usr/bin/env python3
"""Adds up gcov's counters of a build and reports which lines of allocator/ were run.

explained.txt has a line for each reason why something is not run:

    <file> | line <text of the line> | <why>
    <file> | function <name> | <why>          all lines of the function (its name without parameters)

A line that was not run and has no explanation is an error, and so is an explanation that names a file, a
line or a function that is not there (any more).
"""

import argparse
import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[3]
EXPLAINED = pathlib.Path(__file__).with_name("explained.txt")
LIMIT = 95.0


class Line:
    __slots__ = ("count", "functions")

    def __init__(self):
        self.count = 0
        self.functions = set()


def short_name(demangled):
    """strata::heap::(anonymous namespace)::Name(int) -> Name"""
    name = demangled.replace("(anonymous namespace)", "")
    name = re.sub(r"\(.*", "", name.replace("operator()", "operator"))
    name = re.sub(r"<.*", "", name)
    return name.split("::")[-1].split(" ")[-1]


def read_counters(gcov, build):
    files = collections.defaultdict(lambda: collections.defaultdict(Line))
    data = sorted(build.rglob("*.gcda"))
    if not data:
        sys.exit(f"no counters in {build}: run tools/coverage.sh without --no-build")
    for start in range(0, len(data), 40):
        result = subprocess.run([gcov, "--json-format", "--stdout", *map(str, data[start:start + 40])],
                                cwd=build, capture_output=True, check=True)
        for text in result.stdout.decode(errors="replace").splitlines():
            if not text.startswith("{"):
                continue
            add_file(json.loads(text), files)
    return files


def add_file(unit, files):
    for entry in unit["files"]:
        path = pathlib.Path(unit.get("current_working_directory", "."), entry["file"]).resolve()
        try:
            name = str(path.relative_to(ROOT / "allocator"))
        except ValueError:
            continue
        names = {f["name"]: short_name(f["demangled_name"]) for f in entry["functions"]}
        for line in entry["lines"]:
            known = files[name][line["line_number"]]
            known.count += line["count"]
            function = line.get("function_name")
            if function:
                known.functions.add(names.get(function, function))


class Explanations:
    def __init__(self, path):
        self.lines = collections.defaultdict(dict)      # file -> text -> why
        self.functions = collections.defaultdict(dict)  # file -> name -> why
        self.errors = []
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if not text.strip() or text.startswith("#"):
                continue
            parts = [p.strip() for p in text.split(" | ")]
            if len(parts) != 3 or not parts[2] or not parts[1].startswith(("line ", "function ")):
                self.errors.append(f"explained.txt:{number}: not '<file> | line|function … | <why>'")
                continue
            kind, what = parts[1].split(" ", 1)
            (self.lines if kind == "line" else self.functions)[parts[0]][what] = parts[2]

    def why(self, name, text, functions):
        found = self.lines[name].get(text)
        return found or next((self.functions[name][f] for f in functions if f in self.functions[name]),
                             None)

    def check(self, files, chosen):
        for name in set(self.lines) | set(self.functions):
            path = ROOT / "allocator" / name
            if not path.is_file():
                self.errors.append(f"explained.txt: there is no allocator/{name}")
                continue
            if not chosen(name):
                continue
            texts = {t.strip() for t in path.read_text(encoding="utf-8").splitlines()}
            known = {f for line in files[name].values() for f in line.functions}
            self.errors += [f"explained.txt: allocator/{name} has no line '{t}'"
                            for t in self.lines[name] if t not in texts]
            self.errors += [f"explained.txt: allocator/{name} has no function '{f}'"
                            for f in self.functions[name] if f not in known]


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gcov", default="gcov")
    parser.add_argument("--build", type=pathlib.Path, required=True)
    parser.add_argument("--only", action="append", default=[], help="folders to report on")
    parser.add_argument("--not", action="append", default=[], dest="without")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--no-limit", action="store_true", help="report, and judge nothing")
    arguments = parser.parse_args()

    def chosen(name):
        if arguments.only and not name.startswith(tuple(arguments.only)):
            return False
        return not name.startswith(tuple(arguments.without)) if arguments.without else True

    files = read_counters(arguments.gcov, arguments.build)
    explanations = Explanations(EXPLAINED)
    if not arguments.no_limit:
        explanations.check(files, chosen)
    folders = collections.defaultdict(lambda: [0, 0, 0])  # lines, run, explained
    missing = []
    for name in sorted(filter(chosen, files)):
        source = (ROOT / "allocator" / name).read_text(encoding="utf-8").splitlines()
        for number, line in sorted(files[name].items()):
            tally = folders[str(pathlib.PurePath(name).parent)]
            tally[0] += 1
            if line.count:
                tally[1] += 1
                continue
            text = source[number - 1].strip()
            why = explanations.why(name, text, line.functions)
            tally[2] += why is not None
            if arguments.list or why is None:
                missing.append(f"allocator/{name}:{number}: {text}" + (f"   [{why}]" if why else ""))
    return report(folders, missing, explanations.errors, arguments)


def report(folders, missing, errors, arguments):
    if missing and (arguments.list or not arguments.no_limit):
        print("Not run:")
        print("\n".join("  " + text for text in missing))
    print(f"{'folder of allocator/':24} {'lines':>6} {'run':>6} {'share':>8} {'explained':>10}")
    total = [0, 0, 0]
    for folder in sorted(folders):
        tally = folders[folder]
        total = [a + b for a, b in zip(total, tally)]
        print(f"{folder:24} {tally[0]:6} {tally[1]:6} {100 * tally[1] / tally[0]:7.2f}% {tally[2]:10}")
    share = 100 * total[1] / total[0]
    print(f"{'all':24} {total[0]:6} {total[1]:6} {share:7.2f}% {total[2]:10}")
    if arguments.no_limit:
        return 0
    unexplained = total[0] - total[1] - total[2]
    if share < LIMIT:
        errors.append(f"{share:.2f} % of the lines were run; {LIMIT} % are asked for")
    if unexplained:
        errors.append(f"{unexplained} lines were not run and have no explanation")
    for error in errors:
        print(f"error: {error}")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
