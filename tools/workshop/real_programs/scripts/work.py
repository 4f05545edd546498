"""Objects, JSON, regular expressions, pickles and compression in threads and in forked processes. Run with
PYTHONMALLOC=malloc, so that every object is a block of malloc's."""

import concurrent.futures
import gc
import hashlib
import json
import multiprocessing
import pickle
import re
import sqlite3
import sys
import threading
import zlib


def records(seed, count):
    made = []
    for i in range(count):
        seed = (seed * 1103515245 + 12345) % (1 << 31)
        made.append({'id': i, 'name': f'{seed:x}' * (1 + seed % 5), 'tags': [seed % 7, seed % 11, 'x' * (seed % 300)],
                     'next': {'seed': seed, 'even': seed % 2 == 0}})
    return made


def work(seed, count):
    made = records(seed, count)
    text = json.dumps(made, sort_keys=True)
    assert json.loads(text) == made
    assert pickle.loads(pickle.dumps(made)) == made
    names = sorted({record['name'] for record in made})
    turned = re.sub(r'"name": "(\w+)"', lambda match: f'"name": "{match.group(1)[::-1]}"', text)
    packed = zlib.compress(turned.encode(), 1)
    assert zlib.decompress(packed).decode() == turned
    with sqlite3.connect(':memory:') as base:
        base.execute('create table t (id integer primary key, name text)')
        base.executemany('insert into t values (?, ?)', ((record['id'], record['name']) for record in made))
        longest, = base.execute('select name from t order by length(name) desc, id limit 1').fetchone()
    cycles = []
    for record in made[:1000]:
        record['self'] = record
        cycles.append(record)
    del cycles, made
    gc.collect()
    return f'{len(names)} {longest[:12]} {hashlib.sha256(turned.encode()).hexdigest()}'


def hand_over(count):
    """One thread makes what another throws away."""
    lists, lock, got = [], threading.Condition(), []

    def consume():
        for _ in range(20):
            with lock:
                lock.wait_for(lambda: lists)
                taken = lists.pop(0)
            got.append(sum(len(record['name']) for record in taken))

    consumer = threading.Thread(target=consume)
    consumer.start()
    for i in range(20):
        made = records(i + 1, count // 20)
        with lock:
            lists.append(made)
            lock.notify()
        del made
    consumer.join()
    return sum(got)


def main():
    count = int(sys.argv[1])
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        for i, result in enumerate(threads.map(work, range(1, 5), [count] * 4)):
            print(f'thread {i}: {result}')
    print(f'handed over: {hand_over(count)}')
    # With threads alive, which the children find gone.
    with multiprocessing.get_context('fork').Pool(2) as processes:
        for i, result in enumerate(processes.starmap(work, [(9, count), (10, count)])):
            print(f'process {i}: {result}')
        processes.close()
        processes.join()


if __name__ == '__main__':
    main()
