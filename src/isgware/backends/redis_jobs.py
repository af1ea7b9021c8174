"""The queue of regenerations in Redis: a list of keys in their order, and a hash of their jobs.

Either may be lost without the other (evicted, or a key of another type in its place). Then both
go: what waited is asked for again with the next visit of its page.
"""

from __future__ import annotations

from typing import Final

from .redis_scripts import Script

_PARTS: Final = """
local LINE, JOBS = P..'line:'..ARGV[2], P..'jobs:'..ARGV[2]

local function whole()
  local line, jobs = redis.pcall('LLEN', LINE), redis.pcall('HLEN', JOBS)
  if type(line) == 'number' and line == jobs then return line end
  redis.call('DEL', LINE, JOBS)
  return 0
end
"""

#: A key waits once, in its first place, with its last job and end. The end of the whole moves with
#: every job, so that a queue that nobody empties goes.
ENQUEUE: Final = Script(
    _PARTS
    + """
local waiting = whole()
local waits = redis.call('HEXISTS', JOBS, ARGV[3]) == 1
if not waits and waiting >= tonumber(ARGV[5]) then return 0 end
redis.call('HSET', JOBS, ARGV[3], ARGV[4])
if not waits then redis.call('RPUSH', LINE, ARGV[3]) end
redis.call('PEXPIRE', JOBS, ARGV[6])
redis.call('PEXPIRE', LINE, ARGV[6])
return 1
"""
)

DEQUEUE: Final = Script(
    _PARTS
    + """
if whole() == 0 then return false end
local key = redis.call('LPOP', LINE)
local job = redis.call('HGET', JOBS, key)
redis.call('HDEL', JOBS, key)
return job
"""
)

QUEUED: Final = Script(_PARTS + "return whole()")
