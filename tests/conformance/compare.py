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
import json
import os
import pathlib
import sys
import tempfile

from document import BEGIN, END, table, with_table
from judging import MODE_WAYS, WAYS, Explanations, compare, compare_mode, judge
from running import Place, load, run_way, wine_version

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


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
