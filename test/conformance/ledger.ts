/** The conformance ledger: items as data, claims from the tests, and the pages made of both. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { z } from 'zod';
import { type Claim, type Claims, claimsOf, goldenClaim } from './annotations.ts';

export const FOLDER = dirname(fileURLToPath(import.meta.url));
const TESTS = dirname(FOLDER);

/** RFCs that have a page, and what of them is in use here. */
const PAGES: Readonly<Record<string, string>> = {
  6740: 'ILNP: architecture',
  6741: 'ILNP: engineering',
  6742: 'ILNP: DNS resource records',
  6743: 'ILNPv6: ICMPv6 Locator Update',
  6744: 'ILNPv6: Nonce destination option',
  6748: 'ILNP: advanced deployment, the border router',
  4443: 'ICMPv6: the errors a border translates and sends',
  8200: 'IPv6: headers, fragments and checksums on the way through a border',
  2473: 'Tunnels in IPv6: packets of others that pass',
};

const STRENGTHS = ['must', 'should', 'may', 'derived'] as const;
const ANSWERS = ['shown', 'deviation', 'not applicable', 'open'] as const;

const itemSchema = z.strictObject({
  id: z.string().regex(/^[A-Z]+[0-9]+[a-z]?$/),
  strength: z.enum(STRENGTHS),
  /** `6744 2`: RFC and section. The pages are those of the first word. */
  cites: z.array(z.string().regex(/^\d{4}( [0-9A-Z][0-9a-z.]*)?$/)).min(1),
  says: z.string().min(1),
  deviation: z.string().min(1).optional(),
  notApplicable: z.string().min(1).optional(),
  open: z.string().min(1).optional(),
});
const groupSchema = z.strictObject({ title: z.string(), items: z.array(itemSchema) });

export type Item = z.infer<typeof itemSchema> & { readonly group: string };

/** Every item, in the order of the files and within them. */
export function loadItems(folder = join(FOLDER, 'items')): Item[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .flatMap((name) => {
      const { title, items } = groupSchema.parse(parse(readFileSync(join(folder, name), 'utf8')));
      return items.map((item) => ({ ...item, group: title }));
    });
}

/** The claims of all tests in the tree. */
export function collectClaims(folder = TESTS): Claims {
  const all = (readdirSync(folder, { recursive: true }) as string[]).map((name) => name.split(sep).join('/')).sort();
  const found = all.map((file) => {
    if (file.startsWith('conformance/')) return { claims: [], problems: [] }; // speaks about annotations
    if (file.endsWith('.test.ts')) return claimsOf(file, readFileSync(join(folder, file), 'utf8'));
    if (/^golden\/.*\/case\.md$/.test(file)) return goldenClaim(file, readFileSync(join(folder, file), 'utf8'));
    return { claims: [], problems: [] };
  });
  return { claims: found.flatMap((f) => f.claims), problems: found.flatMap((f) => f.problems) };
}

/** An item with what answers it. */
interface Answered {
  readonly item: Item;
  readonly answer: (typeof ANSWERS)[number];
  readonly reason: string;
  readonly claims: readonly Claim[];
}

export interface Ledger {
  readonly answered: readonly Answered[];
  /** Why the ledger cannot be believed; empty when it can. */
  readonly problems: readonly string[];
}

/** Puts items and claims together. */
export function ledgerOf(items: readonly Item[], { claims, problems }: Claims): Ledger {
  const wrong = [...problems];
  const ids = new Set<string>();
  for (const { id, cites } of items) {
    if (ids.has(id)) wrong.push(`${id}: is there twice`);
    ids.add(id);
    if (!cites.some((cite) => cite.slice(0, 4) in PAGES)) wrong.push(`${id}: cites no RFC that has a page`);
  }
  for (const { file, titles, items: claimed } of claims)
    for (const id of claimed) if (!ids.has(id)) wrong.push(`${file}: "${titles.at(-1)}" shows ${id}, which is no item`);

  const answered = items.map((item): Answered => {
    const mine = claims.filter((claim) => claim.items.includes(item.id));
    const statements = [
      ['deviation', item.deviation],
      ['not applicable', item.notApplicable],
      ['open', item.open],
    ] as const;
    const stated = statements.filter(([, reason]) => reason !== undefined);
    if (mine.length === 0 && stated.length === 0) wrong.push(`${item.id}: neither a test nor a statement`);
    if (stated.length > 1) wrong.push(`${item.id}: more than one statement`);
    if (mine.length > 0 && stated.length > 0)
      wrong.push(`${item.id}: stated as ${stated[0]![0]}, but ${mine[0]!.file} claims to show it`);
    const [answer, reason] = stated[0] ?? (['shown', ''] as const);
    return { item, answer, reason: reason ?? '', claims: mine };
  });
  return { answered, problems: wrong };
}

/** What vitest's JSON reporter writes, as far as it is read here. */
export interface Report {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly {
      readonly ancestorTitles: readonly string[];
      readonly title: string;
      readonly status: string;
    }[];
  }[];
}

/** `file: title` of every claim that did not pass in the last run; one that a report does not have did not. */
export function notPassed({ answered }: Ledger, reports: readonly Report[], folder = TESTS): string[] {
  const results = reports.flatMap((report) =>
    report.testResults.flatMap(({ name, assertionResults }) =>
      assertionResults.map((r) => ({
        file: relative(folder, name).split(sep).join('/'),
        titles: [...r.ancestorTitles, r.title],
        status: r.status,
      })),
    ),
  );
  const claims = new Set(answered.flatMap((a) => a.claims));
  return [...claims]
    .filter(({ file, titles, runBy }) => {
      const patterns = titles.map(titlePattern);
      // a describe has tests below it, and a test inside a function the titles of who calls it above
      const fits = (all: readonly string[]): boolean =>
        all.some((_, from) => patterns.every((pattern, k) => pattern.test(all[from + k] ?? '')));
      const mine = results.filter((r) => r.file === (runBy ?? file) && fits(r.titles));
      return mine.length === 0 || mine.some((r) => r.status !== 'passed');
    })
    .map(({ file, titles }) => `${file}: ${titles.join(' > ')}`);
}

/** A title as `each` fills it in. */
function titlePattern(title: string): RegExp {
  const parts = title.split(/%[sdifjoOc#$]|\$\{[^}]*\}|\$[A-Za-z_][\w.]*/);
  return new RegExp(`^${parts.map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^]*')}$`);
}

/** File name -> text of every page. */
export function pagesOf({ answered }: Ledger): Map<string, string> {
  const pages = new Map([['README.md', indexPage(answered)]]);
  for (const rfc of Object.keys(PAGES)) pages.set(`rfc${rfc}.md`, rfcPage(rfc, answered));
  return pages;
}

const GENERATED = '<!-- Written by `npm run ledger` from items/*.yaml and the annotations in the tests. -->';

const cited = (rfc: string, answered: readonly Answered[]): Answered[] =>
  answered.filter(({ item }) => item.cites.some((cite) => cite.slice(0, 4) === rfc));

function counts(list: readonly Answered[]): string {
  const of = (answer: string): number => list.filter((a) => a.answer === answer).length;
  return [list.length, ...ANSWERS.map(of)].join(' | ');
}

function indexPage(answered: readonly Answered[]): string {
  const groups = [...new Set(answered.map(({ item }) => item.group))];
  const head = (what: string): string[] => [
    `| ${what} | items | ${ANSWERS.join(' | ')} |`,
    `|---|${'---:|'.repeat(ANSWERS.length + 1)}`,
  ];
  return text(
    GENERATED,
    '# Conformance',
    '',
    'What the RFCs ask for, item by item, with the tests that show it. An item that cites several RFCs is on the page of each',
    'and counted once in the totals. **must**, **should**, **may** as in the RFC; **derived**: follows from it, or a choice it leaves open.',
    '',
    ...head('by RFC'),
    ...Object.entries(PAGES).map(
      ([rfc, title]) => `| [RFC ${rfc}](rfc${rfc}.md), ${title} | ${counts(cited(rfc, answered))} |`,
    ),
    `| **all** | ${counts(answered)} |`,
    '',
    ...head('by part'),
    ...groups.map((group) => `| ${group} | ${counts(answered.filter(({ item }) => item.group === group))} |`),
    '',
    ...head('by strength'),
    ...STRENGTHS.map((s) => `| ${s} | ${counts(answered.filter(({ item }) => item.strength === s))} |`),
    '',
    'Everything is in `items/*.yaml`, one entry per item; a test shows an item by a comment right above it, `// shows: S2, S5`, a',
    'golden capture by a line `Shows: S2` in its case.md. `npm run ledger` writes these pages; the unit tests fail when they are not',
    'what would be written, when an id is unknown, when an item has neither a test nor a statement, or both. With',
    '`LEDGER_REPORTS=out/test/unit.json,out/test/netns.json` they also ask that every test named here passed in that run.',
    '',
    ...groups.flatMap((group) => [
      `## ${group}`,
      '',
      '| item | | strength | answer |',
      '|---|---|---|---|',
      ...answered
        .filter(({ item }) => item.group === group)
        .map(({ item, answer, claims }) => {
          const pages = new Set(item.cites.map((cite) => cite.slice(0, 4)).filter((rfc) => rfc in PAGES));
          const link = `[${item.id}](rfc${[...pages][0]}.md#${item.id.toLowerCase()})`;
          const tests = claims.length === 1 ? '1 test' : `${claims.length} tests`;
          return row(link, item.says, item.strength, answer === 'shown' ? tests : answer);
        }),
      '',
    ]),
  );
}

function rfcPage(rfc: string, answered: readonly Answered[]): string {
  const mine = cited(rfc, answered);
  const sectionsOf = ({ item }: Answered): string[] =>
    item.cites.filter((cite) => cite.slice(0, 4) === rfc).map((cite) => cite.slice(5));
  const ordered = mine
    .map((a, k) => ({ a, k, section: sectionsOf(a)[0]! }))
    .sort((x, y) => x.section.localeCompare(y.section, 'en', { numeric: true }) || x.k - y.k);
  return text(
    GENERATED,
    `# RFC ${rfc}, ${PAGES[rfc]}`,
    '',
    `| items | ${ANSWERS.join(' | ')} |`,
    `|${'---:|'.repeat(ANSWERS.length + 1)}`,
    `| ${counts(mine)} |`,
    '',
    ...ordered.flatMap(({ a }) => {
      const { item, answer, reason, claims } = a;
      const sections = sectionsOf(a).filter((section) => section !== '');
      const others = item.cites
        .filter((cite) => cite.slice(0, 4) !== rfc)
        .map((cite) => `RFC ${cite.replace(' ', ' section ')}`);
      const named = sections.length > 1 ? `sections ${sections.join(', ')}` : `section ${sections[0]}`;
      const where = [...(sections.length > 0 ? [named] : []), ...others].join('; ');
      return [
        `## ${item.id}`,
        '',
        `${item.says} (${where === '' ? item.strength : `${where}; ${item.strength}`})`,
        '',
        ...(answer === 'shown' ? claims.map(claimLine) : [`**${capital(answer)}:** ${reason}`]),
        '',
      ];
    }),
  );
}

const claimLine = ({ file, titles }: Claim): string => `- [${file}](../${file}): ${plain(titles.join(' › '))}`;
const row = (...cells: string[]): string => `| ${cells.join(' | ')} |`;
const text = (...lines: string[]): string => `${lines.join('\n').trimEnd()}\n`;
const capital = (word: string): string => word[0]!.toUpperCase() + word.slice(1);
/** Titles are not Markdown. */
const plain = (title: string): string => title.replace(/[<>*_`|[\]\\]/g, '\\$&');
