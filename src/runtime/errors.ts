/**
 * Errors of the world (a device gone, a peer silent, a wrong configuration): a stable code an operator can search
 * for and a message with what was expected and what came. Packets that misbehave never come here (verdict.ts).
 */

/** Every code this program can answer with, and what it means. */
export const ERROR_CODES = {
  E_CONFIG: 'the configuration is wrong',
  E_USAGE: 'the command line is wrong',
  E_TUN: 'a TUN device could not be opened or set up',
  E_IO_URING: 'io_uring is not usable here',
  E_NETWORK: 'a network set-up command failed',
  E_PERMISSION: 'a privilege is missing (root, or CAP_NET_ADMIN)',
  E_KEY: 'the key file is missing, readable by others, or not a key',
  E_SOCKET: 'the control socket is not reachable',
  E_RUNNING: 'another border router, or end system, is running here',
  E_STATE: 'the record of moves cannot be read or written',
  E_REGISTRY: 'the registry does not answer, or refuses who asks',
  E_NID: 'the Node Identifier of an end system is one that its kernel uses itself',
  E_UNKNOWN_NID: 'no binding for this Node Identifier',
  E_UNKNOWN_SITE: 'no such site in the configuration',
  E_PEER_UNREACHABLE: 'a site that must agree does not answer',
  E_POLICY: 'the policy of a site forbids it',
  E_STANDBY: 'this border or controller stands by; the other one of its pair is active',
  E_BINDING: 'a binding that cannot be: its identifier, its Locator or a site',
  E_REGISTERED: 'the Node Identifier is registered already',
  E_STALE_EPOCH: 'a newer move of the same Node Identifier won',
  E_FULL: 'a table is full',
  E_HYPERVISOR: 'the monitor of a virtual machine is not reachable, or refuses',
  E_COMMAND: 'a command that was to carry a guest over failed',
  E_CAPTURE: 'a capture cannot be read or written',
  E_NAMES: 'the resolver of an end system cannot listen',
  E_PROTOCOL: 'a peer sent something that is not our protocol',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * An error of the world; `code` is stable, `message` holds the values. They may come from anybody and end up on a
 * terminal, so control characters in it are escaped, all but line feeds, and lines are cut.
 */
export class IlnpError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message.replace(CONTROL, escaped).replace(LONG_LINE, '$1...'), options);
    this.name = 'IlnpError';
    this.code = code;
  }
}

const CONTROL = /(?!\n)\p{Cc}/gu;
const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
/** Reason: longer than any of ours, short enough to be read. */
const LONG_LINE = /^(.{1000}).{4,}/gm;

/** An error in words, with its code if it has one of ours. */
export function saidOf(error: unknown): string {
  if (error instanceof IlnpError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

/** An error of a worker arrives without its class; a known code makes it one of ours again. */
export function asOurs(error: Error & { code?: unknown }): Error {
  const { code } = error;
  if (typeof code !== 'string' || !Object.hasOwn(ERROR_CODES, code)) return error;
  return new IlnpError(code as ErrorCode, error.message, { cause: error });
}
