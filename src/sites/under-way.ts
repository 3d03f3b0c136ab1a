/** What is under way with an identifier, as one border knows it. */
import type { UnderWayReply } from '../runtime/control-methods.ts';

export type UnderWay = UnderWayReply;

/** By nidKey. */
export type UnderWays = Iterable<readonly [string, UnderWay]>;
