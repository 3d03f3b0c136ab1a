import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { lstat, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { ControlClient, controlCall } from '../../src/runtime/control-client.ts';
import { ControlSocket, MAX_REQUEST } from '../../src/runtime/control-socket.ts';
import { IlnpError } from '../../src/runtime/errors.ts';

let folder: string;
let path: string;
const open: ControlSocket[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ilnp-control-'));
  path = join(folder, 'run', 'site1.sock');
});
afterEach(async () => {
  for (const socket of open.splice(0)) await socket.close();
  await rm(folder, { recursive: true });
});

const METHODS = {
  add: (params: unknown) => {
    const { a, b } = params as { a: number; b: number };
    return a + b;
  },
  nothing: () => undefined,
  long: () => 'x'.repeat(5 << 20),
  unknown: () => {
    throw new IlnpError('E_UNKNOWN_NID', 'no binding for 0:0:0:a1');
  },
  fault: () => Promise.reject(new TypeError('a fault of ours')),
  never: () => new Promise(() => {}),
};

async function serve(methods: Record<string, (params: unknown) => unknown> = METHODS): Promise<ControlSocket> {
  const socket = await ControlSocket.open(path, methods);
  open.push(socket);
  return socket;
}

/** What a client gets that says this, and then closes its side. */
async function conversation(words: string | Buffer): Promise<string> {
  const socket = connect({ path, allowHalfOpen: true });
  const heard: Buffer[] = [];
  socket.on('data', (chunk) => heard.push(chunk));
  socket.on('error', () => {});
  socket.end(words);
  await once(socket, 'close');
  return Buffer.concat(heard).toString();
}

describe('a call', () => {
  test('is answered', async () => {
    await serve();

    expect(await controlCall(path, 'add', { a: 2, b: 3 })).toBe(5);
    expect(await controlCall(path, 'nothing')).toBeNull();
  });

  test('a path that is too long is refused: Node would cut it and listen elsewhere', async () => {
    path = join(folder, 'n'.repeat(120));
    await expect(serve()).rejects.toMatchObject({ code: 'E_SOCKET', message: expect.stringContaining('at most 107') });
    expect(await readdir(folder)).toEqual([]);
  });

  test('an error of the world arrives with its code', async () => {
    await serve();

    await expect(controlCall(path, 'unknown')).rejects.toMatchObject({
      code: 'E_UNKNOWN_NID',
      message: 'no binding for 0:0:0:a1',
    });
  });

  test('a fault of ours is an answer too', async () => {
    await serve();

    await expect(controlCall(path, 'fault')).rejects.toMatchObject({ message: 'a fault of ours' });
    expect(await controlCall(path, 'add', { a: 1, b: 1 })).toBe(2);
  });

  test.each(['none', 'toString', '__proto__'])('an unknown method "%s" lists those there are', async (method) => {
    await serve();

    await expect(controlCall(path, method)).rejects.toMatchObject({
      code: 'E_USAGE',
      message: `no method "${method}"; there are add, nothing, long, unknown, fault, never`,
    });
  });

  test('an answer of megabytes arrives whole', async () => {
    await serve();

    expect(await controlCall(path, 'long')).toHaveLength(5 << 20);
  });

  test('answers longer than the kernel takes at once leave nothing behind on the connection', async () => {
    const warnings: Error[] = [];
    const warned = (warning: Error) => warnings.push(warning);
    process.on('warning', warned);
    await serve();
    const client = await ControlClient.connect(path);
    for (let i = 0; i < 15; i++) expect(await client.call('long')).toHaveLength(5 << 20);
    client.close();

    await new Promise(setImmediate);
    process.off('warning', warned);
    expect(warnings).toEqual([]);
  });

  test('many calls go over one connection', async () => {
    await serve();
    const client = await ControlClient.connect(path);
    let sum = 0;
    for (let i = 0; i < 200; i++) sum = (await client.call('add', { a: sum, b: i })) as number;
    client.close();

    expect(sum).toBe(19_900);
  });

  test('no answer in time is E_SOCKET', async () => {
    await serve();
    const client = await ControlClient.connect(path);

    await expect(client.call('never', {}, 50)).rejects.toMatchObject({
      code: 'E_SOCKET',
      message: `${path}: no answer within 50 ms`,
    });
  });

  test('a border that ends meanwhile is E_SOCKET', async () => {
    let asked = false;
    const server = await serve({
      never: () => {
        asked = true;
        return new Promise(() => {});
      },
    });
    const client = await ControlClient.connect(path);

    const answer = client.call('never').catch((error) => error);
    await vi.waitFor(() => expect(asked).toBe(true));
    await server.close();

    expect(await answer).toMatchObject({ code: 'E_SOCKET', message: expect.stringContaining('closed the connection') });
  });
});

describe('what netcat can say', () => {
  test('a request without an id; the answer comes though the client has closed its side', async () => {
    await serve();

    expect(await conversation('{"method":"add","params":{"a":1,"b":2}}\n')).toBe('{"id":null,"result":3}\n');
  });

  test('several lines at once, empty ones between them: answers in order', async () => {
    await serve();

    const answers = await conversation(
      '{"id":"x","method":"add","params":{"a":1,"b":2}}\n\n  \n{"id":2,"method":"nothing"}\r\n',
    );

    expect(answers).toBe('{"id":"x","result":3}\n{"id":2,"result":null}\n');
  });

  test.each(['hello', '[]', '{"id":1}', '{"method":5}', '{"method":"add","more":1}', '\u0000\u0001'])(
    'rubbish is E_USAGE and the next request is answered: %j',
    async (rubbish) => {
      await serve();

      const [first, second] = (await conversation(`${rubbish}\n{"id":2,"method":"nothing"}\n`)).split('\n');

      expect(JSON.parse(first!)).toMatchObject({ error: { code: 'E_USAGE' } });
      expect(second).toBe('{"id":2,"result":null}');
    },
  );

  test('a request without end is refused at the cap', async () => {
    await serve();

    const answer = await conversation(Buffer.alloc(4 * MAX_REQUEST, 0x7b));

    // The client may be cut off while it still sends: then the answer is lost, not the border.
    if (answer !== '') expect(answer).toContain('a request has at most 65536 octets');
    expect(await controlCall(path, 'add', { a: 1, b: 1 })).toBe(2);
  });

  test('clients that say nothing, half a line, or do not read, keep nobody waiting', async () => {
    await serve();
    const sockets: Socket[] = [];
    for (const words of ['', '{"method":', '{"method":"long"}\n'.repeat(50)]) {
      const socket = connect(path);
      socket.on('error', () => {});
      socket.write(words);
      socket.pause();
      sockets.push(socket);
    }

    expect(await controlCall(path, 'add', { a: 1, b: 1 })).toBe(2);
    for (const socket of sockets) socket.destroy();
  });

  test('there are 64 clients at most', async () => {
    await serve();
    const clients = await Promise.all(Array.from({ length: 64 }, () => ControlClient.connect(path)));
    await Promise.all(clients.map((client) => client.call('nothing')));

    expect(await conversation('')).toContain('E_FULL');
    for (const client of clients) client.close();
    await vi.waitFor(async () => expect(await controlCall(path, 'add', { a: 1, b: 1 })).toBe(2));
  });
});

describe('the socket file', () => {
  test('is only for its owner, in a folder that is made, and goes with the server', async () => {
    const server = await serve();
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect((await lstat(path)).isSocket()).toBe(true);

    await server.close();

    await expect(lstat(path)).rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('a second server is E_RUNNING and does not disturb the first', async () => {
    await serve();

    await expect(ControlSocket.open(path, {})).rejects.toMatchObject({
      code: 'E_RUNNING',
      message: `${path}: somebody answers there already`,
    });
    expect(await controlCall(path, 'add', { a: 1, b: 1 })).toBe(2);
  });

  test('one left behind by a killed border is replaced', async () => {
    await mkdir(join(folder, 'run'));
    spawnSync(process.execPath, [
      '-e',
      `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`,
    ]);
    expect((await lstat(path)).isSocket()).toBe(true);

    await serve();

    expect(await controlCall(path, 'add', { a: 1, b: 1 })).toBe(2);
  });

  test('a file that is no socket is left alone', async () => {
    path = join(folder, 'precious');
    await writeFile(path, 'data');

    await expect(serve()).rejects.toMatchObject({ code: 'E_SOCKET', message: `${path}: exists and is not a socket` });
    expect((await lstat(path)).isFile()).toBe(true);
  });
});

describe('no border there', () => {
  test('no socket: the message asks whether it is running and names the socket', async () => {
    await expect(controlCall(path, 'move')).rejects.toMatchObject({
      code: 'E_SOCKET',
      message: `${path}: no such socket; is ilnp running, and is this its socket?`,
    });
  });

  test('something else answers', async () => {
    path = join(folder, 'other.sock');
    const server = createServer((socket) => socket.end('220 smtp.example ESMTP\n'));
    server.listen(path);
    await once(server, 'listening');

    await expect(controlCall(path, 'move')).rejects.toMatchObject({
      code: 'E_SOCKET',
      message: `${path}: it answered something that is not ours`,
    });
    server.close();
  });
});
