import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { RestClient } from './rest-client.ts';

test('INV-11: a login in the address is sent, and shown in no error', async () => {
  const seen: (string | undefined)[] = [];
  const server = createServer((request, answer) => {
    seen.push(request.headers.authorization);
    answer.statusCode = request.headers.authorization === undefined ? 401 : 200;
    answer.end(answer.statusCode === 401 ? 'User cannot access the resource.' : '[]');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  try {
    const client = new RestClient(`http://alice:p%40ss:word@127.0.0.1:${port}/`);
    expect(await client.call('GET', '/connectors')).toEqual([]);
    expect(seen).toEqual([`Basic ${Buffer.from('alice:p@ss:word').toString('base64')}`]);
    await expect(new RestClient(`http://127.0.0.1:${port}`).call('GET', '/connectors')).rejects.toMatchObject(
      {
        message: 'User cannot access the resource.',
        fix: expect.stringContaining('USER:PASSWORD') as string,
      },
    );
  } finally {
    server.close();
    server.closeAllConnections();
  }
  await expect(new RestClient('http://alice:hunter2@127.0.0.1:1').call('GET', '/')).rejects.toSatisfy(
    (error) => !JSON.stringify(Object.entries(error as object)).includes('hunter2'),
  );
});
