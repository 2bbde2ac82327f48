-- wrk's side of the bench: posts the signed requests of a file, one after the other, and prints
-- what it saw as one line of JSON. The file has two lines a message: its signature, and its body;
-- a second argument is how many of them to leave out at the beginning.

local requests, position = {}, 0

function init(arguments)
   local signature
   for line in io.lines(arguments[1]) do
      if signature then
         local headers = { ["X-Signature"] = signature, ["Content-Type"] = "application/json" }
         requests[#requests + 1] = wrk.format("POST", "/webhook", headers, line)
         signature = nil
      else
         signature = line
      end
   end
   position = tonumber(arguments[2])
end

function request()
   position = position % #requests + 1
   return requests[position]
end

function done(summary, latency)
   io.write(string.format(
      '\n{"requests":%d,"seconds":%.6f,"p50_ms":%.3f,"p95_ms":%.3f,"p99_ms":%.3f,"max_ms":%.3f,"errors":%d}\n',
      summary.requests, summary.duration / 1e6,
      latency:percentile(50) / 1e3, latency:percentile(95) / 1e3, latency:percentile(99) / 1e3,
      latency.max / 1e3,
      summary.errors.connect + summary.errors.read + summary.errors.write
         + summary.errors.status + summary.errors.timeout))
end
