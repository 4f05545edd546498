# Strings, hashes, JSON and sorting in several threads at once. Ruby's interpreter runs one thread at a time, but
# each allocates for itself and frees what others made.
require 'digest'
require 'json'
require 'set'
require 'zlib'

ROUNDS, SIZE = ARGV.map(&:to_i)

def records(seed, count)
  (0...count).map do |i|
    seed = (seed * 1103515245 + 12345) % (1 << 31)
    { 'id' => i, 'name' => format('%x', seed) * (1 + seed % 5), 'tags' => [seed % 7, seed % 11, 'x' * (seed % 300)],
      'next' => { 'seed' => seed, 'even' => seed.even? } }
  end
end

def work(seed)
  list = records(seed, SIZE)
  text = JSON.generate(list)
  again = JSON.parse(text)
  raise 'JSON' unless again == list
  groups = again.group_by { |record| record['tags'][0] }.transform_values(&:size)
  names = again.map { |record| record['name'] }.sort.uniq
  replaced = text.gsub(/"name":"(\w+)"/) { "\"name\":\"#{$1.reverse}\"" }
  packed = Zlib.deflate(replaced, 1)
  raise 'zlib' unless Zlib.inflate(packed) == replaced
  symbols = Set.new(names.first(500).map(&:to_sym))
  big = (1..300).inject(:*)
  "#{groups.sort} #{names.size} #{symbols.size} #{big.to_s.size} #{Digest::SHA256.hexdigest(replaced)}"
end

ROUNDS.times do |round|
  results = (0...4).map { |i| Thread.new { work(round * 4 + i + 1) } }.map(&:value)
  GC.start
  results.each_with_index { |result, i| puts "round #{round}, thread #{i}: #{result}" }
end
puts "child: #{IO.popen('-') { |pipe| pipe ? pipe.read : print(work(99)) }}"
