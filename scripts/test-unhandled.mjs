/** A reporter of vitest: writes down the errors that no case waited for, which its JSON report leaves out. */
import { appendFileSync } from 'node:fs';

export default class {
  onTestRunEnd(_files, errors) {
    for (const { message } of errors) appendFileSync('out/test/unhandled', `${message}\n`);
  }
}
