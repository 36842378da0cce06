-- What wrk sends, and one line about how it went.
--
--	wrk ... -s bench.lua URL -- get
--	wrk ... -s bench.lua URL -- post BYTES        a POST with so large a body
--	wrk ... -s bench.lua URL -- spread ADDRESSES  each request from another X-Forwarded-For

-- Numerical Recipes' generator, so that every run asks in the same order.
local seed = 1
local function random_below(below)
	seed = (seed * 1664525 + 1013904223) % 4294967296
	return math.floor(seed / 4294967296 * below)
end

local function address(i)
	return string.format("10.%d.%d.%d", math.floor(i / 65536), math.floor(i / 256) % 256, i % 256)
end

local kinds = {
	get = function() end,
	post = function(bytes)
		wrk.method = "POST"
		wrk.body = string.rep("x", bytes)
	end,
	spread = function(addresses)
		function request()
			wrk.headers["X-Forwarded-For"] = address(random_below(addresses))
			return wrk.format()
		end
	end,
}

function init(args)
	kinds[args[1] or "get"](tonumber(args[2]))
end

function done(summary, latency, requests)
	local e = summary.errors
	io.write(string.format(
		"BENCH requests=%d bytes=%d duration_us=%d connect=%d read=%d write=%d status=%d " ..
		"timeout=%d p50_us=%d p99_us=%d\n",
		summary.requests, summary.bytes, summary.duration, e.connect, e.read, e.write, e.status,
		e.timeout, latency:percentile(50), latency:percentile(99)))
end
