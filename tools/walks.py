#!/usr/bin/env python3
"""Counts how often one call into the allocator goes from file to file.

  walks.py                    builds what is needed, and prints a table of all walks
  walks.py --list NAME        prints one walk as a list of calls, file by file
  walks.py --pairs NAME       prints what moves most: files, calls, and functions with all they call
  walks.py --most NAME=MOVES  only these walks; fails when one has more moves than that
  walks.py --self-test

For example:

  tools/walks.py --list free-slow
  tools/walks.py --most free-slow=25 --most realloc=60

The allocator is compiled for this machine by GCC, unoptimised and without inlining, in a build
folder of its own; every function says when it is entered (-finstrument-functions).
tools/house/walk_driver.cpp does one operation per walk, each in a process of its own, under a clock
that stands still. Counted are the functions of allocator/, in the file where each is defined (a
header is a file); not counted are those of the C++ library, and, unless --base is given, those of
allocator/base/.

  functions   different ones that were entered
  files       different ones that these are in
  calls       functions entered, each time
  moves       times that a function was entered in another file than the function entered before it
  returns     of these, those into a file that the walk was in before: moves - files + 1
  changes     times that the running code changed its file, by a call or by a return from one

Exit codes: 0 done, 1 a build or a walk failed or had too many moves, 2 wrong usage."""

import argparse
import collections
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
DRIVER = ROOT / "tools/house/walk_driver.cpp"
FLAGS = "-O0 -g -fno-inline -finstrument-functions " \
        "-finstrument-functions-exclude-file-list=/usr/include,/usr/lib"
OUTSIDE = "(outside)"
MOST_REPEATED = 12  # calls in a sequence that is looked for again

Function = collections.namedtuple("Function", "name file")
Figures = collections.namedtuple("Figures", "functions files calls moves returns changes")


class Failure(Exception):
    pass


class WrongUsage(Exception):
    pass


class Call:
    """A function that was entered, and what it called."""

    def __init__(self, function, caller):
        self.function, self.caller, self.calls = function, caller, []
        self.moves = False  # whether the function entered before it was in another file
        self.signature = None

    def all_moves(self):
        return self.moves + sum(call.all_moves() for call in self.calls)

    def walk(self):
        for call in self.calls:
            yield call
            yield from call.walk()


def build_tree(steps):
    """The calls below a root of no function. `steps`: (whether it is entered, Function or None when
    it does not count)."""
    root = Call(Function(OUTSIDE, OUTSIDE), None)
    here, before = root, None
    for enters, function in steps:
        if function is None:
            continue
        if enters:
            call = Call(function, here)
            call.moves = before is not None and before != function.file
            here.calls.append(call)
            here, before = call, function.file
        elif here is root:
            raise Failure(f"a return from {function.name}, which was not entered")
        else:
            here = here.caller
    if here is not root:
        raise Failure(f"{here.function.name} was entered and never returned")
    return root


def count_changes(root):
    """Changes of the running code's file, from the first function's on."""
    def inside(call):
        changes = 0
        for callee in call.calls:
            changes += 2 * (callee.function.file != call.function.file) + inside(callee)
        return changes
    return sum(inside(call) for call in root.calls)


def count(root):
    calls = list(root.walk())
    files = {call.function.file for call in calls}
    moves = sum(call.moves for call in calls)
    return Figures(len({call.function for call in calls}), len(files), len(calls), moves,
                   moves - max(len(files) - 1, 0), count_changes(root))


# --- Building and running -------------------------------------------------------------------------

def run(command, **options):
    command = [str(word) for word in command]
    # Nothing from outside may change what the program does.
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("STRATA_")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, **options)
    if done.returncode != 0:
        raise Failure(f"{' '.join(command)}: exit code {done.returncode}\n"
                      f"{done.stdout[-4000:]}{done.stderr[-4000:]}")
    return done.stdout


def build(tree, folder, compiler, jobs):
    """The driver, linked with the allocator of `tree`."""
    if not (folder / "build.ninja").exists():
        run(["cmake", "-S", tree, "-B", folder, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Debug",
             f"-DCMAKE_CXX_COMPILER={compiler}", f"-DCMAKE_CXX_FLAGS={FLAGS}",
             "-DCMAKE_CXX_FLAGS_DEBUG=", "-DSTRATA_BUILD_TESTS=OFF", "-DSTRATA_BUILD_TOOLS=OFF"])
    run(["cmake", "--build", folder, "-j", jobs, "--target", "strata_static"])
    program = folder / "walk_driver"
    run([compiler, "-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-no-pie", f"-I{tree}/include",
         DRIVER, folder / "lib/libstrata.a", "-pthread", "-o", program])
    return program


def short_name(name):
    """A demangled name without what is the same in all, and without parameters."""
    name = name.replace("(anonymous namespace)::", "").replace("strata::", "")
    name = name.replace("operator()", "operator[call]")
    start = depth = 0
    for i, sign in enumerate(name):
        if depth == 0 and sign == "(" and not re.match(r"\([^()]*\)( const)?::", name[i:]):
            return name[start:i]
        if depth == 0 and sign == " ":
            start = i + 1  # function templates are printed with what they return
        depth += (sign in "<({[") - (sign in ">)}]")
    return name[start:]


def functions_of(program, tree, addresses, options):
    """{address: Function, or None if it does not count}"""
    lines = run(["addr2line", "-f", "-C", "-e", program],
                input="".join(f"{address}\n" for address in addresses)).splitlines()
    if len(lines) != 2 * len(addresses):
        raise Failure("addr2line answered with another number of lines than it was asked")
    functions = {}
    for address, name, place in zip(addresses, lines[::2], lines[1::2]):
        path = os.path.normpath(place.rsplit(":", 1)[0])
        file = path.rpartition("/allocator/")[2]
        if not (tree / "allocator" / file).is_file():
            file = None
        head = name.split("(")[0]
        if file is None and "strata::" in head and "std::" not in head:
            raise Failure(f"no source file known for {name}: {place}")
        counts = file is not None and (options.base or not file.startswith("base/"))
        file = options.places.get(file, file)
        # Two functions may have the same name without their parameters.
        functions[address] = Function(f"{short_name(name)}@{address}", file) if counts else None
    return functions


def walk(program, tree, name, options):
    steps = [line.split() for line in run([program, name], timeout=100).splitlines()]
    addresses = sorted({address for _, address in steps})
    functions = functions_of(program, tree, addresses, options)
    root = build_tree((sign == ">", functions[address]) for sign, address in steps)
    if not root.calls:
        raise Failure(f"{name}: not a function was entered")
    return root


# --- Printing -------------------------------------------------------------------------------------

def plain(function):
    return function.name.split("@")[0]


def print_table(rows):
    head = ("walk", "functions", "files", "calls", "moves", "returns", "changes")
    print("| " + " | ".join(head) + " |\n|---|" + "---:|" * (len(head) - 1))
    for description, figures in rows:
        print(f"| {description} | " + " | ".join(f"{figure:,}" for figure in figures) + " |")


def sign(call, signatures):
    """A number that is the same for two calls that print the same."""
    key = (call.function, call.moves, tuple(sign(callee, signatures) for callee in call.calls))
    call.signature = signatures.setdefault(key, len(signatures))
    return call.signature


def repeated(calls, start):
    """(how many calls from `start` on repeat themselves as a sequence, how often that comes)"""
    best = (1, 1)
    signatures = [call.signature for call in calls]
    for length in range(1, min(MOST_REPEATED, (len(calls) - start) // 2) + 1):
        sequence, times = signatures[start:start + length], 1
        while signatures[start + times * length:start + (times + 1) * length] == sequence:
            times += 1
        if times > 1 and times * length > best[0] * best[1]:
            best = (length, times)
    return best


def print_list(root):
    """One line per function entered, below its caller. In front, where the walk moves: the move's
    number, and the file that it comes to. Calls in sequence that are the same as those before are
    not printed again."""
    number = 0
    width = max(len(call.function.file) for call in root.walk())
    sign(root, {})

    def show(calls, depth):
        nonlocal number
        i = 0
        while i < len(calls):
            length, times = repeated(calls, i)
            first = number
            for call in calls[i:i + length]:
                number += call.moves
                starts = call.moves or call is root.calls[0]
                mark = f"{number:5} {call.function.file:{width}}" if starts else " " * (width + 6)
                print(f"{mark}  {'  ' * depth}{plain(call.function)}")
                show(call.calls, depth + 1)
            if times > 1:
                moves = number - first
                number += moves * (times - 1)
                what = "" if length == 1 else f"these {length} "
                print(f"{' ' * (width + 6)}  {'  ' * depth}... {what}{times} times in all, "
                      f"{moves} moves each")
            i += length * times

    show(root.calls, 0)


def print_pairs(root, most):
    files, calls, inside = (collections.Counter() for _ in range(3))
    times = collections.Counter()
    before = None
    for call in root.walk():
        if call.moves:
            files[f"{before} -> {call.function.file}"] += 1
            calls[f"{plain(call.caller.function)} ({call.caller.function.file}) -> "
                  f"{plain(call.function)} ({call.function.file})"] += 1
        before = call.function.file
        times[call.function] += 1
        # A function that calls itself would count twice.
        if not any(c.function == call.function for c in callers(call)):
            inside[call.function] += call.all_moves()
    print("moves  from file to file")
    for name, moves in files.most_common(most):
        print(f"{moves:5}  {name}")
    print("\nmoves  by a call that is entered from elsewhere")
    for name, moves in calls.most_common(most):
        print(f"{moves:5}  {name}")
    print("\nmoves  entered  by a function and all that it calls")
    for function, moves in inside.most_common(most):
        print(f"{moves:5}  {times[function]:7}  {plain(function)} ({function.file})")


def callers(call):
    while call.caller is not None:
        call = call.caller
        yield call


def self_test():
    f, g, h = Function("F", "a.cpp"), Function("G", "b.h"), Function("H", "a.cpp")
    enter, leave = (lambda x: (True, x)), (lambda x: (False, x))
    no = [(True, None), (False, None)]  # a function that does not count

    def figures(*steps):
        return count(build_tree(steps))

    assert figures(enter(f), leave(f)) == (1, 1, 1, 0, 0, 0)
    # Twice F with G in it, and then G alone.
    root = build_tree([enter(f), enter(g), leave(g), leave(f)] * 3 + [enter(g), leave(g)])
    sign(root, {})
    assert [call.moves for call in root.calls] == [False, True, True, False]
    assert repeated(root.calls, 0) == (1, 1) and repeated(root.calls, 1) == (1, 2)
    root = build_tree([enter(f), leave(f), enter(g), leave(g)] * 4)
    sign(root, {})
    assert repeated(root.calls, 1) == (2, 3) and repeated(root.calls, 7) == (1, 1)
    assert figures(enter(f), *no, enter(h), *no, leave(h), leave(f)) == (2, 1, 2, 0, 0, 0)
    # F calls G twice, and comes back: one move, as nothing of a.cpp is entered in between.
    assert figures(enter(f), enter(g), leave(g), enter(g), leave(g), leave(f)) == (2, 2, 3, 1, 0, 4)
    # With H in between there are three, of which one goes back to a.cpp, and one to b.h.
    assert figures(enter(f), enter(g), leave(g), enter(h), leave(h), enter(g), leave(g),
                   leave(f)) == (3, 2, 4, 3, 2, 4)
    for broken in ([enter(f)], [enter(f), leave(f), leave(f)]):
        try:
            figures(*broken)
        except Failure:
            continue
        raise AssertionError(broken)
    for name, short in (
            ("strata::heap::(anonymous namespace)::Refill(strata::heap::Heap&)", "heap::Refill"),
            ("void* strata::heap::AllocateFast<false>(unsigned long)", "heap::AllocateFast<false>"),
            ("void strata::heap::(anonymous namespace)::Each<strata::heap::F(int)::{lambda(int)#1}>"
             "(strata::heap::Heap&)", "heap::Each<heap::F(int)::{lambda(int)#1}>"),
            ("strata::heap::F(int)::{lambda(int)#1}::operator()(int) const",
             "heap::F(int)::{lambda(int)#1}::operator[call]"),
            ("StrataHeapAlloc", "StrataHeapAlloc")):
        assert short_name(name) == short, short_name(name)
    print("self-test: the walks made up for it are counted rightly")
    return 0


def limits_of(words, names):
    limits = {}
    for word in words:
        name, _, most = word.partition("=")
        if name not in names or not most.isdigit():
            raise WrongUsage(f"--most {word}: NAME=MOVES is wanted, a name of {', '.join(names)}")
        limits[name] = int(most)
    return limits


def places_of(words, tree):
    places = dict(word.split("=", 1) for word in words if "=" in word)
    known = all((tree / "allocator" / file).is_file() for file in places)
    if len(places) < len(words) or not known:
        raise WrongUsage("--as: FILE=FILE is wanted once for each file, both as the table has them")
    return places


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--list", metavar="NAME")
    action.add_argument("--pairs", metavar="NAME")
    action.add_argument("--self-test", action="store_true")
    parser.add_argument("--most", metavar="NAME=MOVES", action="append", default=[])
    parser.add_argument("--base", action="store_true",
                        help="count the functions of allocator/base/, too")
    parser.add_argument("--as", metavar="FILE=FILE", action="append", default=[], dest="places",
                        help="count the functions of the one file as the other's, to see what "
                        "moving them there would save; may be given several times")
    parser.add_argument("--lines", type=int, default=15,
                        help="how many lines --pairs prints of each kind (default: 15)")
    parser.add_argument("--tree", type=pathlib.Path, default=ROOT,
                        help="the source tree to look at (default: this one)")
    parser.add_argument("--build", type=pathlib.Path,
                        help="the build folder (default: build/walks of the tree)")
    parser.add_argument("--compiler", default="g++", help="a GCC (default: g++)")
    parser.add_argument("--jobs", default=os.cpu_count(), help="compilers at once")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    tree = options.tree.resolve()
    try:
        options.places = places_of(options.places, tree)
        program = build(tree, options.build or tree / "build/walks", options.compiler, options.jobs)
        described = dict(line.split("\t") for line in run([program, "--list"]).splitlines())
        limits = limits_of(options.most, described)
        for name in (options.list, options.pairs):
            if name is not None and name not in described:
                raise WrongUsage(f"there is no walk {name}; there are: {', '.join(described)}")
        if options.list:
            print_list(walk(program, tree, options.list, options))
            return 0
        if options.pairs:
            print_pairs(walk(program, tree, options.pairs, options), options.lines)
            return 0
        if options.most:
            described = {name: text for name, text in described.items() if name in limits}
        figures = {name: count(walk(program, tree, name, options)) for name in described}
        print_table((f"{described[name]} (`{name}`)", figures[name]) for name in described)
        over = [name for name in limits if figures[name].moves > limits[name]]
        for name in over:
            print(f"{name}: {figures[name].moves} moves, more than {limits[name]}", file=sys.stderr)
        return 1 if over else 0
    except WrongUsage as error:
        parser.error(str(error))
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Failure, OSError, subprocess.TimeoutExpired) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
