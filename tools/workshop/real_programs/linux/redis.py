"""redis-server with all that it stores, and redis-benchmark with it, over a Unix socket.

Debian builds the server with jemalloc's malloc, realloc, malloc_usable_size and so on, which LD_PRELOAD
replaces. The server, the child that saves, and the clients all run the same way. What is stored is told by
DEBUG DIGEST, which does not depend on the order, before the server ends and after another one has loaded the
file that it saved.

The package redis-tools has the program under the name redis-check-rdb; redis-server is a second name of the
same file, in a package that starts a service.
"""

import os
import time

from real_programs import outputs
from real_programs.files import sha256_of_file
from real_programs.linux import preload
from real_programs.program import contains
from real_programs.servers import Server, answers, command
from real_programs.system import COUNTED, Failure, Run

_SOCKET = 'redis.sock'
_CONFIGURATION = f'''\
port 0
unixsocket {_SOCKET}
daemonize no
save ""
lazyfree-lazy-user-del yes
lazyfree-lazy-user-flush yes
enable-debug-command local
activedefrag no
maxclients 200
'''
# Two threads that read requests, and so ask for the memory of their words. They wait by spinning: only the second
# server has them, which has less to do.
_IO_THREADS = '''\
io-threads 2
io-threads-do-reads yes
'''
_KEYS = 8000
_REQUESTS = 16000  # of each kind, a multiple of the pipeline

# The times and numbers of processes in the server's log, and what it says of its memory and of the file's age.
_LOG_MASKS = (
    r'(?m)^\d+:[CMSX] \d+ \w+ \d+ [\d:.]+', r'(?m)^\d+:signal-handler \(\d+\)', r'pid[= ]\d+',
    r'\d+(\.\d+)? [Mm][Bb]', r'\d+\.\d+ seconds', r'RDB age \d+ seconds',
)
# What redis-benchmark shows meanwhile, how many requests a second there were, and how long they took.
_BENCHMARK_MASKS = (r'[^\n]*\r', r'\d+\.\d+ requests per second, p50=\d+\.\d+ msec')


def _resp(*words):
    parts = [f'*{len(words)}\r\n'.encode()]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b'$%d\r\n%s\r\n' % (len(data), data))
    return b''.join(parts)


def make_inputs(folder):
    """The commands that fill the server, as it reads them."""
    seed = 1
    with open(os.path.join(folder, 'commands.resp'), 'wb') as file:
        for i in range(_KEYS):
            seed = (seed * 1103515245 + 12345) % (1 << 31)
            text = f'{seed:x}' * (1 + seed % 37)
            file.write(_resp('SET', f'string:{i}', text))
            file.write(_resp('APPEND', f'string:{i * 7 % (i + 1)}', text[:seed % 90]))
            file.write(_resp('RPUSH', f'list:{i % 97}', text, i, seed))
            file.write(_resp('HSET', f'hash:{i % 211}', f'field{seed % 300}', text, f'n{i % 40}', i))
            file.write(_resp('SADD', f'set:{i % 53}', seed % 1000 if i % 53 < 20 else text))
            file.write(_resp('ZADD', f'sorted:{i % 31}', seed % 5000, f'member{seed % 3000}'))
            file.write(_resp('XADD', f'stream:{i % 5}', f'{i + 1}-1', 'a', text[:40], 'b', i))
            if i % 10 == 9:
                file.write(_resp('DEL' if i % 20 == 9 else 'UNLINK', f'string:{i - 5}', f'list:{i % 89 + 1000}'))
                file.write(_resp('LTRIM', f'list:{i % 97}', -400, -1))
                file.write(_resp('ZREMRANGEBYRANK', f'sorted:{i % 31}', 0, 1))
                file.write(_resp('HDEL', f'hash:{i % 211}', f'n{i % 40}', f'field{seed % 300}'))
                file.write(_resp('SETRANGE', f'string:{i}', seed % 4000, text))
            if i % 500 == 499:
                file.write(_resp('SUNIONSTORE', f'union:{i}', *(f'set:{n}' for n in range(0, 53, 3))))
                file.write(_resp('ZUNIONSTORE', f'sum:{i}', 3, 'sorted:1', 'sorted:2', 'sorted:3'))
                file.write(_resp('EVAL', 'local s = {} for i = 1, 2000 do s[i] = ARGV[1] .. i end '
                                 'return redis.call("SET", KEYS[1], table.concat(s, ","))', 1, f'lua:{i}', text))


_QUESTIONS = b'''\
DBSIZE
DEBUG DIGEST
STRLEN lua:499
LRANGE list:5 0 20
ZRANGE sorted:7 0 20 WITHSCORES
SORT set:1 LIMIT 0 20
XLEN stream:3
SCARD union:3999
OBJECT ENCODING hash:7
HGET hash:7 n13
LPOS list:5 102
ZRANGEBYSCORE sum:999 100 140
XRANGE stream:2 - + COUNT 5
'''


class _Session:
    """One server's life."""

    def __init__(self, name, server, env, folders):
        self.name, self._server, self._env, self._folders = name, server, env, folders

    def client(self, output, program, *words, given=None):
        place = os.path.join(self._folders.output, f'{self.name}-{output}')
        command([f'/usr/bin/{program}', '-s', _SOCKET, *words], self._env, self._folders.work, f'{place}.out',
                f'{place}.err', given)

    def ask(self):
        self.client('answers', 'redis-cli', given=_QUESTIONS)

    def save_in_background(self):
        self.client('save', 'redis-cli', 'BGSAVE')
        state = os.path.join(self._folders.output, f'{self.name}-state.out')
        began = time.monotonic()
        while time.monotonic() - began < 60:
            self.client('state', 'redis-cli', 'INFO', 'persistence')
            with open(state, encoding='ascii') as file:
                text = file.read()
            os.remove(state)  # how often one has to look varies
            if 'rdb_bgsave_in_progress:0' in text:
                if 'rdb_last_bgsave_status:ok' not in text:
                    raise Failure('the server could not save its data in the background')
                return
            time.sleep(0.02)
        raise Failure('the server was still saving after 60 s')

    def benchmark(self, database, requests, tests, *more):
        self.client('benchmark', 'redis-benchmark', '--dbnum', database, '-d', '100', '-q', '-c', '20', '-P', '16',
                    '-n', str(requests), '-t', tests, *more)

    def end(self, how):
        self._server.note_peak()
        self.client('shutdown', 'redis-cli', 'SHUTDOWN', how)
        self._server.stop(None)


def _serve(name, way, env, folders, more, work):
    """Starts a server, does the work with it, and ends it. Returns the server, ended."""
    with open(os.path.join(folders.work, 'redis.conf'), 'w', encoding='ascii') as file:
        file.write(_CONFIGURATION + more)
    words = [os.path.join(folders.work, 'redis-server'), 'redis.conf']
    is_up = answers(folders.work, _SOCKET, b'PING\r\n', b'+PONG')  # not while it loads its data
    with Server(name, words, env, folders, is_up) as server:
        preload.require_served(server, way)
        work(_Session(name, server, env, folders))
    return server


def _fill(session, folders):
    with open(os.path.join(folders.tree, 'commands.resp'), 'rb') as file:
        session.client('fill', 'redis-cli', '--pipe', given=file.read())
    session.benchmark('1', _REQUESTS, 'ping,set,get,incr,lpush,rpush,lpop,rpop,sadd,hset,spop,zadd,zpopmin,mset')
    # Keys by chance: what is stored differs from run to run, and is freed by another thread.
    session.benchmark('2', _REQUESTS, 'set,get,lpush,sadd,hset,zadd', '-r', '20000')
    session.client('flush', 'redis-cli', '-n', '2', 'FLUSHDB', 'ASYNC')
    session.save_in_background()
    session.ask()
    session.end('SAVE')


def _reload(session):
    session.ask()
    session.benchmark('1', 1600, 'set,lpush,hset,zadd')
    session.client('again', 'redis-cli', given=b'DEBUG RELOAD\nDEBUG DIGEST\nFLUSHALL ASYNC\nDBSIZE\n')
    session.end('NOSAVE')


def run(program, way, executable, folders):
    os.symlink(executable, os.path.join(folders.work, 'redis-server'))
    statistics_file = os.path.join(folders.output, 'statistics.jsonl')
    env = preload.environment(way, folders, statistics_file)
    result = Run()
    began = time.monotonic()
    first = _serve('filled', way, env, folders, '', lambda session: _fill(session, folders))
    command(['/usr/bin/redis-check-rdb', 'dump.rdb'], env, folders.work, os.path.join(folders.output, 'check.txt'))
    second = _serve('reloaded', way, env, folders, _IO_THREADS, _reload)
    result.seconds = result.total_seconds = time.monotonic() - began
    result.cpu_seconds = first.cpu_seconds + second.cpu_seconds
    result.peak_bytes = max(first.peak_bytes, second.peak_bytes)
    if way == COUNTED:
        result.statistics = outputs.read_statistics(statistics_file)
    logs = ('filled.out', 'reloaded.out')  # the child that saves writes into them, too
    preload.digest_outputs(result, folders, way, dict.fromkeys(logs, _LOG_MASKS) | {
        'filled-benchmark.out': _BENCHMARK_MASKS, 'reloaded-benchmark.out': _BENCHMARK_MASKS}, lines_vary=logs)
    return result


def _same_after_reload(folders):
    answers = [sha256_of_file(os.path.join(folders.output, f'{name}-answers.out'))
               for name in ('filled', 'reloaded')]
    if answers[0] != answers[1]:
        return 'a server that loaded what another had saved answers otherwise'
    with open(os.path.join(folders.output, 'check.txt'), encoding='ascii', errors='replace') as file:
        if 'RDB looks OK!' not in file.read():
            return 'redis-check-rdb does not find the saved file right'
    return contains('filled-fill', 'errors: 0')(folders)


PROGRAM = preload.LinuxProgram(
    name='redis',
    what='redis-server with I/O threads, filled, under redis-benchmark, saved, and loaded again',
    executable='redis-server',
    path='/usr/bin/redis-check-rdb',
    debian=('redis-tools',),
    tree='redis',
    make_inputs=make_inputs,
    steps=(),
    check=_same_after_reload,
    run=run,
    processes=10,
    threads=2,
)
