/** Borders, controllers and end systems answer on sockets of one kind; who asks the wrong one is told which would know. */
import { IlnpError } from '../runtime/errors.ts';

const BORDERS = 'border routers (ilnp sbr)';
const CONTROLLERS = 'controllers (ilnp controller)';
const END_SYSTEMS = 'end systems (ilnp shim)';

const WHO_HAS = {
  bindings: [BORDERS, CONTROLLERS],
  moves: [BORDERS],
  counters: [BORDERS, CONTROLLERS, END_SYSTEMS],
  config: [BORDERS, CONTROLLERS, END_SYSTEMS],
  peers: [BORDERS, CONTROLLERS],
  sessions: [BORDERS, END_SYSTEMS],
  anchors: [BORDERS],
  locators: [END_SYSTEMS],
  updates: [END_SYSTEMS],
  names: [BORDERS, END_SYSTEMS],
  pair: [BORDERS, CONTROLLERS],
  registry: [BORDERS],
  trace: [END_SYSTEMS],
} as const;

/** Runs what asks for it; E_USAGE that says who has it, if who was asked has not. */
export async function ofWhoHas<T>(what: keyof typeof WHO_HAS, run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof IlnpError && error.code === 'E_USAGE' && error.message.startsWith('no method'))) throw error;
    const message = `who listens on this socket has no ${what}; only ${WHO_HAS[what].join(' and ')} have`;
    throw new IlnpError('E_USAGE', message, { cause: error });
  }
}
