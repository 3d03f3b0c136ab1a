/**
 * The public door of `ilnp/native-free`: what stands for device, clock and randomness where there is no privilege and no
 * native code. Everything here implements an interface that src declares.
 */
export type {
  CaptureInterface,
  CaptureReader,
  CaptureRecord,
  CaptureTime,
  CaptureWriter,
  Direction,
  Frame,
} from './capture/capture.ts';
export { fileSink, MemorySink, type OctetSink } from './capture/octet-sink.ts';
export { OctetSource } from './capture/octet-source.ts';
export { openCapture } from './capture/open-capture.ts';
export { PcapWriter } from './capture/pcap-writer.ts';
export { PcapngWriter } from './capture/pcapng-writer.ts';
export { VirtualClock } from './clock.ts';
export { type FaultOptions, FaultPlug } from './fault-plug.ts';
export { InheritedTun } from './inherited-tun.ts';
export { type FaultLink, faultLink, type LinkEnd, memoryLink } from './link.ts';
export { MemoryDevice, type MemoryOptions, type Plug } from './memory-device.ts';
export { SeededRandom } from './random.ts';
export { type ReplayOptions, type ReplayResult, replay } from './replay.ts';
export { ReplayDevice } from './replay-device.ts';
export { randomEnds } from './sim/ends/random-scenario.ts';
export type { EndsScenario } from './sim/ends/scenario-schema.ts';
export { Engine } from './sim/engine.ts';
export { Link, type LinkConfig, type LinkDrop, type LinkOptions, type Tap } from './sim/link.ts';
export { randomScenario } from './sim/random-scenario.ts';
export { type RunOptions, type RunResult, runScenario } from './sim/run.ts';
export { loadScenario, ownScenarios, parseScenario } from './sim/scenario.ts';
export type { Scenario, ScenarioInput } from './sim/scenario-schema.ts';
export { World } from './sim/world.ts';
export { TapDevice } from './tap-device.ts';
