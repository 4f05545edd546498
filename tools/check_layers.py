#!/usr/bin/env python3
"""Checks the rules of the source tree that a compiler does not check.

  order      a file of allocator/<layer>/ includes only from its own layer and those before it in
             allocator/layers.txt
  table      the table of layers in allocator/README.md has the same layers in the same order
  spelling   a quoted include names a file as "<layer>/<file>", and that file exists
  cycle      no header includes itself, on whatever way
  windows    <windows.h> and its kin stand only in os/, api/, override/, tools/, tests/ and bench/,
             and in one public header, strata/heap_api.h, whose functions have Win32's signatures;
             that header, in turn, stands only where <windows.h> may
  public     include/strata/ includes nothing of allocator/
  size       (a warning) headers up to 250 lines, sources up to 400

Usage: check_layers.py [ROOT] | --self-test
"""

import argparse
import pathlib
import re
import sys
import tempfile

WINDOWS_ALLOWED_LAYERS = {"os", "api", "override"}
WINDOWS_PUBLIC_HEADER = "strata/heap_api.h"
WINDOWS_HEADERS = re.compile(
    r"^(windows|winternl|winnt|winbase|windef|minwindef|heapapi|memoryapi|psapi|dbghelp|tlhelp32|"
    r"ntstatus|ntdef|processthreadsapi|synchapi|libloaderapi|evntprov|bcrypt)\.h$",
    re.IGNORECASE)
TABLE_ROW = re.compile(r"^\| `(\w+)` \|")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*(?:"([^"]+)"|<([^>]+)>)')
HEADERS = {".h", ".hpp"}
SOURCES = {".c", ".cc", ".cpp"}
MAX_HEADER_LINES = 250
MAX_SOURCE_LINES = 400


def files_below(folder):
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.rglob("*") if p.suffix in HEADERS | SOURCES and p.is_file())


def brings_windows(name):
    return name == WINDOWS_PUBLIC_HEADER or WINDOWS_HEADERS.match(name)


def includes_of(path):
    """Yields (line number, name, is_quoted)."""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1] or match[2], match[1] is not None


class Tree:
    def __init__(self, root):
        self.root = pathlib.Path(root).resolve()
        self.allocator = self.root / "allocator"
        self.public = self.root / "include"
        words = (self.allocator / "layers.txt").read_text(encoding="utf-8").splitlines()
        self.layers = [word for word in words if word and not word.startswith("#")]
        self.errors = []
        self.warnings = []

    def error(self, kind, path, number, text):
        self.errors.append((kind, f"{path.relative_to(self.root)}:{number}: {text}"))

    def target(self, name):
        """The file of this tree that an include names, or None."""
        for folder in (self.allocator, self.public):
            if (folder / name).is_file():
                return folder / name
        return None

    def check_layer_file(self, path):
        layer = path.relative_to(self.allocator).parts[0]
        if layer not in self.layers:
            self.error("order", path, 1, f"'{layer}' is not a layer ({', '.join(self.layers)})")
            return
        for number, name, quoted in includes_of(path):
            first = name.split("/")[0]
            if brings_windows(name) and layer not in WINDOWS_ALLOWED_LAYERS:
                self.error("windows", path, number, f"<{name}> may not stand in {layer}/")
            if first in self.layers and "/" in name and (quoted or self.target(name)):
                if self.layers.index(first) > self.layers.index(layer):
                    self.error("order", path, number, f'{layer}/ must not know {first}/: "{name}"')
                elif self.target(name) is None:
                    self.error("spelling", path, number, f'there is no "{name}"')
            elif quoted and first != "strata":
                self.error("spelling", path, number, f'"{name}": write it as "<layer>/<file>"')

    def check_table(self):
        path = self.allocator / "README.md"
        rows = {}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if match := TABLE_ROW.match(line):
                rows[match[1]] = number
        if list(rows) != self.layers:
            number = next(iter(rows.values()), 1)
            self.error("table", path, number, f"the layers are {', '.join(rows)} here, and "
                                              f"{', '.join(self.layers)} in layers.txt")

    def check_public_file(self, path):
        for number, name, quoted in includes_of(path):
            inside = (self.public / name).is_file()
            if brings_windows(name) and path != self.public / WINDOWS_PUBLIC_HEADER:
                self.error("windows", path, number, f"<{name}> may not stand in this public header")
            elif not inside and (quoted or (self.allocator / name).is_file()):
                self.error("public", path, number, f'"{name}" is not in include/')

    def check_cycles(self, files):
        graph = {p: [(n, t) for n, name, _ in includes_of(p) if (t := self.target(name))]
                 for p in files}
        done, trail = set(), []

        def visit(path):
            if path in done:
                return
            trail.append(path)
            for number, target in graph.get(path, []):
                if target in trail:
                    names = trail[trail.index(target):] + [target]
                    self.error("cycle", path, number,
                               " -> ".join(str(p.relative_to(self.root)) for p in names))
                else:
                    visit(target)
            trail.pop()
            done.add(path)

        for path in files:
            visit(path)

    def check_sizes(self, files):
        for path in files:
            limit = MAX_HEADER_LINES if path.suffix in HEADERS else MAX_SOURCE_LINES
            lines = path.read_text(encoding="utf-8").count("\n")
            if lines > limit:
                self.warnings.append(f"{path.relative_to(self.root)}: {lines} lines; up to {limit}")

    def check(self):
        layer_files = files_below(self.allocator)
        public_files = files_below(self.public)
        for path in layer_files:
            self.check_layer_file(path)
        for path in public_files:
            self.check_public_file(path)
        self.check_cycles(layer_files + public_files)
        self.check_table()
        others = [p for folder in ("tests", "bench", "tools") for p in files_below(self.root / folder)]
        self.check_sizes(layer_files + public_files + others)
        return len(layer_files) + len(public_files)


def self_test():
    """Makes a tree with one violation of each kind, and a clean one, and sees what is found."""
    layers = ("base", "os", "slab", "heap", "api")
    clean = {
        "allocator/layers.txt": "# a comment\n" + "".join(f"{name}\n" for name in layers),
        "allocator/README.md": "| folder |\n|---|\n" + "".join(f"| `{n}` |\n" for n in layers),
        "allocator/base/bits.h": "#include <cstdint>\n",
        "allocator/os/windows/memory.cpp": '#include <windows.h>\n#include "base/bits.h"\n',
        "allocator/heap/heap.h": '#include "base/bits.h"\n#include <strata/strata.h>\n',
        "include/strata/strata.h": '#include <stddef.h>\n#include <strata/export.h>\n',
        "include/strata/export.h": "#pragma once\n",
        "include/strata/heap_api.h": "#include <windows.h>\n",
        "allocator/api/win32.cpp": "#include <strata/heap_api.h>\n",
        "tests/support/threads.cpp": "#include <windows.h>\n",
    }
    violations = [
        ("order", {"allocator/base/up.h": '#include "heap/heap.h"\n'}),
        ("order", {"allocator/extra/new.h": "#pragma once\n"}),
        ("spelling", {"allocator/slab/slab.h": '#include "bits.h"\n'}),
        ("spelling", {"allocator/slab/slab.h": '#include "base/nothing.h"\n'}),
        ("spelling", {"allocator/slab/slab.h": '#include "../base/bits.h"\n'}),
        ("cycle", {"allocator/slab/a.h": '#include "slab/b.h"\n',
                   "allocator/slab/b.h": '#include "slab/a.h"\n'}),
        ("windows", {"allocator/heap/wide.cpp": "  # include <Windows.h>\n"}),
        ("windows", {"include/strata/wide.h": "#include <windows.h>\n"}),
        ("windows", {"allocator/heap/win32.cpp": "#include <strata/heap_api.h>\n"}),
        ("table", {"allocator/README.md": "| `base` | x |\n| `slab` | x |\n| `os` | x |\n"
                                          "| `heap` | x |\n| `api` | x |\n"}),
        ("table", {"allocator/README.md": "| `base` | x |\n| `os` | x |\n"}),
        ("public", {"include/strata/inner.h": '#include "base/bits.h"\n'}),
        ("public", {"include/strata/inner.h": "#include <base/bits.h>\n"}),
        ("size", {"allocator/base/long.h": "\n" * (MAX_HEADER_LINES + 1)}),
        ("size", {"tests/unit/long.cpp": "\n" * (MAX_SOURCE_LINES + 1)}),
    ]
    failed = 0
    for kind, extra in [("none", {})] + violations:
        with tempfile.TemporaryDirectory() as folder:
            for name, text in (clean | extra).items():
                path = pathlib.Path(folder, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            tree = Tree(folder)
            tree.check()
            found = {k for k, _ in tree.errors} | ({"size"} if tree.warnings else set())
            expected = {kind} - {"none"}
            if found != expected:
                failed += 1
                print(f"self-test: expected {expected or 'nothing'}, found {found or 'nothing'}: "
                      f"{list(extra)} {tree.errors} {tree.warnings}")
    print(f"self-test: {len(violations) + 1 - failed} of {len(violations) + 1} trees judged rightly")
    return 1 if failed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("root", nargs="?", default=pathlib.Path(__file__).resolve().parent.parent)
    parser.add_argument("--self-test", action="store_true")
    arguments = parser.parse_args()
    if arguments.self_test:
        return self_test()
    tree = Tree(arguments.root)
    count = tree.check()
    for text in tree.warnings:
        print(f"warning: {text}")
    for kind, text in tree.errors:
        print(f"error ({kind}): {text}")
    print(f"{count} files of allocator/ and include/: "
          f"{len(tree.errors)} errors, {len(tree.warnings)} warnings")
    return 1 if tree.errors else 0


if __name__ == "__main__":
    sys.exit(main())
