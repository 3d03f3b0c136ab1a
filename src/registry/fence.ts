/** Keeps the answers of a controller that another one has taken over from away from us. */
import { IlnpError } from '../runtime/errors.ts';

export class TermFence {
  #heard = 0;
  readonly #promised: () => number;

  /** `promised`: the term of which we are a witness. */
  constructor(promised: () => number = () => 0) {
    this.#promised = promised;
  }

  /** Smaller ones are over; 0: of a registry that is none of a pair. */
  get term(): number {
    return Math.max(this.#heard, this.#promised());
  }

  /** Takes the term of an answer; E_REGISTRY if it is over. */
  check(term: number): void {
    if (term < this.term)
      throw new IlnpError(
        'E_REGISTRY',
        `a controller of term ${term} answers, another one was given term ${this.term}`,
      );
    this.#heard = term;
  }
}
