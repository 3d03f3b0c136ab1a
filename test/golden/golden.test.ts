/**
 * Golden captures: what a border makes of a capture, octet by octet, with its counters and its reasons. A case is a folder:
 *
 *   case.md         what it shows, the configuration (yaml), the side, what the border says (text), who witnessed it
 *   in.pcap         made by scapy (captures.py)
 *   out.pcap        what leaves the border, all sides, in order
 *   counters.json   those that are not zero
 *
 * UPDATE_GOLDEN=1 writes what comes out now; read the difference, and `captures.py witness` it, before you commit.
 */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { MemorySink } from '../../native-free/capture/octet-sink.ts';
import { OctetSource } from '../../native-free/capture/octet-source.ts';
import { openCapture } from '../../native-free/capture/open-capture.ts';
import { PcapWriter } from '../../native-free/capture/pcap-writer.ts';
import { type ReplayPort, replay } from '../../native-free/replay.ts';
import { replayedLine } from '../../src/cli/replay.ts';
import { loadFiles } from '../support/config-files.ts';

const FOLDER = dirname(fileURLToPath(import.meta.url));
const UPDATE = process.env.UPDATE_GOLDEN === '1';
const cases = readdirSync(FOLDER).filter((name) => existsSync(join(FOLDER, name, 'case.md')));

const SAYS = /```text\n([\s\S]*?)```/;

describe('golden captures', () => {
  test.each(cases)('%s: capture, counters and reasons are as witnessed', (name) => {
    const at = (file: string): string => join(FOLDER, name, file);
    const story = readFileSync(at('case.md'), 'utf8');
    const { octets, counters, lines } = run(name, story);
    if (UPDATE) {
      writeFileSync(at('out.pcap'), octets);
      writeFileSync(at('counters.json'), `${JSON.stringify(counters, null, 2)}\n`);
      writeFileSync(
        at('case.md'),
        story.replace(SAYS, () => `\`\`\`text\n${lines.join('')}\`\`\``),
      );
    }

    expect(lines.join('')).toBe(SAYS.exec(readFileSync(at('case.md'), 'utf8'))![1]);
    expect(counters).toEqual(JSON.parse(readFileSync(at('counters.json'), 'utf8')));
    expect(Buffer.from(octets).equals(readFileSync(at('out.pcap')))).toBe(true);
  });

  test('every case is witnessed by somebody else than this program', () => {
    const unwitnessed = cases.filter(
      (name) => !/^Witness: .*(scapy|tshark)/m.test(readFileSync(join(FOLDER, name, 'case.md'), 'utf8')),
    );

    expect(unwitnessed).toEqual([]);
  });
});

function run(name: string, story: string) {
  const config = loadFiles({ 'site.yaml': /```yaml\n([\s\S]*?)```/.exec(story)![1]! });
  const sink = new MemorySink();
  const source = OctetSource.file(join(FOLDER, name, 'in.pcap'));
  const packets = replay({
    config,
    reader: openCapture(source),
    file: 'in.pcap',
    writer: new PcapWriter(sink),
    port: /^Port: (\w+)$/m.exec(story)![1] as ReplayPort,
    explain: true,
  });
  const lines: string[] = [];
  for (;;) {
    const { done, value } = packets.next();
    if (!done) {
      lines.push(`${replayedLine(value)}\n`);
      continue;
    }
    source.close();
    if (value.problem !== null) throw value.problem;
    const counters = Object.fromEntries(Object.entries(value.summary.counters).filter(([, count]) => count !== 0));
    return { octets: sink.octets, counters, lines };
  }
}
