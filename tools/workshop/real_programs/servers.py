"""Servers and the clients that drive them: started, awaited and ended by their own process ids, with a time
limit for everything."""

import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time

from real_programs import watch
from real_programs.outputs import tail
from real_programs.system import Failure

TIMEOUT = 240  # seconds for one command
_START, _STOP = 30, 30  # seconds for a server
_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def command(words, env, cwd, output, errors=None, given=None):
    """Runs a command; Failure, with the end of its output, unless it ends with 0.

    output and errors are files that its output is added to; without `errors`, both go to `output`. given: its
    standard input.
    """
    with open(output, 'ab') as out, open(errors or output, 'ab') as err:
        try:
            done = subprocess.run(words, cwd=cwd, env=env, stdout=out, stderr=err, timeout=TIMEOUT,
                                  preexec_fn=watch.unblock_sigchld, input=given,
                                  **({'stdin': subprocess.DEVNULL} if given is None else {}))
            code = done.returncode
        except subprocess.TimeoutExpired:
            code = f'none after {TIMEOUT} s'
    if code != 0:
        raise Failure(f'{os.path.basename(words[0])} ended with code {code}:' + tail(output)
                              + (tail(errors) if errors else ''))


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


class Server:
    """A server in the foreground, with its children in a process group of its own. Use it with `with`: whatever
    happens, none of them is left. Its output is in NAME.out and NAME.err."""

    def __init__(self, name, words, env, folders, is_up):
        self.name = name
        self._words, self._env, self._folders, self._is_up = words, env, folders, is_up
        self.stdout = os.path.join(folders.output, f'{name}.out')
        self.stderr = os.path.join(folders.output, f'{name}.err')
        self.cpu_seconds = 0.0
        self.peak_bytes = 0
        self._child = None

    def __enter__(self):
        with open(self.stdout, 'wb') as out, open(self.stderr, 'wb') as err:
            self._child = subprocess.Popen(
                self._words, cwd=self._folders.work, env=self._env, stdin=subprocess.DEVNULL, stdout=out,
                stderr=err, preexec_fn=self._in_child, start_new_session=True)
        try:
            self._await(self._is_up, _START, 'was not up')
        except BaseException:
            self._kill()
            raise
        return self

    def __exit__(self, *_):
        self._kill()

    @staticmethod
    def _in_child():
        watch.unblock_sigchld()
        # If this process is killed, its servers end, too, and properly.
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)

    @property
    def pid(self):
        return self._child.pid

    def processes(self):
        """Those of its group, itself first."""
        found = []
        for entry in os.listdir('/proc'):
            with contextlib.suppress(OSError):  # it may have ended
                if entry.isdigit() and os.getpgid(int(entry)) == self.pid:
                    found.append(int(entry))
        return sorted(found, key=lambda pid: (pid != self.pid, pid))

    def has_mapped(self, library):
        """Whether all of its processes have a library; None when they do not agree."""
        answers = set()
        for pid in self.processes():
            with contextlib.suppress(OSError), open(f'/proc/{pid}/maps', encoding='utf-8') as file:
                answers.add(library in file.read())
        return answers.pop() if len(answers) == 1 else None

    def note_peak(self):
        self.peak_bytes = max(map(watch.peak_bytes, self.processes()), default=0)

    def stop(self, how=signal.SIGTERM):
        """Asks it to end, if `how` is a signal, and waits for its end. Failure unless it ends with 0."""
        if how is not None:
            os.kill(self.pid, how)
        code = self._await(self._ended, _STOP, 'did not end')
        if code != (0,):
            raise self._failure(f'ended with code {code[0]}')

    def _ended(self):
        pid, status, usage = os.wait4(self.pid, os.WNOHANG)
        if pid == 0:
            return None
        self._child.returncode = os.waitstatus_to_exitcode(status)
        self.cpu_seconds = usage.ru_utime + usage.ru_stime
        return (self._child.returncode,)

    def _await(self, condition, seconds, failed):
        began = time.monotonic()
        while time.monotonic() - began < seconds:
            answer = condition()
            if answer:
                return answer
            if condition != self._ended and self._ended():
                raise self._failure(f'ended at once with code {self._child.returncode}')
            time.sleep(0.01)
        raise self._failure(f'{failed} within {seconds} s')

    def _failure(self, text):
        return Failure(f'{self.name} {text}:' + tail(self.stdout) + tail(self.stderr))

    def _kill(self):
        # The group outlives its first process, and its number is not given out again before its end.
        if self._child.returncode is None or self.processes():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)
        if self._child.returncode is None:
            self._child.wait()


@contextlib.contextmanager
def short_path(folder):
    """Another name of a folder: those of Unix sockets must not be long."""
    folder_fd = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f'/proc/self/fd/{folder_fd}'
    finally:
        os.close(folder_fd)


def answers(folder, name, question=b'', answer=b''):
    """A condition for Server: somebody listens at a Unix socket, and answers a question so."""
    def check():
        with contextlib.suppress(OSError), short_path(folder) as path, socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            probe.connect(os.path.join(path, name))
            probe.sendall(question)
            return not answer or probe.recv(len(answer)) == answer
        return False
    return check
