/** A request to another site that got no answer. */
import { IlnpError } from '../runtime/errors.ts';

/** E_PEER_UNREACHABLE; `sent` is false only if it is certain that the other site never got the request. */
export class PeerError extends IlnpError {
  readonly sent: boolean;

  constructor(message: string, sent: boolean, options?: ErrorOptions) {
    super('E_PEER_UNREACHABLE', message, options);
    this.name = 'PeerError';
    this.sent = sent;
  }
}
