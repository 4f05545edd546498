// What the demo runs in node.exe: builds records and strings, turns them into JSON and back, and
// prints checksums. Deterministic: the only randomness is a generator with a fixed seed, and nothing
// printed depends on time.
'use strict';

const crypto = require('crypto');
const zlib = require('zlib');

let state = 0x2545f491;
function random(below) {  // xorshift32
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  return (state >>> 0) % below;
}

const words = ('heap block page slice arena magazine depot slab bin reserve commit release purge ' +
               'quarantine fill pattern guard größe résumé 内存 память').split(' ');

function sentence(length) {
  const parts = [];
  for (let i = 0; i < length; ++i) parts.push(words[random(words.length)]);
  return parts.join(' ');
}

function record(id) {
  return {
    id,
    name: sentence(3),
    text: sentence(8 + random(30)),
    tags: Array.from({length: random(6)}, () => words[random(words.length)]),
    numbers: Array.from({length: 8}, () => random(1 << 30) / 1024),
    nested: {
      even: id % 2 === 0,
      parent: id > 0 ? random(id) : null,
      path: {a: [id, [id + 1, [id + 2]]]},
    },
  };
}

function sha(data) {
  return crypto.createHash('sha256').update(data).digest('hex').slice(0, 16);
}

const rounds = Number(process.argv[2] || 6);
const perRound = Number(process.argv[3] || 12000);

for (let round = 0; round < rounds; ++round) {
  const records = [];
  for (let id = 0; id < perRound; ++id) records.push(record(id));

  const text = JSON.stringify(records);
  const parsed = JSON.parse(text);
  const pretty = JSON.stringify(parsed, null, 2);

  // Each record alone: many small buffers outside V8's own heap.
  let total = 0;
  const hash = crypto.createHash('sha256');
  for (const one of parsed) {
    const buffer = Buffer.from(JSON.stringify({one, rest: sentence(600)}), 'utf8');
    hash.update(buffer);
    total += JSON.parse(buffer.toString('utf8')).one.text.length;
  }

  const upper = pretty.replace(/heap|block/g, (word) => word.toUpperCase()).split('\n');
  const packed = zlib.deflateSync(text, {level: 1});
  const unpacked = zlib.inflateSync(packed).toString('utf8');

  console.log(`round ${round}: ${text.length} characters, ${sha(text)}; ` +
              `pretty ${pretty.length}, ${sha(pretty)}; ` +
              `records ${hash.digest('hex').slice(0, 16)}, ${total}; ` +
              `${upper.length} lines, ${sha(upper.join('|'))}; ` +
              `unpacked ${unpacked === text ? 'equal' : 'DIFFERENT'}`);
}
