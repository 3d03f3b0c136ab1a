/** Whether an address is one of this machine's: whoever has the address of a pair is its active border. */
import { networkInterfaces } from 'node:os';
import { Monitor } from '../network/monitor.ts';

/** What is heard is looked at at once; should nothing be heard, after so long. */
const PERIOD_MS = 1000;

export class AddressWatch {
  readonly #address: string;
  readonly #monitor: Monitor;
  readonly #timer: NodeJS.Timeout;
  #waiting: { readonly isHere: boolean; readonly done: () => void }[] = [];

  /** `address`: in RFC 5952 form. */
  constructor(address: string) {
    this.#address = address;
    this.#monitor = new Monitor(['-6', 'monitor', 'address'], () => this.#look());
    this.#monitor.follow();
    this.#timer = setInterval(() => {
      this.#monitor.follow(); // again, should it have ended
      this.#look();
    }, PERIOD_MS);
  }

  get isHere(): boolean {
    return Object.values(networkInterfaces()).some((all) => all?.some(({ address }) => address === this.#address));
  }

  /** Resolves when the address has come, or gone. */
  until(isHere: boolean): Promise<void> {
    return new Promise((done) => {
      this.#waiting.push({ isHere, done });
      this.#look();
    });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#monitor.stop();
  }

  #look(): void {
    const { isHere } = this;
    const ready = this.#waiting.filter((w) => w.isHere === isHere);
    this.#waiting = this.#waiting.filter((w) => w.isHere !== isHere);
    for (const { done } of ready) done();
  }
}
