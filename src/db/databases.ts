/** One of the databases that the index consists of. */
export interface IndexDatabase {
  /** The name of its binding. */
  name: string;
  d1: D1Database;
  /** True if its sessions move to the others: it is no owner's home. */
  isLeaving: boolean;
}

/**
 * Returns the database that is the home of an owner: the one with the highest hash together with the owner. So a further
 * database becomes the home of its share of owners and changes no other's, and so does the removal of one.
 */
export function homeOf(owner: string, databases: readonly IndexDatabase[]): IndexDatabase {
  const homes = databases.filter(({ isLeaving }) => !isLeaving);
  const [first] = homes;
  if (!first) throw new Error("every database of the index is to be emptied");
  const weightOf = ({ name }: IndexDatabase) => hash(`${name} ${owner}`);
  return homes.reduce((best, one) => (weightOf(one) > weightOf(best) ? one : best), first);
}

/** Returns a hash of 32 bits: FNV-1a, and the final mixing of MurmurHash 3, without which similar texts stay close. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(text)) {
    value = Math.imul(value ^ byte, 0x01000193);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}
