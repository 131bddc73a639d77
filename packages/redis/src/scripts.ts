/** What is done in Redis, each as one call. The first word of an answer says how it ended. */
export type ScriptName = keyof typeof scripts;

// One hash holds the record (family, generation, tokens), the lease (owner, fence, until, length), the cool-down
// (failures, cooling, rest), who was the last to save, and whether somebody signed out.
const prelude = `
local key, channel = KEYS[1], ARGV[1]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function field(name)
  return redis.call('HGET', key, name) or ''
end

local function number(name)
  return tonumber(redis.call('HGET', key, name) or 0)
end

local function integer(value)
  return string.format('%.0f', value)
end

local function holds(family, generation)
  return field('family') == family and field('generation') == generation
end

local function isEmpty()
  return field('family') == '' and field('out') == ''
end

-- Redis has lost what the caller knows: it holds an earlier generation, or nothing, and nobody has signed out.
local function isBehind(family, generation)
  if family == '' then return false end
  if field('family') ~= family then return isEmpty() end
  return tonumber(field('generation')) < tonumber(generation)
end

-- A time is kept with the length that led to it: a clock that was set back prolongs nothing.
local function left(name, length)
  local rest = number(name) - now
  if rest > number(length) then
    rest = number(length)
    redis.call('HSET', key, name, integer(now + rest))
  end
  return rest
end

local function write(family, generation, tokens, keep)
  redis.call('HDEL', key, 'out', 'failures', 'cooling', 'rest')
  redis.call('HSET', key, 'family', family, 'generation', generation, 'tokens', tokens)
  if keep == '' then redis.call('PERSIST', key) else redis.call('PEXPIRE', key, keep) end
end

local function lease(owner, fence, length)
  redis.call('HSET', key, 'owner', owner, 'fence', fence, 'until', integer(now + length), 'length', length)
  -- Nothing but a lease is no reason to stay.
  if isEmpty() then redis.call('PEXPIRE', key, length + 60000) end
end
`;

/** Nobody: who has the lease while those who may have lost theirs with the rest of the data come forward. */
const scripts = {
  // channel, known family, known generation
  load: `
if isBehind(ARGV[2], ARGV[3]) then return {'behind'} end
return {'found', field('family'), field('generation'), field('tokens')}
`,

  // channel, sender, id of this save, over what (any, record), its family, its generation, '1' where it is known to
  // have been there, keep, family, generation, tokens
  save: `
if field('saved') == ARGV[3] then return {'stored'} end
if ARGV[4] == 'record' and not holds(ARGV[5], ARGV[6]) then
  if ARGV[7] == '' or not isBehind(ARGV[5], ARGV[6]) then return {'lost'} end
end
if ARGV[9] == '' then
  redis.call('HDEL', key, 'family', 'generation', 'tokens', 'failures', 'cooling', 'rest')
  redis.call('HSET', key, 'out', '1')
  redis.call('PEXPIRE', key, 86400000)
else
  write(ARGV[9], ARGV[10], ARGV[11], ARGV[8])
end
redis.call('HSET', key, 'saved', ARGV[3])
redis.call('PUBLISH', channel, 'saved ' .. ARGV[2])
return {'stored'}
`,

  // channel, sender, family, generation, keep, for how long nobody may have the lease, tokens
  restore: `
if not isBehind(ARGV[3], ARGV[4]) then return {'kept'} end
write(ARGV[3], ARGV[4], ARGV[7], ARGV[5])
if left('until', 'length') <= 0 and tonumber(ARGV[6]) > 0 then
  lease('nobody', integer(math.max(number('fence') + 1, now)), ARGV[6])
end
redis.call('PUBLISH', channel, 'saved ' .. ARGV[2])
return {'restored'}
`,

  // channel, owner (another for each ask: sent twice, it has one lease), length, known family, known generation
  acquire: `
if isBehind(ARGV[4], ARGV[5]) then return {'behind'} end
local taken = left('until', 'length')
if taken > 0 then
  if field('owner') ~= ARGV[2] then return {'busy', integer(taken)} end
  return {'leased', field('fence'), field('family'), field('generation'), field('tokens')}
end
local cooling = left('cooling', 'rest')
if cooling > 0 then return {'cooling', integer(cooling)} end
local fence = integer(math.max(number('fence') + 1, now))
lease(ARGV[2], fence, ARGV[3])
return {'leased', fence, field('family'), field('generation'), field('tokens')}
`,

  // channel, owner, fence, length
  renew: `
local isMine = field('owner') == ARGV[2] and field('fence') == ARGV[3]
local isLost = field('owner') == 'nobody' or field('fence') == ''
if not isMine and not isLost then return {'lost'} end
lease(ARGV[2], ARGV[3], ARGV[4])
return {'leased'}
`,

  // channel, owner, fence, family and generation that could not be renewed, shortest rest, longest rest, chance
  release: `
if field('owner') ~= ARGV[2] or field('fence') ~= ARGV[3] then return {'lost'} end
redis.call('HDEL', key, 'owner', 'until', 'length')
if ARGV[4] ~= '' and holds(ARGV[4], ARGV[5]) then
  local failures = number('failures')
  local longest = tonumber(ARGV[7])
  if now - number('cooling') > 2 * longest then failures = 0 end
  local rest = math.floor(math.min(tonumber(ARGV[6]) * 2 ^ failures, longest) * tonumber(ARGV[8]))
  redis.call('HSET', key, 'failures', failures + 1, 'cooling', integer(now + rest), 'rest', rest)
end
if isEmpty() then redis.call('DEL', key) end
redis.call('PUBLISH', channel, 'freed ' .. ARGV[2])
return {'freed'}
`,
} as const;

/** The source of a script, as EVAL takes it. */
export function sourceOf(name: ScriptName): string {
  return prelude + scripts[name];
}
