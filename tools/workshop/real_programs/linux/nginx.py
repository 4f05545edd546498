"""nginx: a master, two worker processes with a pool of threads for files, driven by four clients at once over a
Unix socket and loopback: files, ranges, compression, server-side includes, a proxy to itself, uploads; new workers
in between (SIGHUP).

nginx takes memory by pools, so its calls are few and its blocks large. The package would start a service:
it is unpacked instead (lib.sh).
"""

import hashlib
import http.client
import os
import re
import signal
import socket
import threading
import time

from real_programs import outputs
from real_programs.linux import preload
from real_programs.servers import Server, answers, free_port, short_path
from real_programs.system import COUNTED, Failure, Run

_SOCKET = 'nginx.sock'
_FILES, _PAGES = 40, 10
_CLIENTS, _ROUNDS = 4, 8
_TIME = 1_700_000_000  # of the files: it becomes a header

# Everything in the work folder. Debian's nginx does not look for another file unless told to.
_CONFIGURATION = '''
daemon off;
worker_processes 2;
pid nginx.pid;
error_log stderr warn;  # nothing, if all goes well
{user}
thread_pool files threads=3;
events {{ worker_connections 256; }}
http {{
  access_log access.log;
  client_body_temp_path body;
  proxy_temp_path proxy;
  fastcgi_temp_path fastcgi;
  uwsgi_temp_path uwsgi;
  scgi_temp_path scgi;
  client_max_body_size 8m;
  log_not_found off;
  types {{ text/html html; text/plain txt; }}
  gzip on;
  gzip_comp_level 4;
  gzip_types text/plain;
  server {{
    listen unix:{socket};
    listen 127.0.0.1:{port};
    root {tree};
    location / {{ aio threads=files; directio 64k; output_buffers 2 64k; }}
    location /pages/ {{ ssi on; ssi_min_file_chunk 0; }}
    location /again/ {{ proxy_pass http://127.0.0.1:{port}/; proxy_buffers 8 4k; proxy_max_temp_file_size 0; }}
    location /up/ {{ root {work}; dav_methods PUT DELETE; create_full_put_path on; }}
    location ~ ^/old/(?<name>[a-z]+)-(?<number>\\d+)$ {{ return 301 /new/$number/$name; }}
  }}
}}
'''
def make_inputs(folder):
    seed = 1
    os.makedirs(os.path.join(folder, 'pages'))
    for i in range(_FILES):
        lines = []
        for _ in range(20 << (i % 9)):
            seed = (seed * 1103515245 + 12345) % (1 << 31)
            lines.append(f'{seed:x} line of file {i} {"ab" * (seed % 20)}\n')
        _write(os.path.join(folder, f'file{i}.txt'), ''.join(lines))
    for i in range(_PAGES):
        parts = ''.join(f'<!--#set var="n{k}" value="value {k} of $request_uri" --><!--#echo var="n{k}" -->\n'
                        f'<!--#if expr="$n{k} = /1/" --><!--#include virtual="/file{(i + k) % 4}.txt" -->'
                        '<!--#endif -->\n' for k in range(20))
        _write(os.path.join(folder, 'pages', f'page{i}.html'), f'<html>{parts}</html>\n')


def _write(path, text):
    with open(path, 'w', encoding='ascii') as file:
        file.write(text)
    os.utime(path, (_TIME, _TIME))


class _Connection(http.client.HTTPConnection):
    """Over the Unix socket in a folder."""

    def __init__(self, folder):
        super().__init__('localhost', timeout=60)
        self._folder = folder

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        with short_path(self._folder) as path:
            self.sock.connect(os.path.join(path, _SOCKET))


class _Client(threading.Thread):
    """Makes its requests one after the other; the answers come to `said`, without the time of day."""

    def __init__(self, number, folders, port):
        super().__init__()
        self.number, self.said, self.error = number, [], None
        self._folder, self._port = folders.work, port

    def run(self):
        connection = _Connection(self._folder) if self.number % 2 else http.client.HTTPConnection(
            '127.0.0.1', self._port, timeout=60)
        try:
            for turn in range(_ROUNDS):
                for request in self._requests(turn):
                    self._ask(connection, *request)
        except (OSError, http.client.HTTPException) as error:
            self.error = error
        finally:
            connection.close()

    def _requests(self, turn):
        gzip = {'Accept-Encoding': 'gzip'}
        for i in range(self.number, _FILES, _CLIENTS):
            yield 'GET', f'/file{i}.txt', None, gzip if (i + turn) % 3 == 0 else {}
            yield 'GET', f'/file{i}.txt', None, {'Range': f'bytes={turn * 10}-{turn * 100 + 99},200-300'}
        for i in range(_PAGES):
            yield 'GET', f'/pages/page{i}.html?turn={turn}', None, {}
        yield 'GET', f'/again/file{turn}.txt', None, gzip
        yield 'GET', f'/again/again/pages/page{turn % _PAGES}.html', None, {}
        yield 'HEAD', '/file9.txt', None, {}
        yield 'GET', f'/none/{"x" * (turn * 90)}', None, {'X-Long': 'y' * 3000}
        yield 'GET', f'/old/name-{turn}', None, {}
        body = f'client {self.number} turn {turn} '.encode() * (1 << turn)
        yield 'PUT', f'/up/{self.number}/{turn}.txt', body, {}
        yield 'GET', f'/up/{self.number}/{turn}.txt', None, {}
        yield 'DELETE', f'/up/{self.number}/{turn}.txt', None, {}

    def _ask(self, connection, method, path, body, headers):
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        content = answer.read()
        # An upload's time, the port and the number in a boundary are this run's own.
        kept = ' '.join(f'{name}: {value}' for name, value in sorted(answer.getheaders())
                        if name != 'Date' and not (path.startswith('/up/') and name in ('Last-Modified', 'ETag')))
        kept = kept.replace(f':{self._port}', ':port')
        boundary = re.search(r'boundary=(\d+)', kept)
        if boundary:
            kept = kept.replace(boundary[1], '*')
            content = content.replace(boundary[1].encode(), b'*')
        self.said.append(f'{method} {path} {answer.status} {kept} {len(content)} '
                         f'{hashlib.sha256(content).hexdigest()}\n')


def _drive(folders, port, name):
    clients = [_Client(number, folders, port) for number in range(_CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
    for client in clients:
        if client.error is not None:
            raise Failure(f'client {client.number} after {len(client.said)} answers: {client.error!r}'
                                  + outputs.tail(os.path.join(folders.output, 'nginx.err')))
        with open(os.path.join(folders.output, f'{name}-client{client.number}.out'), 'w', encoding='utf-8') as file:
            file.writelines(client.said)


def _reload(server):
    """New workers; the old ones end."""
    before = set(server.processes())
    os.kill(server.pid, signal.SIGHUP)
    began = time.monotonic()
    while time.monotonic() - began < 30:
        now = set(server.processes())
        if now & before == {server.pid} and len(now) == len(before):
            return
        time.sleep(0.01)
    raise Failure('SIGHUP did not replace the worker processes')


def run(program, way, executable, folders):
    port = free_port()
    with open(os.path.join(folders.work, 'nginx.conf'), 'w', encoding='utf-8') as file:
        file.write(_CONFIGURATION.format(
            user='user root;' if os.getuid() == 0 else '', socket=_SOCKET, port=port, tree=folders.tree,
            work=folders.work))
    statistics_file = os.path.join(folders.output, 'statistics.jsonl')
    env = preload.environment(way, folders, statistics_file)
    words = [executable, '-p', folders.work + '/', '-c', 'nginx.conf', '-e', 'stderr']
    result = Run()
    began = time.monotonic()
    with Server('nginx', words, env, folders, answers(folders.work, _SOCKET)) as server:
        preload.require_served(server, way)
        _drive(folders, port, 'first')
        _reload(server)
        preload.require_served(server, way)
        _drive(folders, port, 'second')
        server.note_peak()
        server.stop(signal.SIGQUIT)
    result.seconds = result.total_seconds = time.monotonic() - began
    result.cpu_seconds, result.peak_bytes = server.cpu_seconds, server.peak_bytes
    if way == COUNTED:
        result.statistics = outputs.read_statistics(statistics_file)
    preload.digest_outputs(result, folders, way, {})
    return result


def _all_answered(folders):
    name = os.path.join(folders.output, 'second-client0.out')
    with open(name, encoding='utf-8') as file:
        answers = file.readlines()
    wanted = sum(1 for turn in range(_ROUNDS) for _ in _Client(0, folders, 0)._requests(turn))
    if len(answers) != wanted:
        return f'a client has {len(answers)} answers of {wanted}'
    expected = {'200': 100, '206': 50, '201': _ROUNDS, '204': _ROUNDS, '301': _ROUNDS, '404': _ROUNDS}
    for status, least in expected.items():
        found = sum(1 for answer in answers if answer.split(' ', 3)[2] == status)
        if found < least:
            return f'a client has {found} answers {status}, {least} expected'
    return None


PROGRAM = preload.LinuxProgram(
    name='nginx',
    what='nginx, two workers with threads for files, under four clients; new workers in between',
    executable='nginx',
    path='usr/sbin/nginx',
    debian=('nginx', 'libpcre2-8-0', 'libssl3', 'zlib1g', 'libcrypt1'),
    unpacked=True,
    tree='nginx',
    make_inputs=make_inputs,
    steps=(),
    check=_all_answered,
    run=run,
    processes=5,
)
