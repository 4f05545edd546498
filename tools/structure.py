#!/usr/bin/env python3
"""Measures the structure of the source tree, and prints it as tables.

  structure.py                prints the tables
  structure.py --list FOLDER  prints the rooms and arrows of a folder of allocator/, floor by floor
  structure.py --list WORDS   prints the names that contain a retired word, and where they are first
  structure.py --refuse       the same, and fails when there are any
  structure.py --self-test

For example:

  tools/structure.py --list heap

Of each folder of allocator/:

  rooms     its files, a header and the source of the same name counting as one
  arrows    includes from one room to another of the same folder
  in cycles arrows that belong to a cycle of rooms
  upwards   the fewest of these without which there would be no cycle
  floors    rooms in the longest chain of arrows, without those upwards
  floors'   the same with all arrows, where rooms that form a cycle stand on one floor
  outwards  includes of other folders' files: downwards, and upwards against the order that
            check_layers.py has

Of each folder of the tree: lines longer than 100 columns, in code and in documents. Of each word in
tools/house/retired_words.txt: how many names contain it, and how often these occur in code (C++
files without comments and strings).

Exit codes: 0 done, 1 the tree could not be read, 2 wrong usage."""

import argparse
import collections
import os
import pathlib
import re
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
COLUMNS = 100
MOST_ROOMS = 16  # of one cycle, for which the fewest arrows upwards are looked for
CODE = {".h", ".hpp", ".c", ".cpp", ".py", ".sh", ".cmake", ".js", ".bat"}
DOCUMENTS = {".md"}
CPP = {".h", ".hpp", ".c", ".cpp"}
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"]+)"', re.MULTILINE)
NOT_CODE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)
NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


class Failure(Exception):
    pass


# --- Rooms and arrows -----------------------------------------------------------------------------

def room_of(path):
    return str(path.with_suffix(""))


class Folder:
    """One folder of allocator/, by what its files include."""

    def __init__(self, allocator, name):
        self.name = name
        self.rooms = set()
        self.arrows = set()  # (from, to)
        self.outside = set()  # (room, "folder/file")
        for path in files_below(allocator / name, CPP):
            room = room_of(path.relative_to(allocator / name))
            self.rooms.add(room)
            for target in INCLUDE.findall(path.read_text(encoding="utf-8")):
                first, _, rest = target.partition("/")
                if first != name:
                    self.outside.add((room, target))
                elif room_of(pathlib.Path(rest)) != room:
                    self.arrows.add((room, room_of(pathlib.Path(rest))))
        self.rooms |= {room for arrow in self.arrows for room in arrow}
        cycles = cycles_of(self.rooms, self.arrows)
        self.in_cycles = {(a, b) for a, b in self.arrows if cycles[a] == cycles[b]}
        self.upwards = fewest_upwards(self.in_cycles)  # None: not known
        self.floor_of_cycle = floors_of(self.rooms, self.arrows, cycles)
        downwards = self.arrows - (self.upwards or set())
        self.floor = floors_of(self.rooms, downwards, cycles_of(self.rooms, downwards))

    def outwards(self, layers):
        """(downwards, upwards)"""
        layer = {name: i for i, name in enumerate(layers)}
        here = layer.get(self.name, len(layers))
        up = sum(layer.get(target.split("/")[0], -1) > here for _, target in self.outside)
        down = sum(target.split("/")[0] in layer for _, target in self.outside) - up
        return down, up


def files_below(folder, suffixes):
    return sorted(p for p in folder.rglob("*") if p.suffix in suffixes and p.is_file())


def cycles_of(rooms, arrows):
    """{room: the set of rooms that it reaches and that reach it}"""
    targets = collections.defaultdict(set)
    for a, b in arrows:
        targets[a].add(b)

    def reached(room):
        found, todo = {room}, [room]
        while todo:
            new = targets[todo.pop()] - found
            found |= new
            todo += new
        return found

    reach = {room: reached(room) for room in rooms}
    return {room: frozenset(other for other in reach[room] if room in reach[other])
            for room in rooms}


def floors_of(rooms, arrows, cycles):
    """{room: floor}, counted from 1; a room stands above all that it has arrows to."""
    below = collections.defaultdict(set)
    for a, b in arrows:
        if cycles[a] != cycles[b]:
            below[cycles[a]].add(cycles[b])
    floor = {}

    def visit(cycle):
        if cycle not in floor:
            floor[cycle] = 1 + max((visit(other) for other in below[cycle]), default=0)
        return floor[cycle]

    return {room: visit(cycles[room]) for room in rooms}


def fewest_upwards(arrows):
    """The fewest arrows without which there would be no cycle, as a set; None if that takes too
    long to find. Tries all orders of the rooms of a cycle, from the lowest up: what a set of rooms
    costs at least does not depend on the order in which they came."""
    cycles = set(cycles_of({room for arrow in arrows for room in arrow}, arrows).values())
    fewest = set()
    for cycle in sorted(cycles, key=sorted):
        rooms = sorted(cycle)
        if len(rooms) > MOST_ROOMS:
            return None
        bit = {room: 1 << i for i, room in enumerate(rooms)}
        targets = [sum(bit[b] for a, b in arrows if a == room and b in bit) for room in rooms]
        best = {0: (0, None)}  # {rooms that are placed: (arrows upwards, the topmost of them)}
        for placed in range(1, 1 << len(rooms)):
            # The topmost of them has arrows upwards to all that are not placed.
            best[placed] = min(
                (best[placed & ~(1 << i)][0] + (targets[i] & ~placed).bit_count(), i)
                for i in range(len(rooms)) if placed >> i & 1)
        placed = (1 << len(rooms)) - 1
        while placed:
            top = best[placed][1]
            fewest |= {(rooms[top], other) for other in rooms
                       if targets[top] & ~placed & bit[other]}
            placed &= ~(1 << top)
    return fewest


def layers_of(tree):
    """The order of the folders."""
    words = (tree / "allocator/layers.txt").read_text(encoding="utf-8").split("\n")
    return [word for word in words if word and not word.startswith("#")]


# --- Lines and words ------------------------------------------------------------------------------

def top_folders(tree):
    """Folders of the tree with sources in them; what a build makes is not one."""
    return sorted(p.name for p in tree.iterdir()
                  if p.is_dir() and p.name != "build" and not p.name.startswith("."))


def long_lines(paths):
    """(lines of more than COLUMNS, of these rows of tables)"""
    longer = [line for path in paths
              for line in path.read_text(encoding="utf-8").splitlines() if len(line) > COLUMNS]
    return len(longer), sum(line.lstrip().startswith("|") for line in longer)


def parts_of(name):
    return [part.lower() for part in PART.findall(name)]


def is_form_of(part, word):
    """Whether it is the word, or made of it by an ending."""
    return re.fullmatch(f"{word}{word[-1]}?(s|ed|er|ing)?", part) is not None


def contains(name, word):
    parts, wanted = parts_of(name), parts_of(word)
    return any(all(map(is_form_of, parts[i:], wanted))
               for i in range(len(parts) - len(wanted) + 1))


def read_words(text):
    """{word: names that mean something else}; a word may have several lines."""
    words = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            word, _, names = line.partition(" except ")
            words.setdefault(word.strip(), set()).update(names.split())
    return words


def names_of(tree):
    """{name: [number of occurrences, the file of the first]}"""
    names = {}
    for folder in ("allocator", "include", "tests", "bench", "tools"):
        for path in files_below(tree / folder, CPP):
            text = NOT_CODE.sub(" ", path.read_text(encoding="utf-8"))
            for name in NAME.findall(text):
                names.setdefault(name, [0, str(path.relative_to(tree))])[0] += 1
    return names


def names_with(names, word, exceptions):
    return sorted(name for name in names if name not in exceptions and contains(name, word))


# --- Printing -------------------------------------------------------------------------------------

def top(floors):
    return max(floors.values(), default=0)


def print_table(head, rows):
    print("| " + " | ".join(head) + " |\n|---|" + "---:|" * (len(head) - 1))
    for row in rows:
        print("| " + " | ".join(str(cell) for cell in row) + " |")


def print_tables(tree, words):
    layers = layers_of(tree)
    rows = []
    for name in layers:
        folder = Folder(tree / "allocator", name)
        known = folder.upwards is not None
        rows.append((f"`{name}`", len(folder.rooms), len(folder.arrows), len(folder.in_cycles),
                     len(folder.upwards) if known else "?", top(folder.floor) if known else "?",
                     top(folder.floor_of_cycle), *folder.outwards(layers)))
    print_table(("folder", "rooms", "arrows", "in cycles", "upwards", "floors", "floors'",
                 "out, down", "out, up"), rows)
    print()
    rows = []
    for name in top_folders(tree):
        code, _ = long_lines(files_below(tree / name, CODE))
        documents, tables = long_lines(files_below(tree / name, DOCUMENTS))
        rows.append((f"`{name}`", code, documents, tables))
    beside = [p for p in sorted(tree.iterdir()) if p.suffix in DOCUMENTS]
    rows.append(("(top)", 0, *long_lines(beside)))
    print_table((f"lines over {COLUMNS} columns", "code", "documents", "of these, rows of tables"),
                rows)
    print()
    names = names_of(tree)
    rows = []
    for word, exceptions in words.items():
        found = names_with(names, word, exceptions)
        rows.append((f"`{word}`", len(found), sum(names[name][0] for name in found)))
    print_table(("retired word", "names", "occurrences"), rows)


def print_folder(folder):
    for floor in range(top(folder.floor), 0, -1):
        print(f"floor {floor}")
        for room in sorted(room for room in folder.rooms if folder.floor[room] == floor):
            targets = []
            for arrow in sorted(arrow for arrow in folder.arrows if arrow[0] == room):
                mark = "*" if arrow in folder.in_cycles else ""
                mark = "^" if arrow in (folder.upwards or ()) else mark
                targets.append(arrow[1] + mark)
            print(f"  {room}" + (f" -> {', '.join(targets)}" if targets else ""))
    print("* belongs to a cycle, ^ upwards")


def refuse(tree, words):
    """1, and a line for each, when a name in code contains a retired word."""
    names = names_of(tree)
    found = [(word, name) for word, exceptions in words.items()
             for name in names_with(names, word, exceptions)]
    for word, name in found:
        print(f"{names[name][1]}: {name} contains {word}: docs/glossary.md has the word to use")
    return 1 if found else 0


def print_words(tree, words):
    names = names_of(tree)
    for word, exceptions in words.items():
        print(word)
        for name in names_with(names, word, exceptions):
            print(f"  {names[name][0]:4}  {name}  {names[name][1]}")


def self_test():
    files = {
        "heap/low.h": "", "heap/a.h": '#include "heap/low.h"\n', "heap/b.h": "",
        "heap/a.cpp": '#include "heap/a.h"\n#include "heap/b.h"\n#include "base/x.h"\n',
        "heap/b.cpp": '#include "heap/b.h"\n#include "heap/a.h"\n#include "api/y.h"\n',
        "heap/top.cpp": '#include "heap/b.h"\n#include <heap/low.h>\n',
    }
    with tempfile.TemporaryDirectory() as temporary:
        for name, text in files.items():
            path = pathlib.Path(temporary, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")
        folder = Folder(pathlib.Path(temporary), "heap")
    assert folder.rooms == {"low", "a", "b", "top"}
    assert folder.arrows == {("a", "low"), ("a", "b"), ("b", "a"), ("top", "b")}
    assert folder.in_cycles == {("a", "b"), ("b", "a")}
    assert folder.upwards in ({("a", "b")}, {("b", "a")})
    assert fewest_upwards({("a", "b"), ("b", "c"), ("a", "c")}) == set()
    assert fewest_upwards({("a", "b"), ("b", "c"), ("c", "a"), ("d", "a"), ("a", "c")}) == \
        {("c", "a")}
    assert folder.floor_of_cycle == {"low": 1, "a": 2, "b": 2, "top": 3}
    assert top(folder.floor) == (4 if folder.upwards == {("a", "b")} else 2)
    assert folder.outwards(["base", "heap", "api"]) == (1, 1)
    assert parts_of("kHTTPServer2_hand_in") == ["k", "http", "server", "2", "hand", "in"]
    for name, word, found in (("VeiledSides", "veil", True), ("HandInBins", "hand_in", True),
                              ("HandleInput", "hand_in", False), ("surveil", "veil", False),
                              ("last_in_hand_", "in_hand", True), ("Hand", "hand_in", False),
                              ("INVALID_HANDLE", "in_hand", False), ("HandedIn", "hand_in", True),
                              ("Stripped", "strip", True), ("stripe", "strip", False)):
        assert contains(name, word) == found, (name, word)
    assert read_words("# no\nveil\nwake  except WakeOne\nwake  except WakeAll\n") == \
        {"veil": set(), "wake": {"WakeOne", "WakeAll"}}
    assert NAME.findall(NOT_CODE.sub(" ", 'a /* b\n c */ "d" \'e\' f // g\nh')) == ["a", "f", "h"]
    print("self-test: the tree made up for it is measured rightly")
    return 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--list", metavar="FOLDER")
    action.add_argument("--refuse", action="store_true")
    action.add_argument("--self-test", action="store_true")
    parser.add_argument("--tree", type=pathlib.Path, default=ROOT,
                        help="the source tree to look at (default: this one)")
    options = parser.parse_args()
    if options.self_test:
        return self_test()
    tree = options.tree.resolve()
    try:
        words = read_words((ROOT / "tools/house/retired_words.txt").read_text(encoding="utf-8"))
        if options.refuse:
            return refuse(tree, words)
        if options.list == "WORDS":
            print_words(tree, words)
        elif options.list:
            if options.list not in layers_of(tree):
                parser.error(f"allocator/ has no folder {options.list}")
            print_folder(Folder(tree / "allocator", options.list))
        else:
            print_tables(tree, words)
    except BrokenPipeError:  # the reader has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (Failure, OSError, UnicodeDecodeError) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
