/** Names of the TUN devices of a border, by port (packet/batch.ts): outside, inside, other sites. */
export const tunNames = (name: string): readonly [string, string, string] => [name, `${name}-in`, `${name}-site`];
