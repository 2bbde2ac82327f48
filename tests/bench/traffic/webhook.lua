-- wrk's side of the bench: posts the requests of a file, one after the other, and prints what it saw
-- as one line of JSON. In the file, each request has its length in bytes before it, in 8 digits.
--
-- Arguments: the file, the byte of it to begin at, and requests a second (0: as many as get answers).

local ffi = require("ffi")
ffi.cdef("typedef struct { long s; long ns; } instant; int clock_gettime(int clock, instant *now);")

local MONOTONIC = 1 -- of Linux
local file, interval_ms, due_ms, thread_of_requests
local now = ffi.new("instant")

function setup(thread)
   thread_of_requests = thread
end

function init(arguments)
   file = assert(io.open(arguments[1], "rb"))
   position, wraps = file:seek("set", tonumber(arguments[2])), 0 -- global, for done() to ask for
   local rate = tonumber(arguments[3])
   if rate > 0 then
      interval_ms, delay = 1000 / rate, wait_until_due
   end
end

function request()
   local length = file:read(8)
   if not length then
      position, wraps = file:seek("set", 0), wraps + 1
      length = file:read(8)
   end
   length = tonumber(length)
   position = position + 8 + length
   return file:read(length)
end

-- How many milliseconds the next request has to wait, whichever connection sends it. One that is
-- late is sent at once, and those behind it are due at the times they always were.
function wait_until_due()
   ffi.C.clock_gettime(MONOTONIC, now)
   local now_ms = tonumber(now.s) * 1e3 + tonumber(now.ns) / 1e6
   due_ms = due_ms and due_ms + interval_ms or now_ms
   return math.max(0, due_ms - now_ms)
end

function done(summary, latency)
   io.write(string.format(
      '\n{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p95_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f,'
         .. '"errors":%d,"position":%d,"wraps":%d}\n',
      summary.requests, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
      latency.max / 1e3,
      summary.errors.connect + summary.errors.read + summary.errors.write
         + summary.errors.status + summary.errors.timeout,
      thread_of_requests:get("position"), thread_of_requests:get("wraps")))
end
