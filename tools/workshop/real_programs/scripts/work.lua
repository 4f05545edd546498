-- Tables, strings, closures and coroutines: everything that makes Lua's collector call realloc and free.
local rounds, size = tonumber(arg[1]), tonumber(arg[2])

local function hash(text)
  local h = 5381
  for i = 1, #text do h = (h * 33 + text:byte(i)) % 4294967296 end
  return h
end

local function words(seed, count)
  local list = {}
  for i = 1, count do
    seed = (seed * 1103515245 + 12345) % 2147483648
    list[i] = string.format('%x-%s', seed, string.rep(string.char(97 + seed % 26), seed % 40))
  end
  return list
end

local function producer(list)
  return coroutine.wrap(function()
    for _, word in ipairs(list) do coroutine.yield(word:upper()) end
  end)
end

for round = 1, rounds do
  local list = words(round, size)
  table.sort(list)
  local seen, groups = {}, {}
  for word in producer(list) do
    seen[word] = (seen[word] or 0) + 1
    local key = word:sub(1, 3)
    groups[key] = groups[key] or {}
    table.insert(groups[key], word)
  end
  local keys = {}
  for key, group in pairs(groups) do
    keys[#keys + 1] = key .. ':' .. #group .. ':' .. hash(table.concat(group, ','))
  end
  table.sort(keys)
  local text = table.concat(list, ' '):gsub('(%x+)%-(%a*)', '%2=%1')
  local functions = {}
  for i = 1, size do functions[i] = function(x) return x + i end end
  local sum = 0
  for i = 1, size do sum = sum + functions[i](round) end
  list, seen, groups, functions = nil, nil, nil, nil
  collectgarbage()
  print(string.format('round %d: %d keys, %d bytes, %08x %08x, sum %d', round, #keys, #text,
                      hash(table.concat(keys)), hash(text:sub(1, 200000)), sum))
end
