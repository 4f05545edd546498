-- A database in a file and one in memory: inserts, indexes, joins, JSON, full-text search, updates, vacuum.
pragma journal_mode = off;
pragma temp_store = memory;
pragma cache_size = -16000;
create table word (id integer primary key, text text, weight integer);
with recursive n (i, seed) as (
  select 1, 12345
  union all select i + 1, (seed * 1103515245 + 12345) % 2147483648 from n where i < 60000)
insert into word select i, printf('%x-%s', seed, substr('abcdefghijklmnopqrstuvwxyz', 1 + seed % 26)), seed % 1000 from n;
create index by_text on word (text);
create index by_weight on word (weight, id);
select count(*), min(text), max(text), sum(weight) from word;
create table grouped as
  select weight, count(*) as number, group_concat(text, ',') as texts from (select * from word order by id)
  group by weight;
select count(*), sum(number), sum(length(texts)) from grouped;
select a.weight, b.number, substr(a.texts, 1, 30) from grouped a join grouped b on a.weight = b.weight + 7
  order by length(a.texts) desc, a.weight limit 5;
create temp table documents as
  select id, json_object('id', id, 'words', json_array(text, weight, upper(text))) as document from word where id % 3 = 0;
select count(*), sum(json_extract(document, '$.words[1]')), sum(length(json_extract(document, '$.words[2]')))
  from documents;
create virtual table search using fts5 (body);
insert into search (rowid, body) select id, replace(texts, '-', ' ') from (select weight as id, texts from grouped);
select count(*) from search where search match 'uvwxyz';
select rowid from search where search match 'pqrstuvwxyz AND uvwxyz' order by rank, rowid limit 5;
update word set text = text || ':' || weight where weight % 5 = 0;
delete from word where weight % 7 = 0;
select weight, row_number() over (order by sum(weight) desc, weight) as place from word
  group by weight order by place limit 5;
vacuum;
select count(*), sum(length(text)) from word;
pragma integrity_check;
