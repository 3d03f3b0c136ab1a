/**
 * What a virtual machine does, as one of its two QEMUs tells it: the order of their events is turned into the few that
 * a border needs. No I/O; time stamps are QEMU's.
 *
 *   source       MIGRATION active ─► migrating    STOP ─► stopped    RESUME, failed, cancelled ─► stayed
 *   destination  MIGRATION active ─► incoming    RESUME ─► arrived
 *
 * STOP comes before MIGRATION pre-switchover: nobody is told while the guest still runs. With post-copy the guest runs at the
 * destination while MIGRATION is not completed yet; RESUME is the true instant there too.
 */
import type { QmpEvent } from './qmp.ts';

/**
 * `incoming`: it is on its way to here. `migrating`: it may stop at any moment; keep what is sent to it. `stopped`: it has not
 * heard anything since. `stayed`: it goes on where it was. `arrived`: it runs here now. `lost`: nobody runs it any more.
 */
export type GuestNews =
  | { readonly kind: 'incoming' | 'migrating' | 'stayed' | 'lost' }
  /** Microseconds since 1970, by the hypervisor's clock. */
  | { readonly kind: 'stopped' | 'arrived'; readonly at: number };

const IS_OVER = new Set(['completed', 'failed', 'cancelled', 'none']);
const IS_UNDER_WAY = new Set([
  'active',
  'setup',
  'pre-switchover',
  'device',
  'postcopy-active',
  'postcopy-paused',
  'postcopy-recover',
  'wait-unplug',
]);

export class Migration {
  readonly #tell: (news: GuestNews) => void;
  /** This QEMU is the one that gives the guest away. */
  #leaving = false;
  #stopped = false;
  /** This QEMU waits for a guest that is not here yet. */
  #awaiting: boolean;
  #isIncoming = false;

  /** `runState`: what query-status says; `migration`: the status of query-migrate; both at the time of connecting. */
  constructor(runState: string, migration: string, tell: (news: GuestNews) => void) {
    this.#tell = tell;
    this.#awaiting = runState === 'inmigrate';
    if (this.#awaiting && migration === 'active') this.#come();
    if (this.#awaiting || !IS_UNDER_WAY.has(migration)) return;
    this.#leave();
    // connected too late to have seen STOP: it was no later than now
    if (runState !== 'running') this.#stop(Date.now() * 1000);
  }

  /** True while the guest may be anywhere but here, and nobody has said where. */
  get isOpen(): boolean {
    return this.#leaving;
  }

  event({ name, data, at }: QmpEvent): void {
    if (this.#awaiting) {
      // the destination: RESUME is its word that counts; `completed` may come with the guest still paused
      if (name === 'MIGRATION' && data.status === 'active') this.#come();
      if (name !== 'RESUME') return;
      this.#awaiting = false;
      this.#tell({ kind: 'arrived', at });
    } else if (name === 'MIGRATION' && typeof data.status === 'string') {
      this.#status(data.status);
    } else if (name === 'STOP' && this.#leaving) {
      this.#stop(at);
    } else if (name === 'RESUME' && this.#leaving && this.#stopped) {
      this.#stay();
    }
  }

  /** The monitor is gone: a machine that has given its guest away ends, any other takes it along. */
  end(): void {
    if (this.#leaving) this.#tell({ kind: 'lost' });
    this.#leaving = false;
  }

  #status(status: string): void {
    if (IS_UNDER_WAY.has(status)) this.#leave();
    else if (IS_OVER.has(status) && this.#leaving) {
      if (status === 'completed') this.#leaving = false;
      else this.#stay();
    }
  }

  #come(): void {
    if (this.#isIncoming) return;
    this.#isIncoming = true;
    this.#tell({ kind: 'incoming' });
  }

  #leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.#stopped = false;
    this.#tell({ kind: 'migrating' });
  }

  #stop(at: number): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#tell({ kind: 'stopped', at });
  }

  #stay(): void {
    this.#leaving = false;
    this.#tell({ kind: 'stayed' });
  }
}
