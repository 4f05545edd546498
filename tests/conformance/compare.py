#!/usr/bin/env python3
"""Runs the conformance program in three ways, and holds them against each other and against what Windows
documents: the system's own heap, strata.dll, and the system's functions under strata-run.

    compare.py --bin <folder of conformance.exe> [--runner <command> [--root <folder>]] [--check | --update]
    compare.py --bin <folder> [--runner …] --mode <mode>… [--ways <way>…]
    compare.py --results <folder> [--check | --update]
    compare.py --self-test

  --bin        the folder with conformance.exe, strata.dll, strata-run.exe and strata-override.dll
  --runner     what starts a Windows program: tools/wine.sh on Linux, nothing on Windows
  --root       the folder that is the root of the runner's file system, when that is not the usual one
  --keep       a folder for the three results: system.json, strata.json, override.json
  --results    compare such files, made before or elsewhere, instead of running anything. Files that the
               program wrote itself, without this script, are taken to be from Windows.
  --check      the table in the document has to be current, if the plain system is what it describes
  --update     write the table into the document
  --mode       run Strata's two ways, or those of --ways, in these of the modes that deviations.json names
               (hardened, …; all: each), and nothing else

Strata, in either way, has to agree with what is expected, except where deviations.json says otherwise,
why, and what decides it. Where the plain system is a Wine that deviations.json names, each of its
differences has to be explained there, too; differences of another Wine are only counted. What is listed
and does not occur is a mistake as well. The table describes the first Wine named. Exit code 0: all is as
it should be; 1: it is not.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
WAYS = ("system", "strata", "override")
MODE_WAYS = ("strata", "override")
BEGIN = "<!-- begin of the table: tests/conformance/compare.py --update writes it -->"
END = "<!-- end of the table -->"
NOT_APPLICABLE = "not applicable"
SOMETIMES = "sometimes: "  # before an observation that does not occur in every run
TIME_LIMIT = 300

# Wine's process creation fails now and then on a busy machine, before the new process has run.
COULD_NOT_START = "error 1359"


# --- Running ---

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


# --- Comparing ---

class Explanations:
    """deviations.json: for each way, rule by rule, what is observed instead, and why."""

    def __init__(self, data):
        self.versions = data["wine"]["versions"]
        self.own = {way: {} for way in WAYS}  # what is so on Windows, too
        self.wine = {version: {way: {} for way in WAYS} for version in self.versions}
        for entry in data["deviations"]:
            if not entry.get("source"):
                raise SystemExit("deviations.json: a deviation without `source`, the document that decides it")
            self._add(self.own, entry["ways"], entry)
        for entry in data["wine"]["differences"]:
            for version in entry.get("versions", self.versions):
                self._add(self.wine[version], entry.get("ways", ["system"]), entry)
        self.modes = data.get("modes", {})
        self.in_mode = {mode: {way: {} for way in WAYS} for mode in self.modes}
        for mode, what in self.modes.items():
            for entry in what["deviations"]:
                self._add(self.in_mode[mode], entry.get("ways", MODE_WAYS), entry)
        for version in self.versions:
            for way in WAYS:
                for rule in self.own[way].keys() & self.wine[version][way].keys():
                    raise SystemExit(f"deviations.json explains {rule} twice ({way}, Wine {version})")

    @staticmethod
    def _add(of, ways, entry):
        for way in ways:
            for rule, observed in entry["rules"].items():
                if rule in of[way]:
                    raise SystemExit(f"deviations.json explains {rule} twice ({way})")
                of[way][rule] = {"observed": observed, "reason": entry["reason"],
                                 "source": entry.get("source", "")}

    def of(self, way, rule, wine, mode=None):
        """What is said of a rule where the plain system is that Wine (None: Windows), or None."""
        if mode is not None and rule in self.in_mode[mode][way]:
            return self.in_mode[mode][way][rule]
        found = self.wine[wine][way].get(rule) if wine in self.wine else None
        return found or self.own[way].get(rule)

    def rules(self):
        everywhere = (self.own, *self.wine.values(), *self.in_mode.values())
        return {(way, rule) for of in everywhere for way in WAYS for rule in of[way]}


def judge(way, rule, listed):
    """None when a rule's observation is as it should be or explained, or what is wrong."""
    observed, expected = rule["observed"], rule["expected"]
    if listed is None:
        if observed in (expected, NOT_APPLICABLE):
            return None
        return f"{way}: {rule['id']}: {observed} (expected: {expected}), and nothing explains it"
    sometimes = listed["observed"].startswith(SOMETIMES)
    wanted = listed["observed"].removeprefix(SOMETIMES)
    if observed == wanted or sometimes and observed in (expected, *wanted.split(" or ")):
        return None
    if observed in (expected, NOT_APPLICABLE):
        return f"{way}: {rule['id']}: is listed in deviations.json, and does not differ any more"
    return f"{way}: {rule['id']}: {observed}, and not, as deviations.json says: {wanted}"


def compare(results, explanations, wine):
    """All that is wrong with three results. `wine`: the version of the plain system, None for Windows."""
    errors = []
    rules = [(rule["id"], rule["expected"]) for rule in results["system"]["rules"]]
    known = {rule for rule, _ in rules}
    errors += [f"{way}: deviations.json explains {rule}, which is no rule"
               for way, rule in sorted(explanations.rules()) if rule not in known]
    for way in WAYS:
        if [(rule["id"], rule["expected"]) for rule in results[way]["rules"]] != rules:
            errors.append(f"{way}: another set of rules than the system's")
        if results[way]["overridden"] != (way == "override"):
            errors.append(f"{way}: ran {'with' if results[way]['overridden'] else 'without'} the override")
    unknown_wine = wine is not None and wine not in explanations.versions
    for way in WAYS:
        if way == "system" and unknown_wine:
            continue
        for rule in results[way]["rules"]:
            wrong = judge(way, rule, explanations.of(way, rule["id"], wine))
            if wrong and not (unknown_wine and way == "override" and inherited(results, rule)):
                errors.append(wrong)
    return errors


def compare_mode(mode, results, explanations, wine):
    """All that is wrong with Strata's results in one mode."""
    errors = []
    for way, result in results.items():
        if result["overridden"] != (way == "override"):
            errors.append(f"{mode}, {way}: ran {'with' if result['overridden'] else 'without'} the override")
        known = {rule["id"] for rule in result["rules"]}
        errors += [f"{mode}, {way}: deviations.json explains {rule}, which is no rule"
                   for rule in explanations.in_mode[mode][way] if rule not in known]
        for rule in result["rules"]:
            if wrong := judge(way, rule, explanations.of(way, rule["id"], wine, mode)):
                errors.append(f"{mode}, {wrong}")
    return errors


def inherited(results, rule):
    """Does the plain system show the same? Then, under the override, it is the system that answers."""
    return any(other["id"] == rule["id"] and other["observed"] == rule["observed"]
               for other in results["system"]["rules"])


# --- The document ---

def cell(rule):
    if rule["observed"] == NOT_APPLICABLE:
        return "–"
    return "same" if rule["observed"] == rule["expected"] else "**" + rule["observed"] + "**"


def remarks(rule, explanations):
    """The reasons of a rule's deviations, each once, and what each Wine does."""
    texts = []

    def add(text, listed):
        text += listed["reason"] + (f" ({listed['source']})" if listed["source"] else "")
        if text not in texts:
            texts.append(text)

    for way in ("strata", "override"):
        if listed := explanations.of(way, rule, explanations.versions[0]):
            add("", listed)
    wines = {}  # what is said: of which versions
    for version in explanations.versions:
        if listed := explanations.wine[version]["system"].get(rule):
            wines.setdefault(tuple(listed.items()), []).append(version)
    for listed, versions in wines.items():
        listed = dict(listed)
        add(f"Wine {' and '.join(versions)}: {listed['observed']}. ", listed)
    return " ".join(texts)


def table(results, explanations):
    strata = {rule["id"]: rule for rule in results["strata"]["rules"]}
    override = {rule["id"]: rule for rule in results["override"]["rules"]}
    counts = {way: collections.Counter(
        "none" if rule["observed"] == NOT_APPLICABLE else rule["observed"] == rule["expected"]
        for rule in results[way]["rules"]) for way in ("strata", "override")}
    lines = [f"{len(results['system']['rules'])} rules. Strata agrees in {counts['strata'][True]} of the"
             f" {counts['strata'][True] + counts['strata'][False]} that apply to its own functions, and in"
             f" {counts['override'][True]} of the {counts['override'][True] + counts['override'][False]}"
             " that apply under the override."]
    topic = None
    for rule in results["system"]["rules"]:
        if rule["topic"] != topic:
            topic = rule["topic"]
            lines += ["", f"### {topic[0].upper()}{topic[1:]}", "",
                      "| rule | Windows documents | by | Strata | under override | remarks |",
                      "|---|---|---|---|---|---|"]
        key = rule["id"]
        cells = [f"{rule['title']} `{key}`", rule["expected"], rule["source"], cell(strata[key]),
                 cell(override[key]), remarks(key, explanations)]
        lines.append("| " + " | ".join(text.replace("|", "\\|") for text in cells) + " |")
    return "\n".join(lines)


def with_table(document, content):
    """The document with `content` between its marks, or None when it has no such place."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    return f"{before}{begin}\n\n{content}\n\n{end}{after}" if begin and end else None


# --- The command line ---

def self_test():
    def rule(observed, name="a"):
        return {"id": name, "topic": "t", "title": "T", "expected": "good", "source": "S", "observed": observed}

    def result(observed, overridden=False):
        return {"overridden": overridden, "rules": [rule(observed)]}

    def check(system, strata, override, deviations=(), wine=(), version="8.0"):
        return compare({"system": result(system), "strata": result(strata),
                        "override": result(override, True)},
                       Explanations({"deviations": list(deviations),
                                     "wine": {"versions": ["8.0", "10.0"], "differences": list(wine)}}),
                       version)

    def entry(observed, ways=("strata",), name="a"):
        return {"ways": list(ways), "reason": "R", "source": "S", "rules": {name: observed}}

    wine_bad = {"reason": "W", "rules": {"a": "bad"}}
    wine_10 = dict(wine_bad, versions=["10.0"])
    assert check("good", "good", "good") == []
    assert check("good", "not applicable", "good") == []
    assert check("good", "bad", "good") and check("good", "good", "bad") and check("bad", "good", "good")
    assert check("good", "bad", "good", [entry("bad")]) == []
    assert check("good", "worse", "good", [entry("bad")])            # another difference than listed
    assert check("good", "good", "good", [entry("bad")])             # listed, and gone
    assert check("good", "good", "good", [entry("bad", name="b")])   # no such rule
    assert check("good", "good", "good", [entry("sometimes: bad")]) == []
    assert check("good", "bad", "good", [entry("sometimes: bad")]) == []
    assert check("good", "bad", "good", [entry("sometimes: worse or bad")]) == []
    assert check("good", "bad", "good", [entry("sometimes: worse")])
    assert check("bad", "good", "good", wine=[wine_bad]) == []
    assert check("good", "good", "good", wine=[wine_bad])            # Wine has improved
    assert check("bad", "good", "good", wine=[wine_bad], version="10.0") == []
    assert check("bad", "good", "good", wine=[wine_10], version="10.0") == []
    assert check("bad", "good", "good", wine=[wine_10])              # said of another version
    assert check("good", "good", "good", wine=[wine_10]) == []
    assert check("bad", "good", "good", version="9.0") == []         # another Wine: not known
    assert check("bad", "good", "good", version=None)                # Windows itself
    assert check("bad", "good", "bad", wine=[wine_bad])              # the override is no Wine
    assert check("bad", "good", "bad", wine=[dict(wine_bad, ways=["system", "override"])]) == []
    both = {"system": result("good"), "strata": result("good"), "override": result("good")}
    assert compare(both, Explanations({"deviations": [], "wine": {"versions": [], "differences": []}}), "8.0")
    modes = {"strict": {"environment": {}, "deviations": [entry("bad")]}}
    listed = Explanations({"deviations": [], "wine": {"versions": [], "differences": []}, "modes": modes})
    assert compare_mode("strict", {"strata": result("bad")}, listed, None) == []
    assert compare_mode("strict", {"strata": result("worse")}, listed, None)
    assert compare_mode("strict", {"strata": result("good")}, listed, None)    # listed, and gone
    assert compare_mode("strict", {"override": result("bad", True)}, listed, None)
    assert compare_mode("strict", {"override": result("good")}, listed, None)  # without the override
    assert compare_mode("strict", {"strata": {"overridden": False, "rules": [rule("good", "b")]}}, listed, None)
    assert with_table(f"x {BEGIN} old {END} y", "new") == f"x {BEGIN}\n\nnew\n\n{END} y"
    assert with_table("no marks", "new") is None
    print("the checks of compare.py can fail")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin")
    parser.add_argument("--runner", default="")
    parser.add_argument("--root", default="/")
    parser.add_argument("--keep")
    parser.add_argument("--results")
    parser.add_argument("--document", default=ROOT / "docs" / "win32-compatibility.md", type=pathlib.Path)
    parser.add_argument("--deviations", default=HERE / "deviations.json", type=pathlib.Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--update", action="store_true")
    parser.add_argument("--mode", nargs="+", default=[])
    parser.add_argument("--ways", nargs="+", choices=MODE_WAYS, default=MODE_WAYS)
    parser.add_argument("--self-test", action="store_true")
    options = parser.parse_args()
    if not options.self_test and not options.bin and not options.results:
        parser.error("--bin or --results is needed")
    if options.mode and (not options.bin or options.check or options.update):
        parser.error("--mode goes with --bin, and has no table")
    return options


def gather(options, runner):
    if options.results:
        return {way: load(os.path.join(options.results, f"{way}.json")) for way in WAYS}
    place = Place(options.bin, runner, options.root)
    # Where the runner's file system has a root of its own, only what is below that can be written to.
    with tempfile.TemporaryDirectory(prefix="conformance-",
                                     dir=options.bin if options.root != "/" else None) as folder:
        keep = options.keep or folder
        os.makedirs(keep, exist_ok=True)
        results = {}
        for way in WAYS:
            path = os.path.join(keep, f"{way}.json")
            results[way] = dict(run_way(way, place, path), wine=wine_version(runner))
            with open(path, "w", encoding="utf-8") as file:
                json.dump(results[way], file, indent=1)
        return results


def check_modes(options, runner, explanations):
    """Strata's ways in the modes that were asked for."""
    modes = list(explanations.modes) if options.mode == ["all"] else options.mode
    if unknown := set(modes) - explanations.modes.keys():
        sys.exit(f"deviations.json names no mode {' '.join(sorted(unknown))}")
    place = Place(options.bin, runner, options.root)
    wine = wine_version(runner)
    errors = []
    with tempfile.TemporaryDirectory(prefix="conformance-",
                                     dir=options.bin if options.root != "/" else None) as folder:
        for mode in modes:
            environment = explanations.modes[mode]["environment"]
            results = {way: run_way(way, place, os.path.join(folder, f"{way}.json"), environment)
                       for way in options.ways}
            wrong = compare_mode(mode, results, explanations, wine)
            count = sum(len(result["rules"]) for result in results.values())
            print(f"{mode}: {count} rules, {len(wrong)} unexplained differences", flush=True)
            errors += wrong
    print("\n".join(errors))
    return 1 if errors else 0


def main():
    options = arguments()
    if options.self_test:
        return self_test()
    runner = options.runner.split()
    explanations = Explanations(load(options.deviations))
    if options.mode:
        return check_modes(options, runner, explanations)
    results = gather(options, runner)
    wine = results["system"].get("wine")
    errors = compare(results, explanations, wine)
    if wine is not None and wine not in explanations.versions:
        differ = sum(judge("system", rule, None) is not None for rule in results["system"]["rules"])
        print(f"The plain system is Wine {wine or '(unknown)'}, not {' or '.join(explanations.versions)}:"
              f" its {differ} differences are not checked.")
    document = options.document.read_text(encoding="utf-8")
    current = with_table(document, table(results, explanations))
    if current is None:
        errors.append(f"{options.document.name} has no place for the table")
    elif options.update and wine != explanations.versions[0]:
        errors.append(f"the table describes Wine {explanations.versions[0]}: --update is for that one")
    elif options.update:
        options.document.write_text(current, encoding="utf-8")
    elif options.check and wine == explanations.versions[0] and current != document:
        errors.append(f"the table in {options.document.name} is not current: compare.py --update writes it")
    print("\n".join(errors))
    print(f"{len(results['system']['rules'])} rules in {len(WAYS)} ways,"
          f" {len(errors)} unexplained differences or other faults")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
