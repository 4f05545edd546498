"""Runs one program on Linux, a Windows one under Wine or one of Linux's own, and measures it from outside.

What is measured is the program's own process, from the moment Wine gives it the program's name to
its end. It is found by that name among the descendants of this process, so it makes no difference
whether Wine started it directly or strata-run.exe did: the clock starts at the same event in both
cases, and what strata-override.dll does in the process counts as the program's time.

Of a Linux program all processes are measured: what is started, and whatever that starts.

Wine lets the programs that a program starts run as orphans. This process becomes their reaper
(PR_SET_CHILD_SUBREAPER), so that it learns of each end at once, and of the processor time used.
"""

import contextlib
import ctypes
import dataclasses
import os
import signal
import subprocess
import time

_PR_SET_CHILD_SUBREAPER = 36

# While the program is awaited we look every millisecond, since that decides when its clock starts;
# later only its memory is sampled, and its end announces itself by a signal.
_POLL_BEFORE_START = 0.001
_POLL_RUNNING = 0.005
# A new process becomes the program, or another one, within this many seconds, even on a busy machine.
_NAMED_WITHIN = 20


@dataclasses.dataclass
class Measurement:
    """One run. Times in seconds, memory in bytes."""
    exit_code: int      # of the command that was started; -1 when it had to be killed
    seconds: float      # the program's processes, from first named to last ended
    total_seconds: float  # the whole command, launchers included
    cpu_seconds: float  # user and system time of the program's processes
    peak_bytes: int     # the largest resident set that one of these processes had
    processes: int      # how many there were; 0 means that the program never ran


class _Process:
    def __init__(self, pid):
        self.pid = pid
        self.named_at = None
        self.ended_at = None
        self.peak_bytes = 0
        self.cpu_seconds = 0.0


def _become_reaper():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), 'PR_SET_CHILD_SUBREAPER')
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])


def unblock_sigchld():
    """For preexec_fn: a program must not inherit what this module has blocked."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGCHLD])


def _read(path):
    try:
        with open(path, 'rb') as file:
            return file.read()
    except OSError:  # the process has ended
        return b''


def name_and_parent(pid):
    # "pid (name) state parent ...": the name is all between the first "(" and the last ")".
    stat = _read(f'/proc/{pid}/stat')
    end = stat.rfind(b')')
    if end < 0:
        return None, None
    return stat[stat.find(b'(') + 1:end].decode(errors='replace'), int(stat[end + 1:].split()[1])


def peak_bytes(pid):
    # The kernel keeps the peak itself, so only growth within the last poll before the end is missed.
    # (ru_maxrss, which misses nothing, starts with the size of whatever process did the fork.)
    for line in _read(f'/proc/{pid}/status').split(b'\n'):
        if line.startswith(b'VmHWM:'):
            return int(line.split()[1]) * 1024
    return 0


def _runs_program(pid, program):
    # Wine puts the program's own command line in place of the one it was started with itself.
    first = _read(f'/proc/{pid}/cmdline').split(b'\0')[0].decode(errors='replace')
    return first.replace('\\', '/').split('/')[-1].lower() == program


class _Watch:
    """Follows the processes named `name`, or all with None, among this process's descendants."""

    def __init__(self, name):
        # Linux keeps 15 characters of a name. Under Wine 10 a program that names its main thread
        # changes it; its command line stays.
        self._program = name.lower() if name is not None else None
        self._name = self._program[:15] if name is not None else None
        self._began = time.monotonic()
        self._own_command_line = _read('/proc/self/cmdline')
        self._old = self._all_pids()
        self._seen = {}   # pid -> when first seen; not (yet) the program
        self.found = {}   # pid -> _Process

    @staticmethod
    def _all_pids():
        return {int(entry) for entry in os.listdir('/proc') if entry.isdigit()}

    def _is_ours(self, pid):
        while pid and pid > 1:
            if pid == os.getpid():
                return True
            _, pid = name_and_parent(pid)
        return False

    def look(self, now):
        alive = self._all_pids()
        self._old &= alive  # a number may be given out again
        for pid in alive - self._old:
            # The name changes with each exec and once more when Wine sets it, all within moments.
            if pid in self.found or now - self._seen.setdefault(pid, now) > _NAMED_WITHIN:
                continue
            name, parent = name_and_parent(pid)
            if name is None:
                continue
            if self._is_named(pid, name) and self._is_ours(parent):
                process = self.found[pid] = _Process(pid)
                process.named_at = now
        for process in list(self.found.values()):
            if process.ended_at is not None:
                continue
            if process.pid not in alive:
                process.ended_at = now  # somebody else was its parent
            elif self._is_now_another(process.pid):
                del self.found[process.pid]
            else:
                process.peak_bytes = max(process.peak_bytes, peak_bytes(process.pid))

    def _is_named(self, pid, name):
        if self._name is None:
            # For a moment a child is still a copy of this process, with its memory.
            return _read(f'/proc/{pid}/cmdline') not in (b'', self._own_command_line)
        return name.lower() == self._name or _runs_program(pid, self._program)

    def _is_now_another(self, pid):
        if self._name is None:
            return False
        # When a program starts another, there is a copy with the program's own name for a moment. It
        # may live on as something quite different, such as Wine's explorer.exe, without ever ending.
        name, _ = name_and_parent(pid)
        command_line = _read(f'/proc/{pid}/cmdline').decode(errors='replace').lower()
        # Once it has ended, and waits for its parent to hear of it, it has no command line.
        return (name is not None and name.lower() != self._name and command_line != '' and
                self._name not in command_line)

    def ended(self, pid, now, usage):
        process = self.found.get(pid)
        if process is None and self._name is None:  # it was there for less than a look
            process = self.found[pid] = _Process(pid)
            process.named_at = self._began
        if process is None:
            return
        process.ended_at = now
        process.cpu_seconds = usage.ru_utime + usage.ru_stime

    def running(self):
        return [process.pid for process in self.found.values() if process.ended_at is None]


def run(command, program, *, cwd, env, stdout, stderr, timeout):
    """Runs `command`, whose work is done by processes called `program` ("node.exe"), or by all, with None.

    stdout and stderr are paths of files that are created; standard input is empty.
    """
    _become_reaper()
    watch = _Watch(program)
    with open(stdout, 'wb') as out, open(stderr, 'wb') as err:
        began = time.monotonic()
        child = subprocess.Popen(command, cwd=cwd, env=env, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=err, preexec_fn=unblock_sigchld)
    exit_code = None
    now = began
    while exit_code is None or watch.running():
        watch.look(now)
        poll = _POLL_RUNNING if watch.found else _POLL_BEFORE_START
        signal.sigtimedwait([signal.SIGCHLD], poll)
        now = time.monotonic()
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            watch.ended(pid, now, usage)
            if pid == child.pid:
                exit_code = child.returncode = os.waitstatus_to_exitcode(status)
                total = now - began
        if now - began > timeout:
            for pid in watch.running() + ([] if exit_code is not None else [child.pid]):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            child.returncode = -1
            return Measurement(-1, timeout, timeout, 0.0, 0, len(watch.found))

    processes = watch.found.values()
    if not processes:
        return Measurement(exit_code, 0.0, total, 0.0, 0, 0)
    return Measurement(
        exit_code=exit_code,
        seconds=max(p.ended_at for p in processes) - min(p.named_at for p in processes),
        total_seconds=total,
        cpu_seconds=sum(p.cpu_seconds for p in processes),
        peak_bytes=max(p.peak_bytes for p in processes),
        processes=len(processes))
