"""The queue of regenerations in Redis: a sorted set of waiting keys by priority, one of taken keys
by the end of their time, and a hash of the jobs.

Any part may be lost without the others (evicted, or replaced by a key of another type). Then all
are deleted: waiting pages are queued again with their next visit.

A score is the priority times a large number, less a number that grows with each job: among jobs of
equal priority the oldest is first. A double holds both.
"""

from __future__ import annotations

from typing import Final

from ..base import JOB_TIME, MAX_PRIORITY, TAKES
from .scripts import Script

_PARTS: Final = (
    """
local LINE, TAKEN, JOBS = P..'line:'..ARGV[2], P..'taken:'..ARGV[2], P..'jobs:'..ARGV[2]
local WANT, COUNT = 8589934592, '#'
"""
    f"local MOST, TAKES, LONGEST = {MAX_PRIORITY} * WANT, {TAKES}, {2 * JOB_TIME}"
    """

local function whole()
  local line, taken = redis.pcall('ZCARD', LINE), redis.pcall('ZCARD', TAKEN)
  local jobs = redis.pcall('HLEN', JOBS)
  if type(line) == 'number' and type(taken) == 'number' and type(jobs) == 'number'
      and jobs == line + taken + redis.call('HEXISTS', JOBS, COUNT) then return true end
  redis.call('DEL', LINE, TAKEN, JOBS)
  return false
end

local function waiting(now)
  if not whole() then return 0 end
  return redis.call('ZCARD', LINE) + redis.call('ZCOUNT', TAKEN, '-inf', now)
    + redis.call('ZCOUNT', TAKEN, '('..(now + LONGEST), '+inf')
end

-- Ticket, how often it was taken, its place in the line, what it says.
local function job(key)
  local found = redis.call('HGET', JOBS, key)
  if not found then return nil end
  return string.match(found, '^(%d+) (%d+) (%S+) (.*)$')
end

local function forget(key)
  redis.call('ZREM', LINE, key)
  redis.call('ZREM', TAKEN, key)
  redis.call('HDEL', JOBS, key)
end

local function raise_priority(key, count)
  local score = redis.call('ZSCORE', LINE, key)
  if score and tonumber(score) < MOST then
    redis.call('ZINCRBY', LINE, string.format('%.0f', count * WANT), key)
  end
end

local function again(from, to)
  for _, key in ipairs(redis.call('ZRANGEBYSCORE', TAKEN, from, to, 'LIMIT', 0, 100)) do
    local ticket, takes, score = job(key)
    if ticket and tonumber(takes) < TAKES then
      redis.call('ZREM', TAKEN, key)
      redis.call('ZADD', LINE, score, key)
    else
      forget(key)
    end
  end
end

-- What was taken by somebody who is gone waits again, in its place; so does what is held for longer
-- than anything is, by a clock that has since been put back.
local function back(now)
  again('-inf', now)
  again('('..(now + LONGEST), '+inf')
end
"""
)

#: A key waits once, with its last job and end. The end of the whole moves with every job, so that a
#: queue that nobody empties goes.
ENQUEUE: Final = Script(
    _PARTS
    + """
local key, now = ARGV[3], ARGV[5]
whole()
back(now)
local ticket, takes, score = job(key)
if ticket and redis.call('ZSCORE', LINE, key) then
  redis.call('HSET', JOBS, key, ticket..' '..takes..' '..score..' '..ARGV[4])
  raise_priority(key, 1)
else
  forget(key)
  if waiting(now) >= tonumber(ARGV[6]) then return 0 end
  ticket = redis.call('HINCRBY', JOBS, COUNT, 1)
  score = string.format('%.0f', WANT - ticket)
  redis.call('HSET', JOBS, key, ticket..' 0 '..score..' '..ARGV[4])
  redis.call('ZADD', LINE, score, key)
end
for _, part in ipairs({LINE, TAKEN, JOBS}) do redis.call('PEXPIRE', part, ARGV[7]) end
return 1
"""
)

RAISE_PRIORITY: Final = Script(
    _PARTS
    + """
if whole() then
  for at = 3, #ARGV, 2 do raise_priority(ARGV[at], tonumber(ARGV[at + 1])) end
end
return 1
"""
)

DEQUEUE: Final = Script(
    _PARTS
    + """
if not whole() then return false end
back(ARGV[3])
local key = redis.call('ZREVRANGE', LINE, 0, 0)[1]
if not key then return false end
local place = redis.call('ZSCORE', LINE, key)
local ticket, takes, _, data = job(key)
if not ticket then forget(key) return false end
redis.call('ZREM', LINE, key)
redis.call('ZADD', TAKEN, ARGV[4], key)
redis.call('PEXPIRE', TAKEN, ARGV[5])
redis.call('HSET', JOBS, key, ticket..' '..(takes + 1)..' '..place..' '..data)
return {key, ticket, data}
"""
)

DONE: Final = Script(
    _PARTS + "if whole() and job(ARGV[3]) == ARGV[4] then forget(ARGV[3]) end return 1"
)

QUEUED: Final = Script(_PARTS + "return waiting(ARGV[3])")
