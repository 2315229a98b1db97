import type { Redis } from "ioredis";

/** Lua functions that several scripts share. */
const SHARED = `
-- Counts a picture of a job; the last one ends the job.
local function count(job, outcomes, suspects, failed, now, ttl)
  if redis.call("EXISTS", job) == 0 then return end
  redis.call("HINCRBY", job, failed == "1" and "failed" or "done", 1)
  local progress = redis.call("HMGET", job, "done", "failed", "total")
  if progress[1] + progress[2] < tonumber(progress[3]) then return end
  redis.call("HSET", job, "finishedAt", now)
  redis.call("DEL", suspects)
  redis.call("PEXPIRE", job, ttl)
  redis.call("PEXPIRE", outcomes, ttl)
end
`;

/**
 * Changes that must be atomic, as Lua: Redis runs no other command during a script, and its append-only file has all of
 * it or nothing. All but `suspect` may be sent again if an answer was lost.
 */
const SCRIPTS = {
  /** Creates a job. KEYS: job. ARGV: milliseconds until it is forgotten, then fields and values. */
  create: `
redis.call("HSET", KEYS[1], "done", 0, "failed", 0, unpack(ARGV, 2))
return redis.call("PEXPIRE", KEYS[1], ARGV[1])
`,
  /**
   * Notes that a worker begins a chunk. KEYS: job, outcomes. ARGV: now, milliseconds until the job is forgotten, then
   * keys of pictures. Returns the positions among these, from 0, of pictures without an outcome; nil if there is no
   * such job.
   */
  begin: `
if redis.call("EXISTS", KEYS[1]) == 0 then return false end
redis.call("HSETNX", KEYS[1], "startedAt", ARGV[1])
if redis.call("HEXISTS", KEYS[1], "finishedAt") == 0 then
  redis.call("PEXPIRE", KEYS[1], ARGV[2])
  redis.call("PEXPIRE", KEYS[2], ARGV[2])
end
local missing = {}
for position = 3, #ARGV do
  if redis.call("HEXISTS", KEYS[2], ARGV[position]) == 0 then table.insert(missing, position - 3) end
end
return missing
`,
  /**
   * Stores the outcome of a picture unless it has one. KEYS: job, outcomes, suspects. ARGV: key, outcome, "1" for a
   * failure, now, milliseconds that results are kept after the end of the job. Returns 1 if it was stored, else 0.
   */
  commit: `${SHARED}
if redis.call("EXISTS", KEYS[1]) == 0 then return 0 end
if redis.call("HSETNX", KEYS[2], ARGV[1], ARGV[2]) == 0 then return 0 end
if redis.call("TTL", KEYS[2]) < 0 then redis.call("PEXPIRE", KEYS[2], redis.call("PTTL", KEYS[1])) end
count(KEYS[1], KEYS[2], KEYS[3], ARGV[3], ARGV[4], ARGV[5])
return 1
`,
  /**
   * Stores the outcome of a picture that goes to a sink. The line waits in the sink's outbox until it is known to be in
   * the file, and is counted then. KEYS: job, outcomes, outbox. ARGV: key, marker, field of the outbox, line. Returns 1
   * if this sink must write the line, else 0.
   */
  commitToSink: `
if redis.call("EXISTS", KEYS[1]) == 0 then return 0 end
if redis.call("HSETNX", KEYS[2], ARGV[1], ARGV[2]) == 0 then return redis.call("HEXISTS", KEYS[3], ARGV[3]) end
if redis.call("TTL", KEYS[2]) < 0 then redis.call("PEXPIRE", KEYS[2], redis.call("PTTL", KEYS[1])) end
redis.call("HSET", KEYS[3], ARGV[3], ARGV[4])
return 1
`,
  /**
   * Notes that a line is in the file of its sink. KEYS: job, outcomes, suspects, outbox. ARGV: field of the outbox, "1"
   * for a failure, now, milliseconds that the job is kept after its end.
   */
  deliver: `${SHARED}
if redis.call("HDEL", KEYS[4], ARGV[1]) == 0 then return 0 end
count(KEYS[1], KEYS[2], KEYS[3], ARGV[2], ARGV[3], ARGV[4])
return 1
`,
  /**
   * Notes that a picture is processed alone. KEYS: suspects. ARGV: key, milliseconds until that is forgotten. Returns
   * how often it has been.
   */
  suspect: `
local times = redis.call("HINCRBY", KEYS[1], ARGV[1], 1)
redis.call("PEXPIRE", KEYS[1], ARGV[2])
return times
`,
  /**
   * Takes or extends the lease on a sink. KEYS: writer. ARGV: worker, milliseconds. Returns 1 if the worker has it,
   * else 0.
   */
  lease: `
local holder = redis.call("GET", KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call("SET", KEYS[1], ARGV[1], "PX", ARGV[2])
return 1
`,
  /** Gives the lease up. KEYS: writer. ARGV: worker. */
  release: `
if redis.call("GET", KEYS[1]) == ARGV[1] then return redis.call("DEL", KEYS[1]) end
return 0
`,
} as const;

type Run = (keyCount: number, ...values: (string | number)[]) => Promise<unknown>;

/** Runs a script. Its text is sent only if Redis does not have it yet. */
export function runScript(
  client: Redis,
  name: keyof typeof SCRIPTS,
  keys: string[],
  values: (string | number)[],
): Promise<unknown> {
  const command = `clipBlip:${name}`;
  const commands = client as unknown as Record<string, Run | undefined>;
  if (!commands[command]) client.defineCommand(command, { lua: SCRIPTS[name] });
  return commands[command]!(keys.length, ...keys, ...values);
}
