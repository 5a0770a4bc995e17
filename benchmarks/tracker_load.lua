-- wrk script: HTTP announces of random peers, for benchmarks/tracker.py. Environment: HASHES a file of hex
-- info-hashes, T of them, N peers each; KA=0 closes each connection; SIGNED a file of signed query strings,
-- sent in place of a tenth; VALIDATE=1 looks at every answer (slower).
local T = tonumber(os.getenv("T"))
local N = tonumber(os.getenv("N"))
local random = math.random

local hashes = {}
for line in io.lines(os.getenv("HASHES")) do
  if #hashes >= T then break end
  hashes[#hashes + 1] = line:gsub("(%x%x)", function(pair)
    local char = string.char(tonumber(pair, 16))
    return char:match("[%w%-%._~]") and char or "%" .. pair
  end)
end

local signed = {}
if os.getenv("SIGNED") then
  for line in io.lines(os.getenv("SIGNED")) do signed[#signed + 1] = line end
end

local close = os.getenv("KA") == "0" and "Connection: close\r\n" or ""
local tail = " HTTP/1.1\r\nHost: 127.0.0.1\r\n" .. close .. "\r\n"
local rest = "&uploaded=1000&downloaded=1000&left=1000000&compact=1&numwant=50" .. tail
local next_signed = 0

function request()
  if #signed > 0 and random(10) == 1 then
    next_signed = next_signed % #signed + 1
    return "GET /announce?" .. signed[next_signed] .. tail
  end
  local i, j = random(T), random(0, N - 1)
  local peer = "-TR4000-" .. string.format("%012d", i * 100000 + j)
  return "GET /announce?info_hash=" .. hashes[i] .. "&peer_id=" .. peer .. "&port=" .. (1024 + j) .. rest
end

if os.getenv("VALIDATE") == "1" then
  local threads = {}
  function setup(thread) threads[#threads + 1] = thread end
  OK, BAD, PEERS = 0, 0, 0
  function response(status, headers, body)
    local size = body:match("5:peers(%d+):")
    if status == 200 and size then
      OK = OK + 1
      PEERS = PEERS + tonumber(size) / 6
    else
      BAD = BAD + 1
    end
  end
  function done()
    for _, thread in ipairs(threads) do
      print(string.format("VALIDATE ok=%d bad=%d peers=%d", thread:get("OK"), thread:get("BAD"), thread:get("PEERS")))
    end
  end
end
