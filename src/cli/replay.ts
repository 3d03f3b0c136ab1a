/** `ilnp replay`: what a border would have done with a capture; needs no privilege and no device. */
import { type Command, Option } from 'commander';
import type { ReplayedPacket, ReplayResult, ReplaySummary, replay } from '../../native-free/replay.ts';
import { type Output, standardOutput } from './output.ts';

interface ReplayCommand {
  readonly config: string;
  readonly in: string;
  readonly out?: string;
  readonly port: 'auto' | 'outside' | 'inside' | 'site';
  readonly explain?: boolean;
  readonly json?: boolean;
  readonly outsideAddress?: string;
  readonly insideAddress?: string;
}

/** Lines gathered before they are written: a system call per packet would be most of the time. */
const LINES_AT_ONCE = 1000;

/** Adds the sub-command to the program. */
export function registerReplay(program: Command, out: Output = standardOutput): void {
  program
    .command('replay')
    .description('send a capture through the border router of a configuration and write what it forwards')
    .requiredOption('--config <file>', 'configuration of the site (YAML)')
    .requiredOption('--in <file>', 'capture: pcap or pcapng')
    .option('--out <file>', 'rewritten capture: pcapng, with interfaces, if it ends so, else pcap')
    .addOption(
      new Option('--port <side>', 'the side all packets came from; auto: by interface name, else by addresses')
        .choices(['auto', 'outside', 'inside', 'site'])
        .default('auto'),
    )
    .option('--outside-address <ipv6>', "source of the border's own ICMPv6 errors towards outside")
    .option('--inside-address <ipv6>', 'the same towards inside')
    .option('--explain', 'one line per packet: the decision and why')
    .option('--json', 'say everything as JSON, one object per line, the summary last')
    .action((options: ReplayCommand) => run(options, out));
}

async function run(options: ReplayCommand, out: Output): Promise<void> {
  // loaded here, so that the other commands start without them
  const [{ loadSiteConfig }, { replay }, { OctetSource }, { openCapture }, { outputOf, sameFile }] = await Promise.all([
    import('../config/load.ts'),
    import('../../native-free/replay.ts'),
    import('../../native-free/capture/octet-source.ts'),
    import('../../native-free/capture/open-capture.ts'),
    import('../../native-free/capture/output.ts'),
  ]);
  const { IlnpError } = await import('../runtime/errors.ts');
  const config = loadSiteConfig(options.config);
  const [outsideAddress, insideAddress] = [
    await addressOf(options.outsideAddress, '--outside-address'),
    await addressOf(options.insideAddress, '--inside-address'),
  ];
  if (options.out !== undefined && sameFile(options.in, options.out))
    throw new IlnpError('E_USAGE', '--out is the file of --in, which would be lost');
  const source = OctetSource.file(options.in);
  try {
    const reader = openCapture(source);
    const writer = options.out === undefined ? null : outputOf(options.out, config.tun.name, reader.nanoseconds);
    try {
      const packets = replay({
        config,
        reader,
        file: options.in,
        writer,
        port: options.port,
        explain: options.explain ?? false,
        ...(outsideAddress && { outsideAddress }),
        ...(insideAddress && { insideAddress }),
      });
      const { summary, problem } = await print(packets, options.json ?? false, out);
      await out.write(options.json ? `${JSON.stringify(summary)}\n` : report(summary));
      if (problem !== null) throw problem;
    } finally {
      writer?.close();
    }
  } finally {
    source.close();
  }
}

/** Prints packets as they come; returns what the replay returned. */
async function print(packets: ReturnType<typeof replay>, json: boolean, out: Output): Promise<ReplayResult> {
  let text: string[] = [];
  for (;;) {
    const { done, value } = packets.next();
    if (!done) text.push(json ? `${JSON.stringify(value)}\n` : `${replayedLine(value)}\n`);
    if (text.length > 0 && (done || text.length === LINES_AT_ONCE)) {
      await out.write(text.join(''));
      text = [];
    }
    if (done) return value;
  }
}

/** `12  1700000000.004211  outside > inside  forwarded  TCP ...: why`. */
export function replayedLine({ number, time, side, egress, decision, packet, why }: ReplayedPacket): string {
  const at = `${time.seconds}.${String(Math.floor(time.nanoseconds / 1000)).padStart(6, '0')}`;
  return `${number}  ${at}  ${side}${egress === null ? '' : ` > ${egress}`}  ${decision}  ${packet}: ${why}`;
}

function report({ packets, otherFrames, passedOver, counters }: ReplaySummary): string {
  const rest: string[] = [];
  if (otherFrames > 0) rest.push(`${otherFrames} frames without IPv6`);
  if (passedOver > 0) rest.push(`${passedOver} packets that do not reach the border`);
  const counted = Object.entries(counters).filter(([, value]) => value !== 0);
  const width = Math.max(0, ...counted.map(([name]) => name.length));
  return [
    `${packets} packets${rest.length === 0 ? '' : `; passed over: ${rest.join(', ')}`}\n`,
    ...counted.map(([name, value]) => `${name.padEnd(width)}  ${value}\n`),
  ].join('');
}

async function addressOf(text: string | undefined, option: string): Promise<Uint8Array | null> {
  if (text === undefined) return null;
  const { parseIpv6 } = await import('../wire/text.ts');
  const address = parseIpv6(text);
  if (address !== null) return address;
  const { IlnpError } = await import('../runtime/errors.ts');
  throw new IlnpError('E_USAGE', `${option}: expected an IPv6 address, got ${text}`);
}
