/**
 * The public door of `ilnp/native-free`: what stands for device, clock and randomness where there is no privilege and no
 * native code. Everything here implements an interface that src declares.
 */
export { VirtualClock } from './clock.ts';
export { SeededRandom } from './random.ts';
