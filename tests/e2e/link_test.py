#!/usr/bin/env python3
"""The ways in at link time: programs linked with strata-override's import library, or with Strata's malloc.

    link_test.py --bin <folder of strata-run.exe> [--runner <command>] [-v] [TestClass[.test] ...]
"""

import json
import os
import shutil
import subprocess

from harness import Case, Setup, main, overridden, plain, program, run, windows_path

SERVED = ["malloc", "realloc", "calloc", "malloc(0)", "_strdup", "strdup", "_wcsdup", "_mbsdup", "aligned"]
WITH_OPERATORS = ["new", "new[]", "aligned new", "std::string", "threads"]
NOT_SERVED = ["_fullpath", "_getcwd", "_wtempnam", "the DLL's _aligned_malloc", "HeapAlloc"]


class Malloc(Case):
    """Target strata::malloc: the runtime's functions replaced by the linker."""

    def check(self, name, served):
        result = plain(name)
        self.assertEqual((0, ""), (result.code, result.err.strip()), result.out)
        expected = [f"{what}: Strata" for what in served] + ["failures: as documented"]
        expected += [f"{what}: another heap" for what in NOT_SERVED] + ["done", ""]
        self.assertEqual(expected, result.out.split("\n"))
        # A second Strata around it, which serves what this one leaves to the system.
        with_it = overridden(["--require"], name)
        self.assertEqual((0, "", result.out), (with_it.code, with_it.err.strip(), with_it.out))

    def test_msvcrt(self):
        self.check("linked_malloc", SERVED + WITH_OPERATORS)

    def test_without_our_operators(self):
        self.check("linked_malloc_only", SERVED + WITH_OPERATORS)

    def test_ucrt(self):
        if not os.path.exists(program("linked_malloc_ucrt")):
            self.skipTest("not built with this compiler")
        self.check("linked_malloc_ucrt", SERVED + ["_recalloc"])

    def test_same_output_as_the_runtimes_own(self):
        for runtime in ("", "_ucrt"):
            if os.path.exists(program("linked_blocks" + runtime)):
                result = plain("linked_blocks" + runtime)
                self.assertEqual((0, ""), (result.code, result.err.strip()))
                self.assertEqual(plain("crt_blocks" + runtime).out, result.out)

    def test_a_double_free_is_found(self):
        result = plain("linked_malloc", "double-free")
        self.assertEqual("before\n", result.out)
        self.assertNotEqual(0, result.code)
        self.assertIn("strata: fatal: double free of block", result.err)


class Override(Case):
    """The import library of strata-override.dll, and one symbol."""

    def run_beside_the_dll(self, image, environment=None):
        """Copies a program into a folder with the DLL and runs it there: its output and its statistics."""
        for file in (image, os.path.join(Setup.bin, "strata-override.dll")):
            shutil.copy(file, self.folder)
        file = self.path("statistics.json")
        result = run([self.path(os.path.basename(image))],
                     environment={"STRATA_STATS_FILE": windows_path(file), **(environment or {})})
        if not os.path.exists(file):
            return result, None
        with open(file, encoding="utf-8") as text:
            lines = [json.loads(line) for line in text]
        self.assertEqual(1, len(lines))
        self.assertTrue(lines[0]["active"])
        return result, lines[0]

    def test_the_first_import(self):
        result, statistics = self.run_beside_the_dll(program("linked_import"))
        self.assertEqual((0, ""), (result.code, result.err.strip()))
        self.assertEqual("active: 1, redirected: 1, reason: ''\ndone\n", result.out)
        calls = statistics["calls"]
        served = calls["strata"] / (calls["strata"] + calls["original"] + calls["foreign"])
        print(f"  linked_import: {calls['strata']} calls served by Strata, {100 * served:.1f} %")
        with open(program("linked_import"), "rb") as file:
            image = file.read()
        if image.find(b"strata-override.dll") > image.find(b"msvcrt.dll"):
            # lld for MinGW orders the imports as it likes: see test_the_marker.
            self.assertGreaterEqual(calls["strata"], 1500)
            return
        self.assertGreaterEqual(served, 0.95)
        self.assertGreaterEqual(calls["strata"], 3000)

    def test_the_marker(self):
        # Only the linker knows of it. Where the DLL comes after msvcrt.dll, and that has a heap of its own
        # (Wine 8), the heap is older than the override; the process heap is served in any case.
        result, statistics = self.run_beside_the_dll(program("linked_marker"))
        self.assertEqual((0, "loaded: 1\ndone\n"), (result.code, result.out), result.err)
        self.assertGreaterEqual(statistics["calls"]["strata"], 1500)

    def test_switched_off(self):
        result, statistics = self.run_beside_the_dll(program("linked_import"), {"STRATA_DISABLE": "1"})
        self.assertEqual(0, result.code, result.err)
        self.assertEqual("active: 0, redirected: 0, reason: 'STRATA_DISABLE is set'\ndone\n", result.out)
        self.assertIsNone(statistics)

    def test_microsofts_linker(self):
        """The .lib and /INCLUDE, as Microsoft's linker takes them, by way of LLVM's."""
        library = os.path.join(Setup.bin, "..", "lib", "strata-override.lib")
        tools = [shutil.which(name) for name in ("clang-19", "lld-link-19")]
        kernel32 = "/usr/x86_64-w64-mingw32/lib/libkernel32.a"
        if not all(tools) or not os.path.exists(library) or not os.path.exists(kernel32):
            self.skipTest("clang-19, lld-link-19, strata-override.lib or MinGW's libraries are not here")
        source, thing, image = (self.path(f"linked_by_lld.{end}") for end in ("c", "obj", "exe"))
        with open(source, "w", encoding="ascii") as file:
            file.write("""
                __declspec(dllimport) void* GetProcessHeap(void);
                __declspec(dllimport) void* HeapAlloc(void*, unsigned long, unsigned long long);
                __declspec(dllimport) int HeapFree(void*, unsigned long, void*);
                __declspec(dllimport) void ExitProcess(unsigned);
                void Start(void) {
                    int i;
                    for (i = 0; i < 100; ++i) HeapFree(GetProcessHeap(), 0, HeapAlloc(GetProcessHeap(), 0, 9));
                    ExitProcess(42);
                }""")
        subprocess.run([tools[0], "--target=x86_64-pc-windows-msvc", "-O1", "-c", source, "-o", thing], check=True)
        subprocess.run([tools[1], "/nodefaultlib", "/entry:Start", "/subsystem:console",
                        "/include:StrataOverrideMarker", thing, library, kernel32, "/out:" + image], check=True)
        os.mkdir(self.path("elsewhere"))
        shutil.move(image, self.path("elsewhere"))
        result, statistics = self.run_beside_the_dll(os.path.join(self.path("elsewhere"), "linked_by_lld.exe"))
        self.assertEqual((42, ""), (result.code, result.err.strip()))
        self.assertGreaterEqual(statistics["calls"]["strata"], 200)
        self.assertEqual(0, statistics["calls"]["original"] + statistics["calls"]["foreign"])


if __name__ == "__main__":
    main()
