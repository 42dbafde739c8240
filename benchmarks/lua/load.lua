-- The load and the check of a comparison, for wrk. Arguments are NAME=VALUE:
--   body=BYTES     POST so many bytes instead of GET
--   pipeline=N     send N requests at once
--   close=1        ask for a connection for each request
--   expect=FILE    compare the content of every answer with this file's (it slows wrk: not while measuring)
-- At the end it prints its figures on a line of their own: latencies and the duration are microseconds.

local threads = {}

function setup(thread)
    threads[#threads + 1] = thread
end

function init(arguments)
    local options = {}
    for _, argument in ipairs(arguments) do
        local name, value = argument:match("^(%w+)=(.*)$")
        options[name] = value
    end
    if options.close then
        wrk.headers["Connection"] = "close"
    end
    if options.body then
        local size = tonumber(options.body)
        wrk.method = "POST"
        wrk.body = ("asteri "):rep(math.floor(size / 7) + 1):sub(1, size)
    end
    if options.pipeline then
        -- As wrk.format is asked for the one request of the whole run, what it gives may be several requests.
        local batch = wrk.format():rep(tonumber(options.pipeline))
        wrk.format = function() return batch end
    end
    if options.expect then
        local file = assert(io.open(options.expect, "rb"))
        local content = file:read("*a")
        file:close()
        wrong = 0
        response = function(status, _, body)
            if status ~= 200 or body ~= content then
                wrong = wrong + 1
            end
        end
    end
end

function done(summary, latency, _)
    local wrong = 0
    for _, thread in ipairs(threads) do
        wrong = wrong + (thread:get("wrong") or 0)
    end
    local errors = summary.errors
    io.write(string.format(
        "\nfigures requests=%d bytes=%d duration=%d p50=%d p99=%d "
            .. "connect=%d read=%d write=%d timeout=%d status=%d wrong=%d\n",
        summary.requests, summary.bytes, summary.duration, latency:percentile(50), latency:percentile(99),
        errors.connect, errors.read, errors.write, errors.timeout, errors.status, wrong))
end
