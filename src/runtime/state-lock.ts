/**
 * One border per site and state folder: a lock of the kernel on a file beside the record of moves, which a crash releases
 * and no second process gets.
 */
import { closeSync, openSync } from 'node:fs';
import { flock } from '../device/libc.ts';
import { IlnpError } from './errors.ts';
import { makeFolder } from './folder.ts';

const LOCK_EX_NB = 2 | 4;

/** Takes the lock, or throws E_RUNNING; E_STATE when the folder cannot be used. */
export function lockState(state: string, site: string): { readonly release: () => void } {
  const path = `${state}/${site}.lock`;
  let fd: number;
  try {
    makeFolder(state, 0o700);
    fd = openSync(path, 'a', 0o600);
  } catch (error) {
    throw new IlnpError('E_STATE', `${path}: ${(error as Error).message}`);
  }
  if (flock(fd, LOCK_EX_NB) !== 0) {
    closeSync(fd);
    throw new IlnpError('E_RUNNING', `another process has locked ${path}`);
  }
  return { release: () => closeSync(fd) };
}
