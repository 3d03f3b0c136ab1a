/** What is asked of a controller of a pair on its control socket. */
import { noParams, type PairReply, readParams } from '../runtime/control-methods.ts';
import type { ControlMethods } from '../runtime/control-socket.ts';
import { IlnpError } from '../runtime/errors.ts';

/** Answered by the one that serves only. */
const METHODS = ['bindings', 'counters', 'config', 'peers'] as const;

/** `methods`: of the one that serves; undefined: it stands by. `takeOver`: throws why not. */
export function pairMethods(of: {
  readonly methods: () => ControlMethods | undefined;
  readonly pair: () => PairReply;
  readonly takeOver: () => void;
}): ControlMethods {
  const standing = METHODS.map((name) => [
    name,
    (params: unknown) => {
      const method = of.methods()?.[name];
      if (method !== undefined) return method(params);
      throw new IlnpError('E_STANDBY', 'this controller stands by; ask the other one of its pair');
    },
  ]);
  return {
    ...Object.fromEntries(standing),
    pair: (params: unknown): PairReply => {
      readParams(noParams, params);
      return of.pair();
    },
    takeover: (params: unknown): PairReply => {
      readParams(noParams, params);
      of.takeOver();
      return of.pair();
    },
  };
}
