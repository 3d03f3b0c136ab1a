/**
 * Who is where, as this border was told: by its configuration, by its record of moves, and by what it had followed of a
 * registry. What is not configured (any more) is kept in mind with its epoch, in case it comes back.
 */
import type { Logger } from 'pino';
import type { BindingConfig, SiteConfig } from '../config/site-config.ts';
import type { Binding, BindingClass, Bindings } from '../ilnp/bindings.ts';
import { formatNid, type Nid } from '../wire/text.ts';

export class Places {
  readonly #bindings: Bindings;
  readonly #log: Logger;
  /** Where NIDs went that are not configured. */
  readonly #strangers = new Map<string, { readonly at: string; readonly epoch: number }>();
  /** Those of epoch 0 that may have moved (sites/written-ahead.ts): the configuration does not place them. */
  readonly #doubtful = new Set<string>();

  constructor(bindings: Bindings, log: Logger) {
    this.#bindings = bindings;
    this.#log = log;
  }

  /**
   * Puts bindings where the record of moves says they went. A site that is not configured any more is still where they
   * are, with their epoch: it may think so too, and come back.
   */
  moved(config: SiteConfig, moved: Iterable<{ readonly nid: Nid; readonly at: string; readonly epoch: number }>): void {
    const sites = new Set([config.site, ...config.peers.map((p) => p.site)]);
    for (const { nid, at, epoch } of moved) {
      if (epoch === 0) this.#doubtful.add(formatNid(nid));
      const binding = this.#bindings.get(nid);
      if (binding === undefined) this.#strangers.set(formatNid(nid), { at, epoch });
      else if (epoch >= binding.epoch) this.#bindings.put({ ...binding, at, epoch });
      if (binding !== undefined && !sites.has(at))
        this.#log.warn(
          { nid: formatNid(nid), at },
          'it is at a site that is not configured: ilnp move --force brings it back',
        );
    }
  }

  /** Takes what was followed of a registry, older entries of an identifier first. Null: it was withdrawn. E_FULL. */
  followed(
    entries: Iterable<{ readonly nid: Nid; readonly epoch: number; readonly binding: BindingClass | null }>,
  ): void {
    for (const { nid, epoch, binding } of entries) {
      if (epoch < (this.#bindings.get(nid)?.epoch ?? 0)) continue;
      if (binding === null) this.#bindings.delete(nid);
      else this.#bindings.put({ nid, epoch, ...binding });
    }
  }

  /** A configured binding with the place it has moved to since, if it has. */
  configured(binding: BindingConfig): Binding {
    const known = this.#bindings.get(binding.nid) ?? this.#strangers.get(formatNid(binding.nid));
    if (known === undefined || !this.#hasMoved(binding.nid, known.epoch)) return { ...binding, epoch: 0 };
    if (known.at !== binding.at)
      this.#log.warn(
        { nid: formatNid(binding.nid), at: known.at },
        'it has moved; `at` of the configuration is passed over',
      );
    return { ...binding, at: known.at, epoch: known.epoch };
  }

  /** Takes a binding away, but keeps in mind where it had gone. */
  forget(nid: Nid): void {
    const known = this.#bindings.get(nid);
    if (known !== undefined && this.#hasMoved(nid, known.epoch)) this.#strangers.set(formatNid(nid), known);
    this.#bindings.delete(nid);
  }

  #hasMoved(nid: Nid, epoch: number): boolean {
    return epoch > 0 || this.#doubtful.has(formatNid(nid));
  }
}
