#!/usr/bin/env python3
"""Tests of what tools/programs.sh --native rests on: libstrata-count.so tells who served a process's heap calls,
the comparison finds whatever differs, and no server is left behind.

    PYTHONPATH=tools/workshop count_test.py --lib <folder of libstrata-count.so> [-v] [TestClass[.test] ...]
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
import unittest

from real_programs import compare, npm, outputs, servers, verdict
from real_programs.linux import preload as linux
from real_programs.program import Folders, Step
from real_programs.system import PLAIN, STRATA, Failure


class Setup:
    lib = ""


def counted(code, *libraries):
    """The records of a Python process that runs `code`, and of its children."""
    with tempfile.TemporaryDirectory() as folder:
        file = os.path.join(folder, "statistics")
        preload = ":".join(os.path.join(Setup.lib, library) for library in libraries)
        subprocess.run([sys.executable, "-c", code], check=True, timeout=60,
                       env={**os.environ, "LD_PRELOAD": preload, "STRATA_STATS_FILE": file})
        return outputs.read_statistics(file)


def on_strata(code):
    return counted(code, "libstrata-count.so", "libstrata-preload.so")


ALLOCATE = "import ctypes; libc = ctypes.CDLL(None); libc.malloc.restype = ctypes.c_void_p; "


class Counting(unittest.TestCase):
    def test_strata_serves_every_call(self):
        record, = on_strata(ALLOCATE + "[libc.malloc(100) for _ in range(5000)]")
        self.assertTrue(record["active"])
        self.assertEqual((0, 0), (record["calls"]["foreign"], record["libc_bytes"]))
        entries = {entry["name"]: entry for entry in record["entries"]}
        self.assertGreaterEqual(entries["libc malloc"]["strata"], 5000)
        self.assertGreater(entries["libc free"]["strata"], 0)
        self.assertEqual(1.0, verdict.share_served([record]))
        self.assertGreaterEqual(verdict.requests([record]), 5000)

    def test_without_strata_nothing_is_served(self):
        record, = counted("pass", "libstrata-count.so")
        self.assertFalse(record["active"])
        self.assertEqual(0, record["calls"]["strata"])
        self.assertGreater(record["calls"]["foreign"], 0)
        self.assertGreater(record["libc_bytes"], 0)

    def test_a_way_around_strata_is_seen(self):
        record, = on_strata(ALLOCATE + "libc.__libc_malloc(10000000)")
        self.assertGreaterEqual(record["libc_bytes"], 10000000)
        self.assertIn("C library's own", linux.Linux().check_statistics(linux.LinuxProgram(
            name="", what="", executable="", path="", steps=(), check=None), [record]))

    def test_children_and_threads_are_counted(self):
        records = on_strata(ALLOCATE + """
import os, threading
together = threading.Barrier(3)
threads = [threading.Thread(target=lambda: (libc.malloc(50), together.wait())) for _ in range(3)]
for thread in threads: thread.start()
for thread in threads: thread.join()
child = os.fork()
if child == 0: os._exit(0 if libc.malloc(70) else 1)
os.waitpid(child, 0)
""")
        self.assertEqual(2, len(records))
        child, parent = records  # in the order of their ends
        self.assertEqual(1, child["threads"])
        self.assertGreaterEqual(parent["threads"], 4)
        self.assertLess(child["calls"]["strata"], 1000)
        self.assertGreater(parent["calls"]["strata"], 1000)
        program = linux.LinuxProgram(name="", what="", executable="", path="", steps=(), check=None,
                                     processes=2, threads=4)
        self.assertIsNone(linux.Linux().check_statistics(program, records))
        self.assertIn("1 processes", linux.Linux().check_statistics(program, records[1:]))
        self.assertIn("1 threads", linux.Linux().check_statistics(program, [child, child]))


class Comparing(unittest.TestCase):
    """Whole runs of the comparison, with a shell that tells whether Strata is there."""

    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        for name, value in (("PLACE", place.name), ("PRELOAD", os.path.join(Setup.lib, "libstrata-preload.so")),
                            ("COUNT", os.path.join(Setup.lib, "libstrata-count.so"))):
            self.replace(linux, name, value)
        self.replace(compare, "say", lambda text: None)

    def replace(self, module, name, value):
        self.addCleanup(setattr, module, name, getattr(module, name))
        setattr(module, name, value)

    def problem(self, script, **more):
        """What a comparison with one pair finds wrong."""
        program = linux.LinuxProgram(name="test", what="", executable="sh", path="/bin/sh",
                                     steps=(Step("step", ("-c", script)),), check=lambda folders: None, **more)
        result = {"problems": []}
        try:
            compare.measure_program(linux.Linux(), program, [PLAIN, STRATA], 1, result, False)
        except Failure as failure:
            result["problems"].append(str(failure))
        return " ".join(result["problems"])

    def test_what_does_not_differ_holds(self):
        self.assertEqual("", self.problem("echo a; echo b >&2; echo c >file"))

    def test_every_difference_is_found(self):
        for script, said in (("echo $LD_PRELOAD", "standard output of step"),
                             ("echo $LD_PRELOAD >&2", "standard error of step"),
                             ("echo $LD_PRELOAD >file", "e.g. file"),
                             ("echo >file$LD_PRELOAD", "e.g. file"),
                             ('[ -z "$LD_PRELOAD" ] || exit 3', "ended with code 3 instead of 0"),
                             ('[ -z "$LD_PRELOAD" ] || kill -SEGV $$', "ended with code -11 instead of 0"),
                             ('[ -z "$LD_PRELOAD" ] || echo strata: fatal: it is broken >&2', "it is broken")):
            with self.subTest(script):
                script = script.replace("$LD_PRELOAD", "${LD_PRELOAD##*/}") if "echo" in script else script
                self.assertIn(said, self.problem(script))

    def test_masks_hide_only_what_they_name(self):
        said = "echo a; echo time ${#LD_PRELOAD}"
        self.assertEqual("", self.problem(said, masks=(r"time \d+",)))
        self.assertIn("standard output", self.problem(said, masks=(r"time \d",)))
        self.assertEqual("", self.problem("echo $$ >a/x 2>b.txt || true", files_vary=(r".*\.txt",)))

    def test_a_library_that_is_not_loaded_is_seen(self):
        linux.PRELOAD = os.path.join(Setup.lib, "libstrata-none.so")
        self.assertIn("Strata was not active", self.problem("echo a"))
        # Also without a run that counts.
        program = linux.LinuxProgram(name="test", what="", executable="sh", path="/bin/sh",
                                     steps=(Step("step", ("-c", "echo a")),), check=lambda folders: None)
        system = linux.Linux()
        executable, folders = system.prepare(program)
        plain, other = (compare.run_once(system, program, way, executable, folders)
                        for way in (PLAIN, STRATA))
        with self.assertRaisesRegex(Failure, "standard error of step"):
            compare.require_same_output(system, other, STRATA, plain, folders)

    def test_a_child_without_strata_is_missed(self):
        self.assertEqual("", self.problem("/bin/true; exit 0", processes=2))
        self.assertIn("1 processes", self.problem("LD_PRELOAD= /bin/true; exit 0", processes=2))

    def test_a_missing_package_is_no_failure(self):
        with self.assertRaisesRegex(npm.CannotBeHad, "strata-no-such-package"):
            self.problem("true", debian=("strata-no-such-package",))


class Servers(unittest.TestCase):
    def setUp(self):
        place = tempfile.TemporaryDirectory()
        self.addCleanup(place.cleanup)
        self.folders = Folders(place.name, place.name, place.name)

    def server(self, script, is_up=lambda: True):
        return servers.Server("server", ["/bin/sh", "-c", script], dict(os.environ), self.folders, is_up)

    def assert_gone(self, pids):
        began = time.monotonic()
        while (left := [pid for pid in pids if state(pid) not in ("", "Z")]) and time.monotonic() - began < 10:
            time.sleep(0.01)
        self.assertEqual([], left)

    def test_nothing_is_left_after_a_failure(self):
        def two():
            return len(server.processes()) == 2
        server = self.server("trap '' TERM; sleep 600 & wait; sleep 600", two)
        with self.assertRaises(Failure), server:
            pids = server.processes()
            raise Failure("in the middle")
        self.assertEqual(2, len(pids))
        self.assert_gone(pids)

    def test_strata_is_in_all_of_its_processes_or_in_none(self):
        preload = os.path.join(Setup.lib, os.path.basename(linux.PRELOAD))
        child = f"LD_PRELOAD={preload} sleep 600 & wait"
        for mine, script, good in (("", "sleep 600 & wait", PLAIN), (preload, "sleep 600 & wait", STRATA),
                                   ("", child, None), (preload, "LD_PRELOAD= sleep 600 & wait", None)):
            with self.subTest(f"{mine}: {script}"):
                server = servers.Server("server", ["/bin/sh", "-c", script], {**os.environ, "LD_PRELOAD": mine},
                                        self.folders, lambda: self.child_is_up(server))
                with server:
                    for way in (PLAIN, STRATA):
                        if way == good:
                            linux.require_served(server, way)
                        else:
                            with self.assertRaises(Failure):
                                linux.require_served(server, way)

    @staticmethod
    def child_is_up(server):
        others = server.processes()[1:]
        # It sleeps: the dynamic linker has done its work.
        return len(others) == 1 and os.readlink(f"/proc/{others[0]}/exe").endswith("/sleep") and state(others[0]) == "S"

    def test_a_server_that_ends_at_once_is_a_failure_with_its_words(self):
        server = self.server("echo no such thing >&2; exit 3", lambda: False)
        with self.assertRaisesRegex(Failure, r"(?s)ended at once with code 3.*no such thing"), server:
            pass

    def test_one_that_does_not_end_or_ends_badly_is_a_failure(self):
        for script, said in (("trap '' TERM; sleep 600 & wait; sleep 600", "did not end"),
                             ("trap 'exit 5' TERM; sleep 600 & wait", "ended with code 5")):
            with self.subTest(said):
                servers._STOP, before = 1, servers._STOP
                self.addCleanup(setattr, servers, "_STOP", before)
                server = self.server(script)
                with self.assertRaisesRegex(Failure, said), server:
                    while len(server.processes()) < 2:
                        time.sleep(0.01)
                    pids = server.processes()
                    server.stop(signal.SIGTERM)
                self.assert_gone(pids)


def state(pid):
    """A letter: Z when it has ended, and whoever inherited it has not taken notice; none when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            return file.read().rpartition(") ")[2][:1]
    except OSError:
        return ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--lib", required=True)
    options, others = parser.parse_known_args()
    Setup.lib = os.path.abspath(options.lib)
    unittest.main(argv=[sys.argv[0], *others])


if __name__ == "__main__":
    main()
