/** Where a fact or a row stands in the log: the shard, and its gapless number in it. */
export type Position = readonly [shard: number, seq: number];
